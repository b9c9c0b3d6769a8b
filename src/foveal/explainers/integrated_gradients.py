"""Integrated gradients: the gradients on the way from a picture that says nothing, added up."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..contracts import Maps
from ..errors import UnknownNameError
from ..structure.look import MOST, Look
from ._covers import blurred

SOURCE = (
    "Sundararajan, Taly & Yan 2017, Axiomatic Attribution for Deep Networks; steps doubled until it adds up"
)
CANNOT = (
    "It is measured beside the baselines: pixels that are as there get nothing. It adds up to the score's gain, but "
    "that does not tell where other networks, or people, would look."
)
LAYER = False
BASELINES = ("black", "mean", "blurred")
"""In pixels: black, the picture's own mean colour, the picture blurred."""
FIRST, LAST = 16, 1024
"""Steps at first and at most, for each baseline."""
SHARE, LOGITS = 0.01, 0.01
"""It is complete when what is missing is at most this share of the gain, or this many logits."""


def explain(look: Look, baselines: Sequence[str] = BASELINES) -> Maps:
    """What each pixel adds to the score on straight ways from the baselines, the mean of them, over channels
    added. Each picture has as many steps as it needs to add up to its gain; where `LAST` are too few, that is
    said.

    Args:
        baselines: of `BASELINES`.

    Raises:
        UnknownNameError: another baseline.
    """
    pixels = look.pixels()
    starts = torch.stack([_baseline(name, pixels) for name in baselines], 1)
    count = len(baselines)
    each = [n for n in range(len(pixels)) for _ in range(count)]
    below = look.score(look.normalised(starts.flatten(0, 1)), each).view(-1, count).mean(1)
    wanted = look.scores - below
    found = torch.zeros_like(pixels)
    allowed = (SHARE * wanted.abs()).clamp(min=LOGITS)
    left, steps = list(range(len(pixels))), FIRST
    while left and steps <= LAST:
        for n in left:
            found[n] = _ways(look, n, pixels[n], starts[n], steps)
        missing = (found.sum((1, 2, 3)) - wanted).abs()
        left = [n for n in left if missing[n] > allowed[n]]
        steps *= 2
    says = (f"{len(left)} of {len(found)} did not add up to {SHARE:.0%} in {LAST} steps.",) if left else ()
    return Maps("both", "logits a pixel", pixels=found.sum(1), wanted=wanted, says=says)


def _baseline(name: str, pixels: Tensor) -> Tensor:
    if name == "black":
        return torch.zeros_like(pixels)
    if name == "mean":
        return pixels.mean((2, 3), keepdim=True).expand_as(pixels)
    if name == "blurred":
        return blurred(pixels)
    raise UnknownNameError("baseline", name, BASELINES)


def _ways(look: Look, picture: int, end: Tensor, starts: Tensor, steps: int) -> Tensor:
    """Of one picture `CHW`, by the midpoint rule in so many steps, the mean over ways from `starts` `NCHW`."""
    places = (torch.arange(steps, dtype=end.dtype, device=end.device) + 0.5) / steps
    total = torch.zeros_like(end)
    for start in starts:
        mean = torch.zeros_like(end)
        for first in range(0, steps, MOST):
            between = start + places[first : first + MOST, None, None, None] * (end - start)
            gradient, _ = look.gradient(look.normalised(between), which=[picture] * len(between))
            mean += gradient.sum(0) / steps
        total += (end - start) * mean / len(starts)
    return total
