"""Anchors: where a detector looks for boxes, and of which sides; fitted to the boxes of the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from ..errors import FovealError
from ..values import Dataset

RATIOS = (0.5, 1.0, 2.0)
"""Height by width where no data tell: Faster R-CNN's and RetinaNet's."""
BASES = tuple(2 * 2 ** (n / 4) for n in range(9))
"""Sides of the smallest anchor of a level that are tried, in strides: 2 to 8."""
APART = 1.25
"""Neighbouring ratios differ at least by this factor: nearer ones would find the same boxes."""
MOST_READ = 500
"""Objects whose boxes are read from their masks' files, for fitting."""
FEWEST = 20
"""Fewer boxes say too little to fit anchors to."""

Shapes = list[list[list[float]]]
"""For each level its anchors' sides (width, height) in pixels of the network's input."""


class Anchors(AnchorGenerator):  # type: ignore[misc]
    """Boxes of the given shapes round the centre of every cell of the maps, in pixels of the input.

    As torchvision's, but in fp32 whatever the maps are (bf16 tells pixels beyond 256 only in steps of two), without
    rounding, and with nothing that a call changes, as several threads call.
    """

    def __init__(self, shapes: Sequence[Sequence[Sequence[float]]]) -> None:
        super().__init__(sizes=((1,),) * len(shapes), aspect_ratios=((1.0,),) * len(shapes))
        self.shapes = shapes

    def num_anchors_per_location(self) -> list[int]:
        return [len(level) for level in self.shapes]

    def forward(self, image_list: ImageList, feature_maps: Sequence[Tensor]) -> list[Tensor]:
        """For each picture the anchors `N4` of all maps, a map's cells row by row, a cell's shapes in order."""
        height, width = image_list.tensors.shape[-2:]
        levels = [
            _grid(tuple(level.shape[-2:]), (height, width), shapes, level.device)
            for level, shapes in zip(feature_maps, self.shapes, strict=True)
        ]
        return [torch.cat(levels)] * len(image_list.image_sizes)


def _grid(
    cells: tuple[int, ...], size: tuple[int, int], shapes: Sequence[Sequence[float]], device: torch.device
) -> Tensor:
    rows, columns = cells
    y = (torch.arange(rows, dtype=torch.float32, device=device) + 0.5) * (size[0] / rows)
    x = (torch.arange(columns, dtype=torch.float32, device=device) + 0.5) * (size[1] / columns)
    sides = torch.tensor(shapes, dtype=torch.float32, device=device)
    centres = torch.cartesian_prod(y, x).flip(1)[:, None]  # a cell a row, x before y
    boxes = torch.cat([centres - sides / 2, centres + sides / 2], 2)
    return boxes.flatten(0, 1)


def shapes_of(
    strides: Sequence[int], scales: Sequence[float], base: float, ratios: Sequence[float] = RATIOS
) -> Shapes:
    """Anchors of a side of `base` strides times each of `scales`, in each ratio of height to width, of one area."""
    return [
        [
            [round(base * stride * scale / math.sqrt(r), 1), round(base * stride * scale * math.sqrt(r), 1)]
            for scale in scales
            for r in ratios
        ]
        for stride in strides
    ]


def fitted(sides: NDArray[np.float64], strides: Sequence[int], scales: Sequence[float]) -> Shapes | None:
    """Anchors for boxes of these sides `N2` (width, height): three ratios by k-means of their logarithms, and the
    base that brings the boxes nearest to their best anchors, by the mean overlap of the two laid on one centre
    (as Redmon & Farhadi 2017, YOLO9000, section 2). A level's anchors stay as many and as large beside its stride
    as the others', since all levels share one head. None where the boxes are too few.
    """
    sides = sides[(sides > 0).all(1)]
    if len(sides) < FEWEST:
        return None
    ratios = _ratios(np.log(sides[:, 1] / sides[:, 0]))
    tried = [shapes_of(strides, scales, base, ratios) for base in BASES]
    return max(tried, key=lambda shapes: overlap(sides, shapes))


def overlap(sides: NDArray[np.float64], shapes: Shapes) -> float:
    """The mean over boxes (`N2`) of the intersection over union with the best anchor on the same centre."""
    anchors = np.array([shape for level in shapes for shape in level])
    common = np.minimum(sides[:, None], anchors).prod(2)
    union = sides.prod(1)[:, None] + anchors.prod(1) - common
    return float((common / union).max(1).mean())


def _ratios(logs: NDArray[np.float64]) -> list[float]:
    """Three typical ratios: Lloyd's k-means from the middles of the thirds, kept `APART`."""
    centres = np.quantile(logs, (1 / 6, 1 / 2, 5 / 6))
    for _ in range(50):
        nearest = np.abs(logs[:, None] - centres).argmin(1)
        moved = np.array(
            [logs[nearest == n].mean() if (nearest == n).any() else centres[n] for n in range(3)]
        )
        if np.allclose(moved, centres, atol=1e-6):
            break
        centres = moved
    low, middle, high = np.sort(centres)
    step = math.log(APART)
    return [
        round(math.exp(value), 3) for value in (min(low, middle - step), middle, max(high, middle + step))
    ]


def sides_in(dataset: Dataset, size: int) -> NDArray[np.float64]:
    """Sides `N2` (width, height) of the training objects where the pictures' longer side is `size` pixels. Pictures
    of one data set are taken to have one size, their median: their own is not known before they are opened."""
    counted = [
        one
        for item in dataset.part("train")
        for one in item.truth or ()
        if not (one.get("crowd") or one.get("ignore"))
    ]
    boxes = [one["box"] for one in counted if "box" in one]
    if not boxes:
        boxes = [_from_mask(one, dataset.root) for one in counted[:: max(1, len(counted) // MOST_READ)]]
    if not boxes or dataset.facts is None:
        return np.zeros((0, 2))
    found = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    scale = size / max(dataset.facts.width, dataset.facts.height)
    sides: NDArray[np.float64] = (found[:, 2:] - found[:, :2]) * scale
    return sides


def _from_mask(one: Mapping[str, Any], root: str) -> list[float]:
    """The box round an object of which only the mask's file is known; of no area where that cannot be read, which
    reading the pictures says better."""
    from ..data.masks import open_mask
    from ..data.objects import box_of

    try:
        pixels = open_mask(Path(root, str(one["mask"])))
    except (FovealError, KeyError):
        return [0.0] * 4
    seen = pixels != 0 if one.get("value") is None else pixels == one["value"]
    return box_of(seen if seen.ndim == 2 else seen.any(2))
