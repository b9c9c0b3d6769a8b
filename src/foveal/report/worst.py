"""The worst pictures of tasks whose truths lie on them, as they were drawn when the run ended."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FovealError
from ..explaining.worst import kept
from ..records.gathered import Gathered
from .thumbs import Level
from .words import number


@dataclass(frozen=True)
class Drawn:
    """A picture as a data URI, its sides, and what it shows in words."""

    src: str
    width: int
    height: int
    says: str


def worst(g: Gathered, level: Level) -> list[Drawn]:
    """The drawn pictures; none where there is no room for pictures, or none were drawn."""
    if level.cell == 0 or not g.dense:
        return []
    try:
        rows = (kept(g.folder) or ())[: level.mistakes]
        return [_drawn(g, one.file, one.width, one.height, one.says) for one in rows]
    except (FovealError, OSError, TypeError, ValueError, KeyError):
        return []


def _drawn(g: Gathered, file: str, width: int, height: int, says: str) -> Drawn:
    data = (g.folder / "pictures" / Path(file).name).read_bytes()
    return Drawn("data:image/webp;base64," + base64.b64encode(data).decode("ascii"), width, height, says)


MISTAKES = {
    "missed": "objects that nothing was said of",
    "wrong_class": "well placed, but called something else",
    "badly_placed": "rightly called, but the box lies beside the object (overlap 0.1 to 0.5)",
    "both": "called something else, and beside it",
    "doubled": "an object that was found already",
    "background": "nothing is there",
}
"""Kinds of mistakes in detection (Bolya et al. 2020, TIDE)."""


@dataclass(frozen=True)
class Mistake:
    """A kind of mistake: how many there are, and what mAP50 would gain without them, in points."""

    kind: str
    means: str
    count: int
    cost: str


def mistakes_by_kind(g: Gathered) -> list[Mistake]:
    """Where detections go wrong, the costliest kind first; none for other tasks."""
    metrics: Mapping[str, Any] = g.evaluation.metrics if g.evaluation else {}
    if g.kind != "objects":
        return []
    rows = [
        (float(metrics.get(f"cost_{name}") or 0), round(metrics[name]), name.replace("_", " "), means)
        for name, means in MISTAKES.items()
        if name in metrics
    ]
    rows.sort(key=lambda row: -row[0])
    return [Mistake(kind, means, count, number(100 * cost)) for cost, count, kind, means in rows]
