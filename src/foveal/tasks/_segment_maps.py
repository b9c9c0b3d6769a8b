"""Class maps of logits, in a picture's own pixels: judged, and as rows of predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..data import masks
from ..data.views import IGNORED, place_in
from ..values import Dataset
from ._segment_measures import Map, boundary_f1, confusion

KEPT = 256
"""Longer side in pixels of maps that are kept for a report."""


@dataclass(frozen=True)
class Whole:
    """A picture's truth as a reader told it, and its sides (width, height): what is judged by, whatever a view did."""

    told: Any
    size: tuple[int, int]
    root: str


@dataclass(frozen=True)
class Judged:
    """How a picture's map fits: its table of pixels (`_segment_measures.confusion`), its boundary F1 (None where there
    is no boundary), its loss, and the map made small."""

    table: NDArray[np.int64]
    boundary: float | None
    loss: float
    small: Map


def judged(logits: Tensor, truth: Mapping[str, Any], loss: float, labels: Sequence[str]) -> Judged:
    """Judge logits `CHW` of the view, in the picture's own pixels."""
    whole: Whole = truth["whole"]
    width, height = whole.size
    if _place(logits, whole.size) == whole.size:  # seen as it is
        wanted = truth["mask"][:height, :width].cpu().numpy()
    else:
        wanted = masks.moving(whole.told, labels, whole.size, whole.root).numpy()
    found, _ = own_map(logits, whole.size)
    every = -(-max(found.shape) // KEPT)
    there = np.unique(wanted[wanted != IGNORED]).tolist()
    return Judged(
        confusion(found, wanted, len(labels)),
        boundary_f1(found, wanted, there),
        loss,
        np.ascontiguousarray(found[every // 2 :: every, every // 2 :: every]),
    )


def own_map(logits: Tensor, size: tuple[int, int]) -> tuple[Map, NDArray[np.float32]]:
    """The most probable class of each pixel `HW` and its probability, on a picture of `size` (width, height) that lies
    in the square of `logits` `CSS`, or is all of `logits` `CHW`; class `IGNORED` where the network has gone wrong.
    Logits are enlarged one class at a time, bilinearly, so that large pictures take no memory for all classes."""
    width, height = size
    wide, high = _place(logits, size)
    seen = logits[:, :high, :wide].float()
    if not bool(torch.isfinite(seen).all()):
        return np.full((height, width), IGNORED, np.uint8), np.zeros((height, width), np.float32)
    each = _at(seen, (height, width))
    best = logs = next(each)
    which = torch.zeros_like(best, dtype=torch.uint8)
    for place, own in enumerate(each, 1):
        which = torch.where(own > best, place, which)
        best, logs = torch.maximum(best, own), torch.logaddexp(logs, own)
    return which.to(torch.uint8).cpu().numpy(), (best - logs).exp().cpu().numpy()


def _place(logits: Tensor, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height that a picture of `size` has among the logits."""
    if tuple(logits.shape[-2:]) == size[::-1]:
        return size
    return place_in(logits.shape[-1], *size)


def _at(logits: Tensor, size: tuple[int, int]) -> Iterator[Tensor]:
    """Each class's logits `HW` at `size` (height, width)."""
    if logits.shape[1:] == size:
        yield from logits
        return
    shrinks = size[0] < logits.shape[1] or size[1] < logits.shape[2]
    for one in logits:
        yield F.interpolate(one[None, None], size, mode="bilinear", align_corners=False, antialias=shrinks)[
            0, 0
        ]


def map_of_bands(bands: Iterable[tuple[int, Tensor]]) -> tuple[Map, NDArray[np.float32]]:
    """As `own_map` of a picture's logits that come in bands `1CHW` from the top, as it is: no more of them are ever
    in memory than one."""
    each = [own_map(band[0], (band.shape[-1], band.shape[-2])) for _, band in bands]
    return np.concatenate([found for found, _ in each]), np.concatenate([sure for _, sure in each])


def rows(found: Map, sure: NDArray[np.float32], labels: Sequence[str]) -> list[dict[str, Any]]:
    """A row a label that a class map `HW` shows, largest first; `sure` are its pixels' probabilities."""
    from pycocotools import mask as coco

    told = []
    for place, label in enumerate(labels):
        there = found == place
        if not there.any():
            continue
        runs = coco.encode(np.asfortranarray(there, dtype=np.uint8))
        told.append(
            {
                "label": label,
                "share": float(there.mean()),
                "probability": min(1.0, float(sure[there].mean())),
                "mask": {"size": list(map(int, runs["size"])), "counts": runs["counts"].decode()},
            }
        )
    return sorted(told, key=lambda row: -row["share"])


def pixels(dataset: Dataset, most: int) -> list[int]:
    """Training pixels of each label, on at most so many pictures, evenly taken.

    Raises:
        PictureError: a mask cannot be read.
    """
    items = dataset.part("train")
    counts = np.zeros(256, np.int64)
    for item in items[:: -(-len(items) // most)]:
        with Image.open(Path(dataset.root, item.path)) as image:
            size = image.size
            if image.getexif().get(0x0112, 1) > 4:  # lies on its side
                size = size[::-1]
        mask = masks.moving(item.truth, dataset.labels, size, dataset.root)
        counts += np.bincount(mask.numpy().ravel(), minlength=256)
    return [int(n) for n in counts[: len(dataset.labels)]]
