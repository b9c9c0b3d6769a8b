"""How soon a search comes to a level: where the mean of its repeats does, and how sure that is.

The median of the repeats that came there says less than it seems to: a search that comes there in three of ten, and
soon, looks quicker than one that comes there in all. The mean of all repeats counts those that never came as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..records.contest import FEWEST

Course = Sequence[tuple[float, float]]
"""(epochs spent, the best value until then), a pair each time it became better; `study.Study.so_far`."""
DRAWS = 2000
NEAR = 1e-9
"""Sums of the same values in another order differ by less."""


@dataclass(frozen=True)
class Soon:
    """Epochs after which the mean over repeats had come to the level, with the 95 % interval over repeats (NaN below
    `FEWEST` of them); inf: never. `each` are those of the repeats by themselves."""

    epochs: float
    low: float
    high: float
    each: tuple[float, ...]

    @property
    def come(self) -> int:
        """Repeats that came to the level by themselves."""
        return sum(math.isfinite(epochs) for epochs in self.each)

    @property
    def says(self) -> str:
        """`after 88 epochs [60, never], in 6 of 7 repeats`."""
        if not self.each:
            return ""
        after = "never" if math.isinf(self.epochs) else f"after {self.epochs:.0f} epochs"
        many = f"{len(self.each)} repeat{'s' * (len(self.each) != 1)}"
        return f"{after}{self.between}, in {self.come} of {many}"

    @property
    def between(self) -> str:
        """The interval in words, after a blank; empty where there is none."""
        if math.isnan(self.low):
            return ""
        ends = ["never" if math.isinf(end) else f"{end:.0f}" for end in (self.low, self.high)]
        return f" [{', '.join(ends)}]"


def how_soon(courses: Sequence[Course], ends: Sequence[float], higher_is_better: bool = True) -> Soon:
    """When the mean of `courses` comes to the mean of `ends`.

    For the interval repeats are drawn anew, with their course and their end, so the level varies as well: a percentile
    bootstrap (Efron & Tibshirani 1993). With few repeats such intervals are somewhat short.

    Args:
        courses: of each repeat; one that is empty never comes to anything.
        ends: what the search that sets the level came to in the same repeats; one without any (NaN) is left out.
    """
    sign = 1.0 if higher_is_better else -1.0
    kept = [(course, sign * end) for course, end in zip(courses, ends, strict=True) if math.isfinite(end)]
    turns = sorted({at for course, _ in kept for at, _ in course})
    if not turns:
        return Soon(math.inf, math.nan, math.nan, tuple(math.inf for _ in kept))
    table = sign * np.array([_on(course, turns, sign) for course, _ in kept])
    levels = np.array([end for _, end in kept])
    each = tuple(_first(row, turns, float(levels.mean())) for row in table)
    found = _first(table.mean(0), turns, float(levels.mean()))
    if len(kept) < FEWEST:
        return Soon(found, math.nan, math.nan, each)
    draws = np.random.default_rng(0).integers(0, len(kept), (DRAWS, len(kept)))
    means, level = table[draws].mean(1), levels[draws].mean(1)
    again = sorted(_first(row, turns, float(at)) for row, at in zip(means, level, strict=True))
    # one of the draws, not what lies between two: they may be inf
    low, high = (again[round(share * (DRAWS - 1))] for share in (0.025, 0.975))
    return Soon(found, low, high, each)


def _on(course: Course, turns: Sequence[float], sign: float) -> NDArray[np.float64]:
    """The best so far at each of the turns; the worst there is before there was any."""
    found = np.full(len(turns), -sign * math.inf)
    places = np.searchsorted([at for at, _ in course], turns, side="right") - 1
    values = np.array([value for _, value in course])
    found[places >= 0] = values[places[places >= 0]]
    return found


def _first(values: NDArray[np.float64], turns: Sequence[float], level: float) -> float:
    """The first turn at which values are at the level or above; inf: none."""
    there = np.flatnonzero(values >= level - NEAR)
    return float(turns[there[0]]) if len(there) else math.inf
