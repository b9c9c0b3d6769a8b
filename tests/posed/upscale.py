"""Super-resolution of eight pictures of sharp blocks by a small network."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import nn

from foveal.architectures import superres
from foveal.values import Preprocessing

from . import Posed, stage

PRE = Preprocessing(24, 3, (0.0,) * 3, (1.0,) * 3)


def blocks(side: int = 24, cells: int = 8, seed: int = 0) -> list[Image.Image]:
    """Eight pictures of coloured squares with sharp edges."""
    values = np.random.default_rng(seed).integers(0, 256, (8, cells, cells, 3), dtype=np.uint8)
    return [Image.fromarray(one).resize((side, side), Image.Resampling.NEAREST) for one in values]


def posed() -> Posed:
    task, batch = stage("upscale", blocks(), PRE)

    def network() -> nn.Module:
        torch.manual_seed(0)
        return superres.build("edsr_small", outputs=1, channels=3, size=24, factor=2)

    # from about 20 dB, which is what bicubic interpolation has
    return Posed(task, batch, network, steps=180, rate=0.002, ends=0.02, good=29.0)
