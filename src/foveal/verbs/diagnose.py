"""foveal diagnose: what is wrong with a run, its data and its network; why; and whether the cure cures."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from .. import catalog, doctor
from ..card import BEST
from ..data.decisions import written
from ..doctor import data as pictures
from ..doctor import kept
from ..doctor.budget import MINUTES
from ..doctor.candidates import candidates
from ..doctor.case import Case
from ..doctor.data import masks
from ..doctor.data.boxes import held, rows
from ..doctor.examination import NO_TIME, examine
from ..doctor.kept import Examined
from ..doctor.proof import Proof
from ..doctor.prove import prove as prove_cures
from ..doctor.told import told
from ..errors import FovealError, OptionError, RunError, UnknownNameError
from ..events import Noticed
from ..finding import Finding
from ..records.gathered import gather
from ..records.moved import moved
from ..records.run import OPTIONS, Run, is_folds
from ..report import write as write_report
from ..storage import damaged, write_whole
from ..training.fork import Mended
from ..training.fork import fork as fork_run
from ..values import Dataset
from .diff import diff
from .runs import found
from .train import reported

Screen = Callable[[Any], None]
DEEP_SECONDS = 240.0
"""Time for the tests of parts where none is given."""
QUICK_SECONDS = 20.0
"""Time for what is always tested."""
BOXES, MASKS, DECISIONS = "boxes.html", "masks.html", "decisions.csv"
"""In a run's folder: boxes or masks in doubt to go through, and a line a picture for what is decided."""


@dataclass(frozen=True)
class Applied:
    """A cure carried out: the new run, and how it compares with the old one."""

    rule: str
    run: Path
    says: str

    def to_json(self) -> dict[str, Any]:
        return {"rule": self.rule, "run": str(self.run), "says": self.says}


@dataclass(frozen=True)
class Diagnosed:
    """What is wrong with a run, the most fundamental first, each with its evidence, cause, cure, and, where that was
    tried, proof."""

    examined: Examined
    report: Path | None = None
    applied: Applied | None = None

    @property
    def run(self) -> Path:
        return self.examined.run

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.examined.findings

    @property
    def proofs(self) -> dict[str, Proof]:
        """By rule."""
        return dict(self.examined.proofs)

    @property
    def says(self) -> str:
        return self.examined.says

    def __len__(self) -> int:
        return len(self.findings)

    def to_json(self) -> dict[str, Any]:
        applied = None if self.applied is None else self.applied.to_json()
        report = None if self.report is None else str(self.report)
        return {**self.examined.to_json(), "report": report, "applied": applied}

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<li><b>{escape(one.says)}</b><br>{escape(one.cause)}<br><i>Cure:</i> {escape(one.cure.says)}"
            + (f"<br>{escape(self.proofs[one.rule].says)}" if one.rule in self.proofs else "")
            + "</li>"
            for one in self.findings
        )
        return f"<p><b>{escape(self.says)}</b></p><ol>{rows}</ol>"


def diagnose(
    run: str | os.PathLike[str],
    *,
    deep: bool = False,
    minutes: float | None = None,
    prove: bool = False,
    apply: bool | str = False,
    data_at: str | os.PathLike[str] | None = None,
    runs_dir: str | os.PathLike[str] = "runs",
    screen: Screen | None = None,
) -> Diagnosed:
    """Say what is wrong with a run, why, and what would cure it; kept in its `findings.json`, shown by its report.

    Args:
        run: a run's folder, or its name in `runs_dir`; finished or not.
        deep: also test the network's parts one by one, which takes minutes.
        minutes: time for `deep` (default: 4) and for `prove` (default: 10), each.
        prove: try the cures: train with and without each, once a seed, and compare. The first that can be tried comes
            first; others follow while there is time.
        apply: carry a cure out as a new run beside this one: that of the rule named, or of the first finding (True).
        data_at: where the run's own pictures are now, if they have moved; the run then knows it.
        screen: called with what is being done.

    Raises:
        FovealError: no such run, it never began, or its cure cannot be tried or carried out.
        KeyboardInterrupt: interrupted; what was found and proved was kept before.
    """
    show = screen or (lambda message: None)
    if minutes is not None and not minutes > 0:
        raise OptionError(
            f"--minutes was given as {minutes!r}.",
            "A number above 0.",
            "Give another value, or leave it out.",
        )
    opened = _opened(run, runs_dir)
    if data_at is not None:
        moved(opened.folder, data_at, progress=lambda done, total: show(("examining", done, total)))
    examined = _examined(opened, deep, minutes, show)
    kept.write(opened, examined)
    try:
        if prove:
            examined = _proved(opened, examined, (minutes or MINUTES) * 60, show)
    finally:
        page = _reported(opened, show)
    applied = _applied(opened, examined, apply, show) if apply is not False else None
    return Diagnosed(examined, page, applied)


