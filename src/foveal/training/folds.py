"""k-fold: a network trained several times, each time judged on another part of the pictures.

A set of folds is a folder with `folds.json` (what was asked for), `data.json` (all pictures), and a
run folder for each fold, `fold-1`, `fold-2`, ... Nothing else is kept: the result is made from the
runs, so a stopped set goes on by training what is not finished.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .. import plan
from ..data.examine import examine
from ..data.splits import folds
from ..errors import FovealError, RunError
from ..events import Epoch, Noticed
from ..folders import claim, claim_next, discard, held, refuse_existing, safe_stem
from ..intervals import bootstrap, student
from ..options import TrainOptions, make
from ..outcomes import outcomes
from ..plan import Plan
from ..readers import read
from ..records.run import FOLDS, Run, is_run
from ..records.trained import EVALUATION, Trained
from ..storage import damaged, read_json, write_json
from ..values import Choice, Dataset, Score, figure
from . import resume, start, verify
from .job import Screen

FORMAT = 1
FEWEST_SECONDS = 5.0
Part = tuple[Dataset, list[Choice]]


@dataclass(frozen=True)
class Folds:
    """Several runs, each judged on a part of the pictures that it never saw.

    `headline` is over all pictures together, each judged once, where the metric is a mean over
    pictures (its interval: bootstrap over pictures), else the mean over folds. `mean`, `sd`, `low`
    and `high` are over the folds' own headlines: Student's interval, NaN where all are equal. As the
    folds share training pictures it is approximate (Bengio & Grandvalet 2004). `best` is the run with
    the best headline on its validation split.
    """

    folder: Path
    runs: tuple[Trained, ...]
    best: Trained
    headline: Score
    count: int
    pooled: bool
    mean: float
    sd: float
    low: float
    high: float
    choices: tuple[Choice, ...] = ()

    @property
    def run(self) -> Path:
        return self.folder

    @property
    def model(self) -> Path:
        return self.best.model

    @property
    def seconds(self) -> float:
        return round(sum(run.seconds for run in self.runs), 3)

    @property
    def first_model_seconds(self) -> float | None:
        return self.runs[0].first_model_seconds

    @property
    def says(self) -> str:
        """The result in words, each interval with what it is of."""
        score, name = self.headline, self.headline.name
        over = f"mean {figure(self.mean)}, sd {figure(self.sd)} over {len(self.runs)} folds"
        t = f"Student's 95 % interval over folds [{figure(self.low)}, {figure(self.high)}]"
        t = t if self.sd > 0 else "all folds came to the same"
        if not self.pooled:
            return f"{name}: {over}; {t}"
        each = f"{self.count:,} pictures, each judged once by a network that never saw it"
        boot = f"bootstrap 95 % interval over pictures [{figure(score.low)}, {figure(score.high)}]"
        return f"{name} {figure(score.value)} on {each}, {boot}; {over}, {t}"

    def to_json(self) -> dict[str, Any]:
        return {
            "run": str(self.folder),
            "model": str(self.model),
            "headline": dataclasses.asdict(self.headline),
            "seconds": self.seconds,
            "first_model_seconds": self.first_model_seconds,
            "choices": [dataclasses.asdict(choice) for choice in self.choices],
            "why": "finished",
            "says": self.says,
            "count": self.count,
            "pooled": self.pooled,
            "over_folds": {"mean": self.mean, "sd": self.sd, "low": self.low, "high": self.high},
            "folds": [
                {
                    "run": str(run.run),
                    "model": str(run.model),
                    "headline": dataclasses.asdict(run.headline),
                    "seconds": run.seconds,
                    "best": run is self.best,
                    "says": run.says,
                }
                for run in self.runs
            ],
        }

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(r.run.name)}</td><td>{escape(str(r.headline))}</td><td>{r.seconds:.0f} s</td></tr>"
            for r in self.runs
        )
        return (
            f"<p><b>{escape(self.says)}</b></p><table><tr><th>fold</th><th>headline</th><th>time</th></tr>"
            f"{rows}</table>"
        )


def train(data: str | None, name: str, wanted: TrainOptions, screen: Screen, began: float) -> Folds:
    """Train `wanted.folds` times on the data at a path or of a name; `name` is what the runs are called by.

    Raises:
        FovealError: as for one run; no folder is left where the first fold could not begin.
        KeyboardInterrupt: interrupted; says how many folds are kept and how to go on.
    """
    assert wanted.folds is not None
    if wanted.out is not None:
        refuse_existing(Path(wanted.out))
    dataset = examine(
        read(data, wanted, wanted.task),
        lambda done, total: screen(("examining", done, total)),
        data_home=wanted.data_home,
    )
    for issue in dataset.issues:
        screen(issue)
    parts = folds(dataset, wanted.folds, wanted.split_seed)
    # what is refused is refused before a folder is made
    planned = plan.make(parts[0][0], _one(wanted, 0.0, wanted.folds))
    if wanted.out is not None:
        folder = claim(Path(wanted.out))
    else:
        folder = claim_next(Path(wanted.runs_dir), safe_stem(f"{name}-folds"))
    with held(folder):
        Run(folder).write_dataset(dataset)
        asked = {"format": FORMAT, "data": name, "folds": wanted.folds, "train": dataclasses.asdict(wanted)}
        write_json(folder / FOLDS, asked)
        try:
            return _Set(folder, name, wanted, dataset, parts, screen).train(began, planned)
        except FovealError:
            if not any(is_run(inner) for inner in folder.iterdir()):
                discard(folder)
            raise


def go_on(path: str, screen: Screen, began: float) -> Folds:
    """Go on with a set of folds: finished ones are kept, a stopped one is resumed, the others trained.

    Raises:
        RunError: it is no set of folds, in use, damaged, or its pictures have changed.
    """
    folder = Path(path)
    with held(folder):
        asked = read_json(folder / FOLDS)
        try:
            wanted, name = make(TrainOptions, asked["train"]), str(asked["data"])
            count = int(asked["folds"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(folder / FOLDS, f"{type(error).__name__}: {error}") from None
        dataset = Run(folder).dataset
        verify(dataset, path, wanted.data_home)
        parts = folds(dataset, count, wanted.split_seed)
        return _Set(folder, name, wanted, dataset, parts, screen).train(began, None)


def _one(wanted: TrainOptions, gone: float, left: int) -> TrainOptions:
    """The options of one fold: the minutes left after `gone` seconds are shared by the folds `left`."""
    if wanted.minutes is None:
        return dataclasses.replace(wanted, folds=None)
    share = max(FEWEST_SECONDS, (wanted.minutes * 60 - gone) / left) / 60
    return dataclasses.replace(wanted, folds=None, minutes=share)


@dataclass
class _Set:
    """The work on a set of folds; its folder is held."""

    folder: Path
    name: str
    wanted: TrainOptions
    dataset: Dataset
    parts: list[Part]
    screen: Screen
    told: dict[str, Any] = field(default_factory=dict)

    def train(self, began: float, planned: Plan | None) -> Folds:
        """Every fold in turn. `planned` is the first fold's plan, where it was made already."""
        done: list[Trained] = []
        count = len(self.parts)
        try:
            for number in range(count):
                self.screen(("says", f"Fold {number + 1} of {count}"))
                done.append(self._fold(number, began, planned if number == 0 else None))
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(self._how_to_go_on(len(done))) from stop
        return gathered(self.folder, done, count)

    def _fold(self, number: int, set_began: float, planned: Plan | None) -> Trained:
        folder = self.folder / f"fold-{number + 1}"
        # the first fold's clock has been running since the command began
        began = set_began if planned is not None else time.time()
        if is_run(folder):
            if (done := Trained.read(Run(folder))) is not None:
                self.screen(("says", f"kept: {done.headline}"))
                return done
            if Run(folder).status != "created":
                done = resume(str(folder), self.screen, began)
                assert isinstance(done, Trained), "a fold is a run"
                return done
            discard(folder)  # killed before it was planned
        dataset, split = self.parts[number]
        self._tell_issues(dataset)
        made = planned
        if made is None:
            gone = time.time() - set_began
            made = plan.make(dataset, _one(self.wanted, gone, len(self.parts) - number))
        self._tell_choices([*split, *made.choices])
        for said in made.warnings:
            self.screen(Noticed(what="option", says=said))
        made = dataclasses.replace(made, options=dataclasses.replace(made.options, out=str(folder)))
        lineage = {"fold": number + 1, "folds": len(self.parts), "set": str(self.folder.resolve())}
        return start(dataset, made, self.name, self.screen, began, split, lineage)

    def _tell_choices(self, choices: list[Choice]) -> None:
        """Every choice of the first fold, and of the others what is chosen differently there."""
        for choice in choices:
            if self.told.get(choice.option) != choice.value:
                self.screen(choice)
                self.told[choice.option] = choice.value

    def _tell_issues(self, dataset: Dataset) -> None:
        """What is so in this fold only."""
        for issue in dataset.issues:
            if issue not in self.dataset.issues:
                self.screen(issue)

    def _how_to_go_on(self, done: int) -> str:
        kept = f"{done} of {len(self.parts)} folds are done and kept, and what was trained of the next."
        name = f'"{self.folder}"' if " " in str(self.folder) else str(self.folder)
        return f"{kept} To go on: foveal train --resume {name}"


