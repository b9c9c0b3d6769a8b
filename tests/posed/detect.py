"""Detection: eight pictures of 64 px with a filled box for each object, and a small FCOS."""

from __future__ import annotations

import torch
from torch import nn

from foveal import catalog
from foveal.tasks import detect
from foveal.values import Preprocessing

from . import Posed, stage
from .drawn import drawn, followed

NETWORK = "fcos/timm/resnet10t"
PRE = Preprocessing(64, 3, (0.5,) * 3, (0.25,) * 3)


def posed() -> Posed:
    task, batch = stage("detect", drawn(detect.SAMPLE), PRE)

    def network() -> nn.Module:
        torch.manual_seed(0)
        build = catalog.find("architectures", NETWORK).build
        return followed(build(NETWORK, outputs=task.outputs, channels=3, size=64))

    # the distance to a box's middle is no yes or no, so that its cross-entropy ends at 0.6
    return Posed(task, batch, network, steps=60, rate=2e-3, ends=0.74, good=0.6)
