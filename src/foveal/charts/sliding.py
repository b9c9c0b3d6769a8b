"""A window that slides over a grid and fills another: what is drawn, and where each part of it lies.

Drawn as Dumoulin & Visin do (2016, A guide to convolution arithmetic for deep learning, arXiv:1603.07285).
`sliding_svg` and `sliding_gif` draw from the same places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

Look: TypeAlias = Literal["value", "padded", "stretched", "beyond"]
Cell: TypeAlias = tuple[int, int]
MARGIN, GAP, TITLE, LINE = 18, 44, 30, 20
NARROWEST, WIDEST, SMALLEST_FONT = 8, 36, 7.5
SLOW, QUICK, WHOLE, REST = 0.9, 0.12, 40.0, 1.8
"""Seconds: most and least for a frame, all of them together, and the last one longer."""
SUMS = 100
"""Cells of an output at most for which the sums should be given."""


@dataclass(frozen=True)
class Grid:
    """Numbers in rows. Shaded by `grey` from 0 (black) to `top` (white), or `signed` from -top to top."""

    name: str
    values: tuple[tuple[float, ...], ...]
    shade: Literal["grey", "signed"]
    top: float
    looks: tuple[tuple[Look, ...], ...] = ()
    """Which cells are an input's own; empty: all."""
    fractions: bool = False
    """A ninth is written 1/9."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.values), len(self.values[0])

    def look(self, row: int, column: int) -> Look:
        return self.looks[row][column] if self.looks else "value"

    def text(self, row: int, column: int) -> str:
        value = self.values[row][column]
        if self.look(row, column) == "beyond":
            return ""
        return weight(value) if self.fractions else number(value)

    def brightness(self, row: int, column: int, numbered: bool) -> int:
        """Of a grey cell, 0 to 255; one with a number on it is never quite dark."""
        level = max(0.0, self.level(row, column))
        return round(80 + 175 * level if numbered else 255 * level)

    def level(self, row: int, column: int) -> float:
        """The shade of a cell, -1 to 1."""
        value = self.values[row][column] / (self.top or 1.0)
        return max(-1.0, min(1.0, value)) if math.isfinite(value) else 0.0


@dataclass(frozen=True)
class Sliding:
    """An input, what slides over it (None for pooling) and its output.

    `rows[r]` are the rows of the input that the window covers for row r of the output, `columns` likewise.
    `says` are the lines of each output cell's sum, empty where they would be too long; `resting` is the output
    cell that is shown where nothing may move.
    """

    title: str
    caption: tuple[str, ...]
    input: Grid
    kernel: Grid | None
    output: Grid
    rows: tuple[tuple[int, ...], ...]
    columns: tuple[tuple[int, ...], ...]
    says: tuple[tuple[tuple[str, ...], ...], ...]
    resting: Cell
    told: str = ""
    """For readers who cannot see it."""
    channels: Grid | None = None
    """Which filters (rows) see which channels (columns), where they are in groups: 1 where they do."""


@dataclass(frozen=True)
class Frame:
    """One moment: the window is `at` an output cell, and `filled` are those that appear."""

    at: Cell
    filled: tuple[Cell, ...]


@dataclass(frozen=True)
class Placed:
    """A grid with its upper left corner, the side of its cells, and its numbers' size (None: not written)."""

    grid: Grid
    x: float
    y: float
    cell: int
    font: float | None

    def corner(self, row: int, column: int) -> tuple[float, float]:
        return self.x + column * self.cell, self.y + row * self.cell

    @property
    def lined(self) -> bool:
        """Whether there is room for lines between its cells."""
        return self.cell >= 16

    @property
    def width(self) -> int:
        return self.grid.size[1] * self.cell

    @property
    def height(self) -> int:
        return self.grid.size[0] * self.cell


@dataclass(frozen=True)
class Layout:
    """Where everything lies, in pixels. `signs` are the operators between the grids."""

    width: int
    height: int
    input: Placed
    kernel: Placed | None
    output: Placed
    signs: tuple[tuple[str, float, float], ...]
    says: float
    caption: float
    channels: Placed | None = None

    @property
    def placed(self) -> tuple[Placed, ...]:
        return tuple(p for p in (self.input, self.kernel, self.output, self.channels) if p is not None)


