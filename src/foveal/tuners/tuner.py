"""The work on a study: what to train next, until the budget is used. It is decided from the folder alone each time,
so that a study that was killed goes on as if it had not been."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .. import catalog
from ..errors import DataError, FovealError
from ..events import Epoch, Started
from ..folders import TRIALS
from ..options import TrainOptions, make
from ..records.run import OPTIONS, Run
from ..records.study import AGAIN, Shelf, Study, Turn, place_of, told
from ..records.trials import Trial
from ..storage import read_json, write_json
from ..training.job import PROBED
from . import SEARCHES, Ask, Tried, again, reshape, stops
from .left import SAVE_SECONDS, Left
from .orders import Died, News, Order, Place, Said, folder_of
from .record import WARM, chance_of, keep, tidy, told_of
from .reserve import Reserve

Screen = Callable[[Any], None]
DEATHS = 3
"""Times that a trial's process may die without the trial having moved on, until it is given up."""
LOSSES = 10
"""The same of nodes of a cluster that are lost: once in a while that is not the trial's doing."""
HOPELESS = 5
"""So many first trials that all fail say that no other will do better."""
LISTEN_SECONDS = 0.25
STOP_SECONDS = 60.0
"""How long trials may take to save when the study is interrupted."""
COUNTED = ("precision", "layout", "threads", "compile")
"""What the default's trial found out about this machine, and the others take over."""