def _opened(run: str | os.PathLike[str], runs_dir: str | os.PathLike[str]) -> Run:
    """The run, which must have begun.

    Raises:
        RunError: what was named is no run, a set of folds, or a run that never began, or its options are damaged.
    """
    path, name = Path(run), str(run)
    if path.suffix == ".safetensors" and path.is_file() and not (path.parent / OPTIONS).is_file():
        raise RunError(
            f"{path} is a model that lies in no run.",
            "The folder of a run: what went wrong is told by how it was trained, which a model does not know.",
            f"Judge the model instead: foveal evaluate {path} DATA",
        )
    if not path.exists() and not (Path(runs_dir) / path).exists() and name in catalog.names("architectures"):
        raise RunError(
            f"{name} is a network, and nothing was trained here yet.",
            "The folder of a run.",
            f"Train it first: foveal train DATA --network {name}; or take it apart: foveal anatomy {name}",
        )
    folder = found(path.parent if path.is_file() and path.name == BEST else path, runs_dir)
    if is_folds(folder):
        raise RunError(
            f"{folder} holds the runs of several folds.",
            "One run.",
            f"Give one of them: foveal diagnose {folder / 'fold-1'}",
        )
    opened = Run.open(folder)
    if not (opened.folder / OPTIONS).is_file():
        raise RunError(
            f"{opened.folder} never began: it has no options.",
            "A run that has been planned, with its options.json.",
            "Train a new one: foveal train DATA",
        )
    _ = opened.choices
    if not isinstance(
        opened.options.get("train"), dict
    ):  # without them a rule takes ill for sound, or the other way
        raise damaged(opened.folder / OPTIONS, "it does not say how the run was trained")
    return opened


def _examined(run: Run, deep: bool, minutes: float | None, screen: Screen) -> Examined:
    """Everything that is to be seen, and what the rules say to it."""
    began = time.monotonic()
    case, notes = _case(run, deep, minutes * 60 if minutes else DEEP_SECONDS, screen)
    diagnosis = doctor.diagnose(case)
    doubted = any(one.rule == "boxes_doubtful" for one in kept.every(diagnosis.findings))
    boxes = _boxes(run, case) if deep or doubted else []
    status, step = kept.place(case.record)
    return Examined(
        run.folder,
        diagnosis,
        status,
        step,
        tests=tuple(name for name, told in case.tests.items() if "failed" not in told),
        failed={name: str(told["failed"]) for name, told in case.tests.items() if "failed" in told},
        measured=told(case),
        notes=(*_limits(case), *_unseen(case, deep), *notes, *boxes),
        lacking=kept.too_little(case),
        deep=deep,
        pictures=int(case.data.get("count") or 0),
        seconds=round(time.monotonic() - began, 2),
        at=time.time(),
        proofs=kept.carried(diagnosis.findings, kept.before(run)),
    )


def _case(run: Run, deep: bool, seconds: float, screen: Screen) -> tuple[Case, list[str]]:
    """The run's record, tests of its parts, and what its pictures show, as far as these can be had."""
    case = _tested(run, deep, seconds, screen)
    dataset, record = case.record.dataset, case.record
    if dataset is None:
        return case, []
    task = str(record.task.get("name") or dataset.task)
    try:
        shown = pictures.examined(
            dataset,
            task=task,
            run=run,
            deep=deep,
            seconds=seconds if deep else None,
            progress=lambda what, done, total: screen((what, done, total)),
            data_home=record.train.get("data_home"),
        )
    except FovealError as error:
        said = f"The pictures could not be gone through: {error.came}"
        return case, [said, "What is found rests on the record of the training alone."]
    left = [f"Of the {what} not all was looked at: {why}." for what, why in shown.get("left", {}).items()]
    return dataclasses.replace(case, data=shown), left if deep else []


def _tested(run: Run, deep: bool, seconds: float, screen: Screen) -> Case:
    """The record with the tests of its parts."""
    return examine(
        run,
        deep=deep,
        seconds=seconds if deep else QUICK_SECONDS,
        progress=lambda done, total: screen(("testing", done, total)),
    )


def _boxes(run: Run, case: Case) -> list[str]:
    """Write the boxes or masks in doubt as a page to go through, and what may be decided of them; where that is, in
    words. What a person has decided already stays.

    Raises:
        DiskError: it cannot be written.
    """
    boxes, regions = rows(held(case)), masks.rows(masks.held(case))
    found, dataset = boxes or regions, case.record.dataset
    if dataset is None or not found:
        return []
    from ..report.findings import page

    files = run.folder / (BOXES if boxes else MASKS), run.folder / DECISIONS
    said = page(dataset, found, (), case.record.name, kicker="Diagnosis")
    write_whole(files[0], said.encode("utf-8", "xmlcharrefreplace"))
    if not files[1].exists():
        write_whole(files[1], written(row.to_csv() for row in found).encode("utf-8"))
    many = "picture has" if len(found) == 1 else "pictures have"
    says = (
        f"{len(found):,} {many} {'boxes' if boxes else 'regions'} that the network doubts, to go through in "
        f"{files[0]}; training obeys what is decided there: --exclude {files[1]}."
    )
    return [says]


