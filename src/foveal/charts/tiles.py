"""A map of layers over time as SVG: a cell a number, drawn as the pixels of one small picture."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image

from .overlay import scale
from .scales import short

WIDTH, LEFT, TOP, BOTTOM, ROW, MOST = 440, 118, 30, 50, 11, 30
NAME = 17
"""Letters of a row's name that there is room for."""
_FONT = "font:11px system-ui,-apple-system,'Segoe UI',Roboto,'Open Sans',sans-serif"
STEPS = 64
GAP = (150, 150, 150, 0)


@dataclass(frozen=True)
class Tiles:
    """`values[row][column]`, None where nothing was measured; `rows` from the top, `columns` are optimizer steps.
    Colours go from `low` to `high`, by decimal logarithm where `log`; what lies beyond has the end's colour."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[int, ...]
    values: tuple[tuple[float | None, ...], ...]
    low: float
    high: float
    log: bool = False
    unit: str = ""


def tiles(chart: Tiles) -> str:
    """The map as one `<svg>` element."""
    shown = _thinned(chart)
    height = ROW * len(shown.rows)
    label = escape(f"{chart.title}: {len(chart.rows)} rows over {len(chart.columns)} steps, {_ends(chart)}.")
    names = "".join(
        f'<text x="{LEFT - 6}" y="{TOP + ROW * (n + 0.5) + 3.5:.1f}" text-anchor="end">{escape(_cut(name))}</text>'
        for n, name in enumerate(shown.rows)
    )
    first, last = shown.columns[0], shown.columns[-1]
    foot = TOP + height + 14
    axis = (
        f'<text x="{LEFT}" y="{foot}" fill-opacity=".68">step {first:,}</text>'
        f'<text x="{WIDTH - 8}" y="{foot}" text-anchor="end" fill-opacity=".68">{last:,}</text>'
    )
    bar = (
        f'<image x="{LEFT}" y="{foot + 10}" width="120" height="8" preserveAspectRatio="none" href="{_uri(_bar())}"/>'
        f'<text x="{LEFT - 6}" y="{foot + 18}" text-anchor="end">{escape(short(chart.low))}</text>'
        f'<text x="{LEFT + 126}" y="{foot + 18}">{escape(short(chart.high))}{escape(" " + chart.unit)}</text>'
    )
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {foot + 24}" role="img" '
        f'aria-label="{label}" style="{_FONT};width:100%;height:auto;display:block" fill="currentColor">'
        f'<text x="0" y="16" style="font-size:13px;font-weight:600">{escape(chart.title)}</text>{names}'
        f'<image x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - 8}" height="{height}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="{_uri(_cells(shown))}"/>{axis}{bar}</svg>'
    )


def _thinned(chart: Tiles) -> Tiles:
    """At most `MOST` rows, evenly."""
    count = len(chart.rows)
    if count <= MOST:
        return chart
    keep = [n * count // MOST for n in range(MOST)]
    rows, values = tuple(chart.rows[n] for n in keep), tuple(chart.values[n] for n in keep)
    return Tiles(chart.title, rows, chart.columns, values, chart.low, chart.high, chart.log, chart.unit)


def _cells(chart: Tiles) -> Image.Image:
    colours = scale("for", STEPS, 1)[0]
    made = np.zeros((len(chart.rows), len(chart.columns), 4), np.uint8)
    for y, row in enumerate(chart.values):
        for x, value in enumerate(row):
            share = _share(value, chart)
            made[y, x] = GAP if share is None else (*colours[round(share * (STEPS - 1))], 255)
    return Image.fromarray(made)


def _share(value: float | None, chart: Tiles) -> float | None:
    if value is None or math.isnan(value):
        return None
    low, high = chart.low, chart.high
    if chart.log:
        value, low, high = (math.log10(max(v, 1e-30)) for v in (value, low, high))
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _bar() -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(scale("for", STEPS, 1)))


def _uri(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _cut(name: str) -> str:
    return name if len(name) <= NAME else f"…{name[-NAME + 1 :]}"


def _ends(chart: Tiles) -> str:
    return f"colours from {short(chart.low)} to {short(chart.high)}{' ' + chart.unit if chart.unit else ''}"


def columns_of(steps: Sequence[int], most: int = 80) -> list[int]:
    """Places of at most so many looks, evenly, the first and the last among them."""
    if len(steps) <= most:
        return list(range(len(steps)))
    return sorted({round(n * (len(steps) - 1) / (most - 1)) for n in range(most)})
