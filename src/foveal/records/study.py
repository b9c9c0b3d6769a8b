"""A search over settings, as its folder tells it: ranges, trials, and what they came to.

A study is a folder with `study.json` (what was asked for, and what was decided on the way), `data.json` (the
pictures and their split), and `trials/`: for each trial `NNN.json` (what it is tried with, written before it
begins) and `NNN/`, an ordinary run. How far a trial is and how good, its run alone says. In `verdict/` lie, in the
same way, the trainings with other seeds by which the best and the default are compared.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from html import escape
from pathlib import Path
from typing import Any, Literal

from ..errors import RunError
from ..events import Event
from ..folders import STUDY, TRIALS, is_study
from ..options import TrainOptions, flag
from ..ranges import Range
from ..storage import damaged, read_json
from ..values import figure, span
from .contest import Verdict
from .run import EVENTS, RESULT
from .trials import Trial, best_of, better, plainly, ranked, read, unsettled

FORMAT = 1
AGAIN = "verdict"
"""Where in a study's folder the trainings with other seeds lie."""
_OF_PLACE = frozenset({"out", "runs_dir", "minutes", "save_seconds", "threads", "probe", "watch"})
"""Options that make no other training of it."""


@dataclass(frozen=True)
class Again:
    """A trial's setting trained again with another seed; `run` is that training, as if it were a trial."""

    trial: int
    seed: int
    run: Trial

    @property
    def name(self) -> str:
        what = "default" if self.trial == 0 else f"trial {self.trial}"
        return f"{what}, seed {self.seed}"


