"""Whether training's labels go with the pictures as well as validation's do, by what the network itself sees."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..patient import Patient, is_classes
from ._before_the_head import features
from ._heads import Rows, head, ranked, scaled, targets

SOURCE = (
    "own: on one network's features a linear head tells labels that it did not see as often in training as in "
    "validation, if both mean the same; leave-one-out ridge as Hastie, Tibshirani & Friedman 2009, section 7.10"
)
QUICK = False
MOST, JUDGED, FEWEST = 1000, 400, 100


def measure(patient: Patient) -> dict[str, Any] | None:
    """Both heads have the same number of pictures, and each is asked for the other split's labels too: `forth` is what
    training's head tells of validation's, `back` the other way. Training pictures whose label is unlikely by the head
    of the validation pictures are named, and `joint` counts them by given label and what is said; test pictures are
    left alone."""
    if patient.task.name == "multilabel":
        return _of_several(patient)
    if not is_classes(patient, patient.told(patient.network(), patient.batch("val", 4)).outputs):
        return None
    size = patient.fits(MOST)
    (x, y, ids), (v, w, _) = features(patient, "train", size), features(patient, "val", min(size, JUDGED))
    count, classes = min(len(y), len(w)), len(patient.task.labels)
    if count < FEWEST:
        return None
    some = np.random.default_rng(0).permutation(len(y))[:count]
    known = np.random.default_rng(0).permutation(len(w))[:count]
    train, own = head(scaled(x[some], x[some]), y[some], classes)
    held, penalty = head(scaled(v[known], v[known]), w[known], classes)
    scores = _told(scaled(v, v), w, classes, penalty, scaled(x, v))
    rank = (scores > scores[np.arange(len(y)), y][:, None]).sum(1)
    doubted = [ids[n] for n in np.flatnonzero(rank >= max(1, classes // 5))]
    said = {id: patient.task.labels[place] for id, place in zip(ids, scores.argmax(1).tolist(), strict=True)}
    forth = _told(scaled(x[some], x[some]), y[some], classes, own, scaled(v, x[some])).argmax(1)
    return {
        "count": count,
        "train": train,
        "held": held,
        "forth": float((forth == w).mean()),
        "back": float((scores.argmax(1) == y).mean()),
        "seen": len(y),
        "doubted": doubted,
        "joint": _joint(patient, y, scores.argmax(1)),
        "slipped": _slipped(patient, said),
        "reordered": _reordered(patient, said),
    }


def _joint(patient: Patient, given: NDArray[np.int64], said: NDArray[np.int64]) -> dict[str, dict[str, int]]:
    """How many training pictures are said to be what, by their given label."""
    labels, found = patient.task.labels, dict[str, dict[str, int]]()
    for one, other in zip(given.tolist(), said.tolist(), strict=True):
        row = found.setdefault(labels[one], {})
        row[labels[other]] = row.get(labels[other], 0) + 1
    return found


def _of_several(patient: Patient) -> dict[str, Any] | None:
    """The same of several labels a picture: how often a picture that bears one is ranked above one that does not."""
    size = patient.fits(MOST)
    (x, y, _), (v, w, _) = features(patient, "train", size), features(patient, "val", min(size, JUDGED))
    count = min(len(y), len(w))
    if count < FEWEST:
        return None
    some = np.random.default_rng(0).permutation(len(y))[:count]
    known = np.random.default_rng(0).permutation(len(w))[:count]
    train, held = ranked(scaled(x[some], x[some]), y[some]), ranked(scaled(v[known], v[known]), w[known])
    if train is None or held is None:
        return None
    return {
        "several": True,
        "count": count,
        "train": train[0],
        "held": held[0],
        "spread": [train[1], held[1]],
    }


def _told(rows: Rows, labels: NDArray[np.int64], classes: int, penalty: float, others: Rows) -> Rows:
    """What the ridge of some pictures says of others `NC`."""
    weights = np.linalg.solve(rows @ rows.T + penalty * np.eye(len(rows)), targets(labels, classes))
    return np.asarray(others @ (rows.T @ weights))


ROWS = (-3, -2, -1, 1, 2, 3)
"""Rows away at which a picture's own label may have come to lie."""


def _slipped(patient: Patient, said: dict[str, str]) -> dict[str, Any]:
    """How often the label of a picture some rows away is what the head says of this one, where the two labels differ:
    at the row where that is most often, and on average at the others. `typical` is the median over the classes of the
    pictures: where labels come in turns, a row is that of a class's likeness, which tells of this class alone."""
    items = patient.dataset.part("train")
    told = [str(item.truth) for item in items]
    found = {}
    for by in ROWS:
        pairs = [
            said[item.id] == told[n + by]
            for n, item in enumerate(items)
            if item.id in said and 0 <= n + by < len(told) and told[n + by] != told[n]
        ]
        found[by] = (sum(pairs) / max(1, len(pairs)), len(pairs))
    best = max(found, key=lambda by: found[by][0])
    others = [share for by, (share, _) in found.items() if by != best]
    hits: dict[str, list[bool]] = {}
    for n, item in enumerate(items):
        if item.id in said and 0 <= n + best < len(told) and told[n + best] != told[n]:
            hits.setdefault(told[n], []).append(said[item.id] == told[n + best])
    typical = statistics.median(sum(each) / len(each) for each in hits.values()) if hits else 0.0
    return {
        "by": best, "share": found[best][0], "count": found[best][1], "others": sum(others) / len(others),
        "typical": typical,
    }  # fmt: skip


FURTHER = tuple(by for by in range(-12, 13) if abs(by) > 3)
"""The same, farther off: where labels come in turns, as 0, 1, 2, 0, 1, 2, any of these may be a class's likeness."""


def _reordered(patient: Patient, said: dict[str, str]) -> dict[str, Any]:
    """The same of labels in an order that mistakes make: numbers sorted as words (1, 10, 11, 2), backwards, or class by
    class. `others` is how often the label of any other picture is what is said of one."""
    items = patient.dataset.part("train")
    told = [str(item.truth) for item in items]
    count = len(told)
    worded = {first: sorted(range(count), key=lambda n: str(n + first)) for first in (0, 1)}
    orders = {
        "numbers sorted as words": worded[0],
        "numbers from 1 sorted as words": worded[1],
        "numbers, and pictures as words": _inverse(worded[0]),
        "numbers from 1, and pictures as words": _inverse(worded[1]),
        "backwards": list(range(count))[::-1],
        "class by class": sorted(range(count), key=lambda n: told[n]),
        **{f"{by:+d} rows": [(n + by) % count for n in range(count)] for by in FURTHER},
    }
    known = [n for n, item in enumerate(items) if item.id in said]
    luck = sum(told.count(said[items[n].id]) for n in known) / max(1, count * len(known))
    shares = {
        name: sum(said[items[n].id] == told[order[n]] for n in known) / max(1, len(known))
        for name, order in orders.items()
    }
    best = max(shares, key=lambda name: shares[name])
    return {"as": best, "share": shares[best], "count": len(known), "others": luck}


def _inverse(order: list[int]) -> list[int]:
    """Where each place has gone."""
    return [place for _, place in sorted(zip(order, range(len(order)), strict=True))]
