"""What real pictures say of goals: which excite them most, which goals none excites, and the data's colours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch

from ..contracts import Sitting
from ._aims import Aim
from ._canvas import Colours, Palette
from ._ranking import Crops, Ranking
from ._shown import shown

TOP = 9
STILL = 1e-6
"""A unit whose values differ by less than this share of their size says nothing."""


class Reach:
    """The least and the largest value of units so far."""

    def __init__(self, units: int) -> None:
        self.low = torch.full((units,), math.inf, dtype=torch.float64)
        self.high = torch.full((units,), -math.inf, dtype=torch.float64)

    def add(self, low: torch.Tensor, high: torch.Tensor) -> None:
        """Of each unit, `K`."""
        self.low = torch.minimum(self.low, low.double().cpu())
        self.high = torch.maximum(self.high, high.double().cpu())

    def is_dead(self, unit: int, rectified: bool) -> bool:
        """Whether the unit never let anything pass, or always gave the same."""
        low, high = float(self.low[unit]), float(self.high[unit])
        if low > high:  # nothing was seen
            return False
        return (rectified and high <= 0) or high - low <= STILL * max(abs(low), abs(high))


class Real:
    """One pass over a data set's pictures for some aims."""

    def __init__(self, sitting: Sitting, aims: list[Aim]) -> None:
        self.sitting, self.aims = sitting, aims
        self.places = sorted({aim.place for aim in aims})
        self.ranking = Ranking(len(aims), TOP)
        self.best = [-math.inf] * len(aims)
        self.reach = Reach(len(aims))
        self.colours = Colours(sitting.preprocessing.channels, sitting.subject.size)
        self.crops = [crops_of(sitting, aim) for aim in aims]

    def look(self) -> Iterator[float]:
        """Go through the pictures; the share that is done, as far as their number is known."""
        total = self.sitting.count
        for part in shown(self.sitting, self.places):
            values, cells, lows, highs = [], [], [], []
            for n, aim in enumerate(self.aims):
                given = part.values[aim.place]
                peak, cell = aim.peaks(given)
                own = given if aim.kind == "layer" else aim.maps(given)
                values.append(peak)
                cells.append(cell)
                lows.append(own.min())
                highs.append(own.max())
                self.best[n] = max(self.best[n], float(aim.score(given).max()))
            self.reach.add(torch.stack(lows), torch.stack(highs))
            new = self.ranking.add(part, torch.stack(values, 1), torch.stack(cells, 1), self.crops)
            if new:
                self.colours.add(part.pixels[torch.tensor(new)])
            yield min(1.0, self.ranking.seen / total) if total else 0.5

    @property
    def palette(self) -> Palette | None:
        return self.colours.palette()

    def found(self) -> dict[str, Any]:
        """What `Maximized` tells of real pictures."""
        if not self.colours.count:
            return {}
        dead = [
            aim.name
            for n, aim in enumerate(self.aims)
            if aim.kind in ("channel", "unit") and self.reach.is_dead(n, aim.rectified)
        ]
        return {
            "real": tuple(self.best),
            "examples": tuple(tuple(row) for row in self.ranking.best),
            "high_of_data": self.colours.high / self.colours.count,
            "by_place": tuple(
                aim.name
                for aim, crops in zip(self.aims, self.crops, strict=True)
                if crops.grid and not aim.cell
            ),
            "dead": tuple(dead),
        }


def crops_of(sitting: Sitting, aim: Aim) -> Crops:
    """Where the cells of an aim's map lie; the whole picture where it has none."""
    subject = sitting.subject
    by_place = aim.kind in ("channel", "unit", "direction") and subject.is_map(aim.place)
    if not by_place:
        return Crops(None, 1, subject.size)
    return Crops(subject.grid(aim.place), subject.graph.operations[aim.place].shapes[0][3], subject.size)
