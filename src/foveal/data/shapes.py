"""Pictures of shapes, rendered: discs, rings, squares and triangles, and the pixels that each of them covers.

Every pixel is made of `FINE` x `FINE` samples. What lies on top at a sample is what is seen there; a pixel's colour is
the mean of its samples' (so that edges are antialiased), and an object's mask are the pixels of which it covers more
than half. Colours are drawn without regard to the kind, so that only the form tells it. Loads no torch.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = ("disc", "ring", "square", "triangle")
SIDE = 96
FINE = 4
"""Samples a pixel along each side."""
HOLE = 0.55
"""A ring's inner radius as a share of its outer one."""
SEEN = 0.5
"""Share of an object that others must leave to be seen."""
TRIES = 12
"""Places tried for an object before it is left out."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Level:
    """How hard pictures are: objects a picture, their radius in pixels, how much of an object may lie on others
    (share), how far beyond the border it may lie (share of its radius), the least distance between its colour
    and the background's (0 to 1), and the deviation of the noise and the swing of the texture in shades."""

    count: tuple[int, int]
    radius: tuple[float, float]
    overlap: float
    beyond: float
    contrast: float
    noise: float
    texture: float


LEVELS = {
    "shapes-easy": Level((1, 4), (11, 20), 0.0, 0.0, 0.55, 2, 0),
    "shapes": Level((1, 6), (8, 20), 0.25, 0.0, 0.35, 8, 25),
    "shapes-hard": Level((2, 10), (5, 20), 0.5, 0.4, 0.2, 16, 45),
    "shapes-one": Level((1, 1), (12, 26), 0.0, 0.0, 0.35, 8, 25),
}


@dataclass(frozen=True)
class Object:
    """One object: its kind, its visible pixels `HW`, and the box round them: x0, y0, x1, y1 in pixels, from edge to
    edge."""

    label: str
    mask: NDArray[np.bool_]
    box: tuple[int, int, int, int]


def render(level: Level, seed: Sequence[int], side: int = SIDE) -> tuple[Pixels, list[Object]]:
    """A picture uint8 `HW3` and its objects, the lowest first; the same for the same seed."""
    draw = np.random.default_rng(seed)
    ground = _ground(draw, level, side)
    top, looks = _placed(draw, level, ground, side)
    whole = ground
    objects = []
    for number, (label, colour) in enumerate(looks, start=1):
        cover = _reduced(top == number)
        whole = whole + cover[..., None] * (colour - ground)
        mask = cover > 0.5
        if mask.any():
            objects.append(Object(label, mask, _box(mask)))
    whole = whole + draw.normal(0, level.noise, whole.shape)
    return np.clip(np.rint(whole), 0, 255).astype(np.uint8), objects


def truth(objects: Sequence[Object]) -> list[dict[str, Any]]:
    """The objects as a reader tells them (`data.objects`): label, box, area, and mask as COCO's run lengths."""
    return [
        {
            "label": one.label,
            "box": list(map(float, one.box)),
            "area": int(one.mask.sum()),
            "rle": {"size": list(one.mask.shape), "counts": run_lengths(one.mask)},
        }
        for one in objects
    ]


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """COCO's run lengths of a mask `HW`, not compressed: columns one after the other, outside first."""
    flat = mask.T.reshape(-1)
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], ends, [flat.size]])
    lengths: list[int] = np.diff(edges).tolist()
    return [0, *lengths] if flat[0] else lengths


def _placed(
    draw: np.random.Generator, level: Level, ground: NDArray[np.float64], side: int
) -> tuple[NDArray[np.uint8], list[tuple[str, NDArray[np.float64]]]]:
    """Which object lies on top at each sample (0: none), and label and colour of each, numbered from 1."""
    top = np.zeros((side * FINE, side * FINE), np.uint8)
    sizes: list[int] = []
    looks: list[tuple[str, NDArray[np.float64]]] = []
    for _ in range(int(draw.integers(level.count[0], level.count[1] + 1))):
        label = KINDS[int(draw.integers(len(KINDS)))]
        for _ in range(TRIES):
            radius = float(draw.uniform(*level.radius))
            margin = radius * (1 - level.beyond)
            x, y = draw.uniform(margin, side - margin, 2)
            rows, columns = _window(y, radius, side), _window(x, radius, side)
            inside = _inside(label, rows, columns, x, y, radius, float(draw.uniform(0, 2 * math.pi)))
            below = top[rows.start : rows.stop, columns.start : columns.stop]
            if not _fits(below, inside, sizes, top, level):
                continue
            below[inside] = len(looks) + 1
            sizes.append(int(inside.sum()))
            under = ground[int(np.clip(y, 0, side - 1)), int(np.clip(x, 0, side - 1))]
            looks.append((label, _colour(draw, under, level)))
            break
    return top, looks


