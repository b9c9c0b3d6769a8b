"""Large pictures seen in tiles of their own pixels, for what is too small to be seen when they are made small."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..charts.run_lengths import decoded
from ..errors import OptionError
from ..values import Prediction

if TYPE_CHECKING:
    from PIL import Image

    from ..model import Model

SOURCE = "Akyon et al. 2022, Slicing Aided Hyper Inference and Fine-tuning for Small Object Detection"
TASKS = ("detect", "instances", "segment")
SHARED = 4
"""Neighbours share a so-manieth of a tile's side."""
SAME = 0.5
"""Overlap, as intersection over union, from which two boxes of one label are one object; of a box that a tile cuts
off, as the share of the smaller box."""
NEAR = 2.0
"""Pixels from a tile's edge within which a box is cut off by it."""
LEAST = 32
"""Pixels of a tile's side: below, a network sees next to nothing."""

Row = dict[str, Any]
Corner = tuple[int, int]


def check(side: int, task: str) -> None:
    """Refuse tiles that mean nothing.

    Raises:
        OptionError: the task sees pictures otherwise, or the side is too small.
    """
    if task not in TASKS:
        other = "of whole pictures"
        if task == "upscale":
            other = "which enlarges large pictures in tiles anyway"
        raise OptionError(
            f"--tiles {side} was given, and the model's task is {task}, {other}.",
            f"Models for {', '.join(TASKS)}.",
            "Leave --tiles out.",
        )
    if side < LEAST:
        raise OptionError(
            f"--tiles was given as {side}.",
            f"--tiles takes the side of a tile in the pictures' pixels, from {LEAST}.",
            "Give four times the side of the objects or more; they should fill tiles as they filled training pictures.",
        )


def seen(model: Model, path: str | os.PathLike[str], side: int, batch: int) -> Prediction:
    """What the model says of a picture in tiles of `side` x `side` of its pixels, each seen as a picture of its own.

    Objects are those of the tiles and of the whole picture, each once; of classes, each pixel has that of the tile
    whose middle is nearest. A picture that fits one tile is seen whole.
    """
    from ..data.decoding import open_path
    from ..errors import PictureError

    try:
        image = open_path(Path(path), model.preprocessing.channels)
    except PictureError as error:
        return Prediction(os.fspath(path), error=error.came)
    corners = places(image.size, side)
    if len(corners) == 1:
        return model.predict([path])[0]
    tiles = [_cut(image, corner, side) for corner in corners]
    said = []
    for start in range(0, len(tiles), batch):
        said += [one.predictions for one in model.predict(tiles[start : start + batch], batch=batch)]
    if model.task.name == "segment":
        return Prediction(os.fspath(path), stitched(said, corners, image.size, side, model.labels))
    whole = model.predict([image])[0].predictions
    return Prediction(os.fspath(path), merged(whole, said, corners, image.size, side))


