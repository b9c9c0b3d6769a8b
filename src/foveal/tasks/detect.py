"""Objects of some classes in boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..values import Dataset
from . import _coco, _mistakes, _objects
from ._prefers import preferences, vanishing

SOURCE = f"figures: {_coco.SOURCE}; mistakes: {_mistakes.SOURCE}"
WHY = (
    "each detector's own: FCOS and RetinaNet end in a sigmoid a class with the focal loss, as nearly all places "
    "are background; Faster R-CNN and SSDlite in a softmax with background as one class, of a chosen share of "
    "places; boxes are numbers without limits, so they have no activation and a loss of distances or overlap"
)
DEFAULTS = {"loss": ("own", WHY)}
BEST = (
    "without anchors to choose, and the best soonest: on blood cells of 320 px, after five minutes on one busy core, "
    "FCOS had mAP 0.51, SSDlite 0.40, Faster R-CNN 0.34"
)
LOSSES = _objects.LOSSES
SAMPLE: tuple[list[dict[str, Any]], ...] = (
    [{"label": "cell", "box": [4, 4, 28, 28]}],
    [{"label": "dust", "box": [36, 30, 60, 62]}],
    [{"label": "cell", "box": [34, 6, 58, 30]}, {"label": "dust", "box": [2, 30, 24, 62]}],
    [],
    [{"label": "cell", "box": [8, 34, 32, 58]}],
    [{"label": "dust", "box": [6, 2, 30, 34]}, {"label": "dust", "box": [38, 28, 62, 60]}],
    [{"label": "cell", "box": [20, 20, 44, 44]}],
    [{"label": "cell", "box": [38, 36, 62, 60]}, {"label": "cell", "box": [4, 6, 28, 30], "crowd": True}],
)


def build(labels: Sequence[str], *, loss: str = "own") -> _objects.ObjectsTask:
    """The task for these labels.

    Raises:
        UnknownNameError: an unknown loss.
    """
    return _objects.task(labels, "bbox", loss)


def prefers(dataset: Dataset) -> dict[str, tuple[Any, str]]:
    """What detection wants otherwise than classification."""
    return preferences(dataset, "fcos", BEST)


def remarks(dataset: Dataset, size: int) -> tuple[str, ...]:
    """What is to be said of the data where pictures are seen at `size` pixels."""
    return vanishing(dataset, size)
