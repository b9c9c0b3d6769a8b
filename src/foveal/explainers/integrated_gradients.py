"""Integrated gradients: the gradients on the way from a picture that says nothing, added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..contracts import Maps
from ..errors import UnknownNameError
from ..structure.blur import LOST, blurred
from ..structure.look import MOST, Look

SOURCE = (
    "Sundararajan, Taly & Yan 2017, Axiomatic Attribution for Deep Networks; steps are halved where they miss most of "
    "what the score gains on them, until all adds up"
)
CANNOT = (
    "It is measured beside the baselines: pixels that are as there get nothing. It adds up to the score's gain, but "
    "that does not tell where other networks, or people, would look."
)
LAYER = False
BASELINES = ("black", "mean", "blurred")
"""In pixels: black, the picture's own mean colour, the picture blurred."""
FIRST, LAST = 16, 1024
"""Steps on the way from each baseline at first, and at most on all ways to a picture."""
PART = 0.25
"""The share of the steps that is halved at a time, those that miss most."""
SHARE, LOGITS = 0.01, 0.01
"""It is complete when what is missing is at most this share of the gain, or this many logits."""


def explain(look: Look, baselines: Sequence[str] = BASELINES) -> Maps:
    """What each pixel adds to the score on straight ways from the baselines, the mean of them, over channels
    added. Each picture has as many steps as it needs to add up to its gain, and they are short where the score
    turns; where `LAST` are too few, that is said.

    Args:
        baselines: of `BASELINES`.

    Raises:
        UnknownNameError: another baseline.
    """
    pixels = look.pixels()
    starts = torch.stack([_baseline(name, pixels) for name in baselines], 1)
    count = len(baselines)
    each = [n for n in range(len(pixels)) for _ in range(count)]
    below = look.score(look.normalised(starts.flatten(0, 1)), each).view(-1, count)
    ways = [
        _Ways(look, n, pixels[n], starts[n], below[n].tolist(), float(look.scores[n]))
        for n in range(len(pixels))
    ]
    wanted = look.scores - below.mean(1)
    allowed = (SHARE * wanted.abs()).clamp(min=LOGITS)
    left = [n for n, way in enumerate(ways) if not way.added_up(float(allowed[n]))]
    says = (f"{len(left)} of {len(ways)} did not add up to {SHARE:.0%} in {LAST} steps.",) if left else ()
    found = torch.stack([way.total() for way in ways])
    unit = f"logits a pixel, beside {', '.join(baselines)}"
    return Maps("both", unit, pixels=found, wanted=wanted, says=says)


def _baseline(name: str, pixels: Tensor) -> Tensor:
    if name == "black":
        return torch.zeros_like(pixels)
    if name == "mean":
        return pixels.mean((2, 3), keepdim=True).expand_as(pixels)
    if name == "blurred":
        return blurred(pixels, LOST)
    raise UnknownNameError("baseline", name, BASELINES)


@dataclass(frozen=True)
class _Step:
    """A part of the way from baseline `way`, from `start` to `start + width` of 0 to 1: what each pixel adds on it
    by the gradient in its middle, `HW`, and what the score really gains."""

    way: int
    start: float
    width: float
    low: float
    high: float
    part: Tensor

    @property
    def miss(self) -> float:
        return float(self.part.sum()) - (self.high - self.low)


class _Ways:
    """The ways from some baselines to one picture `CHW`, in steps that become shorter where they miss most."""

    def __init__(
        self, look: Look, picture: int, end: Tensor, starts: Tensor, below: Sequence[float], above: float
    ) -> None:
        self.look, self.picture, self.end, self.starts = look, picture, end, starts
        inner = [(way, n / FIRST) for way in range(len(starts)) for n in range(1, FIRST)]
        scores = dict(zip(inner, self._scores(inner), strict=True))
        scores |= {(way, 0.0): score for way, score in enumerate(below)}
        scores |= {(way, 1.0): above for way in range(len(starts))}
        self.steps = self._made(
            [
                (way, n / FIRST, 1 / FIRST, scores[way, n / FIRST], scores[way, (n + 1) / FIRST])
                for way in range(len(starts))
                for n in range(FIRST)
            ]
        )

    def added_up(self, allowed: float) -> bool:
        """Halve steps until no more than `allowed` is missing; False where `LAST` steps do not suffice."""
        while abs(sum(step.miss for step in self.steps)) / len(self.starts) > allowed:
            room = min(max(1, int(PART * len(self.steps))), LAST - len(self.steps))
            if room < 1:
                return False
            ranked = sorted(self.steps, key=lambda step: -abs(step.miss))
            middles = self._scores([(s.way, s.start + s.width / 2) for s in ranked[:room]])
            halves = []
            for s, middle in zip(ranked[:room], middles, strict=True):
                halves.append((s.way, s.start, s.width / 2, s.low, middle))
                halves.append((s.way, s.start + s.width / 2, s.width / 2, middle, s.high))
            self.steps = ranked[room:] + self._made(halves)
        return True

    def total(self) -> Tensor:
        """What each pixel adds, `HW`, the mean over the ways."""
        total = torch.zeros_like(self.end[0])
        for step in self.steps:
            total += step.part
        return total / len(self.starts)

    def _at(self, places: Sequence[tuple[int, float]]) -> Tensor:
        """Pictures on the ways, normalised."""
        shares = torch.tensor([at for _, at in places], dtype=self.end.dtype, device=self.end.device)
        starts = self.starts[[way for way, _ in places]]
        return self.look.normalised(starts + shares[:, None, None, None] * (self.end - starts))

    def _scores(self, places: Sequence[tuple[int, float]]) -> list[float]:
        found: list[float] = []
        for n in range(0, len(places), MOST):
            chunk = places[n : n + MOST]
            found += self.look.score(self._at(chunk), [self.picture] * len(chunk)).tolist()
        return found

    def _made(self, asked: Sequence[tuple[int, float, float, float, float]]) -> list[_Step]:
        made = []
        for n in range(0, len(asked), MOST):
            chunk = asked[n : n + MOST]
            middles = self._at([(way, start + width / 2) for way, start, width, _, _ in chunk])
            gradient, _ = self.look.gradient(middles, which=[self.picture] * len(chunk))
            for (way, start, width, low, high), slope in zip(chunk, gradient, strict=True):
                part = (slope * (self.end - self.starts[way])).sum(0) * width
                made.append(_Step(way, start, width, low, high, part))
        return made