def layout(drawn: Sliding) -> Layout:
    """Grids side by side; one under the other where they are wide and low."""
    grids = [g for g in (drawn.input, drawn.kernel, drawn.output) if g is not None]
    flat = max(g.size[0] for g in grids) <= 4 and 3 * grids[0].size[0] <= grids[0].size[1]
    longest = max(max(grid.size) for grid in (drawn.input, drawn.output))
    cell = max(NARROWEST, min(WIDEST, (720 if flat else 400) // longest))
    top = TITLE + 34
    places, signs = (_below if flat else _beside)(grids, cell, top)
    input_, output, kernel = places[0], places[-1], places[1] if len(places) > 2 else None
    channels = None if drawn.channels is None else _channels(drawn.channels, places, flat)
    places += [] if channels is None else [channels]
    bottom = max(p.y + p.height for p in places)
    lines = max((len(said) for row in drawn.says for said in row), default=0)
    says = bottom + 30
    caption = says + (lines * LINE + 8 if lines else 0)
    texts = [*drawn.caption, *(line for row in drawn.says for said in row for line in said)]
    wide = max(
        *(p.x + max(p.width, 7 * len(p.grid.name)) for p in places),
        len(drawn.title) * 8.5 + MARGIN,
        *(len(t) * 7.2 + MARGIN for t in texts),
    )
    return Layout(
        math.ceil(wide + MARGIN), math.ceil(caption + len(drawn.caption) * LINE - 4), input_, kernel, output, signs,
        says, caption, channels,
    )  # fmt: skip


def _channels(grid: Grid, places: Sequence[Placed], flat: bool) -> Placed:
    """The small grid of channels: to the right of all others, or below them."""
    cell = max(4, min(16, 150 // max(grid.size)))
    if flat:
        return Placed(grid, MARGIN, places[-1].y + places[-1].height + 34, cell, None)
    last = places[-1]
    right = last.x + max(last.width, 7 * len(last.grid.name)) + GAP
    return Placed(grid, right, min(p.y for p in places), cell, None)


def _beside(
    grids: Sequence[Grid], cell: int, top: int
) -> tuple[list[Placed], tuple[tuple[str, float, float], ...]]:
    tall = max(grid.size[0] for grid in grids) * cell
    places: list[Placed] = []
    signs = []
    x = float(MARGIN)
    for n, grid in enumerate(grids):
        if n:
            sign = "=" if n == 2 else "∗" if len(grids) == 3 else "→"
            signs.append((sign, x + GAP / 2, top + tall / 2 + 7))
            x += GAP
        wide = max(grid.size[1] * cell, len(grid.name) * 7)
        places.append(Placed(grid, x, top + (tall - grid.size[0] * cell) / 2, cell, _font(grid, cell)))
        x += wide
    return places, tuple(signs)


def _below(
    grids: Sequence[Grid], cell: int, top: int
) -> tuple[list[Placed], tuple[tuple[str, float, float], ...]]:
    places = []
    y = float(top)
    for grid in grids:
        places.append(Placed(grid, MARGIN, y, cell, _font(grid, cell)))
        y += grid.size[0] * cell + 34
    return places, ()


def _font(grid: Grid, cell: int) -> float | None:
    """The size in which a grid's longest number fits its cell."""
    longest = max(len(grid.text(r, c)) for r in range(grid.size[0]) for c in range(grid.size[1]))
    size = min(15.0, cell * 0.46, (cell - 3) / (0.7 * longest))
    return round(size, 1) if size >= SMALLEST_FONT else None


def frames(drawn: Sliding, most: int) -> list[Frame]:
    """The output's cells row by row, one a frame; several where there are more than `most`."""
    rows, columns = drawn.output.size
    cells = [(r, c) for r in range(rows) for c in range(columns)]
    count = min(len(cells), most)
    found = []
    for n in range(count):
        part = cells[n * len(cells) // count : (n + 1) * len(cells) // count]
        found.append(Frame(part[-1], tuple(part)))
    return found


def seconds(count: int) -> float:
    """How long each of so many frames is shown."""
    return max(QUICK, min(SLOW, WHOLE / count))


def number(value: float) -> str:
    """A cell's number: whole where it is, else with three digits."""
    if not math.isfinite(value):
        return "−∞" if value < 0 else "∞"
    near = round(value)
    if abs(value - near) < 1e-9 or abs(value) >= 100:
        return str(near).replace("-", "−")
    return (
        f"{value:.3g}".replace("-", "−").replace("0.", ".", 1)
        if abs(value) < 1
        else f"{value:.3g}".replace("-", "−")
    )


def weight(value: float) -> str:
    """A kernel's number: a fraction where it is one."""
    part = Fraction(value).limit_denominator(1000)
    if part.denominator > 1 and abs(float(part) - value) < 1e-12:
        return f"{part.numerator}/{part.denominator}".replace("-", "−")
    return number(value)


def in_ascii(text: str, keep: str = "") -> str:
    """A formula in the letters that every terminal and font has, and those to `keep`."""
    signs = (
        ("⌊", "floor("), ("⌋", ")"), ("⌈", "ceil("), ("⌉", ")"), ("·", "*"), ("−", "-"), ("×", "x"), ("∞", "inf"),
        ("∗", "*"), ("→", "->"),
    )  # fmt: skip
    for sign, plain in signs:
        text = text if sign in keep else text.replace(sign, plain)
    return text
