"""Pictures drawn after truths: objects of each label in its own colour and form, on noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from torch import nn

COLOURS = {"cell": (220, 60, 60), "dust": (60, 90, 220)}


def drawn(truths: Sequence[Sequence[Mapping[str, Any]]], side: int = 64, seed: int = 0) -> list[Image.Image]:
    """A picture a truth: polygons where an object has them, else its box, filled."""
    noise = np.random.default_rng(seed)
    pictures = []
    for truth in truths:
        image = Image.fromarray(noise.integers(90, 150, (side, side, 3), dtype=np.uint8))
        pencil = ImageDraw.Draw(image)
        for one in truth:
            colour = COLOURS[one["label"]]
            for polygon in one.get("polygons", ()):
                pencil.polygon(polygon, fill=colour)
            if "polygons" not in one:
                x0, y0, x1, y1 = one["box"]
                pencil.rectangle((x0, y0, x1 - 1, y1 - 1), fill=colour)
        pictures.append(image)
    return pictures


def followed(network: nn.Module) -> nn.Module:
    """The network with running statistics that follow in few steps."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5
    return network
