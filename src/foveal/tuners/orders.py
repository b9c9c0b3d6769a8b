"""What a tuner and whoever trains its trials tell each other: plain values, one line of JSON each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..events import Event


@dataclass(frozen=True)
class Order:
    """Train a trial, or go on with it.

    `options` are all of the training's (`TrainOptions`), its folder among them. It stops after `until` epochs, at
    `deadline` (Unix seconds), and at the `bars` it does not pass (`stops.bars`). `again`: the number of the trial whose
    setting it is, where that is trained again with another seed.
    """

    number: int
    options: Mapping[str, Any]
    until: int | None = None
    deadline: float | None = None
    bars: Mapping[int, float | None] = field(default_factory=dict)
    again: int | None = None

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Order:
        """What `to_json` wrote."""
        return cls(**{**row, "bars": {int(epoch): bar for epoch, bar in row["bars"].items()}})


@dataclass(frozen=True)
class Outcome:
    """How the work on an order ended. What it came to stands in the run; here is what does not: `failed`, why it could
    not be trained; and `fatal`, the three parts of an error that all other trials would meet as well."""

    number: int
    failed: str = ""
    fatal: tuple[str, str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Outcome:
        """What `to_json` wrote."""
        fatal = row.get("fatal")
        return cls(int(row["number"]), str(row["failed"]), None if fatal is None else tuple(fatal))


@dataclass(frozen=True)
class Said:
    """A trial's event, as it came."""

    number: int
    event: Event


@dataclass(frozen=True)
class Died:
    """The process that trained a trial has ended without a word; `how` says what is known of it. `lost`: with the
    machine that it was on, so that the trial itself is not to blame."""

    number: int
    how: str
    lost: bool = False


News = Outcome | Said | Died


class Place(Protocol):
    """Where trials are trained: processes of this machine (`places.LocalWorkers`), or a cluster's.

    A place only carries out orders, and keeps nothing: what trials came to is read from their folders.
    """

    @property
    def room(self) -> int:
        """How many orders it can take at once, in all."""

    def give(self, order: Order) -> None:
        """Begin to carry out an order; there is room for it."""

    def news(self, seconds: float) -> list[News]:
        """What happened since the last call; waits so long at most, until there is something. Every order ends in an
        `Outcome` or in `Died`."""

    def stop(self, says: str) -> None:
        """Have every trial that runs save all and stop as soon as it can; `says` why."""

    def close(self) -> None:
        """End all processes; what still runs is ended at once."""


def folder_of(order: Order) -> Path:
    """The run folder of an order's trial."""
    return Path(str(order.options["out"]))
