"""The pictures that excite units most, kept while all go by."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from ..structure.placing import Grid
from ._shown import Shown

LARGEST = 128
"""Sides of a kept crop in pixels; larger ones are made smaller."""
Box: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True)
class Example:
    """A picture that excites a unit: its value, the cell it is largest at (None: no cell is meant), the part of
    the picture that the cell sees (x0, y0, x1, y1 in pixels of the network's input, x1 and y1 outside), and that
    part's pixels uint8 `CHW`, made smaller where it is larger than `LARGEST`."""

    id: str
    value: float
    cell: tuple[int, int] | None
    box: Box
    pixels: Tensor

    def to_json(self) -> dict[str, object]:
        return {"id": self.id, "value": self.value, "cell": self.cell, "box": self.box}


@dataclass(frozen=True)
class Crops:
    """Where the cells of a map lie: its grid, how many there are in a row of them, and the picture's size."""

    grid: Grid | None
    columns: int
    size: tuple[int, int]

    def box(self, place: int) -> tuple[tuple[int, int] | None, Box]:
        """The cell with this number, and what it sees of the picture."""
        height, width = self.size
        if place < 0 or self.grid is None:
            return None, (0, 0, width, height)
        row, column = divmod(place, self.columns)
        x0, y0, x1, y1 = self.grid.box(row, column)
        left, top = (min(max(math.floor(v), 0), n - 1) for v, n in ((x0, width), (y0, height)))
        right, bottom = (min(max(math.ceil(v) + 1, 1), n) for v, n in ((x1, width), (y1, height)))
        return (row, column), (left, top, max(right, left + 1), max(bottom, top + 1))


class Ranking:
    """For each of some units the `top` pictures by their value, largest first; of equal ones the earlier. What
    has the very bytes of a picture before counts once. Memory does not grow with the pictures (16 bytes each)."""

    def __init__(self, units: int, top: int) -> None:
        self.top = top
        self.best: list[list[Example]] = [[] for _ in range(units)]
        self.least = torch.full((units,), -math.inf, dtype=torch.float64)
        self.met: set[bytes] = set()
        self.seen = 0
        self.repeated = 0

    def add(self, shown: Shown, values: Tensor, cells: Tensor, crops: Sequence[Crops]) -> list[int]:
        """Take in pictures: the units' values and cells, both `BK`, and where each unit's cells lie. Returns
        the places of the pictures that were new."""
        new = [n for n in range(len(shown.ids)) if self._is_new(shown.pixels[n])]
        self.seen += len(shown.ids)
        if not new:
            return new
        chosen = torch.tensor(new)
        values, cells = values.detach().double().cpu()[chosen], cells.cpu()[chosen]
        values = values.nan_to_num(nan=-math.inf, posinf=-math.inf, neginf=-math.inf)
        order = values.argsort(dim=0, descending=True, stable=True)[: self.top]
        ranked = values.gather(0, order)
        made: dict[tuple[int, Box], Tensor] = {}
        for place, unit in (ranked > self.least).nonzero().tolist():
            value = float(ranked[place, unit])
            if value <= float(self.least[unit]):  # it has risen since
                continue
            n = int(order[place, unit])
            cell, box = crops[unit].box(int(cells[n, unit]))
            if (n, box) not in made:
                made[n, box] = _cut(shown.pixels[new[n]], box)
            self._keep(unit, Example(shown.ids[new[n]], value, cell, box, made[n, box]))
        return new

    def _is_new(self, picture: Tensor) -> bool:
        digest = hashlib.blake2b(picture.numpy().tobytes(), digest_size=16).digest()
        if digest in self.met:
            self.repeated += 1
            return False
        self.met.add(digest)
        return True

    def _keep(self, unit: int, example: Example) -> None:
        best = self.best[unit]
        best.append(example)
        best.sort(key=lambda one: -one.value)  # stable: the earlier first
        del best[self.top :]
        if len(best) == self.top:
            self.least[unit] = best[-1].value

    @property
    def says(self) -> tuple[str, ...]:
        if not self.repeated:
            return ()
        return (
            f"{self.repeated} of {self.seen} pictures are byte for byte the same as others; they count once.",
        )


def _cut(picture: Tensor, box: Box) -> Tensor:
    x0, y0, x1, y1 = box
    crop = picture[:, y0:y1, x0:x1]
    if max(crop.shape[1:]) <= LARGEST:
        return crop.clone()
    share = LARGEST / max(crop.shape[1:])
    size = [max(1, round(side * share)) for side in crop.shape[1:]]
    small = F.interpolate(crop[None].float(), size, mode="bilinear", antialias=True)
    return small[0].round().clamp(0, 255).byte()
