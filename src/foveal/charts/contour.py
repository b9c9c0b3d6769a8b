"""Two settings together: what lies between the trials, in bands of equal values, only where trials are near."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .kinds import TONES
from .places import QUIET, Axis, n, spaced, svg, text
from .slices import Dot, circle

SIDE, LEFT, TOP, RIGHT, BOTTOM = 320, 62, 40, 16, 44
KEY = 40
"""Height of the key below."""
WIDTH = LEFT + SIDE + RIGHT
FAINT, STRONG = 0.08, 0.8
"""How strong the colours of the worst and of the best band are."""


@dataclass(frozen=True, slots=True)
class Contour:
    """A square of as many rows of cells as columns, from the low end of `y` upwards, each the number of its band; None
    where nothing can be said. `bands` say their values, the worst first. `dots` are trials: `place` on `x`, `value` on
    `y`, both 0..1, None what has no place there."""

    title: str
    x: Axis
    y: Axis
    cells: tuple[tuple[int | None, ...], ...]
    bands: tuple[str, ...]
    dots: tuple[Dot, ...]


def contour_svg(chart: Contour) -> str:
    """The chart as one `<svg>` element: the stronger the colour, the better."""
    order = sorted(chart.dots, key=lambda dot: dot.tone in ("warm", "good"))
    placed = [dot for dot in order if dot.place is not None]
    dots = [circle(dot, LEFT + SIDE * (dot.place or 0.0), TOP + SIDE * (1 - dot.value)) for dot in placed]
    label = f"{chart.title}: bands from {chart.bands[0]} to {chart.bands[-1]}, {len(placed)} trials."
    body = "".join([*_cells(chart), *_frame(chart), *dots, *_key(chart)])
    return svg(WIDTH, TOP + SIDE + BOTTOM + KEY, label, body, f"max-width:{WIDTH}px;")


def _shade(band: int, chart: Contour) -> str:
    share = band / (len(chart.bands) - 1) if len(chart.bands) > 1 else 1.0
    return f'style="fill:var(--tone-accent,{TONES["accent"]})" fill-opacity="{FAINT + (STRONG - FAINT) * share:.2f}"'


def _cells(chart: Contour) -> Iterator[str]:
    """A rectangle for each run of cells of one band in a row."""
    side = SIDE / len(chart.cells)
    for up, row in enumerate(chart.cells):
        start = 0
        for across in range(1, len(row) + 1):
            if across < len(row) and row[across] == row[start]:
                continue
            band = row[start]
            if band is not None:
                yield (
                    f'<path d="M{n(LEFT + start * side)} {n(TOP + SIDE - (up + 1) * side)}'
                    f'h{n((across - start) * side)}v{n(side)}h-{n((across - start) * side)}z" {_shade(band, chart)} '
                    'shape-rendering="crispEdges"/>'
                )
            start = across


def _frame(chart: Contour) -> Iterator[str]:
    yield f'<path d="M{LEFT} {TOP}h{SIDE}v{SIDE}h-{SIDE}z" fill="none" stroke="currentColor" stroke-opacity=".35"/>'
    for at, word in spaced(chart.x, SIDE):
        x = LEFT + at * SIDE
        yield f'<path d="M{n(x)} {TOP + SIDE}v4" stroke="currentColor" stroke-opacity=".4"/>'
        yield text(x, TOP + SIDE + 18, word, "middle", QUIET)
    for at, word in chart.y.ticks:
        y = TOP + SIDE * (1 - at)
        yield f'<path d="M{LEFT} {n(y)}h-4" stroke="currentColor" stroke-opacity=".4"/>'
        yield text(LEFT - 8, y + 4.5, word, "end", QUIET)
    yield text(LEFT + SIDE / 2, TOP + SIDE + 37, chart.x.name, "middle")
    yield text(LEFT, TOP - 14, chart.y.name)


def _key(chart: Contour) -> Iterator[str]:
    """The bands side by side, the ends in words."""
    wide, y = SIDE / len(chart.bands), TOP + SIDE + BOTTOM + 4
    for band, said in enumerate(chart.bands):
        yield (
            f'<path d="M{n(LEFT + band * wide)} {y}h{n(wide)}v12h-{n(wide)}z" {_shade(band, chart)}>'
            f"<title>{said}</title></path>"
        )
    yield text(LEFT, y + 29, chart.bands[0], "start", QUIET)
    yield text(LEFT + SIDE, y + 29, chart.bands[-1], "end", QUIET)
