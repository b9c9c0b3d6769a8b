"""Objects of some classes, each with its mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..values import Dataset
from . import _coco, _mistakes, _objects
from ._prefers import preferences, vanishing

SOURCE = f"figures: {_coco.SOURCE}; mistakes: {_mistakes.SOURCE}"
WHY = (
    "Mask R-CNN's: a softmax with background as one class for what is in a region, distances for its box, and for "
    "the mask a sigmoid a pixel with binary cross-entropy, of the right class's mask only, so that classes need "
    "not compete for pixels (He et al. 2017, section 3)"
)
DEFAULTS = {"loss": ("own", WHY)}
LOSSES = _objects.LOSSES
_LEFT = [[4.0, 4.0, 30.0, 4.0, 30.0, 30.0]]
_RIGHT = [[36.0, 62.0, 36.0, 32.0, 62.0, 47.0]]
_LOW = [[2.0, 34.0, 28.0, 34.0, 28.0, 60.0, 2.0, 60.0]]
SAMPLE: tuple[list[dict[str, Any]], ...] = (
    [{"label": "cell", "box": [4, 4, 30, 30], "polygons": _LEFT}],
    [{"label": "dust", "box": [36, 32, 62, 62], "polygons": _RIGHT}],
    [
        {"label": "cell", "box": [2, 34, 28, 60], "polygons": _LOW},
        {"label": "dust", "box": [36, 32, 62, 62], "polygons": _RIGHT},
    ],
    [],
    [{"label": "cell", "box": [2, 34, 28, 60], "polygons": _LOW}],
    [{"label": "dust", "box": [4, 4, 30, 30], "polygons": _LEFT}],
    [{"label": "cell", "box": [36, 32, 62, 62], "polygons": _RIGHT}],
    [
        {"label": "cell", "box": [4, 4, 30, 30], "polygons": _LEFT},
        {"label": "cell", "box": [36, 32, 62, 62], "crowd": True},
    ],
)


def build(labels: Sequence[str], *, loss: str = "own") -> _objects.ObjectsTask:
    """The task for these labels.

    Raises:
        UnknownNameError: an unknown loss.
    """
    return _objects.task(labels, "segm", loss)


def prefers(dataset: Dataset) -> dict[str, tuple[Any, str]]:
    """What instance segmentation wants otherwise than classification."""
    return preferences(dataset, "mask_rcnn", "the one that draws a mask for each object")


def remarks(dataset: Dataset, size: int) -> tuple[str, ...]:
    """What is to be said of the data where pictures are seen at `size` pixels."""
    return vanishing(dataset, size)
