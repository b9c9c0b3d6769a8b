"""Which labels are probably wrong, from probabilities that were made without them: confident learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SOURCE = (
    "Northcutt, Jiang & Chuang 2021, Confident Learning, JAIR 70: the confident joint (3.1), calibrated; pruning by "
    "noise rate (3.2), ranked by normalised margin"
)
Probabilities = NDArray[np.float64]
RESAMPLES = 200


@dataclass(frozen=True)
class Doubts:
    """What confident learning says: `joint` `CC` (given, true) sums to 1; `wrong` are positions, the most doubtful
    first; `share` of labels that are wrong, with its 95 % interval by the bootstrap."""

    joint: Probabilities
    wrong: NDArray[np.int64]
    share: float
    low: float
    high: float


def doubts(labels: NDArray[np.int64], probabilities: Probabilities, seed: int = 0) -> Doubts:
    """Confident learning over labels `N` and out-of-sample probabilities `NC`."""
    joint = joint_of(labels, probabilities)
    draws = np.random.default_rng(seed)
    shares = []
    for _ in range(RESAMPLES):
        rows = draws.integers(0, len(labels), len(labels))
        shares.append(_off(joint_of(labels[rows], probabilities[rows])))
    low, high = np.quantile(shares, (0.025, 0.975))
    return Doubts(joint, pruned(labels, probabilities, joint), _off(joint), float(low), float(high))


def joint_of(labels: NDArray[np.int64], probabilities: Probabilities) -> Probabilities:
    """The joint of given and true labels: confident counts, each row scaled to how often its label is given."""
    count = probabilities.shape[1]
    given = np.bincount(labels, minlength=count)
    sums = np.bincount(labels, probabilities[np.arange(len(labels)), labels], count)
    thresholds = np.where(
        given > 0, sums / np.maximum(given, 1), 2.0
    )  # a class that nobody bears is never confident
    above = probabilities >= thresholds - 1e-6
    sure = above.any(1)
    best = np.where(above, probabilities, -1.0).argmax(1)
    counts = np.zeros((count, count))
    np.add.at(counts, (labels[sure], best[sure]), 1)
    counts[np.arange(count), np.arange(count)] = np.maximum(np.diag(counts), given > 0)
    rows = counts / np.maximum(counts.sum(1, keepdims=True), 1) * given[:, None]
    return np.asarray(rows / max(1.0, rows.sum()))


def pruned(
    labels: NDArray[np.int64], probabilities: Probabilities, joint: Probabilities
) -> NDArray[np.int64]:
    """For each pair of given and other label as many as the joint says, those with the largest margin; of these the
    ones whose most probable label is another, least self-confident first."""
    wrong = np.zeros(len(labels), bool)
    many = np.rint(joint * len(labels)).astype(int)
    for given in range(len(joint)):
        rows = np.flatnonzero(labels == given)
        for other in np.flatnonzero(many[given]):
            if other == given:
                continue
            margin = probabilities[rows, other] - probabilities[rows, given]
            wrong[rows[np.argsort(-margin, kind="stable")[: many[given, other]]]] = True
    wrong &= probabilities.argmax(1) != labels
    found = np.flatnonzero(wrong)
    own = probabilities[found, labels[found]] - probabilities[found].max(1)
    return found[np.argsort(own, kind="stable")]


def exchanged(found: Doubts, names: Sequence[str]) -> list[dict[str, Any]]:
    """Pairs of labels that are given for one another, most often first: how often, as a share of all that are truly
    of the other label."""
    rows: list[dict[str, Any]] = []
    for one in range(len(names)):
        for two in range(one + 1, len(names)):
            there, back = found.joint[one, two], found.joint[two, one]
            true_two, true_one = found.joint[:, two].sum(), found.joint[:, one].sum()
            shares = (there / max(true_two, 1e-9), back / max(true_one, 1e-9))
            rows.append(
                {"first": names[one], "second": names[two], "share": float(there + back), "each": shares}
            )
    return sorted((row for row in rows if row["share"] > 0.001), key=lambda row: -row["share"])[:10]


def _off(joint: Probabilities) -> float:
    return float(joint.sum() - np.trace(joint))
