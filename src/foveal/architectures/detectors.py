"""Detectors of torchvision on any backbone: `fcos` on the bundled one, `fcos/resnet18` on another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..contracts import About
from ..structure.layers import parameter_count
from ..structure.pyramid import BackboneWeights, Pyramid, backbone_weights
from ..values import Dataset
from ._anchors import Shapes, fitted, shapes_of, sides_in
from ._one_stage import Targets, fcos, retinanet, ssdlite
from ._two_stage import faster_rcnn, mask_rcnn

SOURCE = (
    "Ren et al. 2015, Faster R-CNN; Lin et al. 2017, Focal Loss (RetinaNet); Tian et al. 2019, FCOS; Liu et al. 2016, "
    "SSD, with the layers of Sandler et al. 2018 (SSDlite); He et al. 2017, Mask R-CNN; feature pyramids: Lin et al. "
    "2017; all as in torchvision, narrower"
)
NAMES = (
    "faster_rcnn", "faster_rcnn/", "fcos", "fcos/", "mask_rcnn", "mask_rcnn/",
    "retinanet", "retinanet/", "ssdlite", "ssdlite/",
)  # fmt: skip
BACKBONE = "efficientnet_lite0"


@dataclass(frozen=True)
class Kind:
    """A detector: the strides of the backbone's maps that it takes, the strides, scales and size (in strides) of its
    anchors, and what is to be said of it. `fits`: whether its anchors are fitted to the data."""

    made: Callable[[Sequence[int], int, Shapes, int], nn.Module]
    takes: tuple[int, ...]
    strides: tuple[int, ...]
    scales: tuple[float, ...]
    base: float
    year: int
    idea: str
    fits: bool = True
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)

    @property
    def shapes(self) -> Shapes:
        return shapes_of(self.strides, self.scales, self.base, self.ratios)


_REGIONS = {"takes": (4, 8, 16, 32), "strides": (4, 8, 16, 32, 64), "scales": (1.0,), "base": 8.0}
KINDS: dict[str, Kind] = {
    "faster_rcnn": Kind(
        faster_rcnn,
        **_REGIONS,  # type: ignore[arg-type]
        year=2015,
        idea="Regions that may hold an object are proposed on the maps, and each is looked at again.",
    ),
    "mask_rcnn": Kind(
        mask_rcnn,
        **_REGIONS,  # type: ignore[arg-type]
        year=2017,
        idea="Faster R-CNN that also draws, in each region, the mask of its object.",
    ),
    "retinanet": Kind(
        retinanet, (8, 16, 32), (8, 16, 32, 64, 128), (1.0, 2 ** (1 / 3), 2 ** (2 / 3)), 4.0, 2017,
        "One pass over all anchors; a loss that hardly counts the many easy ones lets the few hard ones be learned.",
    ),
    "fcos": Kind(
        fcos, (8, 16, 32), (8, 16, 32, 64, 128), (1.0,), 1.0, 2019,
        "Without anchors: every cell within an object tells how far away the sides of its box are.", False, (1.0,),
    ),
    "ssdlite": Kind(
        ssdlite, (16, 32), (16, 32, 64, 128), (1.0, 2**0.5), 3.0, 2018,
        "Boxes straight from the backbone's coarse maps by separable convolutions: the least arithmetic of all.",
    ),
}  # fmt: skip


class Detector(nn.Module):
    """A backbone (`encoder`) and a detector on its maps (`head`), for pictures that are sized and normalised already.

    In training `network(images, targets)` gives losses by name, 0-dimensional; no targets are pictures without
    objects. In evaluation `network(images)` gives for each picture `boxes` `N4` (pixels of the input), `labels` `N`
    (from 0), `scores` `N`, best first, and of Mask R-CNN `masks` `N1MM` (probabilities within the box); with targets
    it gives (the same, losses by name, `B`: each picture's own), draws nothing and changes nothing.

    A target has `boxes` `N4`, `labels` `N` from 0, and for Mask R-CNN `masks` `NHW`.
    """

    drawn = "encoder"
    """The module whose last map class activation maps are drawn of."""

    def __init__(self, encoder: Pyramid, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, images: Tensor, targets: Targets | None = None) -> Any:
        if self.training and targets is None:
            targets = [_nothing(image) for image in images]
        return self.head(self.encoder(images), images, targets)

    def strongest(self) -> nn.Module:
        return Strongest(self)

    def placed(self) -> nn.Module:
        return Placed(self)

    def before_choosing(self) -> nn.Module:
        return Heads(self)


class Heads(nn.Module):
    """A detector as far as its heads, by the same layers: what they say at every place, or of regions picked evenly,
    before any box is chosen. It is what is taken apart of a detector: what follows has no layers and depends on the
    picture."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.encoder = detector.encoder
        self.head: Any = detector.head

    def forward(self, images: Tensor) -> Any:
        return self.head.said(self.encoder(images), images)


class Strongest(nn.Module):
    """How sure a detector is of each class where it is surest of it, a logit for each `BC`, by the same layers: what
    is explained of a detector."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.drawn = detector.drawn
        self.encoder = detector.encoder
        self.head: Any = detector.head
        self.training = False

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.head.logits(self.encoder(images), images)[0].amax(1)
        return found


class Placed(Strongest):
    """How sure a detector is of each class at each place, and which box it draws there: `BN(C + 4)`, boxes x0, y0, x1,
    y1 in shares of the input's sides. What is explained of one object."""

    def forward(self, images: Tensor) -> Tensor:
        logits, boxes = self.head.logits(self.encoder(images), images)
        height, width = images.shape[-2:]
        return torch.cat([logits, boxes / boxes.new_tensor([width, height, width, height])], 2)


def _nothing(image: Tensor) -> dict[str, Tensor]:
    return {
        "boxes": image.new_zeros(0, 4),
        "labels": image.new_zeros(0).long(),
        "masks": image.new_zeros(0, *image.shape[-2:]).bool(),
    }


def parts(name: str) -> tuple[Kind, str]:
    """The detector and the name of the backbone."""
    kind, _, backbone = name.partition("/")
    return KINDS[kind], backbone or BACKBONE


def build(name: str, *, outputs: int, channels: int, size: int, anchors: Shapes | None = None) -> nn.Module:
    """A `Detector` of `outputs` classes. `anchors` are (width, height) in pixels of the input, a list a level.

    Raises:
        ModelError: the backbone has no maps at the strides that the detector takes.
    """
    kind, backbone = parts(name)
    encoder = Pyramid(backbone, channels=channels, size=size, strides=kind.takes)
    return Detector(encoder, kind.made(encoder.channels, outputs, anchors or kind.shapes, size))


def head(name: str) -> str:
    return "head"


def weights(name: str, wanted: str | None) -> BackboneWeights | None:
    """The backbone's own weights; none are published for these detectors."""
    _, backbone = parts(name)
    return backbone_weights(backbone, "encoder.body.", wanted)


def tasks(name: str) -> tuple[str, ...]:
    return ("instances",) if name.partition("/")[0] == "mask_rcnn" else ("detect",)


def sizes(name: str) -> tuple[int, int]:
    return 128, 640


def told(name: str, dataset: Dataset, size: int) -> dict[str, Any]:
    """Anchors that fit the boxes of the training pictures at this size: an anchor learns only from the boxes that
    it overlaps by half (a third, where none does), so that boxes unlike all anchors teach little."""
    kind, _ = parts(name)
    found = fitted(sides_in(dataset, size), kind.strides, kind.scales) if kind.fits else None
    return {} if found is None else {"anchors": found}


def remarks(architecture: Mapping[str, Any]) -> tuple[str, ...]:
    anchors = architecture.get("anchors")
    if not anchors:
        return ()
    flat = [shape for level in anchors for shape in level]
    low, high = min(flat), max(flat)
    said = f"anchors fitted to the boxes of the training pictures: {len(anchors[0])} a place, "
    return (f"{said}from {low[0]:.0f} x {low[1]:.0f} to {high[0]:.0f} x {high[1]:.0f} pixels",)


def about(name: str) -> About:
    kind, backbone = parts(name)
    count = parameter_count(lambda: build(name, outputs=1000, channels=3, size=224))
    return About(
        kind.year,
        kind.idea,
        count,
        None,
        SOURCE,
        f"on {backbone}; maps and heads have half of the papers' channels and convolutions, for processors",
    )
