"""What published thresholds say of the same records: re-implementations, on the numbers that our watch takes.

Of each system those rules are here whose numbers a record has; none is the authors' own code.
DeepDiagnosis (Wardat et al. 2022): its callbacks. AutoTrainer (Zhang et al. 2021): its monitor.py. UMLAUT (Schoop et
al. 2021): its heuristics.py. TheDeepChecker (Braiek & Khomh 2023): its settings.yaml. SageMaker Debugger: its
built-in rules' documentation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

from foveal.doctor.case import Case


def deepdiagnosis(case: Case) -> Iterator[str]:
    """Dead node: 70 % of a rectifier's outputs are 0 in the last epoch. Saturated: half of a squashing layer at its
    limits. Vanishing: mean size of a layer's gradient below 1e-7. Accuracy constant over 20 epochs."""
    for layer, kind in case.kinds.items():
        zero = _last(case, "out_zero", layer)
        if kind == "rectifier" and zero is not None and zero >= 0.7:
            yield "dead node"
        shut = _last(case, "saturated", layer)
        if kind == "squash" and shut is not None and shut > 0.5:
            yield "saturated"
    for layer in case.layers:
        grad = _last(case, "grad_rms", layer)
        if grad is not None and grad < 1e-7:
            yield "vanishing"
    if case.setbacks:
        yield "numerical error"


def autotrainer(case: Case) -> Iterator[str]:
    """Vanishing and exploding by the first and last layers' gradients, dying rectifiers by 70 % of zero gradients,
    oscillating loss, slow convergence."""
    norms = [n for n in (_last(case, "grad_norm", layer) for layer in case.layers) if n is not None]
    if len(norms) > 1 and norms[-1] > 0:
        ratio = norms[0] / norms[-1]
        if ratio < 1e-3 and norms[0] < 1e-4:
            yield "vanishing"
        if ratio > 70:
            yield "exploding"
    if case.setbacks:
        yield "exploding"
    zero = [z for z in (_last(case, "grad_zero", layer) for layer in case.layers) if z is not None]
    if zero and max(zero) >= 0.7:
        yield "dying ReLU"
    scores = [score.value for score in case.headlines]
    turns = sum(b < a - 0.03 for a, b in pairwise(scores))
    if scores and turns >= 0.2 * len(scores):
        yield "oscillating"
    if len(scores) > 1 and max(b - a for a, b in pairwise(scores)) < 0.01:
        yield "slow convergence"
    if len(scores) > 2 and scores[-1] < 0.6:
        yield "not converged"


def umlaut(case: Case) -> Iterator[str]:
    """Input outside -1 to 1, lr above 0.01 or below 1e-7, dropout above 0.5, validation loss up while training loss
    is down in one epoch, validation accuracy above 95 % after the third epoch."""
    told = case.record.options.get("preprocessing") or {}
    for mean, std in zip(told.get("mean", ()), told.get("std", ()), strict=False):
        if min(-mean / std, -1.0) < -1 or (1 - mean) / std > 1:
            yield "input exceeds [-1, 1]"
    lr = case.options.get("lr")
    if lr is not None and not 1e-7 <= lr <= 0.01:
        yield "learning rate"
    if (case.options.get("dropout") or 0.0) > 0.5:
        yield "dropout"
    pairs = list(zip(case.train_losses, case.losses, strict=False))
    if any(b[1] > a[1] and b[0] < a[0] for a, b in pairwise(pairs)):
        yield "overfitting"
    if any(score.value > 0.95 for score in case.headlines[3:]):
        yield "high validation accuracy"


def deepchecker(case: Case) -> Iterator[str]:
    """Outputs' deviation outside 0.5 to 2, update ratios outside 1e-4 to 1e-1, loss at first away from ln C, half
    of a layer's units dead."""
    for layer, kind in case.kinds.items():
        std = _last(case, "out_std", layer)
        if kind in ("rectifier", "squash", "smooth") and std is not None and not 0.5 <= std <= 2:
            yield "activation range"
        dead = _last(case, "dead", layer)
        if dead is not None and dead > 0.5:
            yield "dead activation"
    for layer in case.layers:
        ratios = [value for _, value in case.series("update_ratio", layer)]
        if len(ratios) >= 5 and all(r <= 0 or not -4 <= math.log10(r) <= -1 for r in ratios[-5:]):
            yield "update ratio"
    classes = len(case.record.labels)
    if case.sights and classes > 1 and abs(case.sights[0].loss - math.log(classes)) > math.log(classes):
        yield "initial loss"


def sagemaker(case: Case) -> Iterator[str]:
    """Half of a layer's units dead, mean gradient below 1e-7, loss that fell by less than 0.1 % in ten steps, a loss
    in validation more than a tenth above that in training."""
    for layer in case.layers:
        dead, grad = _last(case, "dead", layer), _last(case, "grad_rms", layer)
        if dead is not None and dead > 0.5:
            yield "dead relu"
        if grad is not None and grad < 1e-7:
            yield "vanishing gradient"
    if case.setbacks:
        yield "exploding tensor"
    steps = [step.loss for step in case.record.steps]
    if any(b > 0.999 * a for a, b in zip(steps, steps[10:], strict=False)):
        yield "loss not decreasing"
    if any(a > 0 and (b - a) / a > 0.1 for a, b in zip(case.train_losses, case.losses, strict=False)):
        yield "overfit"


def _last(case: Case, measure: str, layer: str) -> float | None:
    """The measure at the last look."""
    series = case.series(measure, layer)
    return series[-1][1] if series else None


SYSTEMS: dict[str, Callable[[Case], Iterator[str]]] = {
    "DeepDiagnosis": deepdiagnosis, "AutoTrainer": autotrainer, "UMLAUT": umlaut, "TheDeepChecker": deepchecker,
    "SageMaker Debugger": sagemaker,
}  # fmt: skip


def alarms(case: Case) -> dict[str, list[str]]:
    """What each system says, without repetition."""
    return {name: sorted(set(rules(case))) for name, rules in SYSTEMS.items()}
