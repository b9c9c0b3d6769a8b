"""What lies on a picture, drawn on it: objects with their boxes and masks, maps of classes, pictures side by side.

Rows are plain: an object has `box` (x0, y0, x1, y1 in the picture's pixels), `mask` (COCO's run lengths, whose size is
the picture's; or `region`, bool `HW`) or both, `label`, and where they are known `probability` and `kind`; a class has
`label`, `mask` and `share`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .lettering import FAINT, INK, PAPER, cut, wrapped, write
from .run_lengths import decoded
from .tags import DARK, Box, Colour, Key, Tag, colour, colours, with_legend, write_tags

Row: TypeAlias = Mapping[str, Any]
Region: TypeAlias = NDArray[np.bool_]
KINDS: dict[str, Colour] = {
    "right": (0, 158, 115), "missed": (213, 94, 0), "wrong class": (204, 121, 167), "badly placed": (86, 180, 233),
    "both": (0, 114, 178), "doubled": (230, 159, 0), "background": (240, 228, 66), "ignored": (170, 170, 170),
}  # fmt: skip
"""Ways to be right or wrong (Bolya et al. 2020, TIDE), each with its colour; `both` is of the wrong class and badly
placed."""
OTHER: Colour = (200, 200, 200)
LEAST, MOST = 480, 1600
"""Pixels of a drawn picture's longer side: smaller ones are enlarged by whole factors, larger ones made smaller."""
CROWDED = 12
"""Objects up to which each has its label beside it; more are told by colour, with their numbers alone."""
OPAQUE, OPAQUE_CLASS, EDGE = 0.35, 0.55, 0.6
IGNORED = 255


@dataclass(frozen=True)
class Thing:
    """An object as it is drawn, on the picture's own pixels."""

    box: Box
    label: str
    colour: Colour
    words: tuple[str, ...] = ()
    dashed: bool = False
    region: Region | None = None
    sure: float = 1.0

    @property
    def area(self) -> float:
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


def objects(
    image: Image.Image,
    predicted: Sequence[Row] = (),
    true: Sequence[Row] = (),
    labels: Sequence[str] = (),
    *,
    words: Sequence[str] = (),
    legend: bool = True,
    tagged: bool = True,
    least: int = LEAST,
    most: int | None = MOST,
) -> Image.Image:
    """The picture with objects on it: predicted ones in whole lines, true ones dashed.

    Colours are the labels', by their places among `labels`; where any row tells the `kind` of its error, all colours
    are those of `KINDS`, and grey for rows of none.

    Args:
        words: sentences below the legend.
        legend: whether there is one below the picture.
        tagged: whether objects have words beside them.
        least: longer side in pixels up to which the picture is enlarged.
        most: longer side in pixels beyond which the picture is made smaller; None draws it at its own size.
    """
    tones = colours([*labels, *(str(row.get("label", "")) for row in (*predicted, *true))])
    kinds = any("kind" in row for row in (*predicted, *true))
    crowded = len(predicted) + len(true) > CROWDED
    found = [
        _thing(row, tones, kinds, crowded, dashed)
        for rows, dashed in ((true, True), (predicted, False))
        for row in rows
    ]
    canvas, factor = fitted(image, least=least, most=most)
    line = _line(canvas.size, found, factor)
    order = sorted(found, key=lambda thing: (not thing.dashed, -thing.area))
    canvas = _masked(canvas, [thing for thing in order if thing.region is not None], factor, line)
    pen = ImageDraw.Draw(canvas)
    for thing in order:
        if thing.region is None:
            _box(pen, _scaled(thing.box, factor), thing.colour, line, thing.dashed)
    if tagged:
        spoken = sorted((thing for thing in found if thing.words), key=lambda thing: -thing.sure)
        tags = [Tag(_scaled(thing.box, factor), thing.words, thing.colour) for thing in spoken]
        write_tags(canvas, tags, _letters(canvas.size, crowded))
    return with_legend(canvas, _keys(predicted, true, tones, kinds) if legend else (), words)


def classes(
    image: Image.Image,
    rows: Sequence[Row],
    labels: Sequence[str] = (),
    *,
    words: Sequence[str] = (),
    legend: bool = True,
    most: int | None = MOST,
) -> Image.Image:
    """The picture with a map of classes over it, whose borders are lines; pixels of none are left as they are."""
    names = list(dict.fromkeys([*labels, *(str(row["label"]) for row in rows)]))
    found = class_map(rows, names, image.size)
    drawn = painted(image, found, [colour(n) for n in range(len(names))], most=most)
    keys = [
        Key(colour(n), f"{name} {percent(share)}", patch=True)
        for n, name in enumerate(names)
        if (share := float((found == n).mean())) > 0
    ]
    return with_legend(drawn, keys if legend else (), words)


