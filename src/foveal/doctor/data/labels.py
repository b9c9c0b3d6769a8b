"""Labels held against features: which are in doubt, how many are wrong, and pictures like no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...intervals import wilson
from ...values import Dataset, Item
from .confident import doubts, exchanged
from .features import features, out_of_sample

SOURCE = (
    "Northcutt, Jiang & Chuang 2021 (confident learning), and a second head that learned without what is doubted; "
    "outliers by the distance to the tenth nearest neighbour: Kuan & Mueller 2022"
)
SURE = 0.9
"""Probability at which the second head contradicts a label surely."""
NEIGHBOURS = 10
SHOWN = 2000
"""Labels in doubt that are told one by one."""
Progress = Callable[[str, int, int], None]


def doubted(
    dataset: Dataset,
    items: Sequence[Item],
    labels: NDArray[np.int64],
    names: Sequence[str],
    groups: NDArray[np.int64],
    seconds: float,
    said: Progress,
) -> dict[str, Any]:
    """`labels` (accuracy out of sample, share that is wrong, which), and `outliers`, ids, the farthest first."""
    order = np.random.default_rng(0).permutation(len(items))
    made = features(dataset, [items[n] for n in order], seconds, lambda d, t: said("features", d, t))
    order = order[: len(made.items)]
    labels, groups = labels[order], groups[order]
    said("labels", 0, 1)
    told = told_by(made.rows, made.items, labels, names, groups)
    told["by"] = "ImageNet features"
    return {"labels": told, "outliers": [made.items[n].id for n in outliers(made.rows)]}


def told_by(
    rows: NDArray[np.float32],
    items: Sequence[Item],
    labels: NDArray[np.int64],
    names: Sequence[str],
    groups: NDArray[np.int64],
) -> dict[str, Any]:
    """`judged_labels`, with the split of each picture whose label is in doubt."""
    told = judged_labels(rows, labels, names, groups, [item.id for item in items])
    parts = {item.id: item.part for item in items}
    for row in told["wrong"]:
        row["part"] = parts[row["id"]]
    return told


def judged_labels(
    rows: NDArray[np.float32],
    labels: NDArray[np.int64],
    names: Sequence[str],
    groups: NDArray[np.int64],
    ids: Sequence[str],
) -> dict[str, Any]:
    """Confident learning on features `ND`, and which of its doubts a second head is sure of."""
    first = out_of_sample(rows, labels, len(names), groups)
    found = doubts(labels, first)
    trusted = np.ones(len(labels), bool)
    trusted[found.wrong] = False
    second = out_of_sample(rows, labels, len(names), groups, trusted)
    likely = second.argmax(1)
    sure = (second.max(1) >= SURE) & (likely != labels) & _among(rows, labels, likely, groups)
    accuracy = float((first.argmax(1) == labels).mean())
    low, high = wilson(accuracy, len(labels))
    contradicted = float(sure.mean())
    wrong = [
        {
            "id": ids[n],
            "given": names[labels[n]],
            "suggested": names[likely[n]] if likely[n] != labels[n] else names[first[n].argmax()],
            "probability": round(float(first[n, labels[n]]), 4),
            "sure": bool(sure[n]),
        }
        for n in found.wrong
    ]
    wrong.sort(key=lambda row: not row["sure"])
    return {
        "count": len(labels),
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "chance": float(np.bincount(labels).max() / len(labels)),
        "share": found.share,
        "share_low": found.low,
        "share_high": found.high,
        "contradicted": contradicted,
        "contradicted_low": wilson(contradicted, len(labels))[0],
        "contradicted_high": wilson(contradicted, len(labels))[1],
        "exchanged": exchanged(found, names),
        "wrong": wrong[:SHOWN],
        "doubted": len(wrong),
    }


def _among(
    rows: NDArray[np.float32],
    labels: NDArray[np.int64],
    likely: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Whether at least half of a picture's ten nearest bear the label that is likely, and few its own: a head alone
    is too sure of itself where there are few pictures. Twins do not count."""
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    count, near = len(rows), min(NEIGHBOURS, len(rows) - 1)
    found = np.zeros(count, bool)
    for start in range(0, count, 1024):
        here = np.arange(start, min(count, start + 1024))
        cosines = unit[here] @ unit.T
        cosines[groups[here][:, None] == groups[None]] = -2
        nearest = labels[np.argpartition(-cosines, near - 1, 1)[:, :near]]
        other = (nearest == likely[here][:, None]).sum(1)
        own = (nearest == labels[here][:, None]).sum(1)
        found[here] = (2 * other >= near) & (5 * own <= near)
    return found


def outliers(rows: NDArray[np.float32]) -> list[int]:
    """Positions of pictures farther from their tenth nearest neighbour than any of the others' middle tells: beyond
    the upper quarter by four times the range of the middle half; the farthest first."""
    count = len(rows)
    if count <= 4 * NEIGHBOURS:
        return []
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    far = np.empty(count)
    for start in range(0, count, 1024):
        cosines = unit[start : start + 1024] @ unit.T
        far[start : start + 1024] = 1 - np.partition(cosines, -NEIGHBOURS - 1, 1)[:, -NEIGHBOURS - 1]
    quarter, three = np.quantile(far, (0.25, 0.75))
    found = np.flatnonzero(far > three + 4 * (three - quarter))
    return [int(n) for n in found[np.argsort(-far[found])]]
