"""Eight pictures of blots made again by a small autoencoder."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import nn

from foveal import catalog
from foveal.values import Preprocessing

from . import Posed, stage

PRE = Preprocessing(16, 1, (0.0,), (1.0,))


def blots(side: int = 16, seed: int = 0) -> list[Image.Image]:
    """Eight smooth grey pictures."""
    values = np.random.default_rng(seed).integers(0, 256, (8, 4, 4), dtype=np.uint8)
    return [Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC) for one in values]


def posed() -> Posed:
    task, batch = stage("autoencode", blots(), PRE, latent=16)

    def network() -> nn.Module:
        torch.manual_seed(0)
        made: nn.Module = catalog.find("architectures", "autoencoder").build(
            "autoencoder", outputs=1, channels=1, size=16, latent=16
        )
        for module in made.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.5  # follows in few steps
        return made

    return Posed(task, batch, network, rate=0.005, ends=0.002, good=22.0)
