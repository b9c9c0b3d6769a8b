"""Masks of classes: as readers tell them, and as the class indices that a view moves along with the picture.

A reader tells {"mask": path relative to the root, "legend": {...}}: what each value of its pixels means, a value
written as "7" (an index or a shade of grey) or "#ff8000" (a colour), and its label, or None for what neither teaches
nor counts. Values that the legend lacks do not count either. Or it tells a list of objects (`data.objects`), whose
regions are painted over each other in their order; what no object covers is `BACKGROUND`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision import tv_tensors

from ..errors import PictureError
from .mask_files import BACKGROUND, code_of, open_mask, packed, value_of
from .objects import Objects, region
from .views import IGNORED

__all__ = ["BACKGROUND", "code_of", "indices", "moving", "open_mask", "packed", "painted", "value_of"]
Legend = Mapping[str, str | None]


def moving(truth: Any, labels: Sequence[str], size: tuple[int, int], root: str) -> tv_tensors.Mask:
    """The class index of every pixel, uint8 `HW`, on a picture of `size` (width, height); `IGNORED` where the legend
    says so or says nothing, and for labels that are not among `labels`. `truth` is a mask with its legend, a list of
    objects, or {"objects": such a list}.

    Raises:
        PictureError: the mask cannot be read, or has another size than its picture.
        DataError: so for the mask of an object.
    """
    if not (isinstance(truth, Mapping) and "mask" in truth):
        objects = truth["objects"] if isinstance(truth, Mapping) else truth
        return tv_tensors.Mask(torch.from_numpy(painted(objects, labels, size, root)))
    path = Path(root, str(truth["mask"]))
    pixels = open_mask(path)
    if pixels.shape[:2] != size[::-1]:
        raise PictureError(
            "mask-size",
            f"The mask {path} is {pixels.shape[1]} x {pixels.shape[0]} pixels, its picture {size[0]} x {size[1]}.",
            "A mask of the same size as its picture.",
            "Correct the mask, or leave the picture out with --exclude.",
        )
    return tv_tensors.Mask(torch.from_numpy(indices(pixels, truth["legend"], labels)))


def painted(objects: Objects, labels: Sequence[str], size: tuple[int, int], root: str) -> NDArray[np.uint8]:
    """Class indices `HW` of objects painted one after the other on the background; those to be ignored, and those of
    labels that are not among `labels`, are `IGNORED`. A crowd is of its class."""
    place = {label: n for n, label in enumerate(labels)}
    found = np.full(size[::-1], place.get(BACKGROUND, IGNORED), np.uint8)
    for one in objects:
        known = not one.get("ignore") and one["label"] in place
        found[region(one, size, root)] = place[one["label"]] if known else IGNORED
    return found


def indices(pixels: NDArray[Any], legend: Legend, labels: Sequence[str]) -> NDArray[np.uint8]:
    """Class indices `HW` of a mask's values `HW` (indices, greys) or `HW3` (colours)."""
    place = {label: n for n, label in enumerate(labels)}
    meant = {code_of(value): place[label] for value, label in legend.items() if label in place}
    if pixels.dtype == np.uint8 and pixels.ndim == 2:  # the usual ones at once, by a table
        table = np.full(256, IGNORED, np.uint8)
        for code, index in meant.items():
            if code < 256:
                table[code] = index
        looked_up: NDArray[np.uint8] = table[pixels]
        return looked_up
    found = np.full(pixels.shape[:2], IGNORED, np.uint8)
    coded = packed(pixels)
    for code, index in meant.items():
        found[coded == code] = index
    return found
