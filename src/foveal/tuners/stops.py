"""Which trials stop early. Trials are compared after equal shares of the same schedule, never at equal times.

A trial is told bars when it begins: what it must have reached after so many epochs to go on without stopping. One
that does not stops there, keeps its state, and is let go on (promoted) once it is among the best of more trials.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from ..records.study import Study
from ..records.trials import Trial, better, value_at

SOURCE = (
    "successive halving: Jamieson & Talwalkar 2016; asynchronous, with promotion: Li et al. 2020, A System for "
    "Massively Parallel Hyperparameter Tuning (ASHA); median rule: Golovin et al. 2017, Google Vizier"
)
ETA = 3
"""One of so many goes on at the first rung."""
FIRST = ETA**2
"""Trials are compared after this part of their epochs: by then it shows what is bad."""
HALF = 2
"""And again at half of them, where one of two goes on: the first epochs flatter high rates, and say little of which of
the good ones is best (`benchmarks/rungs.py`)."""
FEWEST = 4
"""Trials that a median is taken of at least."""
ENOUGH = 3
"""Trials that are trained to their end, beside the default, where the budget holds it: the verdict is on these."""


def rungs(epochs: int, stop: str, ahead: int = 0) -> tuple[int, ...]:
    """Epochs after which trials are compared, short of the whole: a ninth of them, and half. `ahead` are those of
    stages before the last: what differs there (a head alone, solved at once) says nothing of the rest."""
    left = epochs - ahead
    if stop != "halving" or left < ETA:
        return ()
    return tuple(dict.fromkeys(ahead + math.ceil(left / part) for part in (FIRST, HALF)))


def one_of(place: int) -> int:
    """Of how many trials one goes on at a rung; they are counted from 0."""
    return HALF if place else ETA


def share_of(epochs: int, marks: Sequence[int]) -> float:
    """Of a whole training that a trial takes on average."""
    spent, left, before = 0.0, 1.0, 0
    for place, mark in enumerate((*marks, epochs)):
        spent += left * (mark - before)
        left, before = left / one_of(place), mark
    return spent / epochs


def bars(
    study: Study, trial: Trial | None, chance: float, *, trusted: bool = False
) -> dict[int, float | None]:
    """What a trial must have reached at the epochs it has not come to yet; None: it stops there in any case.

    One that is `trusted` goes past the first rung, which only shows what is bad.
    """
    done = 0 if trial is None else trial.epochs
    others = [other for other in study.trials if trial is None or other.number != trial.number]
    stop, higher = str(study.record.get("stop")), study.higher_is_better
    found: dict[int, float | None] = {}
    if stop == "median":
        ahead = int(study.record.get("ahead") or 0)
        for epoch in range(
            max(done, ahead + math.ceil((study.epochs - ahead) / FIRST) - 1) + 1, study.epochs
        ):
            values = _values(others, epoch, higher, chance)
            if len(values) >= FEWEST:
                # as good as the median is good enough: few pictures give many ties
                found[epoch] = math.nextafter(statistics.median(values), -math.inf if higher else math.inf)
        return found
    for place, rung in enumerate(study.rungs):
        if rung > done and not (trusted and place == 0 and len(study.rungs) > 1):
            values = _values(others, rung, higher, chance)
            keep = (len(values) + 1) // one_of(place)
            found[rung] = values[keep - 1] if keep else None
    return found


def passes(bar: float | None, value: float, higher: bool) -> bool:
    """Whether a trial with this best value so far goes on."""
    return bar is not None and not math.isnan(value) and better(value, bar, higher)


def _values(trials: Sequence[Trial], epoch: int, higher: bool, chance: float) -> list[float]:
    """The values at this epoch of all that came so far, best first."""
    found = [value_at(t, epoch, higher, chance) for t in trials if t.state != "failed"]
    return sorted((value for value in found if value is not None), reverse=higher)


def promoted(study: Study, busy: Mapping[int, object], chance: float) -> Trial | None:
    """A trial that stopped at a rung and is now among those that go on there; from the highest rung down."""
    for place, rung in reversed(list(enumerate(study.rungs))):
        there = {t.number: value_at(t, rung, study.higher_is_better, chance) for t in study.trials}
        known = {number: value for number, value in there.items() if value is not None}
        order = sorted(known, key=lambda n: (-known[n] if study.higher_is_better else known[n], n))
        for number in order[: len(known) // one_of(place)]:
            trial = next(t for t in study.trials if t.number == number)
            if trial.state == "paused" and trial.epochs == rung and number not in busy:
                return trial
    return None


def to_finish(study: Study, busy: Mapping[int, object], chance: float) -> Trial | None:
    """The stopped trial most worth the rest of its schedule: of those that came farthest the best, where it was better
    after as many epochs than the best finished one, or where fewer than `ENOUGH` have finished."""
    higher = study.higher_is_better
    stopped = [
        t for t in study.trials if t.state == "paused" and t.number not in busy and t.value is not None
    ]
    if not stopped:
        return None
    best = min(
        stopped, key=lambda t: (-t.epochs, -(t.value or 0.0) if higher else (t.value or 0.0), t.number)
    )
    if best.value is None or (math.isfinite(chance) and not better(best.value, chance, higher)):
        return None
    finished = [t for t in study.trials if t.state == "finished" and t.number]
    return best if len(finished) < ENOUGH or leads(study, best, chance) else None


def leads(study: Study, trial: Trial, chance: float) -> bool:
    """Whether a stopped trial was better after as many epochs than the best finished one."""
    leader = study.best
    if leader is None or trial.value is None:
        return True
    then = value_at(leader, trial.epochs, study.higher_is_better, chance)
    return then is None or better(trial.value, then, study.higher_is_better)
