"""A run as the doctor sees it: its record, what was watched while it learned, and what was tested since."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..events import REWOUND, Noticed, Watched
from ..records.gathered import Gathered, gather
from ..records.run import Run
from ..values import Score

Series = list[tuple[int, float]]
"""Numbers by optimizer step."""


@dataclass(frozen=True)
class Case:
    """Everything that a rule may look at. What is not known is empty, and a rule that needs it is unsure."""

    record: Gathered
    sights: tuple[Watched, ...] = ()
    tests: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What each of `doctor/deep` that was made measured, by its name, plain values."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What `doctor/data` found in the pictures and labels, plain values."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of training, filled in."""
        return self.record.train

    # --- the course of training ---

    @cached_property
    def train_losses(self) -> list[float]:
        """By epoch, as training saw them: with smoothing, mixing, dropout and on varied pictures."""
        return [epoch.train_loss for epoch in self.record.epochs]

    @cached_property
    def losses(self) -> list[float]:
        """By epoch, on the validation pictures; infinite where they were not finite."""
        told = [epoch.metrics.get("loss", math.nan) for epoch in self.record.epochs]
        return [float(loss) if loss is not None and math.isfinite(loss) else math.inf for loss in told]

    @cached_property
    def headlines(self) -> list[Score]:
        """By epoch, on the validation pictures, with intervals."""
        return [Score(**epoch.headline) for epoch in self.record.epochs if epoch.headline]

    @cached_property
    def setbacks(self) -> int:
        """How often training went back because a loss was not finite."""
        events = self.record.events
        return sum(isinstance(event, Noticed) and event.what == REWOUND for event in events)

    @property
    def chance(self) -> float | None:
        """The headline's value for a network that knows nothing but how common the classes are."""
        judged = self.record.evaluation
        if judged is None or self.record.kind != "classes" or judged.headline.name != "accuracy":
            return None
        return max((row.get("count") or 0 for row in judged.per_class), default=0) / max(1, judged.count)

    # --- what was watched ---

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Layers that were watched, in the order of the pass: of the longest one, as training may begin behind frozen
        layers."""
        orders = sorted((sight.order for sight in self.sights), key=len, reverse=True)
        names = dict.fromkeys(name for order in orders for name in order)
        for sight in self.sights:
            names.update(dict.fromkeys(sight.layers))
        return tuple(names)

    @cached_property
    def kinds(self) -> dict[str, str]:
        """What each layer is (`events.Watched.kinds`)."""
        return {name: kind for sight in self.sights for name, kind in sight.kinds.items()}

    def series(self, measure: str, layer: str = "") -> Series:
        """A measure of a layer (of the whole network, without one) at every step where it was taken."""
        rows = ((s.step, (s.layers.get(layer, {}) if layer else s.norms).get(measure)) for s in self.sights)
        return [(step, float(value)) for step, value in rows if value is not None]


def read(run: Run) -> Case:
    """The case of a run's folder, finished or not.

    Raises:
        RunError: its events cannot be opened.
    """
    return Case(gather(run), tuple(run.sights()))
