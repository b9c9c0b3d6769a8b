"""foveal train: a folder of pictures in, a trained network out."""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, overload

from .. import catalog, plan, training
from ..doctor import kept
from ..errors import OptionError
from ..events import Noticed
from ..explaining.mistakes import ensure as explain_mistakes
from ..folders import refuse_existing
from ..loop import optimizers
from ..machine import device, distributed
from ..options import TrainOptions, make
from ..plan import recipes
from ..plan.range_test import planned_at_found_rate
from ..plan.rehearsal import Rehearsal, rehearse
from ..readers import prepare
from ..records.moved import moved
from ..records.run import Run, is_folds
from ..records.trained import Trained
from ..report import write as write_report
from ..training import folds, launch
from ..training.folds import Folds
from ..training.several import together
from .named import weights_named
from .runs import found as run_named

Screen = Callable[[Any], None]


@overload
def train(
    data: str | Path | None = None,
    *,
    resume: str | Path | None = None,
    dry_run: Literal[False] = False,
    data_at: str | Path | None = None,
    screen: Screen | None = None,
    began: float | None = None,
    **options: Any,
) -> Trained | Folds: ...


@overload
def train(
    data: str | Path | None = None,
    *,
    resume: None = None,
    dry_run: Literal[True],
    screen: Screen | None = None,
    began: float | None = None,
    **options: Any,
) -> Rehearsal: ...


def train(
    data: str | Path | None = None,
    *,
    resume: str | Path | None = None,
    dry_run: bool = False,
    data_at: str | Path | None = None,
    screen: Screen | None = None,
    began: float | None = None,
    **options: Any,
) -> Trained | Folds | Rehearsal:
    """Train a network on `data` (a folder, a CSV, a name; the built-in digits when not given).

    Args:
        data: where the pictures are.
        resume: a run's folder to go on with instead, or its name in `runs_dir`; it keeps its own data and options.
        dry_run: only say what would be done: schedule, time, memory, parameter groups, every choice.
        data_at: where the pictures of the resumed run are now, if they have moved; it then knows it.
        screen: called with every choice, issue and event as it comes.
        began: Unix time from which seconds and `minutes` count (default: now).
        options: see `foveal.options.TrainOptions`; what is left out is chosen, with a reason. With
            `folds` the result is a set of runs.

    Raises:
        FovealError: the data, an option, the weights or the run folder cannot be used.
        KeyboardInterrupt: interrupted; everything was saved before.
        Elsewhere: torchrun started several processes, and another than this has said what is wrong.
    """
    began = time.time() if began is None else began
    show = screen or (lambda message: None)
    return together(lambda: _trained(data, resume, dry_run, data_at, show, began, options))


def _trained(
    data: str | Path | None,
    resume: str | Path | None,
    dry_run: bool,
    data_at: str | Path | None,
    show: Screen,
    began: float,
    options: dict[str, Any],
) -> Trained | Folds | Rehearsal:
    if resume is not None:
        _check_alone(resume, data, {**options, **({"dry_run": True} if dry_run else {})})
        return _gone_on(run_named(resume, options.get("runs_dir", "runs")), data_at, show, began)
    if data_at is not None:
        raise OptionError(
            f"--data {data_at} was given to a new training.",
            "The place that the pictures of a resumed run have moved to.",
            f"To train on these pictures: foveal train {data_at}; to go on with a run: add --resume RUN",
        )
    wanted = make(TrainOptions, options)
    wanted = dataclasses.replace(wanted, weights=weights_named(wanted.weights, wanted.runs_dir))
    _check_several(wanted, dry_run)
    before = launch.begun(wanted)
    if before is not None:  # torchrun has started its processes again
        show(Noticed(what="launch", says=f"this launch began {before} before: it goes on"))
        done = reported(training.resume(str(before), show, began), show)
        launch.forget(wanted)
        return done
    check_early(wanted, dry_run)
    name = data_name(data)
    source = None if data is None else str(data)
    if wanted.folds is not None:
        return _all_reported(folds.train(source, name, wanted, show, began), show)
    dataset, split = prepare(
        source,
        wanted,
        wanted.split_seed,
        lambda done, total: show(("examining", done, total)),
        wanted.task,
    )
    for issue in dataset.issues:
        show(issue)
    if wanted.find_lr:
        planned, found = planned_at_found_rate(dataset, wanted, show)
    else:
        planned, found = plan.make(dataset, wanted), None
    for choice in (*split, *planned.choices):
        show(choice)
    for said in planned.warnings:
        show(Noticed(what="option", says=said))
    if dry_run:
        return rehearse(dataset, planned, show, began=began, split=split, found=found)
    done = reported(training.start(dataset, planned, name, show, began, split, found=found), show)
    launch.forget(wanted)
    return done