def _limits(case: Case) -> list[str]:
    """What the record lacks, in sentences."""
    record, said = case.record, []
    if record.status == "running":
        done = record.epochs[-1].epoch if record.epochs else 0
        said.append(f"The run is still going on: this is what there is after {done} epochs.")
    elif record.status in ("interrupted", "died"):
        said.append("The run did not come to its end: this is what there is.")
    said += gone(record.dataset)
    return [*said, *(f"A file of the run cannot be read: {one}" for one in record.damaged)]


def gone(dataset: Dataset | None) -> list[str]:
    """Word of pictures that are no longer where they were, in a sentence."""
    if dataset is None or dataset.reader == "builtin" or Path(dataset.root).exists():
        return []
    says = f"The pictures are no longer at {dataset.root}, so that tests which need them could not be made"
    return [f"{says}; where they are now is said with --data."]


def _unseen(case: Case, deep: bool) -> list[str]:
    """Tests for which no time was left, in a sentence."""
    names = [name for name, told in case.tests.items() if told.get("failed") == NO_TIME]
    more = "--deep gives them minutes" if not deep else "--minutes gives them more"
    return [f"Not looked at for want of time: {', '.join(names)}; {more}."] if names else []


def _proved(run: Run, examined: Examined, seconds: float, screen: Screen) -> Examined:
    """Try the cures; every pair of trainings is kept when it is done."""
    record = gather(run)
    if not any(candidates(one, record) for one in kept.every(examined.findings)):
        why = (
            "no cure of what was found is one that Foveal can try"
            if examined.findings
            else "nothing was found"
        )
        screen(("says", f"Nothing to prove: {why}."))
        return examined
    proofs = dict(examined.proofs)

    def keep(proof: Proof) -> None:
        proofs[proof.rule] = proof
        kept.write(run, dataclasses.replace(examined, proofs=proofs))

    prove_cures(run, examined.findings, seconds, screen, keep)
    return dataclasses.replace(examined, proofs=proofs)


def _applied(run: Run, examined: Examined, wanted: bool | str, screen: Screen) -> Applied | None:
    """Carry a cure out as a new run beside this one, and compare.

    Raises:
        OptionError: no such finding, or a cure that only a person can carry out.
    """
    finding = _wanted(examined, wanted)
    if finding is None:
        screen(("says", "Nothing to apply: no cure of what was found is one that Foveal can carry out."))
        return None
    cure = kept.cure_of(finding, examined.proofs.get(finding.rule))
    mended = Mended(cure.repairs, cure.exclude, finding.rule)
    changes = {**cure.changes, "runs_dir": str(run.folder.parent)}
    done = fork_run(run.folder, changes, screen, time.time(), cure.source, mended)
    reported(done, screen)
    try:
        says = diff(run.folder, done.run).says
    except FovealError as error:
        says = f"The two cannot be compared: {error.came}"
    return Applied(finding.rule, done.run, says)


def _wanted(examined: Examined, wanted: bool | str) -> Finding | None:
    """The finding whose cure is meant: of that name (a symptom's, too), or the first of which one was seen to help, or
    that can be carried out."""
    every = kept.every(examined.findings)
    if wanted is True:
        tryable = [one for one in every if one.cure.can_be_tried]
        proven = [one for one in every if one.rule in examined.proofs]
        helps = [one for one in proven if examined.proofs[one.rule].verdict == "helps"]
        return next(iter((*helps, *tryable)), None)
    finding = next((one for one in every if one.rule == wanted), None)
    if finding is None:
        if wanted not in catalog.names(doctor.KIND):
            raise UnknownNameError("illness", str(wanted), catalog.names(doctor.KIND))
        there = ", ".join(one.rule for one in every) or "nothing"
        raise OptionError(
            f"--apply {wanted} was given, and this run does not have it.",
            f"What was found: {there}.",
            "Give the name of a finding, or leave it out: the first cure is then carried out.",
        )
    if not kept.cure_of(finding, examined.proofs.get(finding.rule)).can_be_tried:
        raise OptionError(
            f"The cure of {wanted} is none that Foveal can carry out: {finding.cure.says}",
            "A cure by options, by a repair of Foveal's, or by leaving pictures out.",
            "Carry it out yourself, then train again.",
        )
    return finding


def _reported(run: Run, screen: Screen) -> Path | None:
    """Write the page anew; what was found is worth more than its page, so that never fails it."""
    try:
        return write_report(run)
    except Exception as error:
        says = f"the report could not be written ({type(error).__name__}: {error})"
        screen(Noticed(what="report", says=says))
        return None
