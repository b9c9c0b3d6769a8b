"""What a run says as it goes, one line of JSON each in `events.jsonl`.

Every event carries `attempt` (1 for the first start, one more at each resume) and `step` (optimizer
steps done since the run began). A reader keeps, for each step, the latest attempt: see `latest`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class Event:
    kind: ClassVar[str] = "event"
    attempt: int = 1
    step: int = 0
    at: float = 0.0
    """Unix time in seconds."""

    def to_json(self) -> dict[str, Any]:
        return {"event": self.kind, **dataclasses.asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Started(Event):
    """A process begins to train, from `step`."""

    kind: ClassVar[str] = "started"
    epochs: int | None = None
    """Epochs planned, all stages together; None where time is."""
    steps_per_epoch: int = 0
    stages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Step(Event):
    """Some optimizer steps were made; averages are over the steps since the event before."""

    kind: ClassVar[str] = "step"
    epoch: int = 0
    stage: str = ""
    loss: float = 0.0
    lr: float = 0.0
    progress: float = 0.0
    """Share of all training done, 0..1."""
    images_per_second: float = 0.0
    seconds_left: float | None = None


@dataclass(frozen=True, kw_only=True)
class Watched(Event):
    """What a step looked like inside (`foveal.watch`); a run keeps these in a file of their own."""

    kind: ClassVar[str] = "watched"
    epoch: int = 0
    stage: str = ""
    loss: float = 0.0
    """Of this very step."""
    lr: float = 0.0
    norms: Mapping[str, float] = field(default_factory=dict)
    """Of the whole network: see `watch.WHOLE`."""
    layers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By layer and measure: see `watch.MEASURES`."""
    histograms: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    """By layer and kind (`weights`, `gradients`, `activations`): shares in the bins of `watch.EDGES`; seldom."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """By layer: `conv`, `linear`, `norm`, `rectifier`, `squash` (sigmoid, tanh), `smooth` (GELU, SiLU), ...; told at
    the first look of an attempt only."""
    order: Sequence[str] = ()
    """The layers in the order of the pass; told with `kinds`."""
    cost: float = 0.0
    """Share of the training time so far that watching took."""

    def to_json(self) -> dict[str, Any]:
        """As every event's, without copies of its thousands of numbers."""
        return {"event": self.kind, **{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}}


@dataclass(frozen=True, kw_only=True)
class Stage(Event):
    """A stage of optimizer steps begins, or goes on; now settings may be changed."""

    kind: ClassVar[str] = "stage"
    stage: str = ""


@dataclass(frozen=True, kw_only=True)
class Seen(Event):
    """Frozen layers have seen `done` of `total` pictures, which they see once."""

    kind: ClassVar[str] = "seen"
    stage: str = ""
    done: int = 0
    total: int = 0


@dataclass(frozen=True, kw_only=True)
class Epoch(Event):
    """An epoch is over and the validation pictures were evaluated. Epochs count from 1."""

    kind: ClassVar[str] = "epoch"
    epoch: int = 0
    stage: str = ""
    train_loss: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    headline: Mapping[str, Any] = field(default_factory=dict)
    best: bool = False
    seconds: float = 0.0
    """Training seconds since the run began, over all attempts."""


@dataclass(frozen=True, kw_only=True)
class Saved(Event):
    """A file of the run is whole on the disk."""

    kind: ClassVar[str] = "saved"
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class Noticed(Event):
    """Something a person should know; also on the screen."""

    kind: ClassVar[str] = "noticed"
    what: str = ""
    says: str = ""


REWOUND = "rewound"


@dataclass(frozen=True, kw_only=True)
class Stopped(Event):
    """Training is over: `finished`, `early` (patience), `time`, `interrupted`, `paused` (to be continued perhaps: a
    search over settings asked for it) or `diverged`."""

    kind: ClassVar[str] = "stopped"
    why: str = "finished"
    says: str = ""


KINDS: dict[str, type[Event]] = {
    c.kind: c for c in (Started, Stage, Step, Watched, Seen, Epoch, Saved, Noticed, Stopped)
}


def from_json(data: Mapping[str, Any]) -> Event | None:
    """An event from its line; None for a kind or field this version does not know."""
    kind = KINDS.get(str(data.get("event")))
    if kind is None:
        return None
    known = {f.name for f in dataclasses.fields(kind)}
    values: dict[str, Any] = {k: tuple(v) if k == "stages" else v for k, v in data.items() if k in known}
    return kind(**values)


def latest(events: Iterable[Event]) -> list[Event]:
    """The events of the one history that counts: what was done again is there once.

    An attempt that starts at step s, or a loss that was not finite and went back to s, replaces
    everything said before of steps after s; an epoch judged again replaces its former line.
    """
    kept: list[Event] = []
    for event in events:
        if isinstance(event, Started) or (isinstance(event, Noticed) and event.what == REWOUND):
            kept = [old for old in kept if old.step <= event.step]
        if isinstance(event, Epoch):
            kept = [old for old in kept if not (isinstance(old, Epoch) and old.epoch == event.epoch)]
        kept.append(event)
    return kept
