"""Instance segmentation: eight pictures of 64 px with objects drawn by their polygons, and a small Mask R-CNN."""

from __future__ import annotations

import torch
from torch import nn

from foveal import catalog
from foveal.tasks import instances
from foveal.values import Preprocessing

from . import Posed, stage
from .drawn import drawn, followed

NETWORK = "mask_rcnn/timm/resnet10t"
PRE = Preprocessing(64, 3, (0.5,) * 3, (0.25,) * 3)


def posed() -> Posed:
    task, batch = stage("instances", drawn(instances.SAMPLE), PRE)

    def network() -> nn.Module:
        torch.manual_seed(0)
        made = catalog.find("architectures", NETWORK).build(
            NETWORK, outputs=task.outputs, channels=3, size=64
        )
        # fewer regions, as a picture of 64 px has no need of as many
        made.head.rpn._post_nms_top_n = {"training": 100, "testing": 30}
        made.head.roi_heads.fg_bg_sampler.batch_size_per_image = 16
        made.head.roi_heads.detections_per_img = 10
        return followed(made)

    return Posed(task, batch, network, steps=60, rate=2e-3, ends=0.8, good=0.3)
