"""The answers do not depend on the pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor
from ._parts import part, percent, untested

SOURCE = "Karpathy 2019, A Recipe: an input-independent baseline; TheDeepChecker: zeroed inputs"
LEVEL = "network"
EXPLAINS = (
    "rate_too_high", "loss_stuck", "dead_units", "vanishing", "underfitting", "updates_too_small",
    "rate_too_low", "stopped_too_early", "cannot_fit", "metric_disagrees", "bad_initialisation",
    "schedule_ends_wrongly", "below_published", "saturation", "modes_disagree", "examples_mix", "labels_shuffled",
    "labels_noisy",
)  # fmt: skip
NOTHING, SEEN = 1e-7, 1e-3
"""How far answers to several pictures lie apart: not at all; and so far that a fresh network saw the pictures, and
training lost them."""
HOWEVER = 2e-5
"""How far they lie apart at most with weights drawn by He et al. 2015 where the network is blind however it begins:
what rounding leaves of a norm over a single value is 3e-6. Where an activation shuts, it is another illness."""


def examine(case: Case) -> Finding | Unsure | None:
    found = part(case, "blind")
    if found is None:
        return untested(case, "blind", "whether pictures matter")
    known = (
        math.isfinite(found["apart"])
        and math.isfinite(found["gradient"])
        and case.record.status != "diverged"
    )
    # where something is drawn, the same draws give the same for pictures and for empty ones
    least = min(found["apart"], found.get("same_draws", math.inf))
    drawn = part(case, "drawn") or {}
    blind = drawn.get("lost") == "norm" and max(drawn["redrawn"], found["apart"], found["gradient"]) < HOWEVER
    if not known or not poor(case) or (not blind and (found["gradient"] > 0 or least > NOTHING)):
        return None
    outputs, where = part(case, "outputs"), part(case, "activity")
    if outputs is not None and outputs.get("zeros") == 1:
        return None  # the end itself gives nothing
    if found["apart"] <= NOTHING and not blind and (_has_died(case, where) or found.get("fresh", 0.0) > SEEN):
        return None  # an illness of its own
    return Finding(
        "input_ignored",
        "error",
        f"The network says the same of all {found['count']} pictures, and its loss does not change with any pixel."
        if found["apart"] <= NOTHING or blind
        else f"With the same draws the network says the same of {found['count']} pictures as of empty ones, and its "
        "loss does not change with any pixel: what it sees is drawn, and not the picture.",
        (
            Evidence(
                f"{percent(found['accuracy'])} are right, and {percent(found['empty'])} with empty pictures; the "
                f"gradient at the pixels is {found['gradient']:.3g}.",
                dict(found),
            ),
            *_place(where),
        ),
        "Nothing of the picture reaches the answer: a branch that is not used, a multiplication by 0, or a cut "
        "graph.",
        Cure(
            "Look at what comes before the first layer that gives the same for all pictures, and follow a "
            "picture there (foveal explain activations RUN). It may be a kernel or a factor of 0, a clamp "
            "between the wrong bounds, or a tensor made anew (`torch.zeros_like(x)`) that goes on in the "
            "place of x."
        ),
        confidence=0.98,
        direct=True,
    )


def _has_died(case: Case, where: Mapping[str, Any] | None) -> bool:
    """Whether pictures are lost in an activation that has died or is at its limits, or in a kernel that has gone to
    0."""
    if where is not None and where["first"]:
        shut = bool(where.get("zero")) and where["kind"] not in ("conv", "linear", "norm")
        return where["kind"] in ("rectifier", "squash") or bool(where["empty"]) or shut
    inside = [layer for layer in case.layers if case.kinds.get(layer) == "rectifier"]
    return any(
        own.get("dead", 0) >= 1
        for sight in case.sights[-3:]
        for name, own in sight.layers.items()
        if name in inside
    )


def _place(where: Mapping[str, Any] | None) -> tuple[Evidence, ...]:
    if where is None or not where["first"]:
        return ()
    return (
        Evidence(
            f"Of {where['layers']} layers {where['first']}, number {where['place'] + 1} in the pass, is the first that "
            f"gives the same for all of {where['count']} pictures.",
            {"place": where["place"]},
            layers=(where["first"],),
        ),
    )