def painted(
    image: Image.Image,
    found: NDArray[np.uint8],
    tones: Sequence[Colour],
    *,
    least: int = LEAST,
    most: int | None = MOST,
) -> Image.Image:
    """The picture with class indices `HW` of its own size over it; those beyond `tones` are not painted."""
    canvas, _ = fitted(image, least=least, most=most)
    places = np.asarray(Image.fromarray(found).resize(canvas.size, Image.Resampling.NEAREST))
    table = np.zeros((256, 3), np.float32)
    table[: len(tones)] = tones
    under = np.asarray(canvas, np.float32)
    told = (places < len(tones))[..., None]
    mixed = np.where(told, under + (table[places] - under) * OPAQUE_CLASS, under)
    edge = np.zeros(places.shape, bool)
    edge[:, 1:] |= places[:, 1:] != places[:, :-1]
    edge[1:] |= places[1:] != places[:-1]
    mixed[edge] += (np.array(DARK, np.float32) - mixed[edge]) * EDGE
    return Image.fromarray(mixed.round().astype(np.uint8))


def class_map(rows: Sequence[Row], labels: Sequence[str], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Class indices `HW` of rows with `label` and `mask`, on a picture of `size`; `IGNORED` where no mask lies."""
    found = np.full((size[1], size[0]), IGNORED, np.uint8)
    for row in rows:
        if "mask" in row:
            found[decoded(row["mask"])] = list(labels).index(str(row["label"]))
    return found


def box_of(region: Region) -> Box:
    """The box round the pixels of a region; of no area where there are none."""
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def side_by_side(panels: Sequence[tuple[str, Image.Image]], *, words: Sequence[str] = ()) -> Image.Image:
    """Pictures next to each other at one height, what each is above it."""
    high = min(max(max(image.height for _, image in panels), 256), 768)
    shown = [(name, _to_height(image, high)) for name, image in panels]
    gap, head, size = 16, 30, 16
    total = sum(image.width for _, image in shown) + gap * (len(shown) + 1)
    lines = [line for sentence in words for line in wrapped(sentence, 14, total - 2 * gap)]
    paper = Image.new("RGB", (total, head + high + gap + len(lines) * 22), PAPER)
    pen, left = ImageDraw.Draw(paper), gap
    for name, image in shown:
        write(pen, (left, 7), cut(name, size, image.width), size, INK)
        paper.paste(image, (left, head))
        left += image.width + gap
    for n, line in enumerate(lines):
        write(pen, (gap, head + high + 8 + n * 22), line, 14, FAINT)
    return paper


def captioned(image: Image.Image, words: Sequence[str], *, most: int | None = MOST) -> Image.Image:
    """The picture with sentences below it."""
    return with_legend(fitted(image, most=most)[0], (), words)


def percent(share: float) -> str:
    """A share for people: `42 %`, `0.3 %`."""
    return f"{share:.0%}".replace("%", " %") if share >= 0.0095 or share == 0 else f"{share * 100:.1g} %"


def fitted(image: Image.Image, *, least: int = LEAST, most: int | None = MOST) -> tuple[Image.Image, float]:
    """A copy in colour of a size to be drawn on, and how many of its pixels one of the picture's has become."""
    canvas = image.convert("RGB")
    longer = max(image.size)
    if most is not None and longer > most:
        factor = most / longer
    else:
        factor = float(max(1, -(-least // longer)))
    if factor == 1:
        return canvas.copy() if canvas is image else canvas, 1.0
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return canvas.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS), factor


def _to_height(image: Image.Image, high: int) -> Image.Image:
    wide = max(1, round(image.width * high / image.height))
    kind = Image.Resampling.NEAREST if high >= 2 * image.height else Image.Resampling.LANCZOS
    shown = image.convert("RGB")
    return shown if shown.size == (wide, high) else shown.resize((wide, high), kind)


def _thing(row: Row, tones: Mapping[str, Colour], kinds: bool, crowded: bool, dashed: bool) -> Thing:
    label, sure = str(row.get("label", "")), row.get("probability")
    kind = row.get("kind")
    region = decoded(row["mask"]) if row.get("mask") else row.get("region")
    box = row["box"] if "box" in row else box_of(region) if region is not None else (0, 0, 0, 0)
    x0, y0, x1, y1 = (float(value) for value in box)
    number = "" if sure is None else f"{sure * 100:.0f}"
    whole = f"{label} {number} %" if number else label
    words: tuple[str, ...]
    if dashed:
        words = () if crowded or kind in (None, "right") else (label,)
    else:
        words = tuple(filter(None, (number,))) if crowded else tuple(filter(None, (whole, number)))
    tone = KINDS.get(str(kind), OTHER) if kinds else tones[label]
    return Thing((x0, y0, x1, y1), label, tone, words, dashed, region, 0.0 if sure is None else float(sure))


def _line(size: tuple[int, int], things: Sequence[Thing], factor: float) -> int:
    """How wide lines are: as the picture is large, but thin against the objects."""
    sides = sorted(factor * min(t.box[2] - t.box[0], t.box[3] - t.box[1]) for t in things)
    middle = sides[len(sides) // 2] if sides else 1e6
    return max(1, min(max(2, round(max(size) / 350)), round(middle / 12)))


def _letters(size: tuple[int, int], crowded: bool) -> int:
    return max(12, round(max(size) / (75 if crowded else 55)))


def _scaled(box: Box, factor: float) -> Box:
    return box[0] * factor, box[1] * factor, box[2] * factor, box[3] * factor


def _box(pen: ImageDraw.ImageDraw, box: Box, tone: Colour, line: int, dashed: bool) -> None:
    """A frame on the inside of a box's edges, with a dark line round it so that it shows on any ground."""
    x0, y0 = round(box[0]), round(box[1])
    x1, y1 = max(x0, round(box[2]) - 1), max(y0, round(box[3]) - 1)
    if not dashed:
        pen.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=DARK, width=1)
        pen.rectangle((x0, y0, x1, y1), outline=tone, width=line)
        inner = (x0 + line, y0 + line, x1 - line, y1 - line)
        if inner[2] > inner[0] and inner[3] > inner[1]:
            pen.rectangle(inner, outline=DARK, width=1)
        return
    for x, y, across in ((x0, y0, True), (x0, y1, True), (x0, y0, False), (x1, y0, False)):
        _dashes(pen, (x, y), (x1 - x0) if across else (y1 - y0), across, tone, line)


def _dashes(
    pen: ImageDraw.ImageDraw, at: tuple[int, int], length: int, across: bool, tone: Colour, line: int
) -> None:
    """Dashes of a colour, dark between them."""
    dash = max(4, 3 * line)
    for start in range(0, length + 1, dash):
        end = min(start + dash - 1, length)
        fill = tone if (start // dash) % 2 == 0 else DARK
        a, b = -(line // 2), line - line // 2 - 1
        if across:
            pen.rectangle((at[0] + start, at[1] + a, at[0] + end, at[1] + b), fill=fill)
        else:
            pen.rectangle((at[0] + a, at[1] + start, at[0] + b, at[1] + end), fill=fill)


def _masked(image: Image.Image, things: Sequence[Thing], factor: float, line: int) -> Image.Image:
    """The picture with the things' regions over it: predicted ones filled, all outlined."""
    if not things:
        return image
    pixels = np.asarray(image, np.float32).copy()
    for thing in things:
        assert thing.region is not None
        whole = Image.fromarray(thing.region.astype(np.uint8)).resize(image.size, Image.Resampling.NEAREST)
        region = np.asarray(whole, bool)
        x0, y0, x1, y1 = (int(value) for value in box_of(region))
        if x1 <= x0:
            continue
        inside, part = region[y0:y1, x0:x1], pixels[y0:y1, x0:x1]
        edge = inside & ~eroded(inside, line)
        if thing.dashed:
            y, x = np.mgrid[y0:y1, x0:x1] // max(3, 2 * line)
            part[edge] = DARK
            part[edge & ((x + y) % 2 == 0)] = thing.colour
            continue
        part[inside] += (np.array(thing.colour, np.float32) - part[inside]) * OPAQUE
        part[inside & ~eroded(inside, line + 1)] = DARK
        part[edge] = thing.colour
    return Image.fromarray(pixels.round().astype(np.uint8))


def eroded(region: Region, times: int) -> Region:
    """A region without its outermost pixels, so many deep; beyond its canvas there is nothing."""
    found = np.pad(region, 1)
    for _ in range(times):
        inner = found[1:-1, 1:-1] & found[:-2, 1:-1] & found[2:, 1:-1] & found[1:-1, :-2] & found[1:-1, 2:]
        found = np.pad(inner, 1)
    return found[1:-1, 1:-1]


def _keys(
    predicted: Sequence[Row], true: Sequence[Row], tones: Mapping[str, Colour], kinds: bool
) -> list[Key]:
    """What the colours and lines stand for, with how many there are."""
    found = []
    for rows, dashed in ((predicted, False), (true, True)):
        said = "true" if dashed else "predicted"
        name = "kind" if kinds else "label"
        for value, count in Counter(str(row.get(name, said)) for row in rows).most_common():
            tone = KINDS.get(value, OTHER) if kinds else tones[value]
            of = f" ({said})" if true and (not kinds or dashed) and value not in ("missed", "true") else ""
            found.append(Key(tone, f"{value}{of} {count}", dashed))
    return found
