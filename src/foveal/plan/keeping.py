"""Whether decoded pictures are kept, where, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable

from ..contracts import Task
from ..data import cache
from ..memory import MB, free_megabytes
from ..options import Stage, TrainOptions
from ..values import Dataset, Preprocessing
from .choices import Choices

ROOM = 0.25
"""Share of the free memory that pictures may fill."""


def choose(
    choices: Choices,
    dataset: Dataset,
    preprocessing: Preprocessing,
    stages: tuple[Stage, ...],
    workers: int = 0,
    *,
    together: bool = False,
) -> None:
    """Memory where there is room for all, else the disk, else none; none, too, where it would save nothing.

    `workers` are processes that would have to share it; `together` says that pictures are varied a whole batch
    at a time, which they can be fastest when they lie in memory.
    """
    facts, train = dataset.facts, dataset.part("train")
    assert facts is not None
    held = len(dataset.part("val")) * preprocessing.size**2 * preprocessing.channels
    need = cache.forecast_bytes(len(train), facts, preprocessing) + held
    passes = sum(stage.views or stage.epochs for stage in stages)
    said = f"about {need / MB:,.0f} MB once decoded"
    if all(item.frame is not None for item in train) and not together:
        where, why = "off", "the pictures lie in one file, decoded already"
    elif passes == 1 and choices.given.minutes is None:
        where, why = "off", "each picture is read once"
    elif need <= ROOM * free_megabytes() * MB and not workers:
        where, why = "memory", f"{said}, under a quarter of the free memory: each picture is decoded once"
    elif need <= cache.room(choices.given.data_home):
        where = "disk"
        why = f"{said}: " + (
            "one file that all reading processes share" if workers else "too much for the memory"
        )
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
    sees = f"{p.size} px of {p.crop:g}, {p.interpolation}"
    if part != "train":
        view, described, shorter = task.view(p), f"{task.name} sees {sees}", None
    else:
        shorter = cache.working_side(p)
        view, described = cache.working_view(p), f"{shorter} px, {p.interpolation}"
    return cache.keep(
        dataset.root, items, task, view, p.channels, where=options.cache, described=described,
        shorter=shorter, data_home=options.data_home, progress=progress,
    )  # fmt: skip