def _gone_on(folder: Path, data_at: str | Path | None, show: Screen, began: float) -> Trained | Folds:
    """Go on with a run or with a set of folds."""
    if data_at is not None:
        moved(folder, data_at, progress=lambda done, total: show(("examining", done, total)))
    if is_folds(folder):
        return _all_reported(folds.go_on(str(folder), show, began), show)
    return reported(training.resume(str(folder), show, began), show)


def data_name(data: str | Path | None) -> str:
    """What runs on this data are called by."""
    return "digits" if data is None else Path(data).resolve().stem if Path(data).exists() else str(data)


def reported(done: Trained, show: Screen) -> Trained:
    """Write the run's report; a trained network is worth more than its report, so that never fails it."""
    try:
        run = Run.open(done.run)
        explain_mistakes(run)
        _glanced(run, show)
        write_report(run)
    except Exception as error:
        show(
            Noticed(what="report", says=f"the report could not be written ({type(error).__name__}: {error})")
        )
    return done


def _glanced(run: Run, show: Screen) -> None:
    """Say how much the doctor finds wrong in the record alone; where it cannot look, the report goes without."""
    try:
        examined = kept.glance(run)
    except Exception as error:
        says = f"the doctor could not look at the run ({type(error).__name__}: {error})"
        show(Noticed(what="doctor", says=says))
        return
    found, how = examined.findings, shlex.join(["foveal", "diagnose", str(run.folder)])
    if found:
        many = "1 thing" if len(found) == 1 else f"{len(found)} things"
        show(("says", f"The doctor finds {many} wrong: {found[0].says} Evidence and cure: {how}"))
    elif examined.diagnosis.checked:
        rules = len(examined.diagnosis.checked)
        show(("says", f"The doctor finds nothing wrong ({rules} rules over the record; more tests: {how})"))


def _all_reported(done: Folds, show: Screen) -> Folds:
    for run in done.runs:
        if not (run.run / "report.html").exists():
            reported(run, show)
    return done


def _check_alone(resume: str | Path, data: str | Path | None, options: dict[str, Any]) -> None:
    others = sorted(options.keys() - {"runs_dir"})
    if data is not None or others:
        what = str(data) if data is not None else ", ".join(others)
        raise OptionError(
            f"--resume {resume} was given together with {what}.",
            "A resumed run goes on with its own data and options, so that it ends as it would have.",
            f"foveal train --resume {resume}, with --data PLACE if its pictures have moved; or foveal runs fork "
            f"{resume} to change options",
        )


def _check_several(wanted: TrainOptions, dry_run: bool) -> None:
    """Refuse what several processes cannot do together.

    Raises:
        OptionError: naming the option.
    """
    if distributed.several() and (dry_run or wanted.folds is not None):
        raise OptionError(
            f"{'--dry-run' if dry_run else '--folds'} was given to a training on several processes.",
            "One training, which they share; folds are several, and a dry run belongs to one process.",
            "Do it without torchrun: python -m foveal train ...",
        )


def check_early(wanted: TrainOptions, dry_run: bool) -> None:
    """What would be refused later anyway, before every picture of the data is read for nothing."""
    for kind, name in (
        ("architectures", wanted.network),
        ("schedules", wanted.schedule),
        ("augmentations", wanted.augment),
        ("tasks", wanted.task),
    ):
        if name is not None:
            catalog.find(kind, name)
    recipes.find(wanted.recipe)
    if wanted.optimizer is not None:
        optimizers.check(wanted.optimizer)
    if wanted.find_lr and wanted.lr is not None:
        raise OptionError(
            f"--find-lr and --lr {wanted.lr:g} were both given.",
            "Either a rate, or a test that finds one.",
            "Leave one out.",
        )
    if wanted.folds is not None and (wanted.find_lr or dry_run):
        raise OptionError(
            f"--folds was given together with --{'find-lr' if wanted.find_lr else 'dry-run'}.",
            "Folds are several trainings; a range test or a dry run belongs to one.",
            "Do it without --folds first, and give what it finds to the folds.",
        )
    device.choose(wanted.device)
    if wanted.out is not None:
        refuse_existing(Path(wanted.out))
