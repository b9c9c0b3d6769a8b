"""A new study: the data read and split once, the default planned and timed, and what is tuned for this budget."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import plan
from ..errors import OptionError
from ..events import Noticed
from ..folders import STUDY, claim, claim_next, refuse_existing, safe_stem
from ..options import ReadOptions, TrainOptions, TuneOptions, flag
from ..plan import Plan
from ..plan.network import built
from ..plan.rehearsal import rehearse
from ..ranges import Range
from ..readers import prepare
from ..records.run import Run
from ..records.study import FORMAT
from ..records.trials import plainly
from ..storage import strict, to_json, write_json
from ..values import Choice, Dataset, span
from . import earlier, over, portfolio, space, stops
from .reserve import Reserve
from .searches.grid import combinations

Screen = Callable[[Any], None]
TRIALS = 25
"""Where neither time nor epochs nor trials are given: random search's usual count (Bergstra & Bengio 2012: one of 60
is among the best 5 % with 95 % probability; of 25, among the best 11 %)."""
IN_A_GRID = 9
GUESSING = ("adaptive", "gaussian")
"""Searches that learn from what was tried, and so have somewhere to begin."""
BESIDE_TRAINING = 0.6
"""Seconds that a trial takes beside its epochs: building, saving, writing."""
STARTING_SECONDS = 5.0
"""Until the process that trains has loaded torch."""
WHOLE = 4
"""Whole trainings that a budget should hold: else trainings are made shorter, where that is open."""
SHORTEST = 5
"""Epochs that a training is not made shorter than."""
FEWEST_EPOCHS = 3
FINER = 4
"""A random search with this many times a grid's values in a dimension covers each dimension more finely."""
_OF_PLACE = {"out", "runs_dir", "save_seconds", "device", "threads", "workers", "cache", "epochs", "probe"}


@dataclass(frozen=True)
class Ready:
    """A study before its folder is made: what `study.json` will hold, and the data."""

    dataset: Dataset
    name: str
    wanted: TuneOptions
    record: dict[str, Any]
    ranges: tuple[Range, ...]
    mark: str


@dataclass(frozen=True)
class _Frame:
    """How long trainings are, and how many of them the budget holds: `epochs` of a whole one, `ahead` in stages before
    the last, `seconds` an epoch, `jobs` at a time, and the trials that are `expected`."""

    budget: dict[str, Any]
    stop: str
    epochs: int
    ahead: int
    rungs: tuple[int, ...]
    seconds: float
    jobs: int
    gpus: list[str]
    expected: int

    @classmethod
    def of(cls, wanted: TuneOptions, planned: Plan, seconds: float, began: float) -> _Frame:
        epochs, ahead = length(planned)
        stop = wanted.stop or ("none" if wanted.search == "grid" else "halving")
        rungs = stops.rungs(epochs, stop, ahead)
        budget = _budget(wanted)
        jobs, gpus = _jobs(wanted, planned)
        record = {
            "budget": budget, "epochs": epochs, "epoch_seconds": seconds, "jobs": jobs, "rungs": rungs,
            "expected": 1, "retrain": wanted.verdict,
        }  # fmt: skip
        kept = Reserve.of(record)
        held = _held(budget, seconds, jobs, began) - (kept.epochs if kept.limited else 0)
        expected = int(budget["trials"] or IN_A_GRID)
        if not math.isinf(held):
            by_epochs = 1 + max(0.0, held - epochs) / (epochs * stops.share_of(epochs, rungs))
            expected = max(1, int(min(by_epochs, budget["trials"] or math.inf)))
        return cls(budget, stop, epochs, ahead, rungs, seconds, jobs, gpus, expected)

    def to_json(self) -> dict[str, Any]:
        row = dataclasses.asdict(self)
        row["epoch_seconds"] = row.pop("seconds")
        return row

    def cost_of_grid(self, grid: int, points: int, ranges: Sequence[Range], kept: Reserve) -> str:
        """What a grid costs, before it begins; what is `kept` for the verdict is not its own."""
        each = self.epochs * self.seconds / self.jobs
        said = f"{grid} experiments and the default, about {span((grid + 1) * each)}"
        fewer = FINER * points
        if len(ranges) > 1 and fewer < grid:
            said += (
                f"; random search with {fewer} would cover each of the {len(ranges)} parameters more finely"
            )
        most = min(
            self.budget["trials"] or math.inf,
            (self.budget["minutes"] * 60 - kept.seconds) / each if self.budget["minutes"] else math.inf,
            ((self.budget["epochs_total"] or math.inf) - kept.epochs) / self.epochs,
        )
        if grid + 1 > most:
            said += (
                f". The budget holds about {max(1, int(most))} of them: those are spread over the whole grid"
            )
        return said

    def length(self) -> str:
        """What the study will take, or hold."""
        after = f", compared after {' and '.join(map(str, self.rungs))} epochs" if self.rungs else ""
        whole = self.epochs * self.seconds
        if self.budget["minutes"]:
            each = f"A whole training of {self.epochs} epochs takes about {span(whole)}"
            return f"{each}: about {self.expected} trials{after}"
        if self.budget["epochs_total"]:
            about = span(self.budget["epochs_total"] * self.seconds / self.jobs)
            return f"{self.budget['epochs_total']} epochs take about {about}: about {self.expected} trials{after}"
        about = span(whole * (1 + (self.expected - 1) * stops.share_of(self.epochs, self.rungs)) / self.jobs)
        return f"{self.expected} trials of at most {self.epochs} epochs each{after}: about {about}"


