"""What of a study's budget is kept for its verdict, from the start: trainings of the best and of the default with
other seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..records.contest import FEWEST
from ..values import span
from . import stops

SEEDS, CANDIDATES = 5, 3
"""As many as a verdict has where the budget holds them. With five pairs a gain of 1.8 times the spread of one setting
is shown as often as not; of the best three any may only have been lucky in its one training."""
LEAST = 2 * FEWEST
"""Trainings of the smallest verdict: one setting and the default, with three seeds."""
MOST = SEEDS * (1 + CANDIDATES)
SHARE, HALF = 0.3, 0.5
"""Of a budget that is kept, and at most where that would hold no verdict."""
SLACK = 1.1
"""Trainings may take longer than was reckoned, and the test pictures have to be judged."""


def shape(trainings: float) -> tuple[int, int]:
    """How many settings beside the default, and how many seeds, so many trainings allow; seeds come first: one more
    shows more than another setting does. (0, 0) where no verdict can come of it."""
    seeds = int(min(SEEDS, trainings // 2))
    if seeds < FEWEST:
        return 0, 0
    return int(min(CANDIDATES, trainings // seeds - 1)), seeds


@dataclass(frozen=True)
class Reserve:
    """What is kept: `trainings`, as many `epochs`, and the `seconds` that they take here; all 0 where the budget holds
    no verdict, and `lacking` says why. `limited`: by time or epochs; else the verdict's cost comes on top."""

    trainings: int
    epochs: int
    seconds: float
    limited: bool
    lacking: str = ""
    more: str = ""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Reserve:
        """What a study with this record keeps."""
        epochs, jobs, budget = int(record["epochs"]), int(record["jobs"]), record["budget"]
        each = float(record["epoch_seconds"]) * epochs
        minutes, total = budget.get("minutes"), budget.get("epochs_total")
        by_time = minutes * 60 * jobs / each / SLACK if minutes else math.inf
        whole = min(by_time, total / epochs if total else math.inf)
        limited = not math.isinf(whole)
        if not record.get("retrain"):
            return cls(0, 0, 0.0, limited)
        if limited:
            wanted = max(SHARE * whole, LEAST) if whole * HALF >= LEAST else 0.0
        else:  # at most twice what the search takes
            share = stops.share_of(epochs, tuple(record["rungs"]))
            wanted = max(2.0 * SEEDS, 2 * (1 + (int(record["expected"]) - 1) * share))
        candidates, seeds = shape(min(wanted, MOST))
        trainings = (1 + candidates) * seeds
        seconds = math.ceil(trainings / jobs) * each * SLACK
        if trainings:
            return cls(trainings, trainings * epochs, seconds, limited)
        lacking = (
            f"the budget holds about {whole:.0f} whole trainings, and training the best and the default with "
            f"{FEWEST} other seeds takes {LEAST}, which is to be half of it at most"
        )
        return cls(0, 0, 0.0, limited, lacking, enough(record))

    @property
    def says(self) -> str:
        """What is kept, for a person; before the search begins."""
        if self.lacking:
            return f"No verdict will be possible: {self.lacking}. {self.more} would be enough"
        if not self.trainings:
            return ""
        candidates, seeds = shape(self.trainings)
        who = "the best" if candidates == 1 else f"the best {candidates}"
        return f"{who} and the default are trained again with {seeds} other seeds"

    def told(self, budget: Mapping[str, Any]) -> str:
        """`says` with its share of the budget."""
        if self.lacking or not self.trainings:
            return self.says
        if not self.limited:
            return f"For the verdict {self.says} afterwards: about {span(self.seconds)} more"
        kept = []
        if budget.get("minutes"):
            kept.append(f"of {span(60 * budget['minutes'])} {span(self.seconds)}")
        if budget.get("epochs_total"):
            kept.append(f"of {budget['epochs_total']} epochs {self.epochs}")
        said = " and ".join(kept)
        return f"{said[:1].upper()}{said[1:]} are kept for the verdict: {self.says}"


def enough(record: Mapping[str, Any], spent_seconds: float = 0.0, spent_epochs: int = 0) -> str:
    """The option that gives a study budget enough for a verdict; it counts from the study's beginning."""
    epochs, budget = int(record["epochs"]), record["budget"]
    each = float(record["epoch_seconds"]) * epochs
    words = []
    if budget.get("minutes"):
        verdict = LEAST * each * SLACK**2 / int(record["jobs"])
        words.append(
            f"--minutes {max(1, math.ceil(max(verdict / HALF, spent_seconds + verdict) / 60 + 0.1))}"
        )
    if budget.get("epochs_total"):
        words.append(f"--epochs-total {math.ceil(max(LEAST * epochs / HALF, spent_epochs + LEAST * epochs))}")
    return " ".join(words)
