"""foveal evaluate: how good is this model on that data?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..contracts import Source, Task
from ..data.batches import Batches
from ..data.examine import examine
from ..errors import DataError, OptionError
from ..loop import evaluation
from ..machine import device as devices
from ..model import Model
from ..options import ReadOptions, make
from ..plan.published import model_of
from ..readers import read
from ..records.run import Run
from ..structure.views import Views
from ..structure.views import check as check_views
from ..values import PARTS, Batch, Dataset, Evaluation, Issue, Item
from .named import find_again, model_named, run_of

Progress = Callable[[str, int, int], None]
"""Told what is done (`examining`, `evaluating`), pictures done, pictures in all."""


def evaluate(
    model: str | Path | Model,
    data: str | Path | None = None,
    *,
    split: str | None = None,
    device: str | None = None,
    batch: int = 64,
    views: int | None = None,
    data_at: str | Path | None = None,
    runs_dir: str | Path = "runs",
    progress: Progress | None = None,
    **options: Any,
) -> Evaluation:
    """Judge a model on a labelled data set.

    Args:
        model: a .safetensors file of ours, a run's folder (its best model) or its name in `runs_dir`, a network's
            name (as published), or a Model.
        data: a data set; when not given, the run's own, split and all.
        split: `train`, `val` or `test`; when not given, `test` where there is one, then `val`,
            or everything where the data has no splits.
        views: how often each picture is looked at, see `foveal.structure.views.Views`; when not given, as
            often as when the run was judged.
        data_at: where the run's own pictures are now, if they have moved; the run then knows it.
        runs_dir: where runs are looked for by name.
        progress: is told what is done, pictures done, pictures in all.
        options: see `foveal.options.ReadOptions`.

    Raises:
        FovealError: model or data cannot be used, or no picture has a class that the model knows.
    """
    read_options = make(ReadOptions, options)
    where, _ = devices.choose(device)
    _check_batch(batch)
    if views is not None:
        check_views(views)
    if split is not None and split not in PARTS:
        raise OptionError(
            f"--split {split} was given.", f"One of {', '.join(PARTS)}.", "Choose one of these."
        )
    model = model_named(model, runs_dir)
    loaded = model if isinstance(model, Model) else model_of(model)
    if data_at is not None:
        tell = None if progress is None else lambda done, total: progress("examining", done, total)
        find_again(model, data, data_at, "evaluate", read_options.data_home, tell)
    loaded.network.to(where)
    part, batches, issues = pictures_for(loaded, model, data, split, batch, read_options, progress)
    views = loaded.preprocessing.views if views is None else views
    network = loaded.network if views == 1 else Views(loaded.network, views)
    source: Source = batches if progress is None else _Counted(batches, progress)
    judged = evaluation.evaluate(network, loaded.task, source, part, where)
    return dataclasses.replace(judged, issues=issues)


def pictures_for(
    loaded: Model,
    model: str | Path | Model,
    data: str | Path | None,
    split: str | None,
    batch: int,
    options: ReadOptions,
    progress: Progress | None = None,
) -> tuple[str, Batches, tuple[Issue, ...]]:
    """What a model can be judged on: the split's name, its pictures whose truths the model knows, and the
    trouble there is with the others.

    Raises:
        DataError: there is no such data, or none that the model knows.
    """
    if data is None:
        dataset = _own_data(model)
    else:
        tell = None if progress is None else lambda done, total: progress("examining", done, total)
        dataset = examine(read(str(data), options, loaded.task.name), tell, data_home=options.data_home)
    part, items = _part(dataset, split)
    known, issues = _known(loaded.task, dataset, items)
    pre, task = loaded.preprocessing, loaded.task
    size = 1 if task.own_sizes else batch
    batches = Batches(dataset.root, known, task, task.view(pre), pre, size, varied=False)
    told = (issue for issue in dataset.issues if issue.severity != "note")
    return part, batches, (*told, *issues)


@dataclass(frozen=True)
class _Counted:
    """Batches that tell how many of their pictures were taken."""

    batches: Source
    progress: Progress

    @property
    def count(self) -> int:
        return self.batches.count

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        done = 0
        for batch in self.batches.epoch(number, start):
            yield batch
            done += len(batch.ids)
            self.progress("evaluating", done, self.count)

    def to(self, batch: Batch, device: str, channels_last: bool) -> Batch:
        return self.batches.to(batch, device, channels_last)


def _known(task: Task, dataset: Dataset, items: Sequence[Item]) -> tuple[list[Item], list[Issue]]:
    """The items whose truths the model knows, and word of the others."""
    known = [item for item in items if task.knows(item.truth)]
    if not known:
        raise DataError(
            f"None of the {len(items)} pictures has a truth that the model knows "
            f"(theirs: {', '.join(dataset.labels[:8]) or dataset.why}).",
            f"The model's: {', '.join(task.labels[:20]) or task.name}.",
            "Evaluate on data with the same class names, or train on this data.",
        )
    strange = [item for item in items if not task.knows(item.truth)]
    if not strange:
        return known, []
    truths = [item.truth if isinstance(item.truth, list | tuple) else [item.truth] for item in strange]
    names = sorted({str(name) for truth in truths for name in truth if name not in task.labels})
    says = f"{len(strange)} pictures left out: the model has no class {', '.join(names)}"
    return known, [Issue("unknown-class", "warning", says, tuple(item.id for item in strange))]


def _check_batch(batch: int) -> None:
    if batch < 1:
        raise OptionError(
            f"--batch was given as {batch!r}.",
            "--batch takes a whole number from 1.",
            "Give another value, or leave --batch out.",
        )


def _own_data(model: str | Path | Model) -> Dataset:
    """The data of the run that the model lies in."""
    folder = run_of(model)
    if folder is None or not (folder / "data.json").exists():
        raise DataError(
            "No data was given, and the model does not lie in a run folder that knows its own.",
            "A data set, or a run folder as the model.",
            "foveal evaluate MODEL DATA",
        )
    dataset = Run.open(folder).dataset
    if dataset.reader != "builtin" and not Path(dataset.root).exists():
        raise DataError(
            f"The data of {folder} is no longer at {dataset.root}.",
            "The pictures where they were in training, the place that they have moved to, or other ones (DATA).",
            f"foveal evaluate {folder} --data PLACE",
        )
    return dataset


def _part(dataset: Dataset, split: str | None) -> tuple[str, tuple[Any, ...]]:
    """The split to judge on and its items."""
    there = [part for part in PARTS if dataset.part(part)]
    if split is not None:
        if split not in there:
            raise DataError(
                f"The data has no {split} split.",
                f"It has {', '.join(there) if there else 'no splits: all of it is judged'}.",
                "Leave --split out, or DATA: then the run's own splits are judged."
                if not there
                else "Choose one of these with --split, or leave --split out.",
            )
        return split, dataset.part(split)
    for part in ("test", "val"):
        if part in there:
            return part, dataset.part(part)
    return "all", dataset.items
