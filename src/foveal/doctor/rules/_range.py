"""How what a network is given lies to what its preprocessing allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..case import Case
from ._parts import part

ROOM = 0.35
"""Deviations beyond what pictures from 0 to 1 can give: resizing overshoots a little."""
FLAT = 0.01
"""Share of the range from black to white below which pictures hardly vary: they were divided once too often."""
SHIFT, SCALE = 0.6, 2.0
"""Deviations between means, and times a deviation, from which training and validation pictures are of two kinds."""
BLURRED = 0.6
"""Times as much fine detail, beside the contrast, from which pictures are of two kinds. Measured: 0.75 to 1.23 on all
sound runs and on pictures that were resized once."""
WIDE = 2.0
"""Times the largest deviation that pictures normalised once can have, from which values are far out of range."""
State = Literal["fine", "twice", "bytes", "never", "flat", "wide", "odd"]


def limits(case: Case) -> list[tuple[float, float, float, float]]:
    """By channel: lowest and highest value of a picture normalised once, and mean and deviation it is normalised by."""
    pre = case.record.options.get("preprocessing") or {}
    means, stds = pre.get("mean") or (), pre.get("std") or ()
    return [((0 - m) / s, (1 - m) / s, m, s) for m, s in zip(means, stds, strict=True)]


def state(case: Case, name: str) -> State | None:
    """What was done to the pictures of one way in (`varied`, `plain`, `val`); None where it is not known."""
    found, allowed = part(case, "inputs"), limits(case)
    if found is None or not allowed:
        return None
    seen = found[name]
    low, high = min(row[0] for row in allowed), max(row[1] for row in allowed)
    if low - ROOM <= seen["low"] and seen["high"] <= high + ROOM:
        flat = max(seen["std"]) < FLAT * min(1 / s for _, _, _, s in allowed)
        return "flat" if flat else "never" if _untouched(seen, allowed) else "fine"
    bytes_high = min((255 - m) / s for _, _, m, s in allowed)
    if seen["high"] > 0.5 * bytes_high or (seen["low"] >= 0 and seen["high"] > 50):
        return "bytes"
    twice_low = min((low_ - m) / s for low_, _, m, s in allowed)
    if seen["low"] < low - ROOM and seen["low"] >= twice_low - 1:
        return "twice"
    widest = max((high_ - low_) / 2 for low_, high_, _, _ in allowed)
    return "wide" if max(seen["std"]) > WIDE * widest else "odd"


def _untouched(seen: Mapping[str, Any], allowed: Sequence[tuple[float, float, float, float]]) -> bool:
    """Whether values lie in 0..1 where normalised ones would begin well below 0."""
    needed = all(low < -0.5 for low, _, _, _ in allowed)
    return needed and seen["low"] >= -1e-3 and seen["high"] <= 1 + 1e-3 and seen["high"] > 0.2


def look_apart(inputs: Mapping[str, Any]) -> str:
    """How validation pictures differ from training pictures, prepared alike; empty where they do not."""
    own, other = inputs["plain"], inputs["val"]
    for mine, theirs, deviation in zip(own["mean"], other["mean"], own["std"], strict=True):
        if abs(mine - theirs) > SHIFT * max(deviation, 1e-6):
            return f"their mean is {theirs:.2g}, that of training pictures {mine:.2g} (deviation {deviation:.2g})"
    for mine, theirs in zip(own["std"], other["std"], strict=True):
        if not 1 / SCALE < (theirs + 1e-6) / (mine + 1e-6) < SCALE:
            return f"their deviation is {theirs:.2g}, that of training pictures {mine:.2g}"
    first, second = own.get("colour", 0.0), other.get("colour", 0.0)
    if max(first, second) > 0.1 and min(first, second) < 0.2 * max(first, second):
        grey, coloured = ("training", "validation") if first < second else ("validation", "training")
        return f"{grey} pictures are grey, {coloured} pictures have colours"
    fine, coarse = own.get("sharpness", 0.0), other.get("sharpness", 0.0)
    if min(fine, coarse) > 0 and min(fine, coarse) < BLURRED * max(fine, coarse):
        blurred, sharp = ("training", "validation") if fine < coarse else ("validation", "training")
        share = min(fine, coarse) / max(fine, coarse)
        return f"{blurred} pictures are blurred: they have {share:.0%} of the fine detail that {sharp} pictures have"
    return ""
