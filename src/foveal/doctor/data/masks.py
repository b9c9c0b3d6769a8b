"""Masks in doubt, by what a trained network sees on the same pictures: regions where it is sure of another class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.decisions import KEEP
from ...data.views import IGNORED
from ..case import Case
from .told import Drawn, Row

SOURCE = (
    "Lad & Mueller 2023, Estimating label quality and errors in semantic segmentation data via any model: pixels whose "
    "drawn class a network holds for improbable. Ours: whole regions, away from borders, and sure by what the network "
    "is where it is right"
)
BORDER = 0.01
"""Of a picture's longer side, by which a border may be drawn otherwise without a doubt."""
SMALLEST = 0.002
"""Share of a picture's pixels from which on a region is worth a look."""
BINS = 100
"""Of a probability, where the network's sureness is counted."""
SURE = 0.5
"""Probability below which a network is never sure: it holds something else for as likely."""
MOST = 500
"""Regions that are told, the clearest first."""
EDGE = 600
"""Points of an outline at most."""
Map = NDArray[np.uint8]


def regions(found: Map, sure: NDArray[np.float32], drawn: Map, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Where a network's class map lies apart from the drawn one by more than a border, as plain values.

    Args:
        found, sure: the class of each pixel `HW` and its probability.
        drawn: the classes as they were drawn; 255 where nothing was said.

    Returns:
        A row a region: `label` and `said` (drawn, and found on most of it), `box` in pixels, `share` of the picture,
        `probability` (mean), and `edge`, points (x, y) of its outline.
    """
    from scipy import ndimage

    apart = (found != drawn) & (drawn != IGNORED) & (found != IGNORED)
    thick = max(1, round(BORDER * max(found.shape)))
    square = np.ones((3, 3), bool)
    told = []
    for place, name in enumerate(labels):
        own = apart & (found == place)
        core = ndimage.binary_erosion(own, square, iterations=thick, border_value=1)
        kept = ndimage.binary_propagation(core, square, mask=own)
        pieces, count = ndimage.label(kept, square)
        for number in range(1, count + 1):
            region = pieces == number
            size = int(region.sum())
            if size < SMALLEST * found.size:
                continue
            ys, xs = np.nonzero(region)
            most = int(np.bincount(drawn[region], minlength=len(labels)).argmax())
            told.append(
                {
                    "label": labels[most],
                    "said": name,
                    "box": [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1],
                    "share": size / found.size,
                    "probability": round(float(sure[region].mean()), 4),
                    "edge": _edge(region),
                }
            )
    return told


def _edge(region: NDArray[np.bool_]) -> list[list[int]]:
    """Points (x, y) of a region's outline, evenly taken."""
    from scipy import ndimage

    ys, xs = np.nonzero(region & ~ndimage.binary_erosion(region, np.ones((3, 3), bool)))
    every = -(-len(xs) // EDGE)
    return [[int(x), int(y)] for x, y in zip(xs[::every], ys[::every], strict=True)]


class Counted:
    """What a network says of masks, picture by picture: regions in doubt, and how sure it is where it is right."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.right = np.zeros((len(labels), BINS + 1), np.int64)
        self.pixels = self.pictures = 0
        self.rows: list[dict[str, Any]] = []

    def add(self, id: str, part: str, found: Map, sure: NDArray[np.float32], drawn: Map) -> None:
        known = drawn != IGNORED
        for place in range(len(self.labels)):
            hit = known & (found == drawn) & (found == place)
            self.right[place] += np.bincount((sure[hit] * BINS).astype(np.int64), minlength=BINS + 1)
        self.pixels += int(known.sum())
        self.pictures += 1
        self.rows += [{"id": id, "part": part, **row} for row in regions(found, sure, drawn, self.labels)]

    def told(self) -> dict[str, Any]:
        """Plain values: `pictures`; `agrees`, the share of the drawn pixels that the network has too; `rows`, regions
        where it is as sure as it is, in the middle, of that class where it is right, and more sure than not, the
        clearest first: those on pictures that it did not learn from before others; `held`, how many of these pictures
        have one."""
        least = {name: self._middle(place) for place, name in enumerate(self.labels)}
        clear = [row for row in self.rows if row["probability"] >= max(SURE, least[row["said"]])]
        clear.sort(key=lambda row: (row["part"] == "train", -row["probability"] * row["share"]))
        held = {row["id"] for row in clear if row["part"] != "train"}
        agrees = float(self.right.sum() / max(1, self.pixels))
        return {"pictures": self.pictures, "agrees": agrees, "rows": clear[:MOST], "held": len(held)}

    def _middle(self, place: int) -> float:
        """The probability that half of the right pixels of a class have; above 1 where there is none."""
        counts = np.cumsum(self.right[place])
        return float(np.searchsorted(counts, counts[-1] / 2)) / BINS if counts[-1] else 1.1


def held(case: Case) -> Mapping[str, Any]:
    """What was told of a run's masks (`deep/masks.py`); empty where that was not asked."""
    found = case.tests.get("masks", {})
    return found if "rows" in found else {}


def rows(found: Mapping[str, Any]) -> list[Row]:
    """The pictures to go through, the clearest first, each once with its regions. That one is left out is never
    suggested: a mask is mended."""
    by_picture: dict[str, list[Mapping[str, Any]]] = {}
    for row in found.get("rows", ()):
        by_picture.setdefault(row["id"], []).append(row)
    made = []
    for id, own in by_picture.items():
        said = [
            f"{row['share']:.1%} of the picture drawn as {row['label']}, looks like {row['said']} "
            f"({row['probability']:.0%} sure)"
            for row in own
        ]
        why = "; ".join(said[:3]) + (f"; and {len(said) - 3} regions more" if len(said) > 3 else "")
        if own[0]["part"] == "train":
            why += "; the network learned from this picture"
        drawn = tuple(
            Drawn(row["said"], (x0, y0, x1, y1), True, tuple((float(x), float(y)) for x, y in row["edge"]))
            for row in own
            for x0, y0, x1, y1 in [map(float, row["box"])]
        )
        made.append(Row(id, "mask", why, KEEP, drawn=drawn))
    return made
