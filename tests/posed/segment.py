"""Segmentation: eight pictures of 32 px with patches of two classes on a ground, and a small U-Net."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from foveal import catalog
from foveal.tasks import segment
from foveal.values import Batch, Item, Preprocessing

from . import Posed

NETWORK = "unet/timm/resnet10t"
LABELS = ("cell", "dust", "ground")
PRE = Preprocessing(32, 3, (0.5,) * 3, (0.25,) * 3)
COLOURS = np.array([(90, 90, 90), (220, 60, 60), (60, 90, 220)])


def painted(side: int = 32) -> list[tuple[Image.Image, Image.Image]]:
    """Eight pictures and their masks: a cell and some dust (two of them only one), on noise."""
    draw = np.random.default_rng(0)
    pairs = []
    for n in range(8):
        mask = np.zeros((side, side), np.uint8)
        for value in (1, 2):
            y, x = draw.integers(0, side - 14, 2)
            if n % 4 != value:
                mask[y : y + 12, x : x + 14] = value
        pixels = COLOURS[mask] + draw.integers(-25, 26, (side, side, 3))
        mask[:1] = 255
        pairs.append((Image.fromarray(pixels.astype(np.uint8)), Image.fromarray(mask)))
    return pairs


@functools.cache
def folder() -> tempfile.TemporaryDirectory[str]:
    """Where the masks lie until the tests end."""
    made = tempfile.TemporaryDirectory()
    for truth, (_, mask) in zip(segment.SAMPLE, painted(), strict=True):
        mask.save(Path(made.name, truth["mask"]))
    return made


def posed() -> Posed:
    task = segment.build(LABELS)
    view, root = task.view(PRE), folder().name
    seen = []
    for n, (truth, (image, _)) in enumerate(zip(segment.SAMPLE, painted(), strict=True)):
        assert task.knows(truth)
        seen.append(view(image, task.truth(Item(f"{n}", f"{n}.png", truth, "train"), image, root)))
    images = torch.stack([torch.from_numpy(np.array(image)) for image, _ in seen]).permute(0, 3, 1, 2)
    batch = Batch(
        (images / 255 - 0.5) / 0.25, task.collate([truth for _, truth in seen]), [f"{n}" for n in range(8)]
    )

    def network() -> nn.Module:
        torch.manual_seed(0)
        made: nn.Module = catalog.find("architectures", NETWORK).build(
            NETWORK, outputs=task.outputs, channels=3, size=32
        )
        return made

    return Posed(task, batch, network, steps=120, rate=2e-3, ends=0.1)
