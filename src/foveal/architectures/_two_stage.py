"""Detectors that propose regions first and look at each again: Faster R-CNN and Mask R-CNN."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._C import DisableTorchFunction
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler
from torchvision.models.detection.faster_rcnn import FasterRCNN, FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNN, MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import FeaturePyramidNetwork, clip_boxes_to_image
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from ._anchors import Anchors, Shapes
from ._one_stage import LEAST_SCORE, MOST_FOUND, WIDTH, Backbone, Targets

UNITS = 512
"""Of the dense layers that look at a region: half of the paper's, as the maps have half its channels."""
PROPOSED = 300
"""Regions that are looked at, as in the paper's tests (section 4.1); torchvision takes 1,000."""
LEARNED = 64
"""Regions of a picture that teach in a step, a quarter of them on objects, as in Fast R-CNN's paper (section 2.3);
torchvision takes 512, whose gradients cost a processor several times the rest of the network."""
MASK_CONVOLUTIONS = 2
"""Before a mask is drawn; the paper has four."""


class TwoStage(nn.Module):
    """What stands on a backbone: a feature pyramid, and torchvision's detector, whose own forward pass, which would
    resize and normalise once more, is not used."""

    def __init__(self, channels: Sequence[int], model: FasterRCNN) -> None:
        super().__init__()
        self.fpn = FeaturePyramidNetwork(list(channels), WIDTH, LastLevelMaxPool())
        self.rpn, self.roi_heads = model.rpn, model.roi_heads

    def forward(self, maps: Sequence[Tensor], images: Tensor, targets: Targets | None) -> Any:
        """As `Detector` has it."""
        features = self.fpn(OrderedDict((str(n), one) for n, one in enumerate(maps)))
        size = tuple(images.shape[-2:])
        wanted = None if targets is None else [{**t, "labels": t["labels"] + 1} for t in targets]
        if self.training:
            return self.passed(self.rpn, self.roi_heads, features, images, size, wanted)[1]
        if wanted is None:
            return self.told(*self.passed(self.rpn, self.roi_heads, features, images, size, None)[:1])
        rpn, heads = judging(self.rpn), judging(self.roi_heads)
        found, each = [], []
        for n, target in enumerate(wanted):  # one by one, so that each has the loss that it has alone
            own, image = {name: one[n : n + 1] for name, one in features.items()}, images[n : n + 1]
            listed = ImageList(image, [size])
            proposals, first = rpn(listed, own, [target])
            found += self.roi_heads(own, list(proposals), [size])[0]
            each.append({**first, **heads(own, list(proposals), [size], [target])[1]})
        return self.told(found), {name: torch.stack([one[name] for one in each]) for name in each[0]}

    def logits(self, maps: Sequence[Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
        """The classes' logits `BNC` of every region that is proposed, less the background's, and the regions `BN4` in
        pixels; where they lie is taken as given, and not followed."""
        features = self.fpn(OrderedDict((str(n), one) for n, one in enumerate(maps)))
        sizes = [tuple(images.shape[-2:])] * len(images)
        with (
            torch.no_grad(),
            DisableTorchFunction(),
        ):  # how many regions there are differs from picture to picture
            proposals, _ = self.rpn(ImageList(images, sizes), features, None)
            most = max(len(one) for one in proposals)
            # as many for each, the last one several times
            boxes = [one[[min(n, len(one) - 1) for n in range(most)]] for one in proposals]
        seen = self.roi_heads.box_roi_pool(features, boxes, sizes)
        found, _ = self.roi_heads.box_predictor(self.roi_heads.box_head(seen))
        told: Tensor = (found[:, 1:] - found[:, :1]).view(len(images), most, -1)
        return told, torch.stack(boxes)

    def said(self, maps: Sequence[Tensor], images: Tensor) -> list[Tensor]:
        """What the heads say: of every place whether a region is there and where it ends, and of as many regions as
        are looked at, picked evenly from all anchors, what is in them, where it ends, and its mask."""
        features = self.fpn(OrderedDict((str(n), one) for n, one in enumerate(maps)))
        size = tuple(images.shape[-2:])
        scores, moves = self.rpn.head(list(features.values()))
        with torch.no_grad(), DisableTorchFunction():  # where they lie is no layer's work
            anchors = self.rpn.anchor_generator(
                ImageList(images, [size] * len(images)), list(features.values())
            )
            boxes = [
                clip_boxes_to_image(one[:: max(1, len(one) // PROPOSED)][:PROPOSED], size) for one in anchors
            ]
        heads = self.roi_heads
        found = heads.box_predictor(heads.box_head(heads.box_roi_pool(features, boxes, [size] * len(images))))
        told = [*scores, *moves, *found]
        if heads.has_mask():
            seen = heads.mask_roi_pool(features, [one[:MOST_FOUND] for one in boxes], [size] * len(images))
            told.append(heads.mask_predictor(heads.mask_head(seen)))
        return told

    def passed(
        self, rpn: nn.Module, heads: nn.Module, features: Any, images: Tensor, size: Any, targets: Any
    ) -> tuple[Any, Any]:
        """Detections and losses of torchvision's two stages."""
        sizes = [size] * len(images)
        proposals, first = rpn(ImageList(images, sizes), features, targets)
        found, second = heads(features, proposals, sizes, targets)
        return found, {**first, **second}

    def told(self, found: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
        """Detections whose classes count from 0, as background is none of the data's."""
        return [{**one, "labels": one["labels"] - 1} for one in found]


def judging(stage: nn.Module) -> Any:
    """A copy of a stage that shares its weights and tells its losses as in training, of regions that are picked
    evenly instead of drawn. The stage itself stays in evaluation mode, as other threads may be using it."""
    made: Any = copy.copy(stage)
    made.training = True  # its own flag only: nothing below has two modes
    sampler = made.fg_bg_sampler
    made.fg_bg_sampler = Evenly(sampler.batch_size_per_image, sampler.positive_fraction)
    if hasattr(made, "_post_nms_top_n"):
        for name in ("_pre_nms_top_n", "_post_nms_top_n"):
            setattr(made, name, dict.fromkeys(("training", "testing"), getattr(made, name)["testing"]))
    return made


class Evenly(BalancedPositiveNegativeSampler):  # type: ignore[misc]
    """As many positive and negative regions as torchvision's sampler draws, spread evenly over all there are."""

    def __call__(self, matched_idxs: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        positives: list[Tensor] = []
        negatives: list[Tensor] = []
        for matched in matched_idxs:
            above, zero = torch.where(matched >= 1)[0], torch.where(matched == 0)[0]
            count = min(len(above), int(self.batch_size_per_image * self.positive_fraction))
            for rows, there, most in (
                (positives, above, count),
                (negatives, zero, min(len(zero), self.batch_size_per_image - count)),
            ):
                chosen = torch.zeros_like(matched, dtype=torch.uint8)
                chosen[there[torch.arange(most, device=there.device) * len(there) // max(1, most)]] = 1
                rows.append(chosen)
        return positives, negatives


class FloatRPNHead(RPNHead):  # type: ignore[misc]
    """In fp32 from here on: coordinates have too few digits in bf16."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        scores, moves = super().forward(x)
        return [one.float() for one in scores], [one.float() for one in moves]


class FloatPredictor(FastRCNNPredictor):  # type: ignore[misc]
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scores, moves = super().forward(x)
        return scores.float(), moves.float()


class FloatMasks(MaskRCNNPredictor):  # type: ignore[misc]
    """In fp32, and undecided at first, as in Detectron2: torchvision's draw is so sure of random pixels that the first
    hundreds of steps go into taking that back."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        nn.init.normal_(self.mask_fcn_logits.weight, std=0.001)
        nn.init.zeros_(self.mask_fcn_logits.bias)

    def forward(self, x: Tensor) -> Tensor:
        masks: Tensor = super().forward(x)
        return masks.float()


def _settings(outputs: int, shapes: Shapes) -> dict[str, Any]:
    anchors = Anchors(shapes)
    return {
        "rpn_anchor_generator": anchors,
        "rpn_head": FloatRPNHead(WIDTH, anchors.num_anchors_per_location()[0]),
        "rpn_pre_nms_top_n_train": 1000,
        "rpn_post_nms_top_n_train": 1000,
        "rpn_pre_nms_top_n_test": 1000,
        "rpn_post_nms_top_n_test": PROPOSED,
        "box_head": TwoMLPHead(WIDTH * 7**2, UNITS),
        "box_predictor": FloatPredictor(UNITS, outputs + 1),
        "box_score_thresh": LEAST_SCORE,
        "box_detections_per_img": MOST_FOUND,
        "box_batch_size_per_image": LEARNED,
    }


def faster_rcnn(channels: Sequence[int], outputs: int, shapes: Shapes, size: int) -> TwoStage:
    return TwoStage(channels, FasterRCNN(Backbone(WIDTH), **_settings(outputs, shapes)))


def mask_rcnn(channels: Sequence[int], outputs: int, shapes: Shapes, size: int) -> TwoStage:
    model = MaskRCNN(
        Backbone(WIDTH),
        **_settings(outputs, shapes),
        mask_head=MaskRCNNHeads(WIDTH, (WIDTH,) * MASK_CONVOLUTIONS, 1),
        mask_predictor=FloatMasks(WIDTH, WIDTH, outputs + 1),
    )
    return TwoStage(channels, model)