def places(size: tuple[int, int], side: int) -> list[Corner]:
    """The upper left corners (x, y) of tiles that cover a picture of `size` (width, height), row by row."""
    from ..structure.tiles import starts

    across, down = (starts(length, side, side // SHARED) for length in size)
    return [(x, y) for y in down for x in across]


def _cut(image: Image.Image, corner: Corner, side: int) -> Image.Image:
    x, y = corner
    return image.crop((x, y, min(x + side, image.width), min(y + side, image.height)))


@dataclass(frozen=True)
class _Found:
    """An object in the picture's pixels, and whether a tile cuts it off."""

    row: Row
    cut: bool
    corner: Corner

    @property
    def box(self) -> list[float]:
        box: list[float] = self.row["box"]
        return box


def merged(
    whole: Sequence[Row],
    tiles: Sequence[Sequence[Row]],
    corners: Sequence[Corner],
    size: tuple[int, int],
    side: int,
) -> list[Row]:
    """The objects of a picture and of its tiles, each once, best first: whole ones come before those that a tile cuts
    off, and surer ones before others, and what is one with an object that is kept already is left out. Of the whole
    picture's objects those count that no tile need hold whole, as they are larger than what neighbours share."""
    found = [_Found(row, False, (0, 0)) for row in whole if _longer(row["box"]) > side // SHARED]
    for rows, (x, y) in zip(tiles, corners, strict=True):
        for row in rows:
            x0, y0, x1, y1 = row["box"]
            cut = (
                (x > 0 and x0 < NEAR)
                or (y > 0 and y0 < NEAR)
                or (x + side < size[0] and x1 > side - NEAR)
                or (y + side < size[1] and y1 > side - NEAR)
            )
            found.append(_Found({**row, "box": [x0 + x, y0 + y, x1 + x, y1 + y]}, bool(cut), (x, y)))
    kept: list[_Found] = []
    for label in dict.fromkeys(one.row["label"] for one in found):
        own = [one for one in found if one.row["label"] == label]
        own.sort(key=lambda one: (one.cut, -one.row["probability"]))
        boxes, cut = np.array([one.box for one in own]), np.array([one.cut for one in own])
        kept += [own[n] for n in _distinct(boxes, cut)]
    rows = [_whole(one, size) for one in kept]
    return sorted(rows, key=lambda row: -row["probability"])


def _longer(box: Sequence[float]) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _distinct(boxes: NDArray[np.float64], cut: NDArray[np.bool_]) -> list[int]:
    """Which of boxes `N4` of one label are objects of their own, where the first of two have the say; `cut` are those
    that a tile cuts off."""
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    left, kept = np.arange(len(boxes)), []
    while len(left):
        first, rest = int(left[0]), left[1:]
        kept.append(first)
        low, high = (
            np.maximum(boxes[rest, :2], boxes[first, :2]),
            np.minimum(boxes[rest, 2:], boxes[first, 2:]),
        )
        common = np.clip(high - low, 0, None).prod(1)
        smaller, both = np.minimum(areas[rest], areas[first]), areas[rest] + areas[first] - common
        whole = np.where(cut[rest] | cut[first], smaller, both)
        left = rest[common < SAME * np.maximum(whole, 1e-9)]
    return kept


def _whole(one: _Found, size: tuple[int, int]) -> Row:
    """The row with its mask, where it has one, on the whole picture."""
    row = {**one.row, "box": [round(value, 2) for value in one.box]}
    if "mask" not in row or tuple(row["mask"]["size"]) == size[::-1]:
        return row
    (x, y), part = one.corner, decoded(row["mask"])
    canvas = np.zeros(size[::-1], np.uint8, order="F")
    canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    return {**row, "mask": _runs(canvas)}


def _runs(mask: NDArray[np.uint8]) -> dict[str, Any]:
    from pycocotools import mask as coco

    found = coco.encode(np.asfortranarray(mask))
    return {"size": list(map(int, found["size"])), "counts": found["counts"].decode("ascii")}


def stitched(
    tiles: Sequence[Sequence[Mapping[str, Any]]],
    corners: Sequence[Corner],
    size: tuple[int, int],
    side: int,
    labels: Sequence[str],
) -> list[Row]:
    """The classes of a picture's pixels, each by the tile whose middle is nearest along each axis; a row a label,
    largest first. A label's probability is the mean of the tiles' own, each by the pixels it gives to it."""
    rest = len(labels)
    canvas = np.full(size[::-1], rest, np.uint8)
    sure, count = np.zeros(rest), np.zeros(rest)
    owned = [_owned(sorted({corner[axis] for corner in corners}), side, size[axis]) for axis in (0, 1)]
    for rows, (x, y) in zip(tiles, corners, strict=True):
        (left, right), (top, bottom) = owned[0][x], owned[1][y]
        for row in rows:
            place = list(labels).index(str(row["label"]))
            part = decoded(row["mask"])[top - y : bottom - y, left - x : right - x]
            canvas[top:bottom, left:right][part] = place
            sure[place] += part.sum() * row["probability"]
            count[place] += part.sum()
    told: list[Row] = [
        {
            "label": labels[place],
            "share": float(count[place] / canvas.size),
            "probability": float(sure[place] / count[place]),
            "mask": _runs((canvas == place).astype(np.uint8)),
        }
        for place in np.flatnonzero(count).tolist()
    ]
    return sorted(told, key=lambda row: -row["share"])


def _owned(begins: Sequence[int], side: int, length: int) -> dict[int, tuple[int, int]]:
    """By where a tile begins, the pixels from and to which it has the say: as far as the middle of what it shares."""
    edges = [
        0,
        *((first + side + second) // 2 for first, second in pairwise(begins)),
        length,
    ]
    return {begin: (edges[n], edges[n + 1]) for n, begin in enumerate(begins)}
