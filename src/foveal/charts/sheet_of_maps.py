"""Contact sheets: rows of small pictures or feature maps, each row with its name and its scale, as one picture or
as an animation of a row a frame."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .kinds import TONES
from .lettering import FAINT, INK, LINE, PAPER, cut, width, wrapped, write

MARGIN, GAP, BESIDE, BETWEEN = 24, 5, 190, 16
TITLE, TEXT, SMALL = 22, 14, 12
WIDEST = 1400
"""Pixels of a sheet's width, words beside the rows included."""
RAMP = (110, 9)
FRAME_SECONDS = 0.9
Array = NDArray[np.float64] | NDArray[np.float32]


@dataclass(frozen=True)
class Tile:
    """A small picture: uint8 `HW` or `HW3`. `mark` frames it: made by us (`made`), or of something dead."""

    pixels: NDArray[np.uint8]
    words: tuple[str, ...] = ()
    mark: str = ""


@dataclass(frozen=True)
class Row:
    """Pictures that belong together. `scale`: the values that their darkest and their lightest shade stand for."""

    name: str
    notes: tuple[str, ...]
    tiles: tuple[Tile, ...]
    scale: tuple[float, float] | None = None


@dataclass(frozen=True)
class Sheet:
    """Rows under a title; `side` is that of each tile in pixels, `columns` how many at most stand in a row."""

    title: str
    notes: tuple[str, ...]
    rows: tuple[Row, ...]
    side: int = 72
    columns: int = 16


def shaded(values: Array, low: float, high: float) -> NDArray[np.uint8]:
    """Numbers `HW` as colours `HW3`: where `low` is not below 0, grey from black (`low`) to white (`high`); else
    white at 0, rust below and blue above, as strong at the same distance."""
    if low >= 0:
        level = np.clip((values - low) / ((high - low) or 1.0), 0, 1)
        grey = (255 * level + 0.5).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    top = max(-low, high) or 1.0
    level = np.clip(values / top, -1, 1)[..., None]
    colour = np.where(level >= 0, _rgb(TONES["accent"]), _rgb(TONES["warm"]))
    return (255 + (colour - 255) * np.abs(level) + 0.5).astype(np.uint8)


def _rgb(text: str) -> NDArray[np.float64]:
    return np.array([int(text[n : n + 2], 16) for n in (1, 3, 5)], dtype=np.float64)


def sheet_picture(sheet: Sheet) -> Image.Image:
    """The sheet as one picture."""
    side, columns = sheet.side, _columns(sheet)
    notes = [line for note in sheet.notes for line in wrapped(note, TEXT, WIDEST - 2 * MARGIN)]
    wide = MARGIN + BESIDE + columns * (side + GAP) + MARGIN
    wide = max(wide, MARGIN + max(width(line, TEXT) for line in ["", *notes]) + MARGIN)
    wide = max(wide, MARGIN + width(sheet.title, TITLE) + MARGIN)
    head = MARGIN + TITLE + 10 + len(notes) * (TEXT + 6) + 14
    heights = [_height(row, side, columns) for row in sheet.rows]
    paper = Image.new("RGB", (wide, head + sum(heights) + MARGIN), PAPER)
    pen = ImageDraw.Draw(paper)
    write(pen, (MARGIN, MARGIN - 4), sheet.title, TITLE)
    for n, line in enumerate(notes):
        write(pen, (MARGIN, MARGIN + TITLE + 8 + n * (TEXT + 6)), line, TEXT, FAINT)
    top = head
    for row, height in zip(sheet.rows, heights, strict=True):
        _beside(pen, paper, row, top)
        _tiles(pen, paper, row.tiles, (MARGIN + BESIDE, top), side, columns)
        top += height
    return paper


