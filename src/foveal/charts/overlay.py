"""Maps laid over pictures: what speaks for a target, in colours whose steps look alike, with a scale in numbers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from . import lettering
from .scales import short

SOURCE = (
    "colours: Inferno of van der Walt & Smith 2015; those with two sides are drawn in Oklab, Ottosson 2020"
)
Shows: TypeAlias = Literal["for", "both", "size"]
Colours: TypeAlias = NDArray[np.uint8]
INFERNO = "000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4"
AGAINST, MIDDLE, FOR = (0.5, -0.04, -0.17), (0.93, 0.0, 0.0), (0.5, 0.16, 0.1)
"""In Oklab (lightness, green to red, blue to yellow): both ends are equally dark."""
STEPS = 256
STRONGEST, RISE = 0.88, 0.8
"""How opaque the strongest colour is, and the power of a value's share that the others rise with."""
GREYED = 0.65
"""How far the picture's own colours are taken back, so that those of the map are told from them."""
UNSEEN = 0.45
"""How dark the parts of a picture are that the network did not see."""
LARGEST, SMALLEST = 1024, 280
"""Sides of a drawn picture in pixels: the longer one at most, and at least, where a small one is enlarged."""
PAPER, INK, QUIET, EDGE = (255, 255, 255), (32, 38, 45), (89, 99, 110), (255, 255, 255)
MARGIN, GAP, TITLE, TEXT, SMALL, BAR = 18, 22, 17, 14, 12, 12


@functools.cache
def colours(shows: Shows) -> Colours:
    """`STEPS` x 3 colours: from nothing to the strongest; for maps with two sides from the strongest against
    by way of nothing to the strongest for."""
    places = np.linspace(0, 1, STEPS)
    if shows == "both":
        ends = np.array((AGAINST, MIDDLE, FOR))
        return _srgb(np.stack([np.interp(places, (0, 0.5, 1), ends[:, n]) for n in range(3)], 1))
    anchors = np.array([[int(c[n : n + 2], 16) for n in (0, 2, 4)] for c in INFERNO.split()])
    at = np.linspace(0, 1, len(anchors))
    table = np.stack([np.interp(places, at, anchors[:, n]) for n in range(3)], 1)
    return table.round().astype(np.uint8)