def ready(
    data: str | None,
    name: str,
    wanted: TuneOptions,
    asked: Sequence[str] | Mapping[str, Any],
    screen: Screen,
    began: float,
) -> Ready:
    """Read the data, plan and time the default, and choose what is tuned. `began` is the command's start, in Unix
    seconds.

    Raises:
        FovealError: as one training with these options would; or an option means nothing to a study.
    """
    chosen = over.ranges(asked)
    _check(wanted, chosen)
    one = training_options(wanted)
    dataset, split = prepare(
        data, one, one.split_seed, lambda done, total: screen(("examining", done, total)), one.task
    )
    for issue in dataset.issues:
        screen(issue)
    planned = plan.make(dataset, one)
    seconds = _timed(dataset, planned, screen)
    planned, one, seconds = _short_enough(dataset, planned, one, wanted, seconds, screen, began)
    frame = _Frame.of(wanted, planned, seconds, began)
    warnings = [Noticed(what="option", says=said) for said in planned.warnings]
    for message in (*split, *planned.choices, *warnings):
        screen(message)
    network = built(planned.architecture, planned.options)
    given = (chosen, "given with --over")
    ranges, why = given if chosen else space.automatic(planned, one, network, frame.expected)
    _check_ranges(ranges)
    points = _points(ranges, frame.expected, wanted)
    grid = len(combinations(ranges, points)) if wanted.search == "grid" else 0
    _tell(ranges, why, points if grid else 0, screen)
    expected = grid + 1 if grid else frame.expected
    kept = Reserve.of({**frame.to_json(), "expected": expected, "retrain": wanted.verdict})
    cost = frame.cost_of_grid(grid, points, ranges, kept) if grid else frame.length()
    for said in filter(None, (cost, kept.told(frame.budget))):
        screen(("says", said))
    threads = _threads(one, frame.jobs, frame.gpus)
    own = dataclasses.replace(one, epochs=planned.options.epochs, out=None, threads=threads)
    mark = _mark(dataset, planned, own, frame.epochs)
    defaults = space.default_values(planned, network)
    record = {
        **frame.to_json(),
        **_named(dataset, planned, wanted, why),
        "data": name, "source": data, "expected": expected, "points": points, "mark": mark,
        "options": dataclasses.asdict(own),
        "defaults": {r.name: defaults.get(r.name) for r in ranges},
        "split": [dataclasses.asdict(choice) for choice in split],
        "ranges": [r.to_json() for r in ranges],
        **portfolio.begins(
            dataset, planned, ranges, defaults, expected if wanted.search in GUESSING else 0
        ),
    }  # fmt: skip
    return Ready(dataset, name, wanted, record, ranges, mark)