@dataclass(frozen=True)
class Study:
    """A search over settings: what it tries (`ranges`), what it may use (`budget`: `minutes`, `trials`,
    `epochs_total`; None is no limit), and its `trials`, the first with the default recipe.

    Trials are judged on validation by `metric`; `chance` is its value for a network that has learned nothing.
    `epochs` are a whole training's, `notes` what was decided on the way, `again` the trainings of the best and of the
    default with other seeds, and `verdict` what those showed; None while that is not known.
    """

    folder: Path
    data: str
    network: str
    search: str
    ranges: tuple[Range, ...]
    trials: tuple[Trial, ...]
    budget: Mapping[str, Any]
    metric: str
    higher_is_better: bool
    chance: float | None
    epochs: int
    rungs: tuple[int, ...] = ()
    fingerprint: str = ""
    notes: tuple[str, ...] = ()
    why: str = ""
    says: str = ""
    verdict: Verdict | None = None
    again: tuple[Again, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    """All that `study.json` holds."""

    @classmethod
    def read(cls, folder: str | Path) -> Study:
        """The study in a folder, as it stands now.

        Raises:
            RunError: there is none, or it is damaged.
        """
        return Shelf(folder).study()

    @property
    def default(self) -> Trial | None:
        """The trial of the default recipe."""
        return self.trials[0] if self.trials else None

    @property
    def best(self) -> Trial | None:
        """The best of the trials that were trained to their end; where none was, of all."""
        return best_of([t for t in self.trials if t.state == "finished"], self.higher_is_better) or best_of(
            [t for t in self.trials if t.state not in ("failed", "diverged")], self.higher_is_better
        )

    @property
    def seconds(self) -> float:
        """What all trials took together."""
        return sum(trial.seconds for trial in self.trials)

    @property
    def epochs_done(self) -> int:
        return sum(trial.epochs for trial in self.trials)

    @property
    def model(self) -> Path | None:
        """The run to take: the best on validation of the verdict's choice; before there is a verdict, the best
        trial's."""
        if self.verdict is not None and self.verdict.model:
            return self.folder / self.verdict.model
        return None if self.best is None else self.best.run

    @property
    def command(self) -> str:
        """What trains by itself the setting to take, with all that was given; empty while none has a result."""
        trial = self.best
        if self.verdict is not None and self.verdict.chosen is not None:
            trial = next((t for t in self.trials if t.number == self.verdict.chosen.number), trial)
        return "" if trial is None or trial.score is None else command(self, trial)

    def so_far(self) -> list[tuple[int, float]]:
        """(epochs spent by all trials, the best value until then), one pair each time it became better."""
        rows = [
            (at, value if trial.state not in ("failed", "diverged") else math.nan)
            for trial in self.trials
            for at, (_, value) in zip(trial.times, trial.curve, strict=True)
        ]
        best, course = math.nan, list[tuple[int, float]]()
        for spent, (_, value) in enumerate(sorted(rows, key=lambda row: row[0]), 1):
            if not math.isnan(value) and (math.isnan(best) or better(value, best, self.higher_is_better)):
                best = value
                course.append((spent, best))
        return course

    def to_json(self) -> dict[str, Any]:
        best, default = self.best, self.default
        return {
            "study": str(self.folder),
            "data": self.data,
            "network": self.network,
            "search": self.search,
            "budget": dict(self.budget),
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "ranges": [one.to_json() for one in self.ranges],
            "best": None if best is None else best.to_json(),
            "default": None if default is None else default.to_json(),
            "verdict": None if self.verdict is None else self.verdict.to_json(),
            "model": None if self.model is None else str(self.model),
            "command": self.command,
            "why": self.why,
            "says": self.says,
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
            "epochs": self.epochs_done,
            "trials": [trial.to_json() for trial in self.trials],
        }

    def _repr_html_(self) -> str:
        names = [one.name for one in self.ranges]
        head = ["trial", *names, self.metric, "epochs", "state"]
        best = self.best
        rows = []
        for trial in ranked(self.trials, self.higher_is_better):
            value = "" if trial.value is None else figure(trial.value)
            cells = [str(trial.number), *(plainly(trial.options.get(name, "")) for name in names)]
            cells += [value, str(trial.epochs), trial.state + (f": {trial.says}" if trial.says else "")]
            mark = " style='font-weight:bold'" if best is not None and trial.number == best.number else ""
            rows.append(f"<tr{mark}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
        titles = "".join(f"<th>{escape(name)}</th>" for name in head)
        verdict = "" if self.verdict is None else self.verdict._repr_html_()
        return f"{verdict}<p>{escape(self.says)}</p><table><tr>{titles}</tr>{''.join(rows)}</table>"


class Shelf:
    """A study's folder, read again and again: a trial that has not changed since is not read twice."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._known: dict[Path, tuple[tuple[Any, ...], Trial]] = {}
        self._again: dict[Path, tuple[int, int]] = {}

    def record(self) -> dict[str, Any]:
        """What `study.json` holds.

        Raises:
            RunError: there is no study here, it is of another format, or damaged.
        """
        if not is_study(self.folder):
            raise RunError(
                f"There is no study at {self.folder}.",
                "The folder of a study, as foveal tune names it.",
                "See the studies with: foveal runs",
            )
        record = read_json(self.folder / STUDY)
        if record.get("format") != FORMAT:
            raise RunError(
                f"{self.folder / STUDY} has format {record.get('format')!r}.",
                f"Format {FORMAT}, which this Foveal writes.",
                "Go on with the Foveal that began the study.",
            )
        return record

    def study(self) -> Study:
        """The study as it stands now.

        Raises:
            RunError: it is damaged.
        """
        record = self.record()
        try:
            ranges = tuple(Range.from_json(one) for one in record["ranges"])
            order = {one.name: place for place, one in enumerate(ranges)}
            return Study(
                folder=self.folder,
                data=str(record["data"]),
                network=str(record["network"]),
                search=str(record["search"]),
                ranges=ranges,
                trials=tuple(_in_order(trial, order) for trial in self.trials()),
                budget=dict(record["budget"]),
                metric=str(record["metric"]),
                higher_is_better=bool(record["higher_is_better"]),
                chance=record["chance"],
                epochs=int(record["epochs"]),
                rungs=tuple(record["rungs"]),
                fingerprint=str(record["fingerprint"]),
                notes=tuple(record.get("notes") or ()),
                why=str(record.get("why") or ""),
                says=str(record.get("says") or ""),
                verdict=None if record.get("verdict") is None else Verdict.from_json(record["verdict"]),
                again=tuple(self.again()),
                record=record,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(self.folder / STUDY, f"{type(error).__name__}: {error}") from None

    def trials(self) -> list[Trial]:
        """Every trial, by its number."""
        return [self._trial(file) for file in self._files(TRIALS)]

    def again(self) -> list[Again]:
        """Every training with another seed, in the order in which they were begun."""
        found = []
        for file in self._files(AGAIN):
            if file not in self._again:
                asked = read_json(file)
                self._again[file] = int(asked["trial"]), int(asked["seed"])
            found.append(Again(*self._again[file], self._trial(file)))
        return found

    def _files(self, home: str) -> list[Path]:
        there = (self.folder / home).glob("[0-9]*.json")
        return sorted(there, key=lambda file: (len(file.name), file.name))

    def _trial(self, file: Path) -> Trial:
        run = file.with_suffix("")
        marks = tuple(_mark(place) for place in (file, run / EVENTS, run / RESULT))
        kept = self._known.get(file)
        if kept is None or kept[0] != marks:
            trial = read(file, run)
        elif kept[1].state in ("running", "waiting"):
            trial = replace(kept[1], state=unsettled(run))  # all that can have changed
        else:
            return kept[1]
        self._known[file] = (marks, trial)
        return trial


def _in_order(trial: Trial, order: Mapping[str, int]) -> Trial:
    """A trial with its options in the order of the ranges."""
    names = sorted(trial.options, key=lambda name: (order.get(name, len(order)), name))
    return replace(trial, options={name: trial.options[name] for name in names})


def place_of(folder: Path, number: int, home: str = TRIALS) -> Path:
    """Where the run of a study's trial lies; what it is tried with lies beside it, with `.json`."""
    return folder / home / f"{number:03d}"


def command(study: Study, trial: Trial) -> str:
    """What trains the setting of a trial by itself: with all that was given to the study, and with as many epochs as
    its trainings had."""
    given = study.record.get("options") or {}
    usual = {one.name: one.default for one in fields(TrainOptions) if one.name not in _OF_PLACE}
    fixed = {name: given[name] for name in usual if name in given and given[name] != usual[name]}
    tuned = {} if trial.number == 0 else dict(trial.options)
    values = {**fixed, "epochs": study.epochs, **tuned}
    words = [_typed(name, value) for name, value in values.items() if value is not None]
    source = study.record.get("source", None if study.data == "digits" else "DATA")
    return " ".join(["foveal train", *([] if source is None else [shlex.quote(source)]), *words])


def _typed(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return flag(name) if value else flag(name).replace("--", "--no-", 1)
    return f"{flag(name)} {shlex.quote(f'{value:.6g}' if isinstance(value, float) else str(value))}"


def _mark(place: Path) -> tuple[int, int] | None:
    try:
        there = place.stat()
    except OSError:
        return None
    return there.st_size, there.st_mtime_ns


@dataclass(frozen=True)
class Turn:
    """What a search says as it goes, for a screen: a trial has begun, goes on, was judged after an epoch, has made a
    step, or has ended; `left` of the budget, in words. `name` says what it is where it is no trial but one that is
    trained again."""

    what: Literal["begun", "goes on", "epoch", "step", "ended"]
    trial: Trial | None
    study: Study | None
    left: str = ""
    event: Event | None = None
    name: str = ""


def told(study: Study) -> str:
    """A study in a sentence: how many trials, how they ended, and the best."""
    states = [trial.state for trial in study.trials]
    counts = {
        name: states.count(name) for name in ("finished", "paused", "interrupted", "diverged", "failed")
    }
    words = {"paused": "stopped early", "interrupted": "saved"}
    parts = [f"{count} {words.get(name, name)}" for name, count in counts.items() if count]
    many = f"{len(states)} trial{'s' * (len(states) != 1)}"
    said = f"{many} ({', '.join(parts)}), {study.epochs_done} epochs, {span(study.seconds)}"
    best = study.best
    if best is None or best.score is None:
        return f"{said}; none has a result yet"
    return f"{said}; best: trial {best.number}, {best.score}"
