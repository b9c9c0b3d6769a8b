"""A run whose pictures have moved: they are compared with those it began with, and it learns their new place."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..data.examine import changed
from ..errors import DataError
from ..values import Dataset
from .run import Place, Run, is_folds, is_run

NAMED = 3
"""Pictures that are named where others are there, or none."""
LOOKED_AT = 200
"""Folders beside and below a place in which the pictures are looked for."""


def moved(
    folder: Place,
    place: Place,
    *,
    data_home: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """The data of a run, whose pictures are at `place` now; in its `data.json` the root is changed, and nothing else.
    Of a set of folds all that have begun learn it.

    Every picture's content must be that of the same name in the run; masks and pictures that are truths must be there.
    `progress` is told (pictures done, pictures in all).

    Raises:
        DataError: others are there, or none.
        RunError: the run is damaged.
        DiskError: its `data.json` cannot be written.
    """
    run, root = Run(folder), Path(place).absolute()
    root = root.parent if root.is_file() else root
    was = run.dataset
    now = dataclasses.replace(was, root=str(root))
    _check(run, now, was.root, data_home, progress)
    inside = [one for one in sorted(run.folder.iterdir()) if is_run(one)] if is_folds(run.folder) else []
    for one in (run, *(Run(inner) for inner in inside)):
        if one.dataset.root == was.root != now.root:
            one.write_dataset(dataclasses.replace(one.dataset, root=now.root))
    return now


def _check(
    run: Run, now: Dataset, before: str, data_home: str | None, progress: Callable[[int, int], None] | None
) -> None:
    """Refuse a place where other pictures are, or none."""
    gone = [path for path in _files(now) if not os.path.exists(os.path.join(now.root, path))]  # noqa: PTH110
    many = f"{len(now.items):,} pictures"
    if gone:
        near = _near(now, before)
        raise DataError(
            f"{now.root} does not hold the {many} of {run.folder}: {len(gone):,} files are not there "
            f"({', '.join(gone[:NAMED])}{', ...' if len(gone) > NAMED else ''}).",
            "The folder that has them under the names that they had when the run began.",
            f"Did you mean {near}?" if near else f"Give the folder in which {gone[0]} is.",
        )
    if other := changed(now, progress, data_home=data_home):
        raise DataError(
            f"{now.root} holds other pictures than {run.folder} began with: {len(other):,} of {many} have the same "
            f"name and another content ({', '.join(other[:NAMED])}{', ...' if len(other) > NAMED else ''}).",
            "The very pictures of the run; with others its results would mean nothing.",
            f"To judge it on other pictures: foveal evaluate {run.folder} DATA",
        )


def _files(dataset: Dataset) -> list[str]:
    """The files that pictures and truths are read from, each once."""
    found = dict.fromkeys(item.path for item in dataset.items)
    for item in dataset.items:
        found.update(dict.fromkeys(_of_truth(item.truth)))
    return list(found)


def _of_truth(truth: Any) -> Iterator[str]:
    """Masks' files (of a picture, or of its objects), and the other picture of a pair."""
    for one in truth if isinstance(truth, list | tuple) else [truth]:
        if isinstance(one, Mapping):
            yield from (str(one[name]) for name in ("mask", "picture") if isinstance(one.get(name), str))


def _near(dataset: Dataset, before: str) -> str:
    """A folder by the place that was given which does hold the files, or empty."""
    root, first = Path(dataset.root), _files(dataset)[:NAMED]
    try:
        inside = sorted(one for one in root.iterdir() if one.is_dir())[:LOOKED_AT] if root.is_dir() else []
    except OSError:
        inside = []
    for folder in (root / Path(before).name, root.parent, *inside):
        if all((folder / path).exists() for path in first):
            return str(folder)
    return ""
