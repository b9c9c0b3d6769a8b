"""A sliding window as an animated GIF, for slides and documents that take no SVG: always on white."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

from .kinds import TONES
from .sliding import (
    LINE,
    MARGIN,
    REST,
    TITLE,
    Frame,
    Layout,
    Placed,
    Sliding,
    frames,
    in_ascii,
    layout,
    seconds,
)
from .sliding_svg import STRONGEST

MOST_BYTES = 200_000
LARGEST, FRAMES = 2.0, 100
"""Pixels for one of the layout, and frames: at most, and less where the file would be too large."""
INK, QUIET, LINES, GROUND = (32, 38, 45), (110, 118, 126), (201, 206, 212), (255, 255, 255)
Colour: TypeAlias = tuple[int, int, int]
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def sliding_gif(drawn: Sliding) -> bytes:
    """The animation as a file of the GIF format, which begins anew after its last frame: 200 kB at most."""
    where, most, scale = layout(drawn), FRAMES, LARGEST
    while True:
        count = len(frames(drawn, most))
        least = (
            where.width * where.height * scale**2 * (0.03 + 0.002 * count)
        )  # as measured: it never was less
        if least <= MOST_BYTES or scale == 1:
            data = _file(drawn, scale, most)
            if len(data) <= MOST_BYTES or count == 1:
                return data
            least = len(data)
        if scale > 1:
            scale -= 0.5
        else:
            most = max(1, int(0.9 * count * MOST_BYTES / least))


def _file(drawn: Sliding, scale: float, most: int) -> bytes:
    where, shown = layout(drawn), frames(drawn, most)
    pen = _Pen(where, scale)
    _still(pen, drawn, where)
    palette = _full(pen, drawn, where).quantize(200, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    pictures = []
    for frame in shown:
        pen.cells(where.output, frame.filled)
        moment = pen.copy()
        _moving(moment, drawn, where, frame)
        pictures.append(moment.image.quantize(palette=palette, dither=Image.Dither.NONE))
    step = round(1000 * seconds(len(shown)))
    spans = [step] * (len(shown) - 1) + [step + round(1000 * REST)]
    file = io.BytesIO()
    # with optimize, what does not change from frame to frame is left out
    pictures[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=spans,
        loop=0,
        optimize=True,
        disposal=1,
    )
    return file.getvalue()


def tone(name: str) -> Colour:
    """A tone's light colour as red, green and blue."""
    text = next(value for key, value in TONES.items() if key == name)
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:], 16)


def mixed(colour: Colour, share: float) -> Colour:
    """So much of a colour over the white ground."""
    red, green, blue = (round(g + (c - g) * share) for c, g in zip(colour, GROUND, strict=True))
    return red, green, blue


