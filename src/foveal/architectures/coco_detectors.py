"""torchvision's whole detectors, which have learned COCO's 80 classes, by torchvision's names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from ..contracts import About
from ..structure.layers import parameter_count, set_channels
from ..values import Preprocessing
from ._one_stage import (
    LEAST_SCORE,
    MOST_FOUND,
    Backbone,
    Coarser,
    FcosStage,
    OneStage,
    RetinaStage,
    SsdStage,
)
from ._two_stage import FloatMasks, FloatPredictor, FloatRPNHead, TwoStage
from .detectors import Detector
from .torchvision import Published

SOURCE = (
    "torchvision.models.detection, each with its paper in torchvision's documentation; weights from COCO (Lin et al. "
    "2014)"
)
NAMES = (
    "fasterrcnn_mobilenet_v3_large_320_fpn", "fasterrcnn_mobilenet_v3_large_fpn", "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2", "fcos_resnet50_fpn", "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2",
    "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2", "ssdlite320_mobilenet_v3_large",
)  # fmt: skip
LISTED = 91
"""Classes of the weights: COCO's numbers go to 90, ten of which mean nothing, and 0 is the background."""
SIZE = 640
"""Of pictures where the weights are used as they are; torchvision shows them with a shorter side of 800 pixels."""
WITHOUT_EPSILON = ("fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "retinanet_resnet50_fpn")
"""Weights that were learned with normalisation that adds nothing to the variance (torchvision's `overwrite_eps`)."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Kind:
    """How a detector's name begins, when it was published, what is to be said of it, and in what its class layers
    end: the parts of tensors' names, with the numbers that there are for each class."""

    year: int
    idea: str
    head: str
    ends: Mapping[str, int]
    stage: type[OneStage] | None = None


_BOXES = {"box_predictor.cls_score.": 1, "box_predictor.bbox_pred.": 4}
_REGIONS = "head.roi_heads.box_predictor"
_LOGITS = "head.model.head.classification_head"
KINDS = {
    "fasterrcnn": Kind(
        2015, "Regions that may hold an object are proposed on the maps, and each is looked at again.", _REGIONS, _BOXES
    ),
    "maskrcnn": Kind(
        2017, "Faster R-CNN that also draws, in each region, the mask of its object.", _REGIONS,
        {**_BOXES, "mask_predictor.mask_fcn_logits.": 1},
    ),
    "retinanet": Kind(
        2017, "One pass over all anchors; a loss that hardly counts the many easy ones lets the hard ones be learned.",
        f"{_LOGITS}.cls_logits", {"cls_logits.": 1}, RetinaStage,
    ),
    "fcos": Kind(
        2019, "Without anchors: every cell within an object tells how far away the sides of its box are.",
        f"{_LOGITS}.cls_logits", {"cls_logits.": 1}, FcosStage,
    ),
    "ssdlite320": Kind(
        2019, "Boxes straight from coarse maps by separable convolutions: the least arithmetic of all.", _LOGITS,
        {f"classification_head.module_list.{n}.1.": 1 for n in range(6)}, SsdStage,
    ),
}  # fmt: skip
MAPS = {"mobilenet": ("0", "1", "pool"), "resnet50": ("0", "1", "2", "3", "pool")}
"""What torchvision calls the maps that regions are cut from."""


def build(name: str, *, outputs: int, channels: int, size: int) -> nn.Module:
    """A `Detector` of `outputs` classes, as torchvision has it; for pictures of any size."""
    kind = _kind(name)
    model = _model(name, outputs if kind.stage in (RetinaStage, FcosStage) else outputs + 1)
    encoder = Listed(model.backbone)
    head: nn.Module
    if kind.stage is None:
        head = WholeTwoStage(model, outputs, MAPS["mobilenet" if "mobilenet" in name else "resnet50"])
    else:
        model.backbone = Backbone(0)  # whose maps come from the encoder
        model.anchor_generator = InFloat(model.anchor_generator)
        model.score_thresh, model.detections_per_img = LEAST_SCORE, MOST_FOUND
        if kind.stage is SsdStage:
            model.score_thresh = 0.01  # as in `ssdlite`
        head = kind.stage(AsTheyAre(), model)
    network = Detector(encoder, head)  # type: ignore[arg-type]
    # maps after the backbone are too coarse to draw, or tell of small objects alone
    network.drawn = "encoder.backbone.features.1" if kind.stage is SsdStage else "encoder.backbone.body"
    set_channels(network, channels)
    return network


class Listed(nn.Module):
    """A backbone's maps as a list, finest first."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        extra = getattr(getattr(backbone, "fpn", None), "extra_blocks", None)
        if isinstance(extra, LastLevelP6P7):
            backbone.fpn.extra_blocks = Coarser(extra.p6.in_channels, extra.p6.out_channels)
        self.backbone = backbone

    def forward(self, images: Tensor) -> list[Tensor]:
        return list(self.backbone(images).values())


class AsTheyAre(nn.Module):
    """Nothing between maps and heads."""

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return list(maps)


class Named(nn.Module):
    """Maps by the names that torchvision has for them."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)

    def forward(self, maps: Mapping[str, Tensor]) -> OrderedDict[str, Tensor]:
        return OrderedDict(zip(self.names, maps.values(), strict=True))


class InFloat(nn.Module):
    """torchvision's anchors in fp32, whatever the maps are: bf16 tells pixels beyond 256 only in steps of two."""

    def __init__(self, made: Any) -> None:
        super().__init__()
        self.made = made

    def num_anchors_per_location(self) -> list[int]:
        found: list[int] = self.made.num_anchors_per_location()
        return found

    def forward(self, images: Any, maps: Iterable[Tensor]) -> list[Tensor]:
        # their shapes and device are all that counts, so none is copied
        shapes = [one.new_zeros((), dtype=torch.float32).expand(one.shape) for one in maps]
        found: list[Tensor] = self.made(images, shapes)
        return found


class WholeTwoStage(TwoStage):
    """torchvision's two stages on maps that are ready."""

    def __init__(self, model: Any, outputs: int, maps: Sequence[str]) -> None:
        nn.Module.__init__(self)
        self.fpn = Named(maps)
        self.rpn, self.roi_heads = model.rpn, model.roi_heads
        anchors, heads = self.rpn.anchor_generator, self.roi_heads
        first, last = self.rpn.head, heads.box_predictor
        self.rpn.score_thresh = (
            0.0  # of an empty picture, too, some regions are looked at, and can be explained
        )
        self.rpn.anchor_generator = InFloat(anchors)
        self.rpn.head = FloatRPNHead(
            first.cls_logits.in_channels, anchors.num_anchors_per_location()[0], len(first.conv)
        )
        heads.box_predictor = FloatPredictor(last.cls_score.in_features, outputs + 1)
        heads.score_thresh, heads.detections_per_img = LEAST_SCORE, MOST_FOUND
        if heads.has_mask():
            masks = heads.mask_predictor.conv5_mask
            heads.mask_predictor = FloatMasks(masks.in_channels, masks.out_channels, outputs + 1)


def _kind(name: str) -> Kind:
    return KINDS[name.partition("_")[0]]


def _model(name: str, classes: int) -> Any:
    """torchvision's own, nothing of it downloaded."""
    from torchvision.models import get_model

    return get_model(name, weights=None, weights_backbone=None, num_classes=classes)


@dataclass(frozen=True)
class Coco(Published):
    """Weights from COCO, downloaded on use and checked by their hash."""

    network: str = ""
    licence: str = "BSD-3-Clause code; the weights were trained on COCO 2017"

    @property
    def kept(self) -> list[int]:
        """The numbers of the classes that mean something."""
        said = self.entry.meta["categories"]
        return [n for n, label in enumerate(said) if label not in ("__background__", "N/A")]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.entry.meta["categories"][n] for n in self.kept)

    @property
    def preprocessing(self) -> Preprocessing:
        small = "320" in self.network
        plain = self.network.startswith("ssdlite")
        mean, std = ((0.5,) * 3,) * 2 if plain else (MEAN, STD)
        return Preprocessing(320 if small else SIZE, 3, mean, std, "bilinear", 1.0)

    def state(self) -> Mapping[str, Tensor]:
        """The tensors by the network's own names, with the rows of `labels` only.

        Raises:
            OfflineError: they could not be downloaded.
        """
        kind = _kind(self.network)
        kept = self.kept if kind.stage in (RetinaStage, FcosStage) else [0, *self.kept]
        found = {}
        for name, tensor in renamed(self.network, super().state()).items():
            each = next((count for end, count in kind.ends.items() if end in name), 0)
            found[name] = _rows(tensor, kept, each) if each else tensor
        return found


