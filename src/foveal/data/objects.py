"""Objects on a picture: as readers tell them, and as values that a view moves along with the picture.

A reader tells a list of objects, each a plain dictionary: `label`; `box` (x0, y0, x1, y1 in pixels of the upright
picture, from the left and upper edge of the first pixel to the right and lower edge of the last); and where they are
known `polygons` (lists of x, y, x, y, ...), `rle` (COCO's {"size": [height, width], "counts": ...}), `mask` (the path
of a picture, relative to the root) with `value` (its pixels of this object; without it, those that are not black);
`area` in pixels; `crowd` (many objects as one, COCO) and `ignore` (too hard to count, VOC). `on` are the sides
(width, height) that labels tell of their picture, until the examination has held them against it. An object whose
`mask` is a file may leave its `box` out: it is the mask's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors

from ..charts.run_lengths import decoded
from ..errors import DataError

Objects = Sequence[Mapping[str, Any]]
SMALLEST = 1.0
"""Pixels of the network's input: objects narrower than this are not seen any more."""
LEAST_SEEN = 0.25
"""Share of a box's area that must lie on the canvas, for a crop to show the object."""


def moving(
    objects: Objects, labels: Sequence[str], size: tuple[int, int], root: str, *, masks: bool = False
) -> dict[str, Any]:
    """The objects of a picture of `size` (width, height) as values that `v2` transforms move: `boxes` (`N4`, not
    clamped to the canvas), `labels` (`N`, int64), `ignored` (`N`, bool: crowds and those to be ignored), and with
    `masks` also `masks` (`NHW`, bool).

    Raises:
        DataError: a mask's file cannot be read, or has another size than its picture.
    """
    width, height = size
    regions = [region(one, size, root) if masks or "box" not in one else None for one in objects]
    boxes = [one["box"] if "box" in one else box_of(seen) for one, seen in zip(objects, regions, strict=True)]
    found: dict[str, Any] = {
        "boxes": tv_tensors.BoundingBoxes(
            torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            format="XYXY",
            canvas_size=(height, width),
            clamping_mode=None,
        ),
        "labels": torch.tensor([labels.index(one["label"]) for one in objects], dtype=torch.int64),
        "ignored": torch.tensor(
            [bool(one.get("crowd") or one.get("ignore")) for one in objects], dtype=torch.bool
        ),
    }
    if masks:
        whole = (
            np.stack([r for r in regions if r is not None]) if objects else np.zeros((0, height, width), bool)
        )
        found["masks"] = tv_tensors.Mask(torch.from_numpy(whole))
    return found


def chosen(truth: Mapping[str, Any], keep: Tensor) -> dict[str, Any]:
    """The truth with the objects only that `keep` (`N`, bool or positions) says; all else stays."""
    kept = dict(truth)
    for name in ("boxes", "labels", "ignored", "masks"):
        if name in truth:
            value = truth[name]
            part = value[keep]
            kept[name] = tv_tensors.wrap(part, like=value) if isinstance(value, tv_tensors.TVTensor) else part
    return kept


def visible(truth: Mapping[str, Any]) -> dict[str, Any]:
    """The objects that a view left enough of on its canvas, their boxes clipped to it."""
    boxes = truth["boxes"]
    height, width = boxes.canvas_size
    plain = boxes.as_subclass(Tensor)
    clipped = torch.stack([plain[:, 0::2].clamp(0, width), plain[:, 1::2].clamp(0, height)], 2).flatten(1)
    sides, whole = clipped[:, 2:] - clipped[:, :2], plain[:, 2:] - plain[:, :2]
    share = sides.prod(1) / whole.prod(1).clamp_min(1e-6)
    keep = (sides >= SMALLEST).all(1) & (share >= LEAST_SEEN)
    if "masks" in truth:
        keep &= truth["masks"].as_subclass(Tensor).flatten(1).any(1)
    return chosen({**truth, "boxes": tv_tensors.wrap(clipped, like=boxes)}, keep)


def joined(truths: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The objects of several pictures that lie on one canvas together; what else was known is known of none."""
    first = truths[0]
    found = {
        name: torch.cat([truth[name] for truth in truths])
        for name in ("boxes", "labels", "ignored", "masks")
        if name in first
    }
    for name, value in found.items():
        if isinstance(first[name], tv_tensors.TVTensor):
            found[name] = tv_tensors.wrap(value, like=first[name])
    return found


def region(one: Mapping[str, Any], size: tuple[int, int], root: str) -> NDArray[np.bool_]:
    """The pixels `HW` of an object on a picture of `size` (width, height): of its polygons, its run lengths or its
    mask, else its box.

    Raises:
        DataError: its mask cannot be read, or has another size.
    """
    width, height = size
    if "mask" in one:
        return _from_file(Path(root, str(one["mask"])), one.get("value"), size)
    if "rle" in one:
        return decoded(one["rle"])
    if one.get("polygons"):
        from pycocotools import mask as coco

        parts = coco.frPyObjects([list(map(float, p)) for p in one["polygons"]], height, width)
        return decoded(coco.merge(parts))
    x0, y0, x1, y1 = (round(value) for value in one["box"])
    seen = np.zeros((height, width), dtype=bool)
    seen[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = True
    return seen


def box_of(region: NDArray[np.bool_] | None) -> list[float]:
    """The box round the pixels of `HW`; of no area where there are none."""
    if region is None or not region.any():
        return [0.0, 0.0, 0.0, 0.0]
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    return [float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)]


def _from_file(path: Path, value: int | None, size: tuple[int, int]) -> NDArray[np.bool_]:
    from .masks import open_mask

    pixels = open_mask(path)
    if pixels.shape[:2] != size[::-1]:
        raise DataError(
            f"The mask {path} is {pixels.shape[1]} x {pixels.shape[0]} pixels, its picture {size[0]} x {size[1]}.",
            "A mask of the same size as its picture.",
            "Correct the mask, or leave the picture out with --exclude.",
        )
    seen = np.asarray(pixels != 0 if value is None else pixels == value)
    whole: NDArray[np.bool_] = seen if seen.ndim == 2 else np.any(seen, axis=2)
    return whole
