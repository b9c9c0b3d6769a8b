"""What a study's settings have to do with its values: all of them side by side, and each by itself."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..charts.kinds import Tone
from ..charts.parallel import Parallel, Thread
from ..charts.places import Axis, calm
from ..charts.scales import log_ticks, short, ticks, whole_ticks
from ..charts.slices import Dot, Slice
from ..ranges import Range
from ..records.study import Study
from ..records.trials import Trial, plainly
from . import words

BAND = 0.6
"""Of a choice's room, how much its trials are spread over, so that they do not lie on one another."""
ENOUGH = 8
"""Trials that were trained to their end, from which the value's axis is theirs."""
Says = Callable[[Trial], str]


@dataclass(frozen=True)
class Along:
    """A range as an axis, wide enough for all that was tried, the default's value too."""

    range: Range
    axis: Axis

    def place(self, value: Any) -> float | None:
        """Where a value lies, 0..1; None where it has no place on this scale."""
        return self.range.share(value) if self.range.takes(value) else None


@dataclass(frozen=True)
class Shown:
    """The trials that came to something, each with its value; those that diverged are at chance."""

    study: Study
    rows: tuple[tuple[Trial, float], ...]
    axes: tuple[Along, ...]
    says: Says
    tone: Callable[[Trial], Tone | None]


def shown(study: Study, says: Says) -> Shown:
    """What the charts below draw; `says` puts a trial into words."""
    rows = tuple((trial, value) for trial in study.trials if (value := _value(trial, study)) is not None)
    axes = tuple(along(one, [setting(trial, one.name, study) for trial, _ in rows]) for one in study.ranges)
    best = study.best

    def tone(trial: Trial) -> Tone | None:
        if best is not None and trial.number == best.number:
            return "good"
        return "warm" if trial.number == 0 else None

    return Shown(study, rows, axes, says, tone)


def along(one: Range, values: Sequence[Any]) -> Along:
    """The axis of a range on its own scale, with what lies outside of it within."""
    there = [value for value in values if one.takes(value)]
    if one.choices:
        others = dict.fromkeys(v for v in values if v is not None and v not in one.choices)
        wide = dataclasses.replace(one, choices=(*one.choices, *others))
        marks = [(wide.share(choice), plainly(choice)) for choice in wide.choices]
    else:
        wide = dataclasses.replace(one, low=min([one.low, *there]), high=max([one.high, *there]))
        marks = [(wide.share(tick), short(tick)) for tick in _ticks(wide)]
    without = dict.fromkeys("off" if v is None else plainly(v) for v in values if not wide.takes(v))
    return Along(wide, Axis(one.name, tuple(marks), ", ".join(without)))


def _ticks(one: Range) -> list[float]:
    if one.high <= one.low:
        return [one.low]
    if one.scale == "log":
        return log_ticks(one.low, one.high, 5)
    if one.scale == "rest":
        return [round(1 - rest, 9) for rest in log_ticks(1 - one.high, 1 - one.low, 5)]
    return whole_ticks(one.low, one.high, 4) if one.whole else ticks(one.low, one.high, 4)


def setting(trial: Trial, name: str, study: Study) -> Any:
    """What a trial had of an option; None where it meant nothing beside its others."""
    default = (study.record.get("defaults") or {}).get(name) if trial.number == 0 else None
    return trial.options.get(name, default)


def _value(trial: Trial, study: Study) -> float | None:
    if trial.state == "failed":
        return None
    value = study.chance if trial.state == "diverged" else trial.value
    return value if value is not None and math.isfinite(value) else None


def parallel(seen: Shown) -> Parallel | None:
    """All settings side by side, a line a trial; None where fewer than two came to something."""
    study = seen.study
    if len(seen.rows) < 2 or not seen.axes:
        return None
    low, high = _reach(seen)
    spread = [_spread(seen, one, by_value=True) for one in seen.axes]
    threads = []
    for number, (trial, value) in enumerate(seen.rows):
        at = min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5
        good = at if study.higher_is_better else 1 - at
        threads.append(
            Thread(
                (*(places[number] for places in spread), good), good, seen.says(trial), seen.tone(trial),
                trial.state == "finished",
            )
        )  # fmt: skip
    marks = ticks(low, high, 5) if high > low else [low]
    percent = study.metric in words.SHARES
    value_axis = Axis(
        words.named(study.metric),
        tuple((_upwards(t, low, high, study.higher_is_better), short(t, percent)) for t in marks),
    )
    axes = (*(one.axis for one in seen.axes), value_axis)
    return Parallel("All settings side by side", axes, tuple(threads))


def _reach(seen: Shown) -> tuple[float, float]:
    """The ends of the value's axis. The default lies on it, and so does the interval of the best, so that differences
    are not drawn larger than these pictures can tell."""
    study, best = seen.study, seen.study.best
    whole = [value for trial, value in seen.rows if trial.state == "finished"]
    # what was stopped early would press those together that were trained as long as each other
    compared = whole if len(whole) >= ENOUGH else [value for _, value in seen.rows]
    low, high = calm(compared, study.higher_is_better)
    default = [value for trial, value in seen.rows if trial.number == 0 and trial.state == "finished"]
    if best is not None and best.score is not None:
        default.append(best.score.low if study.higher_is_better else best.score.high)
    return min([low, *default]), max([high, *default])


def _upwards(value: float, low: float, high: float, higher: bool) -> float:
    """The place on the value's axis: the better, the higher."""
    place = (value - low) / (high - low) if high > low else 0.5
    return place if higher else 1 - place


def _spread(seen: Shown, one: Along, by_value: bool) -> list[float | None]:
    """The trials' places on an axis; those of one choice beside each other, with `by_value` the better above."""
    places = [one.place(setting(trial, one.range.name, seen.study)) for trial, _ in seen.rows]
    if not one.range.choices:
        return places
    room = BAND / len(one.range.choices)
    for middle in {place for place in places if place is not None}:
        same = [number for number, place in enumerate(places) if place == middle]
        if by_value:
            same.sort(key=lambda number: seen.rows[number][1], reverse=not seen.study.higher_is_better)
        for rank, number in enumerate(same):
            places[number] = middle + room * ((rank + 0.5) / len(same) - 0.5)
    return places


def slices(seen: Shown) -> list[Slice]:
    """The value against each setting; trials of one choice lie beside each other, in the order in which they began,
    so that no slope is seen where there is none."""
    study = seen.study
    if len(seen.rows) < 2:
        return []
    return [
        Slice(
            f"Against {one.range.name}",
            one.axis,
            words.named(study.metric),
            tuple(
                Dot(place, value, seen.says(trial), seen.tone(trial) or "accent", trial.state == "finished")
                for (trial, value), place in zip(seen.rows, _spread(seen, one, by_value=False), strict=True)
            ),
            study.metric in words.SHARES,
            study.higher_is_better,
            bool(one.range.choices),
        )
        for one in seen.axes
    ]
