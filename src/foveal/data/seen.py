"""Which part of a picture the evaluation view shows to a network, and maps of that put back on the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..values import Preprocessing
from .views import SLENDER, place_in

Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture of `width` x `height` pixels, and what was seen of it: the box x0, y0, x1, y1 in its pixels,
    from edge to edge (so that a whole picture is 0, 0, width, height); beyond the picture where it was padded."""

    width: int
    height: int
    box: tuple[float, float, float, float]

    @classmethod
    def whole(cls, width: int, height: int) -> Seen:
        return cls(width, height, (0.0, 0.0, float(width), float(height)))

    @property
    def cropped(self) -> bool:
        """Whether a pixel or more of the picture was not seen."""
        x0, y0, x1, y1 = self.box
        return max(x0, y0, self.width - x1, self.height - y1) >= 1


def seen_of(width: int, height: int, preprocessing: Preprocessing) -> Seen:
    """What `views.evaluation_view` shows of a picture of this size."""
    most = SLENDER * min(width, height)
    kept = (min(width, most), min(height, most))
    shorter = int(preprocessing.size / preprocessing.crop)
    if kept[0] <= kept[1]:
        resized = (shorter, int(shorter * kept[1] / kept[0]))
    else:
        resized = (int(shorter * kept[0] / kept[1]), shorter)
    edges = []
    for side, part, now in zip((width, height), kept, resized, strict=True):
        start = _middle(side, part)  # of the part that is resized, in the picture's pixels
        first = _middle(now, preprocessing.size)  # of the view, in the resized part's pixels
        scale = part / now
        edges.append((start + first * scale, start + (first + preprocessing.size) * scale))
    (x0, x1), (y0, y1) = edges
    return Seen(width, height, (x0, y0, x1, y1))


def seen_whole(width: int, height: int, preprocessing: Preprocessing) -> Seen:
    """What `views.whole_view` shows of a picture of this size: all of it, and what fills the square beside it."""
    side = preprocessing.size
    wide, high = place_in(side, width, height)
    return Seen(width, height, (0.0, 0.0, side * width / wide, side * height / high))


def seen_square(
    width: int, height: int, side: int, at: tuple[float, float, float, float] | None = None
) -> Seen:
    """A square of `side` pixels at the picture's own scale: the middle one, or the one round a box `at` (x0, y0, x1,
    y1) as far as the picture goes; beyond the picture where that is smaller."""
    x, y = (width / 2, height / 2) if at is None else ((at[0] + at[2]) / 2, (at[1] + at[3]) / 2)
    left, top = (
        min(max(0, round(place - side / 2)), whole - side) if whole > side else _middle(whole, side)
        for place, whole in ((x, width), (y, height))
    )
    return Seen(width, height, (float(left), float(top), float(left + side), float(top + side)))


def _middle(side: int, part: int) -> int:
    """Where torchvision begins the middle `part` of `side` pixels; below 0 where it pads."""
    return round((side - part) / 2) if part <= side else -((part - side) // 2)


def put_back(shown: Map, seen: Seen, width: int, height: int) -> Map:
    """A map `HW` of what was seen as a map of the whole picture, drawn with `width` x `height` pixels.

    Between the map's pixels values are interpolated linearly, where it becomes smaller they are averaged
    (as Pillow's antialiased bilinear does); 0 where nothing was seen.
    """
    x0, y0, x1, y1 = seen.box
    across = _weights(shown.shape[1], width, seen.width, x0, x1)
    down = _weights(shown.shape[0], height, seen.height, y0, y1)
    made: Map = down @ np.asarray(shown, np.float32) @ across.T
    return made


def _weights(count: int, pixels: int, side: int, first: float, last: float) -> Map:
    """What each of `count` values, spread evenly from `first` to `last`, gives to each of `pixels` that share
    0 to `side`; a row a pixel."""
    centres = (np.arange(pixels) + 0.5) * side / pixels
    places = (centres - first) / (last - first) * count - 0.5
    inside = (places >= -0.5) & (places <= count - 0.5)
    reach = max(1.0, side / pixels * count / (last - first))
    near = np.clip(places, 0, count - 1)[:, None] - np.arange(count)[None]
    weights = np.clip(1 - np.abs(near) / reach, 0, None) * inside[:, None]
    whole = weights.sum(1, keepdims=True)
    found: Map = (weights / np.where(whole > 0, whole, 1)).astype(np.float32)
    return found
