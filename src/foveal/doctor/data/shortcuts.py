"""Whether a class can be told from what should not matter: the border, the file's size and shape, the mean colour."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.sketches import Sketches
from ...intervals import wilson

SOURCE = (
    "Geirhos et al. 2020, Shortcut Learning; Beery et al. 2018 (background); Torralba & Efros 2011; "
    "out of sample by 5 folds, against the share of the most common class"
)
Array = NDArray[np.float32]
TELLERS = {
    "border": "the outermost pixels",
    "size": "the picture's width and height",
    "file": "the file's kind and its bytes a pixel",
    "colour": "the mean colour",
}


TELL = 0.3
"""Above chance, what must be told from the file's size or kind alone for it to be a way around the picture."""
SHARE = 0.9
"""Of what the whole picture tells above chance, the share that the border alone must tell."""


def aside(rows: Sequence[Mapping[str, Any]], best: float | None) -> list[Mapping[str, Any]]:
    """Of what `shortcuts` found, what tells the class although it is not in the picture, or at its border alone; the
    most telling first. `best`: how often the class is told from the whole picture, None where that is not known."""
    found = []
    for row in rows:
        above = row["low"] - row["chance"]
        at_edge = row["what"] == "border" and best is not None and above >= SHARE * (best - row["chance"])
        if above > TELL and (row["what"] in ("size", "file") or at_edge):
            found.append(row)
    return sorted(found, key=lambda row: -row["low"])


def shortcuts(
    sketches: Sketches, labels: NDArray[np.int64], classes: int, groups: NDArray[np.int64] | None = None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """For each thing that should not matter, how often a class is told from it alone, out of sample: `accuracy` with
    its 95 % interval, beside `chance` (always the most common class); and the same for the whole small picture, by
    the same linear head."""
    told = {name: tellers(sketches, name) for name in TELLERS}
    found = [
        {"what": name, **told_from(rows, labels, classes, groups)}
        for name, rows in told.items()
        if rows is not None
    ]
    return found, {"what": "whole", **told_from(whole(sketches), labels, classes, groups)}


def told_from(
    rows: Array, labels: NDArray[np.int64], classes: int, groups: NDArray[np.int64] | None = None
) -> dict[str, Any]:
    """How often a linear head on these numbers tells a label out of sample."""
    from .features import out_of_sample, scaled

    right = float((out_of_sample(scaled(rows), labels, classes, groups).argmax(1) == labels).mean())
    low, high = wilson(right, len(labels))
    chance = float(np.bincount(labels, minlength=classes).max() / len(labels))
    return {"accuracy": right, "low": low, "high": high, "chance": chance, "count": len(labels)}


def whole(sketches: Sketches) -> Array:
    """The small picture as numbers, every other pixel."""
    return np.asarray(sketches.small.astype(np.float32)[:, 1::2, 1::2].reshape(len(sketches), -1) / 255)


def tellers(sketches: Sketches, name: str) -> Array | None:
    """A few numbers a picture; None where all pictures have the same."""
    m = sketches.measures
    if name == "border":
        s = sketches.small.astype(np.float32) / 255
        edges = [s[:, :2], s[:, -2:], s[:, :, :2].swapaxes(1, 2), s[:, :, -2:].swapaxes(1, 2)]
        rows = np.concatenate(
            [e.mean(1).reshape(len(s), 8, 4, 3).mean(2).reshape(len(s), -1) for e in edges], 1
        )
        return np.asarray(np.concatenate([rows, rows**2], 1))
    if name == "size":
        logs = np.log(np.stack([m["width"], m["height"], m["width"] / m["height"]], 1))
        return _bins(logs) if (np.ptp(logs, 0) > 0.01).any() else None
    if name == "file":
        if len({item.path for item in sketches.items}) < len(sketches):
            return None  # frames of one file
        kinds = _one_hot([os.path.splitext(item.path)[1].lower() for item in sketches.items])  # noqa: PTH122
        return kinds if kinds.shape[1] > 1 else None
    s = sketches.small.astype(np.float32).mean((1, 2)) / 255
    return np.asarray(np.concatenate([s, s**2], 1))


def _bins(columns: NDArray[np.float64]) -> Array:
    """Each column in tenths of the set, one-hot: a class may be all of one size in the middle."""
    made = []
    for column in columns.T:
        edges = np.unique(np.quantile(column, np.linspace(0, 1, 11)))
        places = np.searchsorted(edges, column)
        made.append(np.eye(len(edges) + 1, dtype=np.float32)[places])
    return np.concatenate(made, 1)


def _one_hot(words: Sequence[str]) -> Array:
    names = sorted(set(words))
    places = np.array([names.index(word) for word in words])
    return np.asarray(np.eye(len(names), dtype=np.float32)[places])
