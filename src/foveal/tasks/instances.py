"""Objects of some classes, each with its mask."""

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


@dataclass(frozen=True)
class Instances:
    """Instance segmentation. A pixel of a region is the object's or not, so masks end in a sigmoid and are learned
    by binary cross-entropy; classes and boxes as in detection. Figures are those of the masks."""

    labels: tuple[str, ...]
    loss: str = "own"

    name = "instances"
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
        return _objects.truth(item, image, root, self.labels, "segm")

    def building(self) -> dict[str, Any]:
        return {}

    def view(self, preprocessing: Preprocessing) -> View:
        return whole_view(preprocessing)

    def collate(self, truths: Sequence[Any]) -> list[dict[str, Any]]:
        """For each picture `boxes` `N4` (pixels of the view), `labels` `N` (int64), `masks` `NHW` (bool), `known`."""
        return _objects.collate(truths)

    def step(self, network: nn.Module, batch: Batch) -> Step:
        return _objects.step(network, batch)

    def predict(
        self, network: nn.Module, images: Tensor, sizes: Sequence[tuple[int, int]]
    ) -> list[list[dict[str, Any]]]:
        """At most a hundred objects a picture, best first: `label`, `probability`, `box` (x0, y0, x1, y1), `mask`."""
        return _objects.predicted(network, images, sizes, self.labels)

    def mix(self, truths: Any, order: Tensor, share: float | Tensor) -> Any:
        """None: a blend of two pictures has the objects of neither."""
        return None

    def meter(self) -> _objects.ObjectsMeter:
        return _objects.ObjectsMeter(self.labels, "segm")

    def card(self) -> dict[str, Any]:
        return {"name": self.name, "labels": list(self.labels), "loss": self.loss}


def build(labels: Sequence[str], *, loss: str = "own") -> Instances:
    """The task for these labels.

    Raises:
        OptionError: an unknown loss.
    """
    if loss not in LOSSES:
        raise UnknownNameError("loss for masks", loss, LOSSES)
    return Instances(tuple(labels), loss)


def prefers(dataset: Dataset) -> dict[str, tuple[Any, str]]:
    """What instance segmentation wants otherwise than classification."""
    return preferences(dataset, "mask_rcnn", "the one that draws a mask for each object")
