"""How well a class map fits another: overlap from counts of pixels, and how near its boundaries lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.views import IGNORED
from ..intervals import wilson

SOURCE = (
    "mIoU: Everingham et al. 2015, from the counts of all pixels; Dice 1945; boundary F1: Csurka et al. 2013, "
    "What is a good evaluation measure for semantic segmentation?, within 0.75 % of the picture's diagonal"
)
NEAR = 0.0075
"""Share of a picture's diagonal within which boundaries meet."""
Map = NDArray[np.uint8]


def confusion(predicted: Map, truth: Map, classes: int) -> NDArray[np.int64]:
    """Pixels of each class (a row) that are called each class (a column), `C, C + 1`; the last column counts those
    that are called none. Pixels whose truth is `IGNORED` do not count."""
    counted = truth < classes
    said = np.minimum(predicted[counted], classes).astype(np.int64)
    codes = truth[counted].astype(np.int64) * (classes + 1) + said
    return np.bincount(codes, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


@dataclass(frozen=True)
class Counts:
    """Pixels of each class: right, true, said; of one picture or of several summed, `...C`."""

    hits: NDArray[np.float64]
    truly: NDArray[np.float64]
    said: NDArray[np.float64]

    @classmethod
    def of(cls, tables: NDArray[np.int64]) -> Counts:
        """From confusion tables `..., C, C + 1`."""
        square = tables[..., :-1].astype(np.float64)
        return cls(np.diagonal(square, axis1=-2, axis2=-1), tables.sum(-1).astype(np.float64), square.sum(-2))

    @property
    def occurs(self) -> NDArray[np.bool_]:
        return self.truly > 0

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each class."""
        return self.hits / np.maximum(self.truly + self.said - self.hits, 1)

    @property
    def dice(self) -> NDArray[np.float64]:
        """Twice the intersection over the sum of both, which is F1 over pixels."""
        return 2 * self.hits / np.maximum(self.truly + self.said, 1)

    @property
    def recall(self) -> NDArray[np.float64]:
        return self.hits / np.maximum(self.truly, 1)

    @property
    def precision(self) -> NDArray[np.float64]:
        return self.hits / np.maximum(self.said, 1)

    def mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean over the classes that occur among the truths; 0 where none does."""
        there = self.occurs
        found: NDArray[np.float64] = np.where(there, values, 0).sum(-1) / np.maximum(there.sum(-1), 1)
        return found


def interval(each: Counts, value: float, resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """95 % percentile-bootstrap interval of the mIoU: pictures are drawn with replacement, and the counts of their
    pixels summed as those of all pictures are. `each` has a row a picture, `NC`."""
    count = len(each.hits)
    draws = np.random.default_rng(seed)
    found = np.empty(resamples)
    step = max(1, 4_000_000 // max(1, count))  # bounds the memory of the counts to 32 MB
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        times = draws.multinomial(count, np.full(count, 1 / count), rows).astype(np.float64)
        drawn = Counts(times @ each.hits, times @ each.truly, times @ each.said)
        found[start : start + rows] = drawn.mean(drawn.iou)
    if np.ptp(found) == 0:  # all right, or a single picture: no resample shows a spread
        return wilson(value, count)
    low, high = np.quantile(found, (0.025, 0.975))
    return min(float(low), value), max(float(high), value)


def boundary_f1(predicted: Map, truth: Map, classes: Sequence[int]) -> float | None:
    """The mean, over those of `classes` that have a boundary in the truth or in the prediction, of the harmonic mean
    of two shares: boundary pixels of the prediction that lie near one of the truth, and the other way round. None
    where no class has a boundary.

    A boundary pixel of a class has one of another class to its left, right, above or below; the picture's rim and
    what is ignored make none.
    """
    near = NEAR * float(np.hypot(*truth.shape))
    said = np.where(truth == IGNORED, IGNORED, predicted)
    edges, wanted = _edges(said), _edges(truth)
    scores = []
    for place in classes:
        ours, theirs = edges & (said == place), wanted & (truth == place)
        if ours.any() or theirs.any():
            scores.append(_meeting(np.argwhere(ours), np.argwhere(theirs), near))
    return float(np.mean(scores)) if scores else None


def _edges(values: Map) -> NDArray[np.bool_]:
    """Pixels with a neighbour of another class; those that are ignored are neighbours of nobody."""
    found = np.zeros(values.shape, bool)
    for one, other in (
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[1:], np.s_[:-1]),
    ):
        differ = (values[one] != values[other]) & (values[one] != IGNORED) & (values[other] != IGNORED)
        found[one] |= differ
        found[other] |= differ
    return found


def _meeting(ours: NDArray[np.intp], theirs: NDArray[np.intp], near: float) -> float:
    """F1 of points `N2` that lie within `near` of one of the others."""
    from scipy.spatial import KDTree

    if not len(ours) or not len(theirs):
        return 0.0
    right, found = (
        float(np.isfinite(KDTree(b).query(a, distance_upper_bound=near * (1 + 1e-9) + 1e-9)[0]).mean())
        for a, b in ((ours, theirs), (theirs, ours))
    )
    return 2 * right * found / (right + found) if right + found else 0.0