@dataclass
class Tuner:
    """The work on a study, whose folder is held. `began` is when this process began with it, in Unix seconds."""

    folder: Path
    place: Place
    screen: Screen
    began: float
    shelf: Shelf = field(init=False)
    running: dict[int, Order] = field(default_factory=dict)
    ended: str = ""
    """Why nothing more is begun."""
    contest: again.Contest | None = None
    """What is trained again, once the search is over."""
    left: Left = field(init=False)

    def __post_init__(self) -> None:
        self.shelf = Shelf(self.folder)
        self.left = Left(self.began, Reserve.of(self.shelf.record()))

    def run(self) -> Study:
        """Train until the budget is used: the search first, then the best and the default again with other seeds.

        Raises:
            FovealError: what every trial would meet.
            KeyboardInterrupt: interrupted; says how to go on. What ran was saved.
        """
        study = self.shelf.study()
        again_seconds = sum(one.run.seconds for one in study.again)
        self.left.before = (study.seconds + again_seconds) / max(1, self.place.room)
        try:
            self.contest = again.Contest.of(study)
            if self.contest is None:
                self._train()
                self._search_is_over()
            if self.contest is not None:
                self._train()
        except KeyboardInterrupt:
            self._interrupted()
            raise
        finally:
            self.place.close()
        return self._concluded()

    def _train(self) -> None:
        """Carry out what is next until there is nothing more."""
        while True:
            self._fill()
            if not self.running:
                return
            for news in self.place.news(LISTEN_SECONDS):
                self._hear(news)

    def _search_is_over(self) -> None:
        """Decide what is trained again with other seeds, and say so."""
        study = self.shelf.study()
        keep(self.folder, ended=self.ended)
        if not study.record.get("retrain") or not study.trials:
            return
        seconds, epochs = self.left.for_verdict(study, self.running)
        self.contest = again.decide(self.folder, study, seconds, epochs, self.place.room)
        if said := self.contest.says:
            self.screen(("says", said))

    # --- what to do next ---

    def _fill(self) -> None:
        """Give orders while there is room and something to do."""
        while len(self.running) < self.place.room:
            order = self._next() if self.contest is None else self._next_again(self.contest)
            if order is None:
                return
            self.running[order.number] = order
            trial = self._trial(order)
            self._turn("goes on" if trial.epochs else "begun", order)
            self.place.give(order)

    def _next_again(self, contest: again.Contest) -> Order | None:
        """The next training with another seed, or None while there is nothing, or no room in the budget."""
        study = self.shelf.study()
        found = again.following(
            study, contest, self.running.keys(), *self.left.for_verdict(study, self.running)
        )
        if found is None:
            return None
        trial, seed, one = found
        number = again.begun(self.folder, study, trial, seed) if one is None else one.run.number
        folder = place_of(self.folder, number, AGAIN)
        given = read_json(folder.with_suffix(".json"))["given"]
        values = dict(study.record["options"]) | self._found_out(study, trial) | dict(given)
        values |= {"out": str(folder), "minutes": None, "seed": seed}
        make(TrainOptions, values)
        deadline = self.left.end(study) if study.budget.get("minutes") else None
        return Order(number, values, None, deadline, {}, trial)

    def _next(self) -> Order | None:
        """The next thing to do, or None while there is nothing, or for ever (`ended` says why)."""
        study = self.shelf.study()
        left = self.left.epochs(study, self.running)
        self._hopeless(study)
        for trial in study.trials:
            if trial.number not in self.running and trial.state in ("waiting", "interrupted", "running"):
                return self._go_on(study, trial, trial.bars, left)
        chance = chance_of(study)
        if not study.trials:
            return self._begin(study, {}, "the default recipe", left, bars={})
        finish = stops.to_finish(study, self.running, chance)
        promising = finish is not None and stops.leads(study, finish, chance)
        reserve = study.epochs - finish.epochs if finish is not None and promising else 0
        first = study.rungs[0] if study.rungs else study.epochs
        next_up = stops.promoted(study, self.running, chance)
        if next_up is not None and left - reserve >= min(first, study.epochs - next_up.epochs):
            return self._go_on(study, next_up, stops.bars(study, next_up, chance), left)
        limit = study.budget.get("trials") or math.inf
        # what could not be trained to its end any more, however good it is, is not begun
        if len(study.trials) < limit and left >= max(study.epochs, reserve + first):
            order = self._propose(study, left)
            if order is not None:
                return order
        if finish is not None:
            return self._go_on(study, finish, {}, left)
        if not self.running:
            self.ended = self.ended or self.left.why_ended(study)
        return None

    def _go_on(self, study: Study, trial: Trial, bars: Any, left: float) -> Order | None:
        """Let a trial go on, or begin with one that was killed before it could."""
        if left < 1:
            return None
        asked = read_json(place_of(self.folder, trial.number).with_suffix(".json"))
        if dict(bars) != dict(trial.bars):
            asked["bars"] = bars
            write_json(place_of(self.folder, trial.number).with_suffix(".json"), asked)
        return self._order(study, trial.number, trial.options, bars, trial.epochs, left)

    def _begin(
        self, study: Study, options: dict[str, Any], origin: str, left: float, bars: Any = None
    ) -> Order | None:
        """A new trial; its file is written before anything else, so that none is lost and none is there twice."""
        if left < 1:
            return None
        number = max((t.number for t in study.trials), default=-1) + 1
        if bars is None:
            trusted = options in (study.record.get("first") or [])
            bars = stops.bars(study, None, chance_of(study), trusted=trusted)
        shown = dict(options) or {
            name: value for name, value in study.record["defaults"].items() if value is not None
        }
        asked = {"number": number, "options": shown, "given": options, "origin": origin, "bars": bars}
        (self.folder / TRIALS).mkdir(exist_ok=True)
        write_json(place_of(self.folder, number).with_suffix(".json"), asked)
        return self._order(study, number, shown, bars, 0, left)

    def _propose(self, study: Study, left: float) -> Order | None:
        """A new setting: what earlier studies found first, then what the search says."""
        warm = study.record.get("warm") or []
        used = sum(1 for t in study.trials if t.origin.startswith(WARM))
        if used < len(warm):
            return self._begin(study, dict(warm[used]["options"]), f"{WARM} {warm[used]['from']}", left)
        study = self._reshaped(study)
        chance = chance_of(study)
        ask = Ask(
            study.ranges,
            (
                *self._prior(study),
                *(told_of(t, study, chance, self.running) for t in study.trials if t.state != "failed"),
            ),
            sum(1 for t in study.trials if t.origin == study.search),
            int(study.record["search_seed"]),
            study.higher_is_better,
            int(study.record["expected"]),
            int(study.record.get("points") or 3),
            tuple(study.record.get("first") or ()),
        )
        found = catalog.find(SEARCHES, study.search).propose(ask)
        if found is None:
            self.ended = "every combination was tried"
            return None
        return self._begin(study, found, study.search, left)

    def _prior(self, study: Study) -> list[Tried]:
        """Trials of earlier studies on the same data, network and schedule."""
        rows = study.record.get("prior") or []
        return [Tried(row["options"], row["value"], float(row["share"])) for row in rows]

    def _reshaped(self, study: Study) -> Study:
        """The study, its ranges wider or narrower where its trials say so; that is kept, and said."""
        if study.search == "grid":
            return study
        ranges, notes = reshape.reshaped(study)
        notes = [note for note in notes if note not in study.notes]
        if ranges == study.ranges:
            return study
        for note in notes:
            self.screen(("says", note))
        keep(self.folder, ranges=[one.to_json() for one in ranges], notes=[*study.notes, *notes])
        return self.shelf.study()

    def _order(self, study: Study, number: int, options: Any, bars: Any, done: int, left: float) -> Order:
        folder = place_of(self.folder, number)
        given = read_json(folder.with_suffix(".json")).get("given", options)
        values = dict(study.record["options"]) | self._found_out(study, number) | dict(given)
        values |= {"out": str(folder), "minutes": None}
        counted = self.left.counted(study, self.running)
        until = done + int(counted) if done + counted < study.epochs else None
        deadline = None
        if study.budget.get("minutes"):
            deadline = self.left.search_end(study) - SAVE_SECONDS
        make(TrainOptions, values)
        return Order(number, values, until, deadline, bars)

    def _found_out(self, study: Study, number: int) -> dict[str, Any]:
        """What the default's trial found out about the machine, where the others have the same network."""
        first = place_of(self.folder, 0) / OPTIONS
        roots = {"network", "size", "batch", *COUNTED}
        if number == 0 or not first.is_file() or roots & {one.name for one in study.ranges}:
            return {}
        record = Run(first.parent).options
        made = record.get("train") or {}
        if PROBED not in record:
            return {}
        return {name: made[name] for name in COUNTED if made.get(name) is not None} | {"probe": False}

    # --- what happens ---

    def _hear(self, news: News) -> None:
        if isinstance(news, Said):
            if isinstance(news.event, Started | Epoch):
                self._turn("epoch", self.running[news.number], news.event)
            else:
                self.screen(Turn("step", None, None, "", news.event))
            return
        order = self.running.pop(news.number)
        if isinstance(news, Died):
            self._note_death(order, news)
        elif news.fatal is not None:
            raise DataError(*news.fatal)
        elif news.failed:
            self._fail(order, news.failed)
        tidy(self._trial(order))
        self._turn("ended", order)

    def _trial(self, order: Order) -> Trial:
        """What an order trains: a trial, or one again."""
        study = self.shelf.study()
        if order.again is None:
            return next(t for t in study.trials if t.number == order.number)
        return next(one.run for one in study.again if one.run.number == order.number)

    def _turn(
        self, what: Literal["begun", "goes on", "epoch", "ended"], order: Order, event: Any = None
    ) -> None:
        """Tell the screen."""
        study = self.shelf.study()
        name = "" if order.again is None else f"{order.again}, seed {order.options['seed']}"
        left = self.left.in_words(study, None if self.contest is None else len(self.contest.pairs))
        self.screen(Turn(what, self._trial(order), study, left, event, name))

    def _note_death(self, order: Order, died: Died) -> None:
        """A trial whose process died goes on from its last state, unless it dies again and again at one place."""
        file = folder_of(order).with_suffix(".json")
        asked, trial = read_json(file), self._trial(order)
        name, most = ("losses", LOSSES) if died.lost else ("deaths", DEATHS)
        met = [*(asked.get(name) or []), trial.epochs]
        write_json(file, {**asked, name: met})
        if met[-most:] == [trial.epochs] * most:
            self._fail(order, f"its process died {most} times at epoch {trial.epochs} ({died.how})")
            return
        said = f"The process of trial {order.number} died ({died.how}): it goes on with another"
        if died.lost:
            said = f"Trial {order.number} goes on elsewhere: {died.how}"
        self.screen(("says", said))

    def _fail(self, order: Order, why: str) -> None:
        file = folder_of(order).with_suffix(".json")
        write_json(file, {**read_json(file), "failed": why})

    def _hopeless(self, study: Study) -> None:
        first = study.trials[:HOPELESS]
        if len(first) == HOPELESS and all(t.state == "failed" for t in first):
            raise FovealError(
                f"None of the first {HOPELESS} trials could be trained: {first[0].says}",
                "Settings with which this network can be trained on this data.",
                f"Try one by itself: foveal train DATA {first[0].described()}",
            )

    def _interrupted(self) -> None:
        """Have what runs saved, and say how to go on.

        Raises:
            KeyboardInterrupt: always.
        """
        self.place.stop("the study was interrupted")
        until = time.monotonic() + STOP_SECONDS
        while self.running and time.monotonic() < until:
            for news in self.place.news(LISTEN_SECONDS):
                if not isinstance(news, Said):
                    self.running.pop(news.number, None)
        study = self.shelf.study()
        how = shlex.join(["foveal", "tune", "--resume", str(self.folder)])
        raise KeyboardInterrupt(f"{told(study)}. All is saved; to go on: {how}")

    def _concluded(self) -> Study:
        """The study as it ends, with its results and its verdict in its file."""
        study = self.shelf.study()
        verdict = None
        if self.contest is not None:
            spent = self.left.before + time.time() - self.began
            verdict = again.concluded(self.folder, study, self.contest, spent)
        ended = self.ended or str(study.record.get("ended") or "the budget is used")
        unfinished = any(t.state in ("interrupted", "waiting") for t in study.trials)
        why = "budget" if unfinished or not ended.startswith(("all", "every")) else "finished"
        says = f"{told(study)}. {ended[:1].upper()}{ended[1:]}."
        names = ("number", "state", "value", "seconds")
        rows = [
            {**{name: getattr(t, name) for name in names}, "options": dict(t.options)} for t in study.trials
        ]
        keep(self.folder, why=why, says=says, results=rows, verdict=verdict and verdict.to_json())
        return self.shelf.study()
