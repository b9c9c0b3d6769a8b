"""The same pictures for another task: class numbers as numbers, one label as a list of labels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import DataError
from ..values import Dataset
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
    turn = _TURNS.get((dataset.task, task))
    if turn is None:
        ways = sorted(to for of, to in _TURNS if of == dataset.task)
        raise DataError(
            f"{dataset.root} is data to {dataset.task} ({dataset.why}), where data to {task} is wanted.",
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
    names = (label for item in items for label in (item.truth if task == "multilabel" else [item.truth]))
    return dataclasses.replace(
        dataset,
        task=task,
        items=items,
        labels=tuple(filter(None, [dataset.column])) if task == "regress" else in_order(names),
        why=f"{dataset.why}; {_SAYS[task]} a picture, as asked",
    )


def _number(truth: Any) -> float | None:
    try:
        value = float(truth)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _only(truth: Any) -> str | None:
    return str(truth[0]) if len(truth) == 1 else None


def _plain(truth: Any) -> str:
    return ", ".join(truth) or "none" if isinstance(truth, list | tuple) else str(truth)


_SAYS = {"classify": "one class", "multilabel": "several labels", "regress": "a number"}
_TURNS: Mapping[tuple[str, str], Turn] = {
    ("classify", "multilabel"): lambda truth: [truth],
    ("classify", "regress"): _number,
    ("multilabel", "classify"): _only,
    ("regress", "classify"): lambda truth: f"{truth:.15g}",
}