class _Pen:
    """Draws in the layout's pixels on a picture of `scale` times their number."""

    def __init__(self, where: Layout, scale: float, image: Image.Image | None = None) -> None:
        self.where, self.scale = where, scale
        self.line = max(1, round(scale))
        self.image = image or Image.new(
            "RGB", (round(where.width * scale), round(where.height * scale)), GROUND
        )
        self.draw = ImageDraw.Draw(self.image)
        self.fonts: dict[float, Font] = {}

    def copy(self) -> _Pen:
        made = _Pen(self.where, self.scale, self.image.copy())
        made.fonts = self.fonts
        return made

    def text(self, x: float, y: float, text: str, size: float, colour: Colour, anchor: str = "ls") -> None:
        if size not in self.fonts:
            self.fonts[size] = ImageFont.load_default(size * self.scale)
        at = (x * self.scale, y * self.scale)
        self.draw.text(at, in_ascii(text, keep="·"), colour, self.fonts[size], anchor=anchor)

    def box(
        self,
        x: float,
        y: float,
        wide: float,
        high: float,
        fill: Colour | None,
        line: Colour | None,
        width: int = 1,
    ) -> None:
        s = self.scale
        corners = (x * s, y * s, (x + wide) * s, (y + high) * s)
        self.draw.rectangle(corners, fill, line, width * self.line if line else 0)

    def cells(self, placed: Placed, cells: Iterable[tuple[int, int]]) -> None:
        """Shaded squares with their numbers."""
        grid, side, lines = placed.grid, placed.cell, LINES if placed.lined else None
        for row, column in cells:
            x, y = placed.corner(row, column)
            look, level, ink = grid.look(row, column), grid.level(row, column), INK
            if look == "padded":
                self.dashes(x + 1.5, y + 1.5, side - 3)
                ink = QUIET
            elif look == "beyond":
                self.dashes(x + 1.5, y + 1.5, side - 3, long=1)
            elif look == "stretched":
                self.box(x, y, side, side, mixed(tone("muted"), 0.13), lines)
                ink = QUIET
            elif grid.shade == "grey":
                shade = grid.brightness(row, column, placed.font is not None)
                self.box(x, y, side, side, (shade, shade, shade), lines)
                ink = (17, 17, 17) if shade > 130 else GROUND
            else:
                share = abs(level) * STRONGEST[placed.font is not None]
                self.box(x, y, side, side, mixed(tone("accent" if level >= 0 else "warm"), share), lines)
            if placed.font is not None:
                self.text(x + side / 2, y + side / 2, grid.text(row, column), placed.font, ink, "mm")

    def dashes(self, x: float, y: float, side: float, long: int = 3) -> None:
        """A square of dashes: padding; of dots, what lies beyond it."""
        s = self.scale
        colour = tone("muted")
        for n in range(0, int(side), 5):
            near, far = n, min(n + long, side)
            for other in (0.0, side):
                across = [((x + near) * s, (y + other) * s), ((x + far) * s, (y + other) * s)]
                down = [((x + other) * s, (y + near) * s), ((x + other) * s, (y + far) * s)]
                self.draw.line(across, colour, self.line)
                self.draw.line(down, colour, self.line)


def _still(pen: _Pen, drawn: Sliding, where: Layout) -> None:
    """What no frame changes."""
    pen.text(MARGIN, TITLE, drawn.title, 14, INK)
    for placed in where.placed:
        pen.text(placed.x, placed.y - 9, placed.grid.name, 13, QUIET)
    for sign, x, y in where.signs:
        pen.text(x, y, sign, 20, QUIET, "ms")
    for n, line in enumerate(drawn.caption):
        pen.text(MARGIN, where.caption + n * LINE, line, 13, INK)
    for still in (where.input, where.kernel, where.channels):
        if still is not None:
            rows, columns = still.grid.size
            pen.cells(still, [(r, c) for r in range(rows) for c in range(columns)])
    rows, columns = drawn.output.size
    for row in range(rows):
        for column in range(columns):
            pen.box(*where.output.corner(row, column), where.output.cell, where.output.cell, None, LINES)


def _moving(pen: _Pen, drawn: Sliding, where: Layout, frame: Frame) -> None:
    """The window, the cell that it fills, and its sum."""
    (row, column), side, plum = frame.at, where.input.cell, tone("plum")
    rows, columns = drawn.rows[row], drawn.columns[column]
    veil = Image.new("RGBA", pen.image.size, (0, 0, 0, 0))
    brush = ImageDraw.Draw(veil)
    s = pen.scale
    for r in rows:
        for c in columns:
            x, y = where.input.corner(r, c)
            brush.rectangle(
                (x * s, y * s, (x + side) * s, (y + side) * s), (*plum, 56), (*plum, 255), pen.line
            )
    pen.image.paste(veil, (0, 0), veil)
    x, y = where.input.corner(rows[0], columns[0])
    wide, high = (columns[-1] - columns[0] + 1) * side, (rows[-1] - rows[0] + 1) * side
    pen.box(x, y, wide, high, None, plum, 3)
    pen.box(*where.output.corner(row, column), where.output.cell, where.output.cell, None, plum, 3)
    for n, line in enumerate(drawn.says[row][column]):
        pen.text(MARGIN, where.says + n * LINE, line, 13, INK)


def _full(pen: _Pen, drawn: Sliding, where: Layout) -> Image.Image:
    """All that any frame shows, to choose the colours from."""
    full = pen.copy()
    rows, columns = drawn.output.size
    full.cells(where.output, [(r, c) for r in range(rows) for c in range(columns)])
    _moving(full, drawn, where, Frame(drawn.resting, ()))
    return full.image