def sheet_gif(sheet: Sheet, side: int = 96) -> bytes:
    """A GIF that shows one row after the other, each in a square of tiles, and begins anew."""
    most = max((len(row.tiles) for row in sheet.rows), default=1)
    columns = max(1, min(6, int(np.ceil(np.sqrt(most)))))
    lines = -(-most // columns)
    tall = MARGIN + TITLE + 8 + 5 * (SMALL + 5) + 8
    wide = max(columns * (side + GAP) + 2 * MARGIN, 320)
    frames = []
    for number, row in enumerate(sheet.rows):
        paper = Image.new("RGB", (wide, tall + lines * (side + GAP) + MARGIN), PAPER)
        pen = ImageDraw.Draw(paper)
        room = wide - 2 * MARGIN
        write(pen, (MARGIN, MARGIN - 6), cut(f"{number + 1}/{len(sheet.rows)}  {row.name}", 18, room), 18)
        said = [line for note in row.notes for line in wrapped(note, SMALL, room)][:3]
        for n, line in enumerate(said):
            write(pen, (MARGIN, MARGIN + TITLE + n * (SMALL + 5)), line, SMALL, FAINT)
        if row.scale is not None:
            _ramp(pen, paper, row.scale, (MARGIN, MARGIN + TITLE + 3 * (SMALL + 5) + 4), room)
        bare = [Tile(tile.pixels, (), tile.mark) for tile in row.tiles]
        _tiles(pen, paper, bare, (MARGIN, tall), side, columns)
        frames.append(paper.quantize(128, dither=Image.Dither.NONE))
    file = io.BytesIO()
    span = round(1000 * FRAME_SECONDS)
    frames[0].save(
        file, "GIF", save_all=True, append_images=frames[1:], duration=span, loop=0, optimize=False
    )
    return file.getvalue()


def _columns(sheet: Sheet) -> int:
    most = max((len(row.tiles) for row in sheet.rows), default=1)
    room = (WIDEST - 2 * MARGIN - BESIDE) // (sheet.side + GAP)
    return max(1, min(most, sheet.columns, room))


def _height(row: Row, side: int, columns: int) -> int:
    lines = max(1, -(-len(row.tiles) // columns))
    tiles = lines * (side + GAP + _words(row.tiles))
    return max(tiles, len(_said(row)) * (SMALL + 5) + (30 if row.scale else 0)) + BETWEEN


def _words(tiles: Sequence[Tile]) -> int:
    """Pixels below each tile that its words take."""
    most = max((len(tile.words) for tile in tiles), default=0)
    return most * (SMALL + 3) + (4 if most else 0)


def _said(row: Row) -> list[tuple[str, bool]]:
    """The lines beside a row, and whether each is of its name."""
    room = BESIDE - 14
    name = [(line, True) for line in wrapped(row.name, TEXT, room)]
    return name + [(line, False) for note in row.notes for line in wrapped(note, SMALL, room)]


def _beside(pen: ImageDraw.ImageDraw, paper: Image.Image, row: Row, top: int) -> None:
    y = top - 2
    for line, is_name in _said(row):
        write(pen, (MARGIN, y), line, TEXT if is_name else SMALL, INK if is_name else FAINT)
        y += SMALL + 5
    if row.scale is not None:
        _ramp(pen, paper, row.scale, (MARGIN, y + 4), BESIDE - 14)


def _ramp(
    pen: ImageDraw.ImageDraw,
    paper: Image.Image,
    scale: tuple[float, float],
    at: tuple[int, int],
    room: int,
) -> None:
    """The shades of a row from the least to the largest value, with both numbers."""
    low, high = scale
    if low < 0:  # white stands in the middle
        low, high = -max(-low, high), max(-low, high)
    wide, tall = RAMP
    ends = (f"{low:.3g}", f"{high:.3g}")
    wide = max(20, min(wide, room - width(ends[0], SMALL) - width(ends[1], SMALL) - 12))
    left = at[0] + width(ends[0], SMALL) + 4
    write(pen, (at[0], at[1] - 3), ends[0], SMALL, FAINT)
    shades = shaded(np.repeat(np.linspace(low, high, wide)[None], tall, 0), low, high)
    paper.paste(Image.fromarray(shades), (left, at[1]))
    pen.rectangle((left - 1, at[1] - 1, left + wide, at[1] + tall), outline=LINE)
    write(pen, (left + wide + 4, at[1] - 3), ends[1], SMALL, FAINT)


def _tiles(
    pen: ImageDraw.ImageDraw,
    paper: Image.Image,
    tiles: Sequence[Tile],
    at: tuple[int, int],
    side: int,
    columns: int,
) -> None:
    below = _words(tiles)
    for n, tile in enumerate(tiles):
        line, column = divmod(n, columns)
        x, y = at[0] + column * (side + GAP), at[1] + line * (side + GAP + below)
        image = fitted(tile.pixels, side)
        paper.paste(image, (x + (side - image.width) // 2, y + (side - image.height) // 2))
        colour = {"made": _ints(TONES["accent"]), "dead": _ints(TONES["warm"])}.get(tile.mark, LINE)
        pen.rectangle((x - 1, y - 1, x + side, y + side), outline=colour, width=2 if tile.mark else 1)
        for k, words in enumerate(tile.words):
            write(pen, (x, y + side + 2 + k * (SMALL + 3)), cut(words, SMALL, side), SMALL, FAINT)


def _ints(text: str) -> tuple[int, int, int]:
    red, green, blue = (int(text[n : n + 2], 16) for n in (1, 3, 5))
    return red, green, blue


def fitted(pixels: NDArray[np.uint8], side: int) -> Image.Image:
    """A tile's picture with its longer side `side`: enlarged so that its pixels are seen, or made smaller."""
    image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    share = side / max(image.size)
    size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    kind = Image.Resampling.NEAREST if share >= 1 else Image.Resampling.LANCZOS
    return image.resize(size, kind)