def _named(dataset: Dataset, planned: Plan, wanted: TuneOptions, why: str) -> dict[str, Any]:
    """What is searched for and how."""
    headline = planned.task.headline
    return {
        "format": FORMAT,
        "fingerprint": dataset.fingerprint,
        "retrain": wanted.verdict,
        "why_these": why,
        "network": planned.start.network,
        "search": wanted.search,
        "search_seed": wanted.search_seed,
        "task": planned.task.name,
        "metric": headline.name,
        "higher_is_better": headline.higher_is_better,
        "chance": planned.task.chance,
    }


def made(study: Ready, screen: Screen) -> Path:
    """Make the study's folder, with all that a study needs to go on after whatever happens.

    Raises:
        RunError: `out` exists.
        DiskError: no permission, or no space.
    """
    wanted = study.wanted
    if wanted.out is not None:
        folder = claim(Path(wanted.out))
    else:
        folder = claim_next(Path(wanted.runs_dir), safe_stem(f"{study.name}-study"))
    record = dict(study.record)
    for said in record["notes"]:
        screen(("says", said))
    if wanted.warm_start:
        found = earlier.found(
            wanted.runs_dir, folder, str(record["fingerprint"]), str(record["network"]), str(record["metric"]),
            study.mark, study.ranges,
        )  # fmt: skip
        record |= {
            "warm": list(found.warm),
            "prior": list(found.prior),
            "notes": [*record["notes"], *found.says],
        }
        for said in found.says:
            screen(("says", f"{said[:1].upper()}{said[1:]}"))
    Run(folder).write_dataset(study.dataset)
    write_json(folder / STUDY, record)  # last: now it is a study
    screen(("study", str(folder)))
    return folder


def training_options(wanted: TuneOptions) -> TrainOptions:
    """What all trials have in common."""
    values = {f.name: getattr(wanted, f.name) for f in dataclasses.fields(TrainOptions)}
    return TrainOptions(**{**values, "out": None, "minutes": None})


def length(planned: Plan) -> tuple[int, int]:
    """Epochs of a whole training, and those of the stages before the last."""
    each = [stage.epochs for stage in planned.fit.stages]
    return sum(each), sum(each[:-1])


def _check(wanted: TuneOptions, chosen: Sequence[Range]) -> None:
    """Refuse what means nothing to a study, before every picture is read."""
    if wanted.find_lr or wanted.folds is not None:
        name = "find_lr" if wanted.find_lr else "folds"
        raise OptionError(
            f"{flag(name)} was given to a study.",
            "The rate is what a study tunes; and a trial is one training, with one validation split.",
            f"Leave {flag(name)} out.",
        )
    for one in chosen:
        if getattr(wanted, one.name) is not None and one.name not in ("flip",):
            raise OptionError(
                f"{flag(one.name)} was given, and --over {one.name}, too.",
                "An option is the same in all trials, or tuned.",
                "Leave one of them out.",
            )
    if wanted.points is not None and wanted.search != "grid":
        raise OptionError(
            f"--points {wanted.points} was given to --search {wanted.search}.",
            "Only a grid has fixed values.",
            "Leave it out, or give --search grid.",
        )
    if wanted.out is not None:
        refuse_existing(Path(wanted.out))


def _check_ranges(ranges: Sequence[Range]) -> None:
    if not ranges:
        raise OptionError(
            "Nothing is left to tune: what a study of this size would tune was given.",
            "At least one option that is open.",
            f"Leave --lr out, or say what to tune: {over.HOW}",
        )


def _timed(dataset: Dataset, planned: Plan, screen: Screen) -> float:
    """Seconds an epoch, with its share of all else that a trial takes; measured on a network that is thrown away."""
    tried = rehearse(dataset, planned, screen)
    epochs, _ = length(planned)
    return (tried.seconds["train"] + tried.seconds["judge"] + BESIDE_TRAINING) / epochs


