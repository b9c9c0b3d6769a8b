"""The same pictures for another task: class numbers as numbers, objects as boxes, as labels, or no truths at all."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..data.mask_files import BACKGROUND
from ..errors import DataError
from ..values import Dataset, Item, labels_of
from ._names import in_order, shown

Turn = Callable[[Any], Any]
"""A truth as the other task has it, or None where it cannot be."""


def recast(dataset: Dataset, task: str | None) -> Dataset:
    """The data set with truths as `task` has them; as it is for tasks that make their own of what there is.

    Raises:
        DataError: truths that cannot be turned, by their items' ids.
    """
    if task is None or task == dataset.task or task not in _SAYS:
        return dataset
    if task in _OWN:
        return _bare(dataset, task)
    turn = _TURNS.get((dataset.task, task))
    if turn is None:
        ways = sorted({to for of, to in _TURNS if of == dataset.task} | {*_OWN})
        why = _WHY.get((dataset.task, task), "")
        raise DataError(
            f"{dataset.root} is data to {dataset.task} ({dataset.why}), where data to {task} is wanted"
            + (f": {why}." if why else "."),
            f"Data to {task}; this can be data to {' or '.join([dataset.task, *ways])}.",
            "Give other data, or another task.",
        )
    turned = {item.id: turn(item.truth) for item in dataset.items}
    lost = [f"{item.id} ({_plain(item.truth)})" for item in dataset.items if turned[item.id] is None]
    if lost:
        raise DataError(
            f"{len(lost)} of {len(dataset.items)} pictures in {dataset.root} are without {_SAYS[task]}: "
            f"{shown(lost, 3)}.",
            f"To {task}, every picture has {_SAYS[task]}.",
            f"Correct these, leave them out with --exclude, or take the data to {dataset.task}, which it is.",
        )
    items = tuple(dataclasses.replace(item, truth=turned[item.id]) for item in dataset.items)
    return dataclasses.replace(
        dataset,
        task=task,
        items=items,
        labels=_labels(dataset, task, items),
        why=f"{dataset.why}; {_SAYS[task]} a picture, as asked",
    )


def _bare(dataset: Dataset, task: str) -> Dataset:
    """The pictures alone, which are their own truths."""
    items = tuple(dataclasses.replace(item, truth=None) for item in dataset.items)
    why = f"{dataset.why}; {_SAYS[task]}, as asked"
    return dataclasses.replace(dataset, task=task, items=items, labels=(), column="", why=why)


def _labels(dataset: Dataset, task: str, items: Sequence[Item]) -> tuple[str, ...]:
    if task == "regress":
        return tuple(filter(None, [dataset.column]))
    if task in ("detect", "instances"):
        return dataset.labels
    if task == "segment":
        return (BACKGROUND, *(label for label in dataset.labels if label != BACKGROUND))
    return in_order(label for item in items for label in labels_of(item.truth))


def _present(truth: Any) -> list[str]:
    """The labels of a picture's objects, each once."""
    return list(in_order(labels_of(truth)))


def _one_kind(truth: Any) -> str | None:
    kinds = _present(truth)
    return kinds[0] if len(kinds) == 1 else None


def _boxes(truth: Any) -> list[dict[str, Any]]:
    """The objects without their outlines, where they have boxes; a mask without a box tells it."""
    outlines = ("polygons", "rle", "mask", "value")
    return [{k: v for k, v in one.items() if "box" not in one or k not in outlines} for one in truth]


def _number(truth: Any) -> float | None:
    try:
        value = float(truth)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _only(truth: Any) -> str | None:
    return str(truth[0]) if len(truth) == 1 else None


def _plain(truth: Any) -> str:
    return (
        ", ".join(dict.fromkeys(labels_of(truth))) or "none"
        if isinstance(truth, list | tuple)
        else str(truth)
    )


_OWN = ("upscale", "autoencode")
"""Tasks for which a picture is its own truth, so that any pictures will do."""
_SAYS = {
    "classify": "one class", "multilabel": "several labels", "regress": "a number", "detect": "boxes of objects",
    "instances": "outlines of objects", "segment": "a class for each pixel", "upscale": "pictures alone",
    "autoencode": "pictures alone",
}  # fmt: skip
_TURNS: Mapping[tuple[str, str], Turn] = {
    ("classify", "multilabel"): lambda truth: [truth],
    ("classify", "regress"): _number,
    ("multilabel", "classify"): _only,
    ("regress", "classify"): lambda truth: f"{truth:.15g}",
    ("instances", "detect"): _boxes,
    ("instances", "segment"): list,
    ("instances", "multilabel"): _present,
    ("instances", "classify"): _one_kind,
    ("detect", "multilabel"): _present,
    ("detect", "classify"): _one_kind,
}
_NOWHERE = "labels of whole pictures do not say where something is"
_WHY = {
    ("detect", "instances"): "boxes do not tell the outlines of what is in them",
    ("detect", "segment"): "boxes do not tell the outlines of what is in them",
    ("segment", "detect"): "masks of classes do not tell one object from the next",
    ("segment", "instances"): "masks of classes do not tell one object from the next",
    ("segment", "multilabel"): "which classes a mask shows is not known before it is opened",
    ("segment", "classify"): "which classes a mask shows is not known before it is opened",
    **{(of, to): _NOWHERE for of in ("classify", "multilabel") for to in ("detect", "instances", "segment")},
}
"""Why some truths cannot be had from others."""
