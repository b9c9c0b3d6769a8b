"""What is kept of a study beside its trials, and what is reckoned from them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..folders import STUDY
from ..records.run import RESUME
from ..records.study import Study
from ..records.trials import Trial
from ..storage import previous, read_json, write_json
from . import Tried
from .orders import Order

WARM = "found by"
"""What the origin of a trial begins with that an earlier study or run proposed."""


def tidy(trial: Trial) -> None:
    """Remove states that nothing goes on from any more: they are most of what a study takes on the disk."""
    state = trial.run / RESUME
    gone = {
        "finished": (state, previous(state)),
        "diverged": (state, previous(state)),
        "paused": (previous(state),),
    }
    for file in gone.get(trial.state, ()):
        try:
            file.unlink(missing_ok=True)
        except OSError:
            pass  # foveal runs clean will


def keep(folder: Path, **changes: Any) -> None:
    """Write something into `study.json`, and leave the rest as it is."""
    write_json(folder / STUDY, {**read_json(folder / STUDY), **changes})


def chance_of(study: Study) -> float:
    """The metric's value for a network that has learned nothing, or the worst there is."""
    if study.chance is not None:
        return float(study.chance)
    values = [v for t in study.trials for _, v in t.curve if math.isfinite(v)]
    if not values:
        return -math.inf if study.higher_is_better else math.inf
    return min(values) if study.higher_is_better else max(values)


def told_of(trial: Trial, study: Study, chance: float, running: Any = ()) -> Tried:
    """A trial as a search is told of it."""
    if trial.state == "diverged":
        return Tried(trial.options, chance if math.isfinite(chance) else None)
    if trial.number in running or trial.value is None:
        return Tried(trial.options, None)
    return Tried(trial.options, trial.value, trial.share)


def seconds_per_epoch(study: Study) -> float:
    """Of this study's trials, all they take included; before there are some, as it was reckoned."""
    done = [t for t in study.trials if t.epochs and t.state != "failed"]
    epochs = sum(t.epochs for t in done)
    return sum(t.seconds for t in done) / epochs if epochs else float(study.record["epoch_seconds"])


def next_bar(order: Order, study: Study) -> int:
    """The epoch at which an order may end first."""
    return min((epoch for epoch, bar in order.bars.items() if bar is None), default=study.epochs)
