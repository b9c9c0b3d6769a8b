"""Words beside what is drawn on a picture: tags that do not cover each other, and a legend below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image, ImageDraw

from .lettering import FAINT, INK, PAPER, cut, width, wrapped, write

Colour: TypeAlias = tuple[int, int, int]
Box: TypeAlias = tuple[float, float, float, float]
SOURCE = "colours: Okabe & Ito 2008, Color Universal Design; those after the seventh: Tol 2021, muted"
CYCLE: tuple[Colour, ...] = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0)),
    *((204, 121, 167), (136, 34, 85), (51, 34, 136), (153, 153, 51), (136, 204, 238), (221, 221, 221)),
)
DARK, LIGHT = (20, 22, 24), (255, 255, 255)
SMALL, MARGIN, SWATCH = 14, 12, 22
COVERS = 0.45
"""Share of a box's area that its tag may cover at most."""


def colour(place: int) -> Colour:
    """The colour of a label by its place; the cycle begins anew in darker tones."""
    again, at = divmod(place, len(CYCLE))
    red, green, blue = (round(value * 0.65 ** (again % 3)) for value in CYCLE[at])
    return red, green, blue


def colours(labels: Iterable[str]) -> dict[str, Colour]:
    """Each label's colour, by its place."""
    return {label: colour(place) for place, label in enumerate(dict.fromkeys(labels))}


def readable_on(ground: Colour) -> Colour:
    """Black or white, whichever stands out more from a colour (WCAG 2.2: relative luminance)."""
    shares = [v / 3294.6 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in ground]
    light = 0.2126 * shares[0] + 0.7152 * shares[1] + 0.0722 * shares[2]
    return DARK if light > 0.18 else LIGHT


@dataclass(frozen=True)
class Tag:
    """Words for a box, the longest first; which of them is written depends on the room."""

    box: Box
    words: tuple[str, ...]
    ground: Colour


def write_tags(image: Image.Image, tags: Sequence[Tag], size: int) -> int:
    """Write the tags that find room, the first ones first; returns how many did.

    A tag lies on its box's upper edge, within it, or below it, inside the picture, on no other tag, and is left out
    where it would cover more than `COVERS` of its box.
    """
    pen, taken = ImageDraw.Draw(image), list[Box]()
    for tag in tags:
        for words in tag.words:
            place = next(_places(tag.box, (width(words, size) + 6, size + 5), image.size, taken), None)
            if place is not None:
                pen.rectangle((place[0], place[1], place[2] - 1, place[3] - 1), fill=tag.ground)
                middle = (place[1] + place[3]) / 2
                write(pen, (place[0] + 3, middle), words, size, readable_on(tag.ground), anchor="lm")
                taken.append(place)
                break
    return len(taken)


def _places(box: Box, tag: tuple[int, int], canvas: tuple[int, int], taken: Sequence[Box]) -> Iterator[Box]:
    """Where a tag of these sides may lie."""
    (wide, high), (x0, y0, x1, y1) = tag, box
    area = max(1.0, (x1 - x0) * (y1 - y0))
    for left, top in ((x0, y0 - high), (x0, y0), (x1 - wide, y0 - high), (x0, y1), (x0, y1 - high)):
        left, top = round(min(max(left, 0), canvas[0] - wide)), round(top)
        place = (left, top, left + wide, top + high)
        inside = left >= 0 and top >= 0 and top + high <= canvas[1]
        covered = max(0.0, min(x1, place[2]) - max(x0, left)) * max(0.0, min(y1, place[3]) - max(y0, top))
        if inside and covered <= COVERS * area and not any(_meet(place, other) for other in taken):
            yield place


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@dataclass(frozen=True)
class Key:
    """An entry of a legend: a line (whole or dashed) or a patch of a colour, and what it stands for."""

    colour: Colour
    words: str
    dashed: bool = False
    patch: bool = False


def with_legend(image: Image.Image, keys: Sequence[Key], words: Sequence[str] = ()) -> Image.Image:
    """The picture on paper, with a legend and sentences below it."""
    room = image.width - 2 * MARGIN
    rows = list(_rows(keys, room))
    lines = [line for sentence in words for line in wrapped(sentence, SMALL, room)]
    if not rows and not lines:
        return image
    below = MARGIN // 2 + (len(rows) + len(lines)) * (SMALL + 8) + MARGIN // 2
    paper = Image.new("RGB", (image.width, image.height + below), PAPER)
    paper.paste(image, (0, 0))
    pen, y = ImageDraw.Draw(paper), image.height + MARGIN // 2 + 2
    for row in rows:
        for left, key in row:
            _swatch(pen, key, (MARGIN + left, y))
            said = cut(key.words, SMALL, room - left - SWATCH - 6)
            write(pen, (MARGIN + left + SWATCH + 6, y), said, SMALL, INK)
        y += SMALL + 8
    for line in lines:
        write(pen, (MARGIN, y), line, SMALL, FAINT)
        y += SMALL + 8
    return paper


def _rows(keys: Sequence[Key], room: int) -> Iterator[list[tuple[int, Key]]]:
    """Entries in rows, each with how far it stands from the left."""
    row: list[tuple[int, Key]] = []
    left = 0
    for key in keys:
        wide = SWATCH + 6 + width(key.words, SMALL) + 18
        if row and left + wide - 18 > room:
            yield row
            row, left = [], 0
        row.append((left, key))
        left += wide
    if row:
        yield row


def _swatch(pen: ImageDraw.ImageDraw, key: Key, at: tuple[int, int]) -> None:
    x, y = at
    if key.patch:
        pen.rectangle((x, y + 1, x + SWATCH, y + SMALL + 1), fill=key.colour, outline=INK)
        return
    middle = y + SMALL // 2 + 1
    for left, right in ((0, 9), (13, 22)) if key.dashed else ((0, SWATCH),):
        pen.rectangle((x + left, middle - 3, x + right, middle + 2), fill=DARK)
        pen.rectangle((x + left + 1, middle - 2, x + right - 1, middle + 1), fill=key.colour)