def _srgb(oklab: NDArray[np.float64]) -> Colours:
    """Colours `N3` in Oklab as sRGB."""
    light, a, b = oklab.T
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short_ = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.stack(
        [
            4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short_,
            -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short_,
            -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short_,
        ],
        1,
    ).clip(0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (curved * 255).round().astype(np.uint8)


def sides(width: int, height: int) -> tuple[int, int]:
    """How large a picture of these sides is drawn: small ones are enlarged by whole factors."""
    longer = max(width, height)
    if longer > LARGEST:
        return max(1, round(width * LARGEST / longer)), max(1, round(height * LARGEST / longer))
    times = max(1, -(-SMALLEST // longer))
    return width * times, height * times


def painted(
    image: Image.Image,
    values: NDArray[np.float32],
    shows: Shows,
    top: float,
    seen: tuple[float, ...] | None = None,
    asked: tuple[float, ...] | None = None,
) -> Image.Image:
    """The picture with a map `HW` of its own size laid over it.

    Args:
        top: the value that the strongest colour stands for; 0 draws the picture alone.
        seen: the box x0, y0, x1, y1 that the network saw, in these pixels, where that is not all: a line is
            drawn around it, and what lies outside is darkened.
        asked: the box whose answer the map explains, where that is not the whole picture's: drawn in black and white,
            so that it shows on any picture.
    """
    under = np.asarray(image.convert("RGB"), np.float32)
    grey = (under @ np.array((0.299, 0.587, 0.114), np.float32))[..., None]
    under = under + (grey - under) * GREYED
    shares = np.zeros_like(values) if top <= 0 else values / np.float32(top)
    shares = np.abs(shares) if shows == "size" else shares
    strength = np.clip(np.abs(shares) if shows == "both" else shares, 0, 1)
    place = (shares.clip(-1, 1) + 1) / 2 if shows == "both" else strength
    over = colours(shows)[(place * (STEPS - 1)).round().astype(np.intp)]
    opaque = (STRONGEST * strength**RISE)[..., None]
    mixed = under + (over - under) * opaque
    if seen is not None:
        mixed = _darkened(mixed, seen)
    made = Image.fromarray(mixed.clip(0, 255).astype(np.uint8))
    if seen is not None:
        x0, y0, x1, y1 = (round(edge) for edge in seen)
        ImageDraw.Draw(made).rectangle((x0, y0, x1 - 1, y1 - 1), outline=EDGE)
    if asked is not None:
        pen, (x0, y0, x1, y1) = ImageDraw.Draw(made), (round(edge) for edge in asked)
        for out, colour in (
            (2, "black"),
            (1, "white"),
        ):  # around what is asked, which a pixel's frame would cover
            pen.rectangle((x0 - out, y0 - out, x1 - 1 + out, y1 - 1 + out), outline=colour)
    return made


def _darkened(mixed: NDArray[np.float32], seen: tuple[float, ...]) -> NDArray[np.float32]:
    height, width = mixed.shape[:2]
    x0, y0, x1, y1 = (round(edge) for edge in seen)
    across, down = np.arange(width), np.arange(height)
    outside = ~(((down >= y0) & (down < y1))[:, None] & ((across >= x0) & (across < x1))[None])
    made = mixed.copy()
    made[outside] *= UNSEEN
    return made


@dataclass(frozen=True)
class Panel:
    """A painted picture with what it is called, in one line, and more words below that."""

    image: Image.Image
    title: str
    words: str


def figure(
    panels: Sequence[Panel], shows: Shows, top: float, unit: str, foot: Sequence[str] = ()
) -> Image.Image:
    """Painted pictures side by side, under each other's one scale; `foot` are sentences below."""
    wide = [max(panel.image.width, SMALLEST) for panel in panels]
    words = [lettering.wrapped(panel.words, TEXT, w) for panel, w in zip(panels, wide, strict=True)]
    head = MARGIN + TITLE + 8 + max(map(len, words)) * (TEXT + 5) + 6
    width = max(sum(wide) + GAP * (len(panels) - 1), 360)
    high = max(panel.image.height for panel in panels)
    lines = [line for sentence in foot for line in lettering.wrapped(sentence, SMALL, width)]
    below = head + high + 14
    legend = 2 * (SMALL + 6) + BAR + 8 if top > 0 else 0
    paper = Image.new("RGB", (width + 2 * MARGIN, below + legend + len(lines) * (SMALL + 5) + MARGIN), PAPER)
    pen = ImageDraw.Draw(paper)
    left = MARGIN
    for panel, w, said in zip(panels, wide, words, strict=True):
        lettering.write(pen, (left, MARGIN - 4), lettering.cut(panel.title, TITLE, w), TITLE, INK)
        for n, line in enumerate(said):
            lettering.write(pen, (left, MARGIN + TITLE + 6 + n * (TEXT + 5)), line, TEXT, QUIET)
        paper.paste(panel.image, (left, head))
        left += w + GAP
    if top > 0:
        _legend(paper, (MARGIN, below), min(width, 360), shows, top, unit)
    for n, line in enumerate(lines):
        lettering.write(pen, (MARGIN, below + legend + n * (SMALL + 5)), line, SMALL, QUIET)
    return paper


def ends(shows: Shows, top: float) -> tuple[str, ...]:
    """What the colours' ends stand for, in words: the lowest first."""
    if shows == "both":
        return f"-{short(top)} (against)", "0", f"{short(top)} (for)"
    return "0", short(top)


def _legend(paper: Image.Image, at: tuple[int, int], width: int, shows: Shows, top: float, unit: str) -> None:
    left, up = at
    pen = ImageDraw.Draw(paper)
    lettering.write(pen, at, lettering.cut(unit, SMALL, paper.width - 2 * MARGIN), SMALL, QUIET)
    bar = Image.fromarray(scale(shows, width, BAR))
    paper.paste(bar, (left, up + SMALL + 6))
    said = ends(shows, top)
    for n, text in enumerate(said):
        place = n / (len(said) - 1)
        anchor = "la" if n == 0 else "ra" if n == len(said) - 1 else "ma"
        lettering.write(pen, (left + place * width, up + SMALL + BAR + 9), text, SMALL, INK, anchor)


def scale(shows: Shows, width: int, height: int) -> Colours:
    """The colours in a bar `HW3`, as they look over a light grey picture."""
    shares = np.linspace(-1 if shows == "both" else 0, 1, width, dtype=np.float32)[None].repeat(height, 0)
    ground: Any = Image.new("RGB", (width, height), (200, 200, 200))
    return np.asarray(painted(ground, shares, shows, 1.0))