def _short_enough(
    dataset: Dataset,
    planned: Plan,
    one: TrainOptions,
    wanted: TuneOptions,
    seconds: float,
    screen: Screen,
    began: float,
) -> tuple[Plan, TrainOptions, float]:
    """The plan, with fewer epochs where the budget holds too few whole trainings to compare anything.

    Raises:
        OptionError: it does not even hold some epochs.
    """
    epochs, _ = length(planned)
    held = _held(_budget(wanted), seconds, _jobs(wanted, planned)[0], began)
    if held < FEWEST_EPOCHS:
        raise OptionError(
            f"The budget holds {held:.1f} epochs, and an epoch takes about {span(seconds)} here.",
            f"At least {FEWEST_EPOCHS} epochs; {WHOLE * epochs} and more to compare anything.",
            f"Give --minutes {math.ceil(WHOLE * epochs * seconds / 60)}, or fewer --epochs and a smaller --size.",
        )
    if wanted.epochs is not None or held >= WHOLE * epochs:
        return planned, one, seconds
    fewer = max(SHORTEST, int(held / WHOLE))
    if fewer >= epochs:
        return planned, one, seconds
    said = (
        f"A whole training of {epochs} epochs would fit into this budget {held / epochs:.1f} times only: trials have "
        f"{fewer} epochs, the default's, too"
    )
    screen(("says", said))
    one = dataclasses.replace(one, epochs=fewer)
    return plan.make(dataset, one), one, seconds


def _budget(wanted: TuneOptions) -> dict[str, Any]:
    trials = wanted.trials
    if wanted.search != "grid" and not (trials or wanted.minutes or wanted.epochs_total):
        trials = TRIALS
    return {"trials": trials, "minutes": wanted.minutes, "epochs_total": wanted.epochs_total}


def _held(budget: Mapping[str, Any], seconds: float, jobs: int, began: float) -> float:
    """Epochs that the budget holds, less the time until the first trial begins."""
    by_time = math.inf
    if budget["minutes"]:
        left = budget["minutes"] * 60 - (time.time() - began) - STARTING_SECONDS
        by_time = max(0.0, left) * jobs / seconds
    return float(min(by_time, budget["epochs_total"] or math.inf))


def _jobs(wanted: TuneOptions, planned: Plan) -> tuple[int, list[str]]:
    """Trials at a time, and the GPUs that have one each."""
    import torch

    if not planned.fit.device.startswith("cuda") or wanted.device not in (None, "cuda"):
        return wanted.jobs or 1, []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(n) for n in range(torch.cuda.device_count())] if visible is None else visible.split(",")
    return wanted.jobs or max(1, len(names)), names


def _threads(one: TrainOptions, jobs: int, gpus: Sequence[str]) -> int | None:
    """Several trainings on one processor share its cores."""
    if jobs == 1 or gpus or one.threads is not None:
        return one.threads
    return max(1, (os.cpu_count() or 1) // jobs)


def _points(ranges: Sequence[Range], expected: int, wanted: TuneOptions) -> int:
    """Values of each numeric range in a grid: as many as the budget has room for, at least two."""
    if wanted.points is not None:
        return wanted.points
    numbers = sum(1 for one in ranges if not one.choices)
    given = math.prod(len(one.choices) for one in ranges if one.choices)
    return max(2, int((max(1, expected) / given) ** (1 / numbers) + 1e-9)) if numbers else 1


def _tell(ranges: Sequence[Range], why: str, points: int, screen: Screen) -> None:
    screen(("says", f"What is tuned ({why}):"))
    for one in ranges:
        values = ", ".join(plainly(v) for v in one.even(points)) if points else one.says
        on = "" if one.when is None else f"with {one.when[0]} {' or '.join(map(str, one.when[1]))}; "
        screen(Choice(one.name, values, on + (one.source or "given")))


def _mark(dataset: Dataset, planned: Plan, own: TrainOptions, epochs: int) -> str:
    """What studies have in common whose trials can be told to one another's searches."""
    reading = {f.name for f in dataclasses.fields(ReadOptions)}
    kept = {k: v for k, v in dataclasses.asdict(own).items() if k not in _OF_PLACE | reading}
    text = to_json(strict([kept, dataset.fingerprint, dataset.task, planned.start.network, epochs]))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
