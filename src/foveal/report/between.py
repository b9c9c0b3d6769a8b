"""What lies between the trials of a study, over two of its settings, and whether that says more than chance would."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SOURCE = (
    "Gaussian process regression: Rasmussen & Williams 2006, its leave-one-out residuals there in section 5.4.2; the "
    "choice of its lengths and noise by them: Sundararajan & Keerthi 2001; permutations: Fisher 1935"
)
LENGTHS = (0.15, 0.35, 0.8)
"""How far along a range values may stay alike, as shares of the range."""
NOISES = (0.05, 0.2, 0.6, 2.0)
"""How strongly trials differ at one place, as a share of how places differ."""
LEVEL = 10.0
"""How open the mean of all is."""
PERMUTATIONS = 199
SURE = 0.05


@dataclass(frozen=True)
class Between:
    """A surface through the trials at `points` (n, 2). `share` of the differences between trials it tells of those that
    are left out in turn; `chance`: how often it tells as much where the values are dealt out anew."""

    points: Floats
    lengths: tuple[float, float]
    weights: Floats
    middle: float
    spread: float
    share: float
    chance: float

    @property
    def shown(self) -> bool:
        """Whether it says more than chance would."""
        return self.share > 0 and self.chance < SURE

    def __call__(self, points: Floats) -> Floats:
        """The values at points (m, 2)."""
        made = (_alike(points, self.points, self.lengths) + LEVEL) @ self.weights
        return np.asarray(self.middle + self.spread * made)

    def near(self, points: Floats) -> NDArray[np.bool_]:
        """Whether a trial is near each of the points (m, 2): about half as far as evenly spread ones are apart."""
        apart = np.abs(points[:, None] - self.points[None]).max(2).min(1)
        return np.asarray(apart <= max(0.06, 0.6 / np.sqrt(len(self.points))))


def between(points: Sequence[tuple[float, float]], values: Sequence[float]) -> Between | None:
    """A surface through what trials came to, as smooth as predicts those best that are left out of it.

    Args:
        points: places 0..1 of each trial on the ranges of two settings.
        values: what each came to; those far worse than the others should be moved near to them before.

    Returns:
        None where all values are the same, or there are fewer than five.
    """
    at, y = np.asarray(points, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if len(y) < 5 or np.ptp(y) == 0:
        return None
    middle, spread = float(y.mean()), float(y.std())
    dice = np.random.default_rng(0)
    # the first column is as it was; the others are the same values, dealt out anew
    dealt = np.stack(
        [(y - middle) / spread, *(dice.permutation(y - middle) / spread for _ in range(PERMUTATIONS))], 1
    )
    least = np.full(dealt.shape[1], np.inf)
    best: tuple[tuple[float, float], float] | None = None
    for x, y_, noise in itertools.product(LENGTHS, LENGTHS, NOISES):
        turned: Floats = np.asarray(np.linalg.inv(_cover(at, (x, y_), noise)), dtype=np.float64)
        missed = ((turned @ dealt / np.diag(turned)[:, None]) ** 2).sum(0)
        best = ((x, y_), noise) if missed[0] < least[0] else best
        least = np.minimum(least, missed)
    assert best is not None, "something is less than infinite"
    # what the mean of the others misses of each
    alone = (dealt**2).sum(0) * (len(y) / (len(y) - 1)) ** 2
    shares = 1 - least / alone
    chance = float((shares >= shares[0] - 1e-12).sum() / len(shares))
    weights: Floats = np.asarray(np.linalg.solve(_cover(at, *best), dealt[:, 0]), dtype=np.float64)
    return Between(at, best[0], weights, middle, spread, float(shares[0]), chance)


def _cover(at: Floats, lengths: tuple[float, float], noise: float) -> Floats:
    return _alike(at, at, lengths) + LEVEL + noise * np.eye(len(at))


def _alike(one: Floats, other: Floats, lengths: tuple[float, float]) -> Floats:
    """How alike values are at two lots of points: Matern 5/2."""
    scaled = (one[:, None] - other[None]) / np.asarray(lengths)
    far = np.sqrt(5 * (scaled**2).sum(2))
    return np.asarray((1 + far + far**2 / 3) * np.exp(-far))
