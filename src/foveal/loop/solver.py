"""A head fitted to features that do not change: a small convex problem, solved instead of stepped through."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..contracts import Task
from ..values import Batch, Evaluation
from .frozen import Seen

SOURCE = (
    "L-BFGS: Liu & Nocedal 1989; on fixed features, its L2 chosen by validation: Kornblith et al. 2019, "
    "section 3 and appendix A.5"
)
STRENGTHS = tuple(10.0**power for power in (-1, -2, -3, -4, -5))
"""L2 regularisation, strongest first, relative to the features' mean square: each solution begins at the one
before, and the search ends when validation has become worse twice."""
ITERATIONS = 60
WORSE = 2


@dataclass(frozen=True)
class Solution:
    """How good the head became: its loss in training, its judgement on validation, and the L2 chosen."""

    loss: float
    judged: Evaluation
    strength: float


def solve(head: nn.Module, task: Task, train: Seen, check: Seen, device: str) -> Solution:
    """Fit `head` to the features and truths of `train`, with the L2 regularisation that `check` likes best.

    The loss is the task's own, over all pictures at once. Its parameters are left at the best solution; where
    no solution is finite, at their old values, with a loss that is infinite. Modes are as before afterwards.
    """
    training = head.training
    whole, held = (_placed(seen, device) for seen in (train, check))
    scale = whole.images.square().mean().item() or 1.0
    first = copy.deepcopy(head.state_dict())
    best: Solution | None = None
    kept, worse = first, 0
    for strength in STRENGTHS if torch.isfinite(whole.images).all() else ():
        loss = _descend(head, task, whole, strength * scale)
        if not math.isfinite(loss):
            head.load_state_dict(first)
            continue
        found = Solution(loss, _judged(head, task, held), strength)
        if best is None or _loss(found) < _loss(best):
            best, kept, worse = found, copy.deepcopy(head.state_dict()), 0
        else:
            worse += 1
            if worse == WORSE:
                break
    head.load_state_dict(kept)
    if best is None:
        best = Solution(math.inf, _judged(head, task, held), 0.0)
    head.train(training)
    return best


def _descend(head: nn.Module, task: Task, whole: Batch, decay: float) -> float:
    """L-BFGS with a strong Wolfe search, to its end; the loss without the decay's share."""
    parameters = [p for p in head.parameters() if p.requires_grad]
    kernels = [p for p in parameters if p.dim() > 1]
    descent = torch.optim.LBFGS(
        parameters,
        max_iter=ITERATIONS,
        tolerance_grad=1e-5,
        tolerance_change=1e-7,
        line_search_fn="strong_wolfe",
    )
    head.train()
    _without_chance(head)

    def closure() -> Tensor:
        descent.zero_grad()
        total = task.step(head, whole).loss + 0.5 * decay * sum(p.square().sum() for p in kernels)
        torch.autograd.backward(total)
        return total

    descent.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return float(task.step(head, whole).loss)


def _without_chance(head: nn.Module) -> None:
    """No dropout: a line search wants the same loss at the same place."""
    for module in head.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()


def _judged(head: nn.Module, task: Task, held: Batch) -> Evaluation:
    head.eval()
    meter = task.meter()
    with torch.inference_mode():
        meter.add(task.step(head, held), held)
    return meter.result("val")


def _loss(found: Solution) -> float:
    return found.judged.metrics.get("loss", math.inf)


def _placed(seen: Seen, device: str) -> Batch:
    batch = Batch(seen.activations.float(), seen.truths, seen.ids)
    return batch.moved(lambda tensor: tensor.to(device))
