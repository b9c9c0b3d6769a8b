"""What is left of a study's budget: for the search, and for the verdict after it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ..records.study import Study
from ..values import span
from .orders import Order
from .record import next_bar, seconds_per_epoch
from .reserve import Reserve

SAVE_SECONDS = 1.0
"""Of the time, kept for saving what runs when it is over."""
DONE = ("finished", "diverged", "failed")
"""States of a training that nothing more comes of."""


@dataclass
class Left:
    """`began` is when this process began with the study, in Unix seconds; `kept` is what the search may not use;
    `before` the seconds that the study has taken before this process."""

    began: float
    kept: Reserve
    before: float = 0.0

    def end(self, study: Study) -> float:
        """When the study's time is over, in Unix seconds."""
        return self.began + float(study.budget["minutes"]) * 60 - self.before

    def search_end(self, study: Study) -> float:
        """When the search's time is over; the rest is the verdict's."""
        return self.end(study) - self.kept.seconds

    def for_verdict(self, study: Study, running: Mapping[int, Order]) -> tuple[float, float]:
        """Seconds and epochs that the budget still holds."""
        seconds = epochs = math.inf
        if study.budget.get("minutes"):
            seconds = self.end(study) - SAVE_SECONDS - time.time()
        if study.budget.get("epochs_total"):
            there = {one.run.number: one.run.epochs for one in study.again}
            ahead = sum(study.epochs - there.get(number, 0) for number in running)
            epochs = float(study.budget["epochs_total"] - study.epochs_done - sum(there.values()) - ahead)
        return seconds, epochs

    def epochs(self, study: Study, running: Mapping[int, Order]) -> float:
        """Epochs that the search's budget still holds; those that running trials are to take are gone."""
        left = self.counted(study, running)
        if study.budget.get("minutes"):
            seconds = self.search_end(study) - SAVE_SECONDS - time.time()
            left = min(left, max(0.0, seconds / max(1e-6, seconds_per_epoch(study))))
        return left

    def counted(self, study: Study, running: Mapping[int, Order]) -> float:
        """Epochs left for the search where they are counted."""
        if not study.budget.get("epochs_total"):
            return math.inf
        done = {t.number: t.epochs for t in study.trials}
        ahead = sum(
            max(0, min(order.until or study.epochs, next_bar(order, study)) - done.get(number, 0))
            for number, order in running.items()
        )
        spent = study.epochs_done + sum(one.run.epochs for one in study.again)
        return float(study.budget["epochs_total"] - self.kept.epochs - spent - ahead)

    def in_words(self, study: Study, again: int | None = None) -> str:
        """What is left, for a screen; `again` are the trainings with other seeds, once the search is over."""
        said = []
        if again is not None:
            done = sum(one.run.state in DONE for one in study.again)
            said.append(f"for the verdict {done} of {again} trainings are done")
        elif study.budget.get("trials"):
            said.append(f"trial {len(study.trials)} of {study.budget['trials']}")
        if study.budget.get("epochs_total") and again is None:
            said.append(f"{study.epochs_done} of {study.budget['epochs_total'] - self.kept.epochs} epochs")
        if study.budget.get("minutes"):
            end = self.search_end(study) if again is None else self.end(study)
            said.append(f"{span(max(0.0, end - time.time()))} left")
        return ", ".join(said)

    def why_ended(self, study: Study) -> str:
        """Why the search is over."""
        limit = study.budget.get("trials") or math.inf
        if len(study.trials) >= limit:
            return f"all {len(study.trials)} trials are done"
        if study.budget.get("epochs_total") and self.counted(study, {}) <= 0:
            return f"all {study.epochs_done} epochs are used"
        if study.budget.get("minutes") and self.search_end(study) - time.time() < 2 * SAVE_SECONDS:
            return "the time is used"
        what = f"another {'whole training' if not study.rungs else 'trial, even to its first rung'}"
        return f"what is left of the budget does not hold {what}"
