"""foveal train: a folder of pictures in, a trained network out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import catalog, device, plan, training
from ..errors import OptionError
from ..events import Noticed
from ..folders import refuse_existing
from ..options import TrainOptions, make
from ..readers import prepare
from ..trained import Trained


def train(
    data: str | Path | None = None,
    *,
    resume: str | Path | None = None,
    screen: Callable[[Any], None] | None = None,
    began: float | None = None,
    **options: Any,
) -> Trained:
    """Train a network on `data` (a folder, a CSV, a name; the built-in digits when not given).

    Args:
        data: where the pictures are.
        resume: a run folder to go on with instead; it keeps its own data and options.
        screen: called with every choice, issue and event as it comes.
        began: Unix time from which seconds and `minutes` count (default: now).
        options: see `foveal.options.TrainOptions`; what is left out is chosen, with a reason.

    Raises:
        FovealError: the data, an option, the weights or the run folder cannot be used.
        KeyboardInterrupt: interrupted; everything was saved before.
    """
    began = time.time() if began is None else began
    show = screen or (lambda message: None)
    if resume is not None:
        if data is not None or options:
            what = str(data) if data is not None else ", ".join(sorted(options))
            raise OptionError(
                f"--resume {resume} was given together with {what}.",
                "A resumed run goes on with its own data and options, so that it ends as it would have.",
                f"foveal train --resume {resume}",
            )
        return training.resume(str(resume), show, began)
    wanted = make(TrainOptions, options)
    _check_early(wanted)
    dataset, split = prepare(
        None if data is None else str(data),
        wanted,
        wanted.split_seed,
        lambda done, total: show(("examining", done, total)),
    )
    for issue in dataset.issues:
        show(issue)
    planned = plan.make(dataset, wanted)
    for choice in (*split, *planned.choices):
        show(choice)
    for said in planned.warnings:
        show(Noticed(what="option", says=said))
    name = "digits" if data is None else Path(data).resolve().stem if Path(data).exists() else str(data)
    return training.start(dataset, planned, name, show, began, split)


def _check_early(wanted: TrainOptions) -> None:
    """What would be refused later anyway, before every picture of the data is read for nothing."""
    for kind, name in (
        ("architectures", wanted.network),
        ("schedules", wanted.schedule),
        ("augmentations", wanted.augment),
        ("tasks", wanted.task),
    ):
        if name is not None:
            catalog.find(kind, name)
    device.choose(wanted.device)
    if wanted.out is not None:
        refuse_existing(Path(wanted.out))
