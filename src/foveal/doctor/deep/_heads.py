"""Linear heads by ridge, and how many labels they tell that they did not see."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

RARE = 8
"""Pictures that bear a label, or do not, at least."""
PENALTIES = (0.1, 1.0, 10.0, 100.0)
Rows = NDArray[np.float64]


def scaled(rows: NDArray[np.float32], by: NDArray[np.float32]) -> Rows:
    """In deviations from the mean of others, with a column of ones; lengths do not grow with columns."""
    spread = by.std(0)
    made = (rows - by.mean(0)) / np.where(spread > 1e-6, spread, 1.0)
    return np.asarray(np.c_[made / made.shape[1] ** 0.5, np.ones(len(made))], np.float64)


def targets(labels: NDArray[np.int64], classes: int) -> Rows:
    return np.asarray(2.0 * np.eye(classes)[labels] - 1)


def head(rows: Rows, labels: NDArray[np.int64], classes: int) -> tuple[float, float]:
    """The share of labels told by a ridge that did not see them (leave-one-out), and the penalty that tells most."""
    told = _left_out(rows, targets(labels, classes))
    return max(((float((left.argmax(1) == labels).mean()), p) for p, left in told), key=lambda pair: pair[0])


def _left_out(rows: Rows, wanted: Rows) -> Iterator[tuple[float, Rows]]:
    """By each penalty, what a ridge says of each row that it did not see."""
    values, vectors = np.linalg.eigh(rows @ rows.T)
    for penalty in PENALTIES:
        inverse = (vectors / (values + penalty)) @ vectors.T
        yield penalty, wanted - inverse @ wanted / np.diag(inverse)[:, None]


def ranked(rows: Rows, borne: NDArray[np.integer[Any] | np.floating[Any]]) -> tuple[float, float] | None:
    """Of labels `NL`, 0 or 1 a picture, the mean area under the ROC curve by a ridge that did not see the picture, and
    its standard deviation (Hanley & McNeil 1982); labels that few pictures bear, or all but few, are left out. None
    where none is left."""
    wanted = np.asarray(2.0 * borne - 1)
    common = [n for n, own in enumerate(borne.T > 0) if RARE <= own.sum() <= len(own) - RARE]
    if not common:
        return None
    return max(_mean_area(left, borne, common) for _, left in _left_out(rows, wanted))


def _mean_area(said: Rows, borne: NDArray[Any], labels: list[int]) -> tuple[float, float]:
    areas, spreads = [], []
    for n in labels:
        own, other = said[borne[:, n] > 0, n], said[borne[:, n] <= 0, n]
        a = float((own[:, None] > other).mean() + (own[:, None] == other).mean() / 2)
        q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
        spread = a * (1 - a) + (len(own) - 1) * (q1 - a * a) + (len(other) - 1) * (q2 - a * a)
        areas.append(a)
        spreads.append(spread / (len(own) * len(other)))
    return fmean(areas), sum(spreads) ** 0.5 / len(labels)
