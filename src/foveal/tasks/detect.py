"""Objects of some classes in boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor, nn

from ..contracts import View
from ..data.views import whole_view
from ..errors import UnknownNameError
from ..values import Batch, Dataset, Headline, Item, Preprocessing, Step
from . import _coco, _mistakes, _objects
from ._prefers import preferences

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


@dataclass(frozen=True)
class Detect:
    """Detection. What is at a place is a class or nothing, so classes end in sigmoids, or in a softmax with a class
    of its own for background; where a box ends is a number, so it ends in no activation. See `DEFAULTS` for losses."""

    labels: tuple[str, ...]
    loss: str = "own"

    name = "detect"
    headline = Headline("mAP", higher_is_better=True)
    chance = 0.0  # boxes drawn at random hit next to nothing
    dense = True
    own_sizes = False

    @property
    def outputs(self) -> int:
        return len(self.labels)

    def knows(self, truth: Any) -> bool:
        return _objects.knows(truth, self.labels)

    def truth(self, item: Item, image: Image.Image, root: str) -> dict[str, Any]:
        return _objects.truth(item, image, root, self.labels, "bbox")

    def building(self) -> dict[str, Any]:
        return {}

    def view(self, preprocessing: Preprocessing) -> View:
        return whole_view(preprocessing)

    def collate(self, truths: Sequence[Any]) -> list[dict[str, Any]]:
        """For each picture `boxes` `N4` (pixels of the view), `labels` `N` (int64), and `known`."""
        return _objects.collate(truths)

    def step(self, network: nn.Module, batch: Batch) -> Step:
        return _objects.step(network, batch)

    def predict(
        self, network: nn.Module, images: Tensor, sizes: Sequence[tuple[int, int]]
    ) -> list[list[dict[str, Any]]]:
        """At most a hundred objects a picture, best first: `label`, `probability`, `box` (x0, y0, x1, y1)."""
        return _objects.predicted(network, images, sizes, self.labels)

    def mix(self, truths: Any, order: Tensor, share: float | Tensor) -> Any:
        """None: a blend of two pictures has the boxes of neither."""
        return None

    def meter(self) -> _objects.ObjectsMeter:
        return _objects.ObjectsMeter(self.labels, "bbox")

    def card(self) -> dict[str, Any]:
        return {"name": self.name, "labels": list(self.labels), "loss": self.loss}


def build(labels: Sequence[str], *, loss: str = "own") -> Detect:
    """The task for these labels.

    Raises:
        OptionError: an unknown loss.
    """
    if loss not in LOSSES:
        raise UnknownNameError("loss for boxes", loss, LOSSES)
    return Detect(tuple(labels), loss)


def prefers(dataset: Dataset) -> dict[str, tuple[Any, str]]:
    """What detection wants otherwise than classification."""
    return preferences(dataset, "fcos", BEST)