def _rows(tensor: Tensor, kept: Sequence[int], each: int) -> Tensor:
    """The rows of some classes of a tensor that has, for each anchor and class, `each` rows."""
    split = tensor.reshape(-1, LISTED, each, *tensor.shape[1:])
    return split[:, list(kept)].flatten(0, 2)


def renamed(name: str, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors of one of torchvision's files by this network's names. Names from before are brought up to date by
    torchvision itself; tensors of another shape, as those of other classes than COCO's are, are left out."""
    model = _model(name, LISTED)
    own = model.state_dict()
    fitting = {k: tensor for k, tensor in state.items() if k not in own or own[k].shape == tensor.shape}
    lacking = set(model.load_state_dict(fitting, strict=False).missing_keys)
    found = {k: tensor for k, tensor in model.state_dict().items() if k not in lacking}
    if name in WITHOUT_EPSILON:
        found = _with_epsilon(found)
    heads = "head.model." if _kind(name).stage else "head."
    return {(f"encoder.{k}" if k.startswith("backbone.") else f"{heads}{k}"): v for k, v in found.items()}


def _with_epsilon(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same normalisation where a hundred-thousandth is added to each variance: it is taken off the variance, or
    where that is less, made up for by the weight."""
    epsilon = nn.BatchNorm2d(1).eps
    found = dict(state)
    for name, variance in state.items():
        if name.endswith(".running_var"):
            weight = name.removesuffix("running_var") + "weight"
            found[name] = (variance - epsilon).clamp_min(0)
            found[weight] = state[weight] * ((found[name] + epsilon) / variance).sqrt()
    return found


def head(name: str) -> str:
    return _kind(name).head


def weights(name: str, wanted: str | None) -> Coco | None:
    """The weights called `wanted` (COCO_V1), or the default ones."""
    from torchvision.models import get_model_weights

    table = get_model_weights(name)
    member = (wanted or "DEFAULT").rpartition(".")[2]
    if member not in table.__members__:
        return None
    entry = table[member]
    return Coco(str(entry), entry, network=name)


def tasks(name: str) -> tuple[str, ...]:
    return ("instances",) if name.startswith("maskrcnn") else ("detect",)


def sizes(name: str) -> tuple[int, int]:
    return 128, SIZE


def about(name: str) -> About:
    kind, published = _kind(name), weights(name, None)
    assert published is not None
    with torch.device("meta"):  # nothing is drawn, as only counts are asked for
        count = parameter_count(lambda: build(name, outputs=1000, channels=3, size=SIZE))
    reached = published.entry.meta["_metrics"]["COCO-val2017"]
    told = f"boxes' mAP {reached['box_map']}"
    if "mask_map" in reached:
        told += f", masks' {reached['mask_map']}"
    note = f"starts from weights that know COCO's 80 classes ({told} there, as torchvision says), where they can be had"
    return About(kind.year, kind.idea, count, None, SOURCE, note)
