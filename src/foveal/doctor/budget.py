"""How long the trainings of a proof may be, and how many, so that they fit into the time there is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..events import Epoch
from ..records.gathered import Gathered
from ..values import span
from .proof import FEWEST

MINUTES = 10.0
"""Time for a proof where none is given."""
MOST = 5
"""Seeds a side at most: from there on an interval shrinks slowly."""
SHORTEST = 0.1
"""A training is at least this share of the run's own, and at least two epochs where that has two."""
UNKNOWN_SECONDS = 5.0
"""An epoch's length where the run never ended one and did not say how fast it was."""
OVERHEAD_SECONDS = 1.5
"""Of each training beside its epochs, at least."""


@dataclass(frozen=True)
class Budget:
    """Trainings that fit: `seeds` a side, of `epochs` as it was and `cured` with the cure; `seeds` is 0 where not even
    the fewest and shortest fit, and `seconds` is then what these would take, else what is expected."""

    seeds: int
    epochs: int
    cured: int
    whole: bool
    seconds: float

    def says(self, rule: str, shared: int = 0) -> str:
        """What is about to be done, before it starts; `shared` trainings are there already."""
        each = f"{_many(self.epochs)} each"
        if self.cured != self.epochs:
            each = f"{_many(self.epochs)} as it was, {_many(self.cured)} with the cure"
        length = "" if self.whole else ", shorter than the run's own so that they fit"
        trainings = 2 * self.seeds - shared
        return (
            f"Trying the cure of {rule}: {trainings} trainings, {self.seeds} seeds with it and {self.seeds} without, "
            f"{each}{length}; about {span(self.seconds * trainings / (2 * self.seeds))}"
        )

    def needs(self, rule: str) -> str:
        """What trying would take, where it does not fit."""
        minutes = math.ceil(self.seconds / 60 * 1.1)
        return (
            f"Not tried: {2 * FEWEST} trainings of {_many(self.epochs)} or more take about {span(self.seconds)}. "
            f"To have them: --prove --minutes {minutes}"
        )


def planned(record: Gathered, changes: Mapping[str, Any], seconds: float) -> Budget:
    """Trainings of a run's own length in `seconds` where these fit, from `FEWEST` to `MOST` seeds a side; else shorter
    ones."""
    epoch, beside = _seconds(record)
    own = epochs_of(record)
    cured = _cured(own, record, changes)
    slower = _slower(record, changes)
    pair = epoch * (own + cured * slower) + 2 * beside
    if FEWEST * pair <= seconds:
        seeds = min(MOST, int(seconds / pair))
        return Budget(seeds, own, cured, True, seeds * pair)
    left = max(0.0, seconds / FEWEST - 2 * beside)
    fits = int(left / (epoch * (1 + slower * cured / own)))
    least = min(own, max(2, math.ceil(SHORTEST * own)))
    short = max(fits, least)
    with_cure = max(1, round(short * cured / own))
    needed = FEWEST * (epoch * (short + with_cure * slower) + 2 * beside)
    return Budget(FEWEST if fits >= least else 0, short, with_cure, False, needed)


def epochs_of(record: Gathered) -> int:
    """The epochs that a run was to have; those that it had where time was planned."""
    had = record.epochs[-1].epoch if record.epochs else 0
    if record.timed and had:
        return had
    told = record.train.get("epochs")
    planned_stages = sum(int(stage.get("epochs") or 0) for stage in record.stages)
    return int(told or planned_stages or had or 1)


def _cured(own: int, record: Gathered, changes: Mapping[str, Any]) -> int:
    """The epochs that the cure asks for."""
    if changes.get("epochs"):
        return int(changes["epochs"])
    minutes, before = changes.get("minutes"), record.train.get("minutes")
    return max(1, round(own * minutes / before)) if minutes and before else own


def _slower(record: Gathered, changes: Mapping[str, Any]) -> float:
    """How many times as long an epoch takes with the cure, as far as a larger picture tells."""
    size, before = changes.get("size"), record.size
    return (size / before) ** 2 if size and before else 1.0


def _seconds(record: Gathered) -> tuple[float, float]:
    """An epoch's seconds, and those of a training beside its epochs."""
    epochs: tuple[Epoch, ...] = record.epochs
    if not epochs:
        rates = [step.images_per_second for step in record.steps if step.images_per_second > 0]
        count = len(record.dataset.part("train")) if record.dataset else 0
        return (count / rates[-1] if rates and count else UNKNOWN_SECONDS), OVERHEAD_SECONDS
    each = max(1e-3, epochs[-1].seconds / epochs[-1].epoch)
    whole = record.result.get("seconds")
    beside = whole - epochs[-1].seconds if isinstance(whole, int | float) else 0.0
    return each, max(OVERHEAD_SECONDS, beside)


def _many(epochs: int) -> str:
    return f"{epochs} epoch{'' if epochs == 1 else 's'}"
