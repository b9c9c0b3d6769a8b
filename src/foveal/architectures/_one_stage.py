"""Detectors that say in one go, at every place, which class is there and where its box ends."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._C import DisableTorchFunction
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNet, RetinaNetHead
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.ssdlite import SSDLiteHead, _extra_block, _normal_init
from torchvision.ops import FeaturePyramidNetwork, box_iou
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from ._anchors import Anchors, Shapes

Targets = Sequence[Mapping[str, Any]]
Losses = dict[str, Tensor]
Found = list[dict[str, Tensor]]

WIDTH = 128
"""Channels of the maps that the heads see. The papers have 256 and four convolutions in each head, and so ten times
the arithmetic of the backbone; half the width and half the depth take an eighth of that."""
CONVOLUTIONS = 2
DISTANCE = 2.0
"""What FCOS says of a box's sides at first, in strides. torchvision begins at 0, where its rectifier lets no gradient
through for every second place: such sides are never learned in a training of minutes."""
LEAST_SCORE = 0.05
"""The score from which a box is told (torchvision's; its FCOS keeps only those above 0.2, which average precision
would count as missed)."""
MOST_FOUND = 100
"""Boxes told of a picture, as many as COCO's evaluation looks at."""


class Coarser(LastLevelP6P7):  # type: ignore[misc]
    """The maps at strides 64 and 128, in fp32 whatever the others are. Where a picture of 64 pixels is one cell there,
    torch 2.14 on a processor gives now and then no finite gradient of a bf16 convolution with stride 2 by its weights;
    and on so few cells fp32 takes no time."""

    def forward(self, p: list[Tensor], c: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        with torch.autocast(c[-1].device.type, enabled=False):
            made, names = super().forward([p[-1].float()], [c[-1].float()], names)
        return [*p, *made[1:]], names


class Neck(nn.Module):
    """A backbone's maps at strides 8, 16 and 32 as maps of one width at strides 8 to 128 (Lin et al. 2017)."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.fpn = FeaturePyramidNetwork(list(channels), WIDTH, Coarser(WIDTH, WIDTH))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return list(self.fpn(OrderedDict((str(n), one) for n, one in enumerate(maps))).values())


class Extras(nn.Module):
    """A backbone's maps at strides 16 and 32 as they are, and up to two coarser ones (SSDlite's extra layers); with
    fewer than two cells a side they would see nothing that the one before does not."""

    def __init__(self, channels: Sequence[int], size: int) -> None:
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
        self.channels, before = list(channels), channels[-1]
        self.blocks = nn.ModuleList()
        for stride, width in ((64, 512), (128, 256)):
            if size >= 2 * stride:
                self.blocks.append(_extra_block(before, width, norm))
                self.channels.append(width)
                before = width
        _normal_init(self.blocks)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        found = list(maps)
        for block in self.blocks:
            found.append(block(found[-1]))
        return found


class OneStage(nn.Module):
    """What stands on a backbone: `neck`, and torchvision's detector `model`, whose own forward pass, which would
    resize and normalise once more, is not used."""

    first = 0
    """The number of the first class in the model: 1 where 0 is the background."""

    def __init__(self, neck: nn.Module, model: nn.Module) -> None:
        super().__init__()
        model.transform = nn.Identity()
        self.neck = neck
        self.model: Any = model

    def forward(self, maps: Sequence[Tensor], images: Tensor, targets: Targets | None) -> Any:
        """As `Detector` has it."""
        features = self.neck(maps)
        made = self.model.head(features)
        with torch.autocast(images.device.type, enabled=False):
            made = {name: value.float() for name, value in made.items()}
            listed = ImageList(images, [tuple(images.shape[-2:])] * len(images))
            anchors = self.model.anchor_generator(listed, features)
            cells = [level.shape[-2] * level.shape[-1] for level in features]
            per = self.model.anchor_generator.num_anchors_per_location()
            counts = [n * each for n, each in zip(cells, per, strict=True)]
            wanted = None if targets is None else [_shifted(target, self.first) for target in targets]
            if self.training:
                return self.losses(wanted or [], made, anchors, counts)
            found = self.detections(made, anchors, counts, listed.image_sizes)
            for one in found:
                one["labels"] = one["labels"] - self.first
            if wanted is None:
                return found
            each = [
                self.losses([target], {k: v[n : n + 1] for k, v in made.items()}, anchors[n : n + 1], counts)
                for n, target in enumerate(wanted)
            ]
            return found, {name: torch.stack([one[name] for one in each]) for name in each[0]}

    def logits(self, maps: Sequence[Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
        """The classes' logits `BNC` at every place, before any box is chosen, where classes exclude the background
        less the background's; and the boxes `BN4` in pixels, which no gradient follows."""
        features = self.neck(maps)
        made = self.model.head(features)
        found: Tensor = made["cls_logits"].float()
        with torch.no_grad(), DisableTorchFunction():  # where they lie is no layer's work
            listed = ImageList(images, [tuple(images.shape[-2:])] * len(images))
            anchors = self.model.anchor_generator(listed, features)
            moves = made["bbox_regression"].float()
            boxes = torch.stack([self.boxes(*pair) for pair in zip(moves, anchors, strict=True)])
        return found[..., self.first :] - found[..., : self.first] if self.first else found, boxes

    def boxes(self, moves: Tensor, anchors: Tensor) -> Tensor:
        """The boxes `N4` in pixels that these moves `N4` make of the anchors."""
        found: Tensor = self.model.box_coder.decode_single(moves, anchors)
        return found

    def said(self, maps: Sequence[Tensor], images: Tensor) -> Losses:
        """What the heads say at every place: classes, boxes, of FCOS also how central the place is."""
        made: Losses = self.model.head(self.neck(maps))
        return made

    def losses(self, targets: Targets, made: Losses, anchors: list[Tensor], counts: list[int]) -> Losses:
        raise NotImplementedError

    def detections(
        self, made: Losses, anchors: list[Tensor], counts: list[int], sizes: list[tuple[int, int]]
    ) -> Found:
        split = {name: torch.split(value, counts, 1) for name, value in made.items()}
        cut = [torch.split(own, counts) for own in anchors]
        found: Found = self.model.postprocess_detections(split, cut, sizes)
        return found


