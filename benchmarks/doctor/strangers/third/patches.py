"""Still more faults in code, for a third group of cases by a stranger to the rules."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import foveal.data.batches
import foveal.loop.state
import foveal.schedules.step
from foveal.structure.layers import is_in

from ...patches import loss_as, normalised, optimizer, placed, replaced

# --- the optimizer ---


def zeroed_too_late(made: torch.optim.Optimizer) -> None:
    """Gradients are set to 0 between the backward pass and the step."""

    def zero(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.zero_()

    made.register_step_pre_hook(zero)


def frozen_backbone(set_trainable: Any) -> Any:
    """Only the head may move."""

    def wrong(network: nn.Module, head: str, *args: Any, **more: Any) -> None:
        set_trainable(network, head, *args, **more)
        for name, p in network.named_parameters():
            p.requires_grad_(is_in(name, head))

    return wrong


def tenth_each_epoch(factor: Any) -> Any:
    """A tenth of the rate after each epoch, of twelve."""
    return lambda progress, warmup: 0.1 ** int(12 * progress)


def never_shuffled(drawn_order: Any) -> Any:
    """Training pictures come in the order of the table."""

    def wrong(count: int, size: int, batches: int, shuffle: bool, *more: Any) -> list[list[int]]:
        made: list[list[int]] = drawn_order(count, size, batches, False, *more)
        return made

    return wrong


# --- what the network is given ---


def by_shades(normalise: Any) -> Any:
    """Mean and deviation of shades 0 to 255 are taken from pictures in 0 to 1."""
    return lambda images, pre: (images.float() / 255 - 120) / 65


def reshaped(images: Tensor) -> Tensor:
    """Channels last, read as if they came first."""
    return images.permute(0, 2, 3, 1).reshape(images.shape)


def middle(images: Tensor) -> Tensor:
    """The middle half of the side, enlarged."""
    side = images.shape[-1]
    edge = side // 4
    inner = images[..., edge : side - edge, edge : side - edge]
    return F.interpolate(inner, size=(side, side), mode="bilinear")


def rotated(images: Tensor, most: float = 80.0) -> Tensor:
    """By up to so many degrees, differently for each picture."""
    angles = (2 * torch.rand(len(images)) - 1) * math.radians(most)
    zero, sine, cosine = torch.zeros_like(angles), angles.sin(), angles.cos()
    turns = torch.stack([torch.stack([cosine, -sine, zero], 1), torch.stack([sine, cosine, zero], 1)], 1)
    grid = F.affine_grid(turns.to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def flipped(images: Tensor) -> Tensor:
    """Left to right, upside down, both or neither, at random."""
    made = torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)
    return torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, made.flip(2), made)


PATCHES: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "ignored-class": lambda: loss_as(lambda z, y: F.cross_entropy(z, y, ignore_index=0)),
    "off-by-a-picture": lambda: loss_as(F.cross_entropy, lambda z: z.roll(1, 0)),
    "zeroed-too-late": lambda: optimizer(zeroed_too_late),
    "frozen-backbone": lambda: replaced(foveal.loop.state, "set_trainable", frozen_backbone),
    "tenth-each-epoch": lambda: replaced(foveal.schedules.step, "factor", tenth_each_epoch),
    "never-shuffled": lambda: replaced(foveal.data.batches, "drawn_order", never_shuffled),
    "by-shades": lambda: normalised(by_shades),
    "reshaped-pictures": lambda: placed(reshaped),
    "middle-in-evaluation": lambda: placed(middle, training=False),
    "rotated-in-evaluation": lambda: placed(rotated, training=False),
    "flipped-in-training": lambda: placed(flipped, training=True),
}  # fmt: skip
