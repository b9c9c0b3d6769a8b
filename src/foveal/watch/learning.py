"""How each training picture is learned: its loss each time that it was seen, in a few numbers."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..storage import write_whole

SOURCE = "Toneva et al. 2019, An Empirical Study of Example Forgetting; Swayamdipta et al. 2020, Dataset Cartography"
LEARNED = "learned.npz"
"""The file of a run that holds it: `table`, a row a picture of `FIELDS`; their `ids` as JSON in UTF-8; `start`."""
FIELDS = ("times", "first", "last", "mean", "worse", "late", "learned")
"""Times seen; loss at first, at last and on average; share of the times that it was above its batch's median, and the
same with each time counting as much as all before it; at the how-manieth time the loss was below half of what the
first batch's median was, 0 where never. What stays above the median to the end is hard, or mislabelled."""
TIMES, FIRST, LAST, MEAN, WORSE, LATE, SINCE = range(len(FIELDS))
HALF = 0.5
MOST = 1 << 18
"""Pictures that are followed; of more, those that come first, which an order by chance makes a fair sample."""


@dataclass
class Learned:
    """Numbers a picture. They are kept when the run's state is, so that a resumed run goes on with them."""

    places: dict[str, int] = field(default_factory=dict)
    """By id the row of `table`."""
    table: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, len(FIELDS)), np.float32))
    """`FIELDS`, with sums in place of the mean and the share."""
    start: float | None = None
    """Median loss of the first batch."""
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
        flat = torch.cat([losses.float() for _, losses in self.waiting]).cpu().numpy()
        place = 0
        for ids, losses in self.waiting:
            self._count(ids, flat[place : place + len(losses)])
            place += len(losses)
        self.waiting.clear()

    def _count(self, ids: list[str], losses: NDArray[np.float32]) -> None:
        """A batch; of a picture that is in it twice, the last."""
        sound = np.isfinite(losses)
        if not sound.any():
            return
        middle = float(np.median(losses[sound]))
        self.start = middle if self.start is None else self.start
        rows, kept = [], []
        for n, id in enumerate(ids):
            row = self.places.get(id, -1)
            if row < 0 and len(self.places) < MOST and sound[n]:
                row = self.places[id] = len(self.places)
            if row >= 0 and sound[n]:
                rows.append(row)
                kept.append(n)
        if len(self.places) > len(self.table):
            grown = np.zeros((max(len(self.places), 2 * len(self.table)), len(FIELDS)), np.float32)
            grown[: len(self.table)] = self.table
            self.table = grown
        own, loss = self.table[rows], losses[kept]
        fresh, worse = own[:, TIMES] == 0, loss > middle
        own[:, FIRST] = np.where(fresh, loss, own[:, FIRST])
        own[:, LATE] = np.where(fresh, worse, HALF * own[:, LATE] + HALF * worse)
        own[:, TIMES] += 1
        own[:, LAST] = loss
        own[:, MEAN] += loss
        own[:, WORSE] += worse
        now = (own[:, SINCE] == 0) & (loss < HALF * self.start)
        own[:, SINCE] = np.where(now, own[:, TIMES], own[:, SINCE])
        self.table[rows] = own

    def write(self, path: Path) -> None:
        """Keep it; nothing where no task told its pictures' losses.

        Raises:
            DiskError: it cannot be written.
        """
        self.fetch()
        if not self.places:
            return
        ids = np.frombuffer(json.dumps(list(self.places)).encode(), np.uint8)
        file = io.BytesIO()
        np.savez(file, ids=ids, table=self.table[: len(self.places)], start=np.float64(self.start))
        write_whole(path, file.getvalue())

    @classmethod
    def read(cls, path: Path) -> Learned:
        """What a former attempt kept; empty where there is nothing that can be read."""
        if not path.exists():
            return cls()
        try:
            with np.load(path, allow_pickle=False) as kept:
                ids, table = json.loads(kept["ids"].tobytes()), kept["table"].astype(np.float32)
                start = float(kept["start"])
        except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile):
            return cls()
        if table.shape != (len(ids), len(FIELDS)):
            return cls()
        return cls({id: row for row, id in enumerate(ids)}, table, start)


def learned_of(path: Path) -> dict[str, dict[str, Any]]:
    """By picture's id its `FIELDS`, from a run's file; empty where there is none."""
    kept = Learned.read(path)
    found = {}
    for id, row in kept.places.items():
        values = kept.table[row].tolist()
        count = max(1.0, values[TIMES])
        values[MEAN], values[WORSE] = values[MEAN] / count, values[WORSE] / count
        found[id] = dict(zip(FIELDS, values, strict=True))
        found[id] |= {"times": int(values[TIMES]), "learned": int(values[SINCE])}
    return found