class FcosStage(OneStage):
    """FCOS (Tian et al. 2019): each cell inside an object tells its class and the distances to the box's sides."""

    def boxes(self, moves: Tensor, anchors: Tensor) -> Tensor:
        found: Tensor = self.model.box_coder.decode(moves, anchors)
        return found

    def losses(self, targets: Targets, made: Losses, anchors: list[Tensor], counts: list[int]) -> Losses:
        found: Losses = self.model.compute_loss(targets, made, anchors, counts)
        return found


class RetinaStage(OneStage):
    """RetinaNet (Lin et al. 2017): each anchor tells its class and how far its box is off."""

    def losses(self, targets: Targets, made: Losses, anchors: list[Tensor], counts: list[int]) -> Losses:
        found: Losses = self.model.compute_loss(targets, made, anchors)
        return found


class SsdStage(OneStage):
    """SSDlite (Liu et al. 2016; Sandler et al. 2018): each anchor tells its class or background, and its box."""

    first = 1

    def losses(self, targets: Targets, made: Losses, anchors: list[Tensor], counts: list[int]) -> Losses:
        matched = [
            self.model.proposal_matcher(box_iou(target["boxes"], own))
            if len(target["boxes"])
            else torch.full((len(own),), -1, dtype=torch.int64, device=own.device)
            for target, own in zip(targets, anchors, strict=True)
        ]
        found: Losses = self.model.compute_loss(targets, made, anchors, matched)
        return found

    def detections(
        self, made: Losses, anchors: list[Tensor], counts: list[int], sizes: list[tuple[int, int]]
    ) -> Found:
        found: Found = self.model.postprocess_detections(made, anchors, sizes)
        return found


def _shifted(target: Mapping[str, Any], first: int) -> dict[str, Any]:
    return {**target, "labels": target["labels"] + first}


class Backbone(nn.Module):
    """Says torchvision's detectors how wide the maps are; gives none."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_channels = width


def fcos(channels: Sequence[int], outputs: int, shapes: Shapes, size: int) -> OneStage:
    head = FCOSHead(WIDTH, 1, outputs, CONVOLUTIONS)
    nn.init.constant_(head.regression_head.bbox_reg.bias, DISTANCE)
    model = FCOS(
        Backbone(WIDTH),
        outputs,
        anchor_generator=Anchors(shapes),
        head=head,
        score_thresh=LEAST_SCORE,
        detections_per_img=MOST_FOUND,
    )
    return FcosStage(Neck(channels), model)


def retinanet(channels: Sequence[int], outputs: int, shapes: Shapes, size: int) -> OneStage:
    anchors = Anchors(shapes)
    head = RetinaNetHead(
        WIDTH, anchors.num_anchors_per_location()[0], outputs, norm_layer=partial(nn.GroupNorm, 32)
    )
    for part in (head.classification_head, head.regression_head):
        part.conv = part.conv[:CONVOLUTIONS]
    model = RetinaNet(
        Backbone(WIDTH),
        outputs,
        anchor_generator=anchors,
        head=head,
        score_thresh=LEAST_SCORE,
        detections_per_img=MOST_FOUND,
    )
    return RetinaStage(Neck(channels), model)


def ssdlite(channels: Sequence[int], outputs: int, shapes: Shapes, size: int) -> OneStage:
    neck = Extras(channels, size)
    anchors = Anchors(shapes[: len(neck.channels)])
    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
    head = SSDLiteHead(neck.channels, anchors.num_anchors_per_location(), outputs + 1, norm)
    model = SSD(
        Backbone(0),
        anchors,
        (size, size),
        outputs + 1,
        head=head,
        score_thresh=0.01,  # a softmax over many anchors' background: torchvision's own for SSD
        nms_thresh=0.55,
        detections_per_img=MOST_FOUND,
    )
    return SsdStage(neck, model)