def gathered(folder: Path, runs: Sequence[Trained], wanted: int) -> Folds:
    """The folds' common result.

    Raises:
        RunError: a fold's evaluation is not there or damaged.
    """
    scores = [run.headline for run in runs]
    values = np.array([score.value for score in scores])
    mean, sd = float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else math.nan
    # where all folds came to the same, their spread says nothing of how sure that is
    low, high = student(values) if sd > 0 else (math.nan, math.nan)
    evaluations = [read_json(run.run / EVALUATION) for run in runs]
    try:
        found = [outcomes(evaluation) for evaluation in evaluations]
        count = sum(int(evaluation["count"]) for evaluation in evaluations)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(runs[0].run / EVALUATION, f"{type(error).__name__}: {error}") from None
    one = scores[0]
    each = [list(o.values.values()) for o in found if o is not None and o.name == one.name]
    pooled = len(each) == len(runs)
    if pooled:
        flat = np.array([value for values_of_fold in each for value in values_of_fold])
        if set(flat.tolist()) <= {0.0, 1.0}:  # a share
            low, high = float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))
        headline = Score(one.name, float(flat.mean()), *bootstrap(flat), one.higher_is_better, "all folds")
    else:
        headline = Score(one.name, mean, low, high, one.higher_is_better, "all folds (mean)")
    checked = [_validation(run) for run in runs]
    best, best_score = runs[0], checked[0]
    for run, score in zip(runs, checked, strict=True):
        if score is not None and score.better_than(best_score):
            best, best_score = run, score
    first = [c for c in runs[0].choices if c.option != "test"]
    why = "given: each picture is judged once, by a network that never saw it"
    choices = (Choice("folds", wanted, why, automatic=False), *first)
    return Folds(folder, tuple(runs), best, headline, count, pooled, mean, sd, low, high, choices)


def _validation(run: Trained) -> Score | None:
    """The headline on validation of the epoch that was kept."""
    best = [e for e in Run(run.run).events() if isinstance(e, Epoch) and e.best and e.headline]
    try:
        return Score(**best[-1].headline) if best else None
    except TypeError as error:
        raise RunError(
            f"The events of {run.run} are damaged: {error}.",
            "Events as Foveal wrote them.",
            "Put events.jsonl back from a copy.",
        ) from None
