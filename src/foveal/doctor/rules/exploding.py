"""Signals or gradients grow from layer to layer, or from step to step, by orders of magnitude."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import result, stuck
from ._inside import BEGUN, FEWEST, kernels, measured, named, whole

SOURCE = (
    "Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks; AutoTrainer (Zhang "
    "et al. 2021) alarms where the first layer's gradient is 70 times the last's, which is common in sound "
    "networks: here a thousand times, and harm. The growth over time is TheDeepChecker's (Braiek & Khomh 2022)"
)
LEVEL = "network"
EXPLAINS = (
    "not_finite", "oscillation", "loss_stuck", "updates_too_large", "dead_units", "saturation", "cannot_fit",
)  # fmt: skip
THROUGH, OVER_TIME = 1e3, 1e3
"""How many times as large something must become, through the layers or over time."""


def examine(case: Case) -> Finding | Unsure | None:
    hurt = case.setbacks > 0 or case.record.status == "diverged" or stuck(case)
    if not hurt:
        return None
    if not case.sights:
        return Unsure("Nothing was watched inside the network: train again with this version to see it grow.")
    found = _backward(case) or _forward(case) or _over_time(case)
    if found is None:
        return None
    says, evidence, cause = found
    return Finding(
        "exploding",
        "error",
        f"{says}; {result(case)}.",
        (evidence,),
        cause,
        Cure(
            "Draw the weights so that each layer keeps the size of what it is given (He et al. 2015), put a norm "
            "after each convolution, or shorten long gradients.",
            {"clip": 1.0},
        ),
        confidence=0.85,
    )


def _early(case: Case, layer: str, measure: str) -> float | None:
    """A measure while weights are as they were drawn."""
    values = measured([s for s in case.sights if s.step <= BEGUN], layer, measure)
    return max(values) if values else None


def _sides(case: Case, measure: str) -> tuple[list[tuple[str, float]], float, float] | None:
    told = [(name, _early(case, name, measure)) for name in kernels(case)]
    known = [
        (name, value) for name, value in told if value is not None and math.isfinite(value) and value > 0
    ]
    if len(known) < FEWEST:
        return None
    return known, known[0][1], known[-1][1]


Found = tuple[str, Evidence, str]


def _backward(case: Case) -> Found | None:
    sides = _sides(case, "grad_rms")
    if sides is None or sides[1] < THROUGH * sides[2]:
        return None
    known, early, late = sides
    layers = (known[0][0], known[-1][0])
    says = f"On its way back through {len(known)} layers the gradient grows {early / late:,.0f} times"
    evidence = Evidence(
        f"At the first looks the gradient of {layers[0]} was {early:.2g} (root mean square), that of {layers[1]} "
        f"{late:.2g}.",
        {"first": early, "last": late, "times": early / late},
        layers=layers,
    )
    cause = (
        "Each layer multiplies what passes back by its weights. Where that factor is above 1 it is raised to the "
        "power of the number of layers, and the early layers are moved much too far by every step."
    )
    return says, evidence, cause


def _forward(case: Case) -> Found | None:
    sides = _sides(case, "out_std")
    if sides is None or sides[2] < THROUGH * max(1.0, sides[1]):
        return None
    known, early, late = sides
    grown = tuple(name for name, value in known if value > THROUGH)
    says = f"What passes through the network grows from {early:.2g} to {late:.2g} (standard deviation)"
    evidence = Evidence(
        f"At the first looks the outputs of {known[0][0]} spread by {early:.2g}, those of {known[-1][0]} by "
        f"{late:.2g}.",
        {"first": early, "last": late, "outputs": [value for _, value in known]},
        layers=grown[:8],
    )
    cause = (
        "Each layer makes what it is given larger, and the factors multiply. The last outputs are then so large that "
        "the loss hardly depends on the input, and its gradients are as large as they."
    )
    return says, evidence, cause


def _over_time(case: Case) -> Found | None:
    norms = [n for n in whole(case.sights, "grad_norm") if n > 0]
    if len(norms) < 2 * FEWEST:
        return None
    start = _median(norms[:FEWEST])
    top = max(norms[FEWEST:])
    losses = [s.loss for s in case.sights]
    grown = top > OVER_TIME * start or not math.isfinite(top)
    if not grown or not max(losses[FEWEST:]) > 2 * _median(losses[:FEWEST]):
        return None
    layers = tuple(
        n for n in kernels(case) if (v := measured(case.sights, n, "grad_norm")) and max(v) > 0.3 * top
    )
    says = f"The gradient grew from {start:.2g} at the start to {top:.2g}"
    evidence = Evidence(
        f"Length of the gradient: {start:.2g} at the first looks, {top:.2g} at its longest"
        + (f", most of it in {named(layers)}." if layers else "."),
        {"first": start, "longest": top},
        layers=layers[:8],
    )
    cause = (
        "A long step led to where the loss is steeper still, and the next one farther. Without a norm or a limit "
        "nothing holds this back."
    )
    return says, evidence, cause


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
