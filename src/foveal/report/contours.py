"""The two settings of a study that matter most, as a map: what lies between its trials."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..charts.contour import Contour
from ..charts.places import calm
from ..charts.scales import short, ticks
from ..charts.slices import Dot
from ..records.trials import Trial
from . import words
from .between import Between, between
from .leaning import LEAST, at_once
from .settings import Along, Shown, setting

CELLS = 48
BANDS = 9
"""Bands of equal values, about."""

Spot = tuple[float, float]
"""A trial's places 0..1 on two axes."""


@dataclass(frozen=True)
class Map:
    """What can be said of two settings together, and the map where it says more than chance would."""

    says: str
    chart: Contour | None = None
    after: int = 0
    """Epochs after which the trials were compared."""


def mapped(seen: Shown, weightiest: Sequence[str]) -> Map | None:
    """A map over the first two of these settings that are numbers; None where there are no two, or too few trials.

    It is of what trials came to that were trained to their end, where those are enough and it says something; else of
    what all had at the first comparison.
    """
    by_name = {one.range.name: one for one in seen.axes if not one.range.choices}
    pair = [by_name[name] for name in weightiest if name in by_name][:2]
    if len(pair) < 2:
        return None
    study, names = seen.study, f"{pair[0].range.name} and {pair[1].range.name}"
    whole = [(t, t.value) for t in study.trials if t.state == "finished" and t.value is not None]
    said = None
    for trials, after in ((whole, study.epochs), at_once(study)):
        placed = [
            (t, at, value) for t, value in trials if (at := _place(t, pair[0], pair[1], seen)) is not None
        ]
        if len(placed) < LEAST:
            continue
        low, high = calm([value for _, _, value in placed], study.higher_is_better)
        surface = between([at for _, at, _ in placed], [min(max(value, low), high) for *_, value in placed])
        if surface is not None and surface.shown:
            return _drawn(surface, placed, pair, seen, after)
        said = Map(
            f"A map of {names} would say no more of a trial that is left out of it than chance does: none is drawn."
        )
    return said


def _drawn(
    surface: Between,
    placed: Sequence[tuple[Trial, Spot, float]],
    pair: Sequence[Along],
    seen: Shown,
    after: int,
) -> Map:
    """The map of a surface that says something."""
    x, y = pair
    names = f"{x.range.name} and {y.range.name}"
    says = (
        f"{names} together tell {100 * surface.share:.0f} % of the differences between trials, each left out of the "
        "map in turn."
    )
    centres = (np.arange(CELLS) + 0.5) / CELLS
    grid = np.stack(np.meshgrid(centres, centres), -1).reshape(-1, 2)  # row by row of y
    values, near = surface(grid), surface.near(grid)
    ends = float(values[near].min()), float(values[near].max())
    edges = np.array(ticks(*ends, BANDS) if ends[1] > ends[0] else [])
    bands = np.searchsorted(edges, values, side="right")
    said = _said([float(edge) for edge in edges], seen)
    if not seen.study.higher_is_better:
        bands, said = len(edges) - bands, said[::-1]
    cells = [int(band) if there else None for band, there in zip(bands, near, strict=True)]
    rows = tuple(tuple(cells[start : start + CELLS]) for start in range(0, len(cells), CELLS))
    dots = tuple(
        Dot(at[0], at[1], seen.says(trial), seen.tone(trial) or "accent", trial.state == "finished")
        for trial, at, _ in placed
    )
    return Map(says, Contour(f"{names} together", x.axis, y.axis, rows, said, dots), after)


def _place(trial: Trial, x: Along, y: Along, seen: Shown) -> Spot | None:
    found = [one.place(setting(trial, one.range.name, seen.study)) for one in (x, y)]
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def _said(edges: Sequence[float], seen: Shown) -> tuple[str, ...]:
    """The bands in words, from the lowest values up."""
    marks = [short(edge, seen.study.metric in words.SHARES) for edge in edges]
    between_ = [f"{low} to {high}" for low, high in itertools.pairwise(marks)]
    return (f"below {marks[0]}", *between_, f"{marks[-1]} and more") if marks else ("all alike",)
