"""How each training picture is learned: its loss each time that it was seen, in a few numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import FovealError
from ..storage import read_json, write_json

LEARNED = "learned.json"
"""The file of a run that holds it: `fields`, then a list of values a picture, by its id."""
FIELDS = ("times", "first", "last", "mean", "worse")
"""Times seen; loss at first, at last and on average; share of the times that it was above its batch's median. What
stays above it to the end is hard, or mislabelled (Toneva et al. 2019; Swayamdipta et al. 2020)."""


@dataclass
class Learned:
    """Numbers a picture, kept across resumes with the run; what is seen again after a resume counts twice."""

    rows: dict[str, list[float]] = field(default_factory=dict)
    """By id: `FIELDS`, with sums in place of mean and share."""
    waiting: list[tuple[list[str], Tensor]] = field(default_factory=list)
    """Not fetched from the device yet."""

    def add(self, ids: list[str], losses: Tensor | None) -> None:
        """Note the losses `B` of these pictures; they stay on the device until an epoch is over."""
        if losses is not None and len(losses) == len(ids):
            self.waiting.append((ids, losses.detach()))

    def fetch(self) -> None:
        """Take over what waits on the device, in one copy."""
        if not self.waiting:
            return
        flat = torch.cat([losses.float() for _, losses in self.waiting]).cpu()
        place = 0
        for ids, losses in self.waiting:
            own = flat[place : place + len(losses)]
            place += len(losses)
            middle = float(own.median())
            for id, loss in zip(ids, own.tolist(), strict=True):
                if math.isfinite(loss):
                    row = self.rows.setdefault(id, [0, loss, loss, 0.0, 0])
                    row[0] += 1
                    row[2] = loss
                    row[3] += loss
                    row[4] += loss > middle
        self.waiting.clear()

    def write(self, path: Path) -> None:
        """Keep it; nothing where no task told its pictures' losses.

        Raises:
            DiskError: it cannot be written.
        """
        self.fetch()
        if self.rows:
            rows = {id: [row[0], *(round(v, 5) for v in row[1:])] for id, row in self.rows.items()}
            write_json(path, {"format": 1, "fields": FIELDS, "sums": rows})

    @classmethod
    def read(cls, path: Path) -> Learned:
        """What a former attempt kept; empty where there is nothing that can be read."""
        if not path.exists():
            return cls()
        try:
            return cls(
                {str(id): list(row) for id, row in read_json(path)["sums"].items() if len(row) == len(FIELDS)}
            )
        except (FovealError, KeyError, TypeError, AttributeError):
            return cls()


def learned_of(path: Path) -> dict[str, dict[str, Any]]:
    """By picture's id its `FIELDS`, from a run's file; empty where there is none."""
    found = {}
    for id, (times, first, last, total, worse) in Learned.read(path).rows.items():
        count = max(1, times)
        values = (int(times), first, last, total / count, worse / count)
        found[id] = dict(zip(FIELDS, values, strict=True))
    return found
