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
    unlike = _unlike(inputs.get("apart") or {})
    fine, coarse = own.get("sharpness", 0.0), other.get("sharpness", 0.0)
    if min(fine, coarse) > 0 and min(fine, coarse) < BLURRED * max(fine, coarse):
        blurred, sharp = ("training", "validation") if fine < coarse else ("validation", "training")
        share = min(fine, coarse) / max(fine, coarse)
        return f"{blurred} pictures are blurred: they have {share:.0%} of the fine detail that {sharp} pictures have"
    return unlike


APART = 0.85
"""How often a picture of one set is above one of the other, from which two sets are of two kinds: 0.5 is no difference,
and on a hundred pictures luck alone gives 0.62 once in a thousand."""
MORE, LESS = {
    "brightness": "brighter", "contrast": "richer in contrast", "detail": "richer in fine detail", "grain": "grainier",
    "colour": "more colourful", "redness": "redder", "margin": "brighter at the margin",
    "upright": "brighter above than below", "side": "brighter on the left than on the right",
    "direction": "richer in detail from left to right than up and down",
}, {
    "brightness": "darker", "contrast": "poorer in contrast", "detail": "poorer in fine detail", "grain": "smoother",
    "colour": "less colourful", "redness": "bluer", "margin": "darker at the margin",
    "upright": "darker above than below", "side": "darker on the left than on the right",
    "direction": "poorer in detail from left to right than up and down",
}  # fmt: skip


def _unlike(apart: Mapping[str, float], which: str = "validation") -> str:
    """In what nearly all pictures of the one set differ from those of the other; empty where in nothing."""
    told = {name: share for name, share in apart.items() if name in MORE}
    if not told:
        return ""
    name = max(told, key=lambda one: abs(told[one] - 0.5))
    share = max(told[name], 1 - told[name])
    if share < APART:
        return ""
    how = MORE[name] if told[name] > 0.5 else LESS[name]
    return f"{share:.0%} of all pairs have a {which} picture that is {how} than a training picture"


def unlike_in_test(inputs: Mapping[str, Any]) -> str:
    """The same of the test pictures."""
    return _unlike(inputs.get("apart_in_test") or {}, "test")


SLOPE, OFFSET, FIT = 2.0, 0.75, 0.9
"""Times, and deviations, by which what the network is given may lie off what the card says of the same pixels; how well
a line from the one to the other must fit. Where nothing is wrong these are 1, 0 and 1."""


def off_the_card(found: Mapping[str, Any], name: str, strict: bool = False) -> str:
    """How what is given of one way in (`varied`, `plain`, `val`) differs from what the run's card says of the same
    pixels, in words; empty where it does not, or where that is not known. `strict`: any difference that is felt."""
    told = (found.get("card") or {}).get(name)
    if not told:
        return ""
    slope, offset, fit = told["slope"], told["offset"], told["fit"]
    times, far, least = (1.15, 0.2, 0.99) if strict else (SLOPE, OFFSET, FIT)
    if told.get("reversed", 0.0) > max(least, abs(fit) + 0.005):
        return ""  # red and blue are exchanged, which is an illness of its own
    if slope < 0 and abs(fit) >= FIT:
        return "light and dark are exchanged"
    if abs(fit) < least:
        return f"the same pixels are something else (correlation {fit:.2f})"
    if not 1 / times < slope < times or abs(offset) > far * max(1.0, slope):
        return f"values are {slope:.3g} times as far apart, and moved by {offset:+.3g} deviations"
    return ""
