"""The weights were drawn so that the network cannot begin to learn: all alike, far too large, or far too small."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median

from ...events import Watched
from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import guess, poor, result, stuck
from ._inside import first, given, kernels, named
from ._parts import part
from ._rates import from_scratch, option

SOURCE = (
    "He et al. 2015, Delving Deep into Rectifiers (each layer keeps the size of what it is given); Karpathy 2019: "
    "the loss at the start is a guess's, ln C. Ours: ten times a guess's loss, a median gain below 0.15, constant "
    "kernels; and outputs that tell pictures apart less than a thousandth as well as with other weights"
)
LEVEL = "network"
EXPLAINS = (
    "exploding", "vanishing", "dead_units", "saturation", "not_finite", "loss_stuck", "updates_too_large",
    "updates_too_small", "rate_too_high", "rate_too_low", "oscillation", "underfitting", "stopped_too_early",
    "schedule_ends_wrongly", "metric_disagrees", "overfitting", "cannot_fit", "clipping_too_strong",
)  # fmt: skip
SAME, TIMES, ALIKE = 0.02, 10.0, 0.003
DEEP, FEW = 6, 4
STRANGE_INPUT = 10.0
"""Where the input spreads by more than this, or less than its inverse, it is the input that is wrong."""
Told = tuple[str, Evidence, str]
_ALIKE = (
    "Channels that begin alike see the same, are moved alike, and stay alike: the layer is one channel, however many "
    "it has. Only random weights tell them apart."
)


def examine(case: Case) -> Finding | Unsure | None:
    if not from_scratch(case) or not _hurt(case):
        return None
    seen = first(case)
    if seen is None:
        return Unsure("The first steps were not watched: train again with this version to see how it began.")
    if _strange_input(case):
        return None
    again = _beside(case)
    found = _constant(case, seen) or again or _large(case, seen) or _small(case, seen)
    if found is None:
        return None
    says, evidence, cause = found
    return Finding(
        "bad_initialisation",
        "error" if stuck(case) else "warning",
        f"{says}; {result(case)}.",
        (evidence,),
        cause,
        Cure(
            "Draw the weights anew, each layer's by what it is given (He et al. 2015 for rectifiers, Glorot & "
            "Bengio 2010 for sigmoids and tangents), with biases 0; or put a norm after each convolution.",
            repairs=("redraw",),
        ),
        confidence=0.92,
        direct=again is not None,
    )


LESS, MORE = 1e-3, 20.0
"""Times the deviation between pictures that outputs have with weights drawn by He et al. 2015: below, next to nothing
of a picture arrives, and above, the network shouts. On 81 sound runs 0.007 to 2.4."""


def _beside(case: Case) -> Told | None:
    """A fresh network tells pictures apart far less than with other weights, or has channels that begin alike."""
    found = part(case, "drawn")
    if found is None:
        return None
    same = tuple(found["alike"])
    if len(same) >= 2 and len(same) >= found["kernels"] / 2:
        says = f"All channels of {named(same)} begin alike"
        evidence = Evidence(
            f"In a fresh network {len(same)} of {found['kernels']} kernels are the same in each channel.",
            dict(found),
            layers=same[:8],
        )
        return says, evidence, _ALIKE
    own, due = found["own"], found["redrawn"]
    lost, loud = own < LESS * due, own > MORE * due > 0
    if not lost and not loud:
        return None
    says = (
        f"A fresh network's answers to {found['count']} pictures differ by {own:.2g}, and by {due:.2g} with its "
        f"weights drawn by He et al. 2015: {'pictures are lost on their way' if lost else 'they are far too large'}"
    )
    evidence = Evidence(
        "Median over the outputs of their deviation between pictures, in training mode.",
        dict(found),
        layers=_inside(case)[:8],
    )
    cause = (
        "How weights and biases begin decides whether anything passes, forth and back: where each layer hands on a "
        "small part of the differences between pictures, or what comes is all below 0, no gradient can use the rest."
        if lost
        else "Each layer makes what it is given larger, and the factors multiply. An untrained network that is as sure "
        "as can be, and wrong, has first gradients that destroy what could be learned."
    )
    return says, evidence, cause


def _hurt(case: Case) -> bool:
    return poor(case, 0.15) or case.setbacks > 0 or case.record.status == "diverged"


def _row(seen: Watched, layer: str) -> Mapping[str, float]:
    return seen.layers.get(layer, {})


def _inside(case: Case) -> tuple[str, ...]:
    """Layers with a kernel but for the last, the head, which may well begin at 0."""
    return kernels(case)[:-1]


def _strange_input(case: Case) -> bool:
    """Whether the first layer is given something of an odd size, or nothing at all."""
    spread = given(case)
    return spread is not None and not 1 / STRANGE_INPUT <= spread <= STRANGE_INPUT


def _constant(case: Case, seen: Watched) -> Told | None:
    layers = kernels(case)
    spreads = {
        n: (row["weight_std"], abs(row["weight_mean"]))
        for n in layers
        if "weight_std" in (row := _row(seen, n))
    }
    same = tuple(n for n, (std, mean) in spreads.items() if mean > 0 and std <= SAME * mean)
    if len(same) < 2 or len(same) < len(spreads) / 2:
        return None
    says = f"The weights of {named(same)} all began at the same value"
    evidence = Evidence(
        f"At step {seen.step} {len(same)} of {len(spreads)} kernels hardly vary: mean {spreads[same[0]][1]:.3g}, "
        f"standard deviation {spreads[same[0]][0]:.1g} in {same[0]}.",
        {"mean": [spreads[n][1] for n in same], "std": [spreads[n][0] for n in same]},
        layers=same[:8],
    )
    return says, evidence, _ALIKE


def _large(case: Case, seen: Watched) -> Told | None:
    blind = guess(case)
    start = next((step.loss for step in case.record.steps), seen.loss)
    start = seen.loss if seen.step <= 1 else start
    spread = seen.norms.get("outputs_std")
    gains = [g for n in _inside(case) if (g := _row(seen, n).get("forward_gain")) is not None]
    if blind is None or not start > TIMES * blind:
        return None
    too_much = (
        f"; a layer makes what it is given {median(gains):.3g} times as large (median)" if gains else ""
    )
    says = f"The loss began at {start:.3g}, and a guess's is {blind:.2f}: the weights are far too large"
    evidence = Evidence(
        f"First loss {start:.4g}, {start / blind:.3g} times that of a guess"
        + (f"; outputs spread by {spread:.3g}" if spread is not None else "") + f"{too_much}.",
        {"loss": start, "guess": blind, "outputs_std": spread, "gains": gains},
        layers=_inside(case)[:8],
    )  # fmt: skip
    return (
        says,
        evidence,
        (
            "An untrained network should say nothing for sure: about the same for every class, a loss of ln C. "
            "This one is as sure as can be and wrong, so its first gradients are as large as its outputs, and "
            "destroy what could be learned."
        ),
    )


def _small(case: Case, seen: Watched) -> Told | None:
    """All pictures look the same at the end. In deep networks that is the many layers' doing (`vanishing`)."""
    inside = _inside(case)
    if not poor(case, 0.4) or not inside or len(inside) >= DEEP or (option(case, "batch") or 0) < FEW:
        return None
    alike = {n: a for n in inside if (a := _row(seen, n).get("alike")) is not None}
    gains = {
        n: g for n in inside if (g := _row(seen, n).get("forward_gain")) is not None and math.isfinite(g)
    }
    if inside[-1] not in alike or alike[inside[-1]] >= ALIKE:
        return None
    last = inside[-1]
    says = f"Only {100 * alike[last]:.1g} % of what reaches the head differs between pictures: weights are too small"
    evidence = Evidence(
        f"At step {seen.step} {100 * alike[last]:.1g} % of the variance of what {last} gives was between pictures; "
        f"layers made what they were given {', '.join(f'{gain:.2g}' for gain in gains.values())} times as large.",
        {"alike": alike, "gains": gains},
        layers=inside[:8],
    )
    cause = (
        "Each layer makes the differences between pictures smaller, and the factors multiply, while biases stay: all "
        "pictures look the same at the end, and the gradient on its way back shrinks as much."
    )
    return says, evidence, cause
