"""Pictures are given to the network as they are, not normalised as its card says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor
from ._parts import part, untested
from ._range import off_the_card, state

SOURCE = "LeCun et al. 1998, Efficient BackProp; DeepLocalize's programs without /255; own bounds"
LEVEL = "input"
EXPLAINS = (
    "loss_stuck", "exploding", "not_finite", "dead_units", "saturation", "bad_initialisation",
    "rate_too_high", "oscillation", "underfitting", "updates_too_large", "updates_too_small",
    "rate_too_low", "stopped_too_early", "vanishing", "overfitting", "schedule_ends_wrongly",
    "metric_disagrees", "below_published", "split_preprocessing", "cannot_fit", "wrong_preprocessing",
    "batchnorm_stale", "input_ignored", "frozen_by_mistake",
)  # fmt: skip


def examine(case: Case) -> Finding | Unsure | None:
    found = part(case, "inputs")
    if found is None:
        return untested(case, "inputs", "what the network is given")
    states = {name: state(case, name) for name in ("varied", "plain", "val")}
    if "twice" not in states.values() and (said := _otherwise(case, found)) is not None:
        return said
    ill = {name for name, what in states.items() if what in ("bytes", "never", "flat", "wide")}
    if "varied" not in ill or not _all_alike(states):
        return None  # where training pictures are well prepared, only evaluation is ill
    if states["varied"] == "wide" and states["plain"] != "wide":
        return None  # what varies training pictures adds to them
    return _finding(found, "the run says that mean and deviation of its data were taken out")


def _finding(found: Mapping[str, Any], but: str) -> Finding:
    seen = found["plain"]
    return Finding(
        "input_not_normalised",
        "error",
        f"The network is given values from {seen['low']:.3g} to {seen['high']:.3g}: pictures that were not "
        "normalised.",
        (
            Evidence(
                f"Their mean is {seen['mean'][0]:.3g} and their deviation {seen['std'][0]:.3g} in the first "
                f"channel; {but}.",
                {k: found[k] for k in ("varied", "plain", "val")},
            ),
        ),
        "Large inputs that are all of one sign make the first layer's gradients large and alike: weights swing "
        "together, or rectifiers die.",
        Cure(
            "Normalise before the network sees a picture: `x = (x.float() / 255 - mean) / std`, with mean "
            "and std of the training pictures in the same scale, 0 to 1. Where this is done already, look "
            "whether `/ 255` is missing, or stands there twice, and whether mean and std are those of "
            "shades up to 255."
        ),
        confidence=0.95,
    )


def _all_alike(states: Mapping[str, Any]) -> bool:
    return states["val"] in (states["varied"], states["plain"])


WIDE, FLAT = 10.0, 0.03
"""Deviations of what the network is given that are far from 1, whatever the card says; or so many of them off 0."""


def _otherwise(case: Case, found: Mapping[str, Any]) -> Finding | None:
    """All pictures are given otherwise than the card says, or by a card that brings them nowhere near 0 and 1."""
    if not poor(case, 0.05):
        return None
    ways = [off_the_card(found, name) for name in ("varied", "plain", "val")]
    if all(ways) and not any("something else" in how for how in ways):
        return _finding(found, f"beside what the run's card makes of the same pixels, {ways[1]}")
    if all(_is_far(found[name]) for name in ("varied", "plain", "val")):
        return _finding(found, "inputs near mean 0 and deviation 1 are what weights are drawn for")
    return None


def _is_far(seen: Mapping[str, Any]) -> bool:
    """Whether these are values that no weights are drawn for."""
    off, spread = max(abs(mean) for mean in seen["mean"]), max(seen["std"])
    return bool(off > WIDE * max(1e-9, spread) or spread > WIDE or spread < FLAT)