def _fits(
    below: NDArray[np.uint8],
    inside: NDArray[np.bool_],
    sizes: list[int],
    top: NDArray[np.uint8],
    level: Level,
) -> bool:
    """Whether it may lie there: enough of it free, and enough left to see of what it covers."""
    if not inside.any() or (below[inside] > 0).mean() > level.overlap:
        return False
    hidden = np.bincount(below[inside], minlength=len(sizes) + 1)
    for number in np.flatnonzero(hidden[1:]) + 1:
        if (top == number).sum() - hidden[number] < SEEN * sizes[number - 1]:
            return False
    return True


def _window(middle: float, radius: float, side: int) -> range:
    """The samples along an axis that an object can reach."""
    first = max(0, math.floor((middle - radius) * FINE))
    return range(first, min(side * FINE, math.ceil((middle + radius) * FINE)))


def _inside(
    label: str, rows: range, columns: range, x: float, y: float, radius: float, turn: float
) -> NDArray[np.bool_]:
    """The samples that lie in the form, whose corners all lie on the circle of this radius."""
    down = ((np.arange(rows.start, rows.stop) + 0.5) / FINE - y)[:, None]
    across = ((np.arange(columns.start, columns.stop) + 0.5) / FINE - x)[None]
    if label in ("disc", "ring"):
        square = across**2 + down**2
        hole = (HOLE * radius) ** 2 if label == "ring" else -1.0
        return np.asarray((square <= radius**2) & (square > hole))
    corners = 4 if label == "square" else 3
    reach = radius * math.cos(math.pi / corners)
    found = np.ones((len(rows), len(columns)), bool)
    for n in range(corners):
        angle = turn + 2 * math.pi * n / corners
        found &= across * math.cos(angle) + down * math.sin(angle) <= reach
    return found


def _reduced(samples: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The share of each pixel's samples."""
    high, wide = (side // FINE for side in samples.shape)
    shares: NDArray[np.float64] = samples.reshape(high, FINE, wide, FINE).mean((1, 3))
    return shares


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _ground(draw: np.random.Generator, level: Level, side: int) -> NDArray[np.float64]:
    """A background: a colour, waves of light on it, and a fall of light from one side to the other."""
    colour = 255 * _bright(draw, (0, 0.5), (0.15, 0.85))
    place = (np.arange(side) + 0.5) / side
    light = np.zeros((side, side))
    for _ in range(4):
        angle, phase = draw.uniform(0, 2 * math.pi, 2)
        waves = draw.uniform(0.5, 8) * 2 * math.pi
        along = place[None] * math.cos(angle) + place[:, None] * math.sin(angle)
        light += draw.uniform(0, 0.5) * np.sin(waves * along + phase)
    return np.asarray(np.clip(colour + level.texture * light[..., None], 0, 255))


def _colour(draw: np.random.Generator, under: NDArray[np.float64], level: Level) -> NDArray[np.float64]:
    """A colour that stands out from what is under it, by the root mean square over the channels."""
    best, most = under, -1.0
    for _ in range(50):
        colour = 255 * _bright(draw, (0.2, 1), (0.1, 1))
        apart = float(np.sqrt(np.mean((colour - under) ** 2))) / 255
        if apart > most:
            best, most = colour, apart
        if apart >= level.contrast:
            return colour
    return best


def _bright(
    draw: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> NDArray[np.float64]:
    return np.array(colorsys.hsv_to_rgb(draw.uniform(), draw.uniform(*saturation), draw.uniform(*value)))
