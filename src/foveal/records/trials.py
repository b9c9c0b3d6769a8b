"""One setting that a search tries: what it is tried with, and what its run says of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..events import Epoch, Event, Started, Stopped, latest
from ..folders import is_held
from ..options import flag
from ..storage import damaged, read_json
from ..values import Score
from .run import OPTIONS, RESULT, Run

State = Literal["waiting", "running", "interrupted", "paused", "finished", "diverged", "failed"]
"""`interrupted`: what was planned for it is not done, and will be; `paused`: compared with others and stopped, to
be continued perhaps."""


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    `options` are those that the study varies, with their values; `origin` says whose idea it was; `curve` has (epoch,
    headline on validation) of every epoch that counts, `times` when each ended in Unix seconds; `seconds` are of all
    attempts; `planned` epochs are a whole training's; `bars` what it must have reached after so many epochs to go on
    (None: it stops there in any case); `deaths` the epochs at which its process died.
    """

    number: int
    run: Path
    options: Mapping[str, Any]
    origin: str = ""
    state: State = "waiting"
    curve: tuple[tuple[int, float], ...] = ()
    times: tuple[float, ...] = ()
    score: Score | None = None
    seconds: float = 0.0
    planned: int = 0
    bars: Mapping[int, float | None] = field(default_factory=dict)
    deaths: tuple[int, ...] = ()
    says: str = ""

    @property
    def epochs(self) -> int:
        """Epochs that are done."""
        return max((epoch for epoch, _ in self.curve), default=0)

    @property
    def value(self) -> float | None:
        """The best headline on validation so far."""
        return None if self.score is None else self.score.value

    @property
    def share(self) -> float:
        """Of its schedule that is done."""
        return 1.0 if self.state == "finished" else self.epochs / self.planned if self.planned else 0.0

    def to_json(self) -> dict[str, Any]:
        told = {"epochs": self.epochs, "value": self.value, "share": round(self.share, 4)}
        return {**dataclasses.asdict(self), "run": str(self.run), "curve": [*map(list, self.curve)], **told}

    def described(self) -> str:
        """Its options as they are typed."""
        said = [f"{flag(name)} {plainly(value)}" for name, value in self.options.items() if value is not None]
        return " ".join(said) or "the default recipe"


def plainly(value: Any) -> str:
    """An option's value as it is typed."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def better(one: float, other: float, higher: bool) -> bool:
    """Strictly better."""
    return one > other if higher else one < other


def best_of(trials: Sequence[Trial], higher: bool) -> Trial | None:
    """The trial with the best value; of equals the first."""
    best: Trial | None = None
    for trial in trials:
        if trial.value is None or math.isnan(trial.value):
            continue
        if best is None or best.value is None or better(trial.value, best.value, higher):
            best = trial
    return best


def ranked(trials: Sequence[Trial], higher: bool) -> list[Trial]:
    """Best first; those without a value last."""

    def place(trial: Trial) -> tuple[bool, float, int]:
        value = trial.value
        if value is None or math.isnan(value) or trial.state in ("failed", "diverged"):
            return True, 0.0, trial.number
        return False, -value if higher else value, trial.number

    return sorted(trials, key=place)


def value_at(trial: Trial, epoch: int, higher: bool, chance: float) -> float | None:
    """The best value within the first `epoch` epochs; None where it has not come so far. A trial that diverged is at
    chance (a search that is told nothing of such trials goes on trying them), and one that has finished sooner keeps
    its best."""
    if trial.state == "diverged":
        return chance
    seen = [value for at, value in trial.curve if at <= epoch and not math.isnan(value)]
    if not seen or (trial.epochs < epoch and trial.state != "finished"):
        return None
    return max(seen) if higher else min(seen)


def read(file: Path, folder: Path) -> Trial:
    """A trial from its file and its run.

    Raises:
        RunError: its file is damaged.
    """
    asked = read_json(file)
    try:
        trial = Trial(
            number=int(file.stem),
            run=folder,
            options=dict(asked["options"]),
            origin=str(asked.get("origin", "")),
            bars={int(epoch): bar for epoch, bar in (asked.get("bars") or {}).items()},
            deaths=tuple(asked.get("deaths") or ()),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(file, f"{type(error).__name__}: {error}") from None
    history = Run(folder).history()
    counted = [event for event in latest(history) if isinstance(event, Epoch) and event.headline]
    curve = tuple((event.epoch, float(event.headline["value"])) for event in counted)
    best: Score | None = None
    for event in counted:
        score = Score(**event.headline)
        best = score if not math.isnan(score.value) and score.better_than(best) else best
    starts = [event for event in history if isinstance(event, Started)]
    trial = dataclasses.replace(
        trial,
        curve=curve,
        times=tuple(event.at for event in counted),
        score=best,
        seconds=round(sum(_spans(history)), 3),
        planned=(starts[-1].epochs or 0) if starts else 0,
    )
    failed = asked.get("failed")
    if failed:
        return dataclasses.replace(trial, state="failed", says=str(failed))
    state, says = _state(folder, history)
    return dataclasses.replace(trial, state=state, says=says)


def _state(folder: Path, history: Sequence[Event]) -> tuple[State, str]:
    marks = [event for event in history if isinstance(event, Started | Stopped)]
    last = marks[-1] if marks and isinstance(marks[-1], Stopped) else None
    if last is not None and last.why == "diverged":
        return "diverged", last.says
    if (folder / RESULT).is_file():
        return "finished", ""
    if last is not None and last.why == "paused":
        return "paused", last.says
    return unsettled(folder), ""


def unsettled(folder: Path) -> State:
    """The state of a run whose history does not tell it."""
    if is_held(folder):
        return "running"
    return "interrupted" if (folder / OPTIONS).is_file() else "waiting"


def _spans(history: Sequence[Event]) -> Iterator[float]:
    """Seconds of every attempt, from its beginning to its last word."""
    began = last = 0.0
    for event in history:
        if isinstance(event, Started):
            yield max(0.0, last - began)
            began = event.at
        last = event.at or last
    yield max(0.0, last - began)
