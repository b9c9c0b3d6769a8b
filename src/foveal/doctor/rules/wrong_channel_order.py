"""Red and blue stand in each other's place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._parts import part, percent, untested

SOURCE = "McNemar's test on validation pictures with their channels turned round; own measurement"
LEVEL = "input"
EXPLAINS = (
    "labels_swapped", "split_preprocessing", "metric_disagrees", "overfitting", "below_published",
    "wrong_preprocessing", "stopped_too_early", "modes_disagree", "underfitting", "suspiciously_good",
)  # fmt: skip
LEAST = 0.04
APART = 0.05
"""Deviations by which channels' means must differ to say in which order they stand."""


def _is_neither(found: Mapping[str, Any]) -> bool:
    """Whether training gives pictures in neither order: what varies them mixes their colours, and a network that has
    learned that is often better with any other colours."""
    given, own = found["varied"], found["plain"]
    size = max(1e-6, max(own["std"]))
    kept, turned = (
        max(abs(a - b) for a, b in zip(given["mean"], means, strict=True)) / size
        for means in (own["mean"], own["mean"][::-1])
    )
    return bool(min(kept, turned) > APART and max(kept, turned) < 2 * min(kept, turned))


def examine(case: Case) -> Finding | Unsure | None:
    found = part(case, "inputs")
    if found is None:
        return untested(case, "inputs", "what the network is given")
    if "swapped" not in found:
        return None
    gained, lost = found["only_swapped"], found["only_plain"]
    gain = found["swapped"] - found["accuracy"]
    if gain < LEAST or gained - lost < 2.6 * math.sqrt(max(1, gained + lost)) or _is_neither(found):
        return None
    return Finding(
        "wrong_channel_order",
        "error",
        f"With red and blue exchanged the network is right for {percent(found['swapped'])} of {found['judged']} "
        f"validation pictures, and as they are given for {percent(found['accuracy'])}.",
        (
            Evidence(
                f"{gained} pictures are right only with their channels turned round, {lost} only as they are.",
                {k: found[k] for k in ("accuracy", "swapped", "only_swapped", "only_plain", "judged")},
            ),
        ),
        "Some libraries read pictures as blue, green, red. A network that learned on one order sees strange "
        "colours in the other, and no error is raised.",
        Cure(
            "Give the channels in one order, red first, wherever pictures are read: PIL has it so; behind "
            "cv2.imread write `image[..., ::-1]` or `cv2.cvtColor(image, cv2.COLOR_BGR2RGB)`, once."
        ),
        confidence=0.9,
    )
