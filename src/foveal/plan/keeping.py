"""Whether decoded pictures are kept, where, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..contracts import Task
from ..data import cache
from ..errors import OptionError
from ..machine.memory import MB, free_megabytes
from ..options import Stage, TrainOptions
from ..values import Dataset, Preprocessing, lies_on_it
from .choices import Choices

ROOM = 0.25
"""Share of the free memory that pictures may fill."""
MOST_ROOM = 0.5
"""Where they turn out to be larger than reckoned from their median size: then they go to the disk."""


def choose(
    choices: Choices,
    dataset: Dataset,
    preprocessing: Preprocessing,
    stages: tuple[Stage, ...],
    workers: int = 0,
    *,
    together: bool = False,
    training: int = 1,
) -> None:
    """The disk where they lie there already; memory where there is room for all, else the disk, else none; none,
    too, where it would save nothing.

    `workers` are processes that would have to share it; `together` says that pictures are varied a whole batch
    at a time, which they can be fastest when they lie in memory; `training` processes on this machine each have
    their own memory and workers.

    Raises:
        OptionError: memory was asked for, and reading processes that would hold more than there is.
    """
    train, home, train_size = dataset.part("train"), choices.given.data_home, choices.value("train_size")
    need = _need(dataset, preprocessing, train_size)
    passes = sum(stage.views or stage.epochs for stage in stages)
    said = f"about {max(1, need / MB):,.0f} MB once decoded"
    free, all_hold = free_megabytes() * MB, need * training * (1 + workers)  # each process has its own
    fits = need * training <= ROOM * free and not workers
    _check(choices, all_hold, free, workers)
    if all(item.frame is not None for item in train) and not (together and fits):
        where, why = "off", "the pictures lie in one file, decoded already"
    elif passes == 1 and choices.given.minutes is None:
        where, why = "off", "each picture is read once"
    elif _lies(dataset) and fits:
        where, why = "memory", f"{said} with what lies on them: each picture is decoded once"
    elif _lies(dataset):
        lying = _lying(dataset, preprocessing, train_size)
        each = f"{said}, {max(1, lying / MB):,.0f} MB of it what lies on them"
        if lying * training * (1 + workers) <= ROOM * free and need - lying <= cache.room(home):
            where, why = "disk", f"{each}, which stays in memory; the pictures go into one file"
        else:
            where, why = "off", f"{each}: too much for the memory, or the pictures for the disk"
    elif not (together and fits) and cache.is_made(train, *_training(preprocessing, train_size), home):
        where, why = "disk", "an earlier run has decoded them, into one file"
    elif fits:
        where, why = "memory", f"{said}, under a quarter of the free memory: each picture is decoded once"
    elif need <= cache.room(home):
        many = "one file that all reading processes share"
        where, why = "disk", f"{said}: {many if workers else 'too much for the memory'}"
    elif all_hold <= ROOM * free:
        where, why = "memory", f"{said}: the disk has no room, the memory has, for each reading process"
    else:
        where, why = "off", f"{said}: too much for the memory and for the disk"
    choices.pick("cache", where, why)


def kept(
    dataset: Dataset,
    part: str,
    task: Task,
    preprocessing: Preprocessing,
    options: TrainOptions,
    progress: Callable[[int, int], None],
) -> cache.Kept | None:
    """The decoded pictures of `part`, where the options say that they are kept: those of training large enough
    to be cropped, the others as evaluation sees them.

    Raises:
        PictureError, DataError, DiskError: a picture cannot be read, or the file not be written.
    """
    items, p = dataset.part(part), preprocessing
    if options.cache in (None, "off") or not items:
        return None
    if part != "train":
        view, shorter = task.view(p), None
        described = f"{task.name} sees {p.size} px of {p.crop:g}, {p.interpolation}"
        described = "as they are" if task.own_sizes else described
    elif task.own_sizes:
        view, shorter, described = _as_it_is, None, "as they are"
    else:
        cropped = _cropped(p, options.train_size)
        view, shorter = cache.working_view(cropped), cache.working_side(cropped)
        described, _ = _training(p, options.train_size)
    key = (dataset.root, dataset.fingerprint, part, len(items), described, p.channels, options.cache)
    if _again is not None and key in _again:
        return _again[key]
    made = cache.keep(
        dataset.root, items, task, view, p.channels, where=options.cache, described=described, shorter=shorter,
        most=MOST_ROOM * free_megabytes() * MB, data_home=options.data_home, progress=progress,
    )  # fmt: skip
    if _again is not None:
        for old in [old for old in _again if old[2] == part]:  # of another size: there is room for one
            del _again[old]
        _again[key] = made
    return made


_again: dict[tuple[Any, ...], cache.Kept] | None = None


def judged_again() -> bool:
    """Whether pictures that a run judges once, at its end, are worth keeping: other runs follow that judge them."""
    return _again is not None


@contextmanager
def between_runs() -> Iterator[None]:
    """Inside, decoded pictures are kept from one run of this process to the next, for runs on the same data."""
    global _again
    before, _again = _again, {} if _again is None else _again
    try:
        yield
    finally:
        _again = before


def _as_it_is(image: Any, truth: Any) -> tuple[Any, Any]:
    """The view of pictures whose scale is part of the task."""
    return image, truth


def _lies(dataset: Dataset) -> bool:
    return any(lies_on_it(item.truth) for item in dataset.part("train"))


def _need(dataset: Dataset, preprocessing: Preprocessing, train_size: int | None) -> int:
    """Bytes of all that is kept, about."""
    assert dataset.facts is not None, "the data set was examined"
    held = len(dataset.part("val")) * preprocessing.size**2 * preprocessing.channels
    pictures = cache.forecast_bytes(
        len(dataset.part("train")), dataset.facts, _cropped(preprocessing, train_size)
    )
    return held + pictures + _lying(dataset, preprocessing, train_size)


def _lying(dataset: Dataset, preprocessing: Preprocessing, train_size: int | None) -> int:
    """Bytes of the masks of training pictures, about: one is as large as a channel of its picture, and there is one of
    classes, or one an object. Boxes are nothing beside them."""
    assert dataset.facts is not None, "the data set was examined"
    train = dataset.part("train")
    if dataset.task == "instances":
        masks = sum(len(item.truth or ()) for item in train)
    else:
        masks = len(train) if _lies(dataset) and dataset.task != "detect" else 0
    bare = replace(_cropped(preprocessing, train_size), channels=1)
    return cache.forecast_bytes(masks, dataset.facts, bare)


def _cropped(preprocessing: Preprocessing, train_size: int | None) -> Preprocessing:
    """At the larger of the sizes at which training pictures are seen."""
    return replace(preprocessing, size=max(preprocessing.size, train_size or 0))


def _training(preprocessing: Preprocessing, train_size: int | None) -> tuple[str, int]:
    """What is kept of training pictures, for the name of the file, and their channels."""
    side = cache.working_side(_cropped(preprocessing, train_size))
    return f"{side} px, {preprocessing.interpolation}", preprocessing.channels


def _check(choices: Choices, need: float, free: float, workers: int) -> None:
    if choices.given.cache == "memory" and workers and need > free:
        raise OptionError(
            f"--cache memory was given, and {workers} processes read beside the training one: each would hold "
            f"all pictures, {need / MB:,.0f} MB together; {free / MB:,.0f} MB are free.",
            "--cache memory with --workers 0, or --cache disk, which all of them share.",
            "Give --cache disk.",
        )
