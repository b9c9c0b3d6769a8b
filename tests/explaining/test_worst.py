"""The worst pictures as a report shows them: objects with their masks, figures as papers write them."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from foveal.card import Card
from foveal.explaining.pictured import numbers
from foveal.explaining.worst import _drawn
from foveal.model import Model
from foveal.tasks import instances
from foveal.values import Item, Preprocessing

SIDE = 64
BOXES = [[4.0, 4.0, 24.0, 24.0], [34.0, 30.0, 60.0, 60.0]]


class Two(nn.Module):
    """A detector that finds two objects, and says that the left half of each box is the object."""

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        half = torch.zeros(2, 1, 28, 28)
        half[..., :14] = 1.0
        one = {
            "boxes": torch.tensor(BOXES),
            "labels": torch.tensor([0, 1]),
            "scores": torch.tensor([0.9, 0.8]),
        }
        return [{**one, "masks": half} for _ in images]


def test_instances_are_drawn_with_their_masks() -> None:
    task, pre = instances.build(("cell", "dust")), Preprocessing(SIDE, 3, (0.5,) * 3, (0.5,) * 3)
    told = {"name": "x", "outputs": 2, "channels": 3, "size": SIDE}
    model = Model(Two().eval(), task, pre, Card(task=task.card(), architecture=told, preprocessing=pre))
    image = Image.new("RGB", (SIDE, SIDE), (200, 200, 200))
    corners = [4.0, 4.0, 24.0, 4.0, 24.0, 24.0, 4.0, 24.0]
    item = Item("a", "a.png", [{"label": "cell", "box": BOXES[0], "polygons": [corners]}], "test")
    row = {
        "id": "a",
        "truth": [{"label": "cell", "box": BOXES[0], "kind": "nearly"}],
        "predicted": [
            {"label": "cell", "box": [4, 4, 24.1, 24], "probability": 0.9, "kind": "badly_placed"},
            {"label": "dust", "box": BOXES[1], "probability": 0.8, "kind": "background"},
        ],
    }
    drawn, says = _drawn(model, "", item, image, row)
    assert says == "a: 1 badly placed, 1 background"
    pixels = np.asarray(drawn.convert("RGB"), int)
    scale = drawn.width / SIDE

    def at(x: float, y: float) -> tuple[int, ...]:
        return tuple(pixels[int(y * scale), int(x * scale)].tolist())

    plain = (200, 200, 200)
    assert at(9, 14) != plain, "what is said to be the object is filled"
    assert at(40, 45) != plain
    assert at(19, 14) == plain, "the other half of the box is not"
    assert at(54, 40) == plain


def test_decibels_have_two_digits() -> None:
    row = {"id": "a", "PSNR": 35.35182, "SSIM": 0.87641, "gain": 0.466, "loss": 0.1, "score": 35.35182}
    assert numbers(row) == "PSNR 35.35 dB, SSIM 0.8764, gain 0.47 dB"
