"""The loss beside one made apart, answer by answer, at several sizes of a batch; and what of the answers is judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...values import Batch, Step
from ..patient import Patient

SOURCE = (
    "the loss that the run names, written anew; Karpathy 2019, A Recipe: verify the loss; CS231n: gradient checks; "
    "TheDeepChecker (Braiek & Khomh 2022): cross-entropy over the wrong axis, which a square batch does not refuse"
)
QUICK = True
LARGEST = 512
NOTHING = 1e-9
ALIKE = 0.99
"""Cosine from which two gradients are of the same loss."""


class Answers(nn.Module):
    """A network that gives these outputs, whatever it is asked, and has a weight that they do not depend on."""

    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs, self.aside = nn.Parameter(outputs), nn.Parameter(torch.ones(8))

    def forward(self, images: Tensor) -> Tensor:
        return self.outputs * 1.0


def measure(patient: Patient) -> dict[str, Any] | None:
    """`rows`: by size of the batch, how the gradient of the loss in training lies to that of the loss that the run
    names. None where the run names a loss that is not known here."""
    task, labels = patient.task, len(patient.task.labels)
    if task.name not in ("classify", "multilabel") or labels < 2:
        return None
    if getattr(task, "loss", "") not in ("cross-entropy", "bce"):
        return None
    sizes = sorted({2 * labels + 3, max(2, labels), min(LARGEST, max(2, int(patient.fit.batch)))})
    return {"labels": labels, "rows": [_compared(patient, size, labels) for size in sizes]}


def _compared(patient: Patient, size: int, labels: int) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(size)
    given = torch.randn(size, labels, generator=draw)
    truths = torch.arange(size)[torch.randperm(size, generator=draw)] % labels
    if patient.task.name == "multilabel":
        truths = (torch.rand(size, labels, generator=draw) < 0.35).float()
    network = Answers(given.clone()).train()
    batch = Batch(torch.zeros(size, 1, 1, 1), truths, [str(n) for n in range(size)])
    made = patient.task.step(network, batch)
    own, aside = torch.autograd.grad(
        made.loss, [network.outputs, network.aside], allow_unused=True, materialize_grads=True
    )
    value, wanted = _named(patient, given, truths)
    length = max(NOTHING, float(wanted.norm()))
    return {
        "size": size,
        "loss": float(made.loss.detach()),
        "wanted": value,
        "cosine": _cosine(own, wanted),
        "times": float(own.norm()) / length,
        "silent": float(((own.abs().amax(1) < NOTHING) & (wanted.abs().amax(1) > NOTHING)).float().mean()),
        "silent_labels": int(((own.abs().amax(0) < NOTHING) & (wanted.abs().amax(0) > NOTHING)).sum()),
        "spread": _spread(own, wanted),
        "aside": float(aside.norm()) / max(NOTHING, float(own.norm())),
        "like": _like(patient, own, given, truths),
        **_judged(patient, given, batch, made),
    }


def _named(patient: Patient, given: Tensor, truths: Tensor) -> tuple[float, Tensor]:
    """The loss that the run names, with its smoothing and weights, and its gradient."""
    task: Any = patient.task
    answers = given.clone().requires_grad_()
    loss = _loss(task, answers, truths)
    (gradient,) = torch.autograd.grad(loss, [answers])
    return float(loss.detach()), gradient


def _loss(task: Any, answers: Tensor, truths: Tensor) -> Tensor:
    smoothing, weights = float(task.label_smoothing), tuple(task.class_weights)
    if task.name == "multilabel":
        factors = torch.tensor(weights) if weights else None
        wanted = truths * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(answers, wanted, pos_weight=factors)
    shares = F.one_hot(truths, answers.shape[1]).float()
    shares = shares * (1 - smoothing) + smoothing / answers.shape[1]
    if task.loss == "bce":
        each = F.binary_cross_entropy_with_logits(answers, shares, reduction="none").mean(1)
    else:
        each = -(shares * answers.log_softmax(1)).sum(1)
    return (each * torch.tensor(weights)[truths]).mean() if weights else each.mean()


def _cosine(one: Tensor, other: Tensor) -> float:
    return float((one * other).sum() / (one.norm() * other.norm()).clamp_min(1e-30))


def _spread(own: Tensor, wanted: Tensor) -> float:
    """How many times as long one answer's gradient is beside its due as another's: 1 where all count alike."""
    shares = own.norm(dim=1) / wanted.norm(dim=1).clamp_min(1e-30)
    shares = shares[shares > 0]
    return float(shares.max() / shares.min()) if len(shares) else 0.0


def _like(patient: Patient, own: Tensor, given: Tensor, truths: Tensor) -> str:
    """Which mistaken loss has this gradient, of some that are often made; empty where none."""
    if patient.task.name != "classify":
        return ""
    found: Mapping[str, Tensor] = _mistaken(given, truths)
    close = {name: _cosine(own, gradient) for name, gradient in found.items()}
    best = max(close, key=lambda name: close[name])
    return best if close[best] > ALIKE else ""


def _mistaken(given: Tensor, truths: Tensor) -> dict[str, Tensor]:
    count, labels = given.shape
    hot = F.one_hot(truths, labels).float()
    shares, over = given.softmax(1), given.softmax(0)
    answers = given.clone().requires_grad_()
    squares = (answers.softmax(1) - hot).square().mean()
    twice = F.cross_entropy(answers.softmax(1), truths)
    made = {
        "turned": hot - shares,  # the sign
        "the class after": shares - hot.roll(1, 1),
        "the class before": shares - hot.roll(-1, 1),
        "the answer before": shares - hot.roll(1, 0),
        "the next answer": shares - hot.roll(-1, 0),
        "over the answers": over * hot.sum(0) - hot,
        "squares": torch.autograd.grad(squares, [answers])[0],
        "squares of scores": given - hot,
        "a softmax twice": torch.autograd.grad(twice, [answers])[0],
        "sigmoids": given.sigmoid() - hot,
    }
    if count == labels:
        made["classes and answers exchanged"] = over - hot.T
    return made


def _judged(patient: Patient, given: Tensor, batch: Batch, made: Step) -> dict[str, float]:
    """How many of the answers are judged, in training and in evaluation, as what they are."""
    with torch.no_grad():
        still = patient.task.step(Answers(given.clone()).eval(), batch)
    told = {}
    for name, step in (("kept_in_training", made), ("kept", still)):
        outputs = step.outputs
        if isinstance(outputs, Tensor) and outputs.shape == given.shape:
            told[name] = float((outputs.detach().argmax(1) == given.argmax(1)).float().mean())
    return told
