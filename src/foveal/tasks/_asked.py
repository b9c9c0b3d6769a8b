"""What is explained of a picture that a network makes, and over which of its places a score is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import UnknownNameError
from ..values import Target
from ._pictures import brightness

SOURCE = "Gu & Dong 2021, Interpreting Super-Resolution Networks with Local Attribution Maps, section 3.1"
DETAIL, BRIGHTNESS = "detail", "brightness"


class OfPictures:
    """What tasks whose answer is a picture are asked, where they are explained."""

    usual = Target(DETAIL)

    def targets(self, outputs: Tensor) -> list[Target]:
        """Detail, which is what such networks are for."""
        return [self.usual] * len(outputs)

    def target(self, words: str) -> Target:
        """The target of that name.

        Raises:
            UnknownNameError: pictures are asked for nothing of that name.
        """
        if words not in (DETAIL, BRIGHTNESS):
            raise UnknownNameError("target for a picture that is made", words, (DETAIL, BRIGHTNESS))
        return Target(words)

    def placed(self, network: nn.Module) -> nn.Module:
        """Its outputs tell where as they are."""
        return network


def score(pictures: Tensor, targets: Sequence[Target]) -> Tensor:
    """For each of `BCHW`, values 0..1, in grey levels of 255 `B`: `brightness` is the mean of a place, `detail` the
    mean of how far each pixel there is from its neighbours at the right and below. The place is the target's, else all
    of the picture."""
    found = []
    for light, target in zip(brightness(pictures), targets, strict=True):
        values = _detail(light) if target.label == DETAIL else light
        there = over_place(values, target)
        found.append(values.mean() if there is None else there)
    return torch.stack(found).to(pictures.dtype)


def _detail(light: Tensor) -> Tensor:
    right = nn.functional.pad(light.diff(dim=1).abs(), (0, 1))
    return right + nn.functional.pad(light.diff(dim=0).abs(), (0, 0, 0, 1))


def over_place(values: Tensor, target: Target) -> Tensor | None:
    """The mean of a map `HW` over the target's place, of a mask each pixel by how much it counts; None without one."""
    if target.mask is not None:
        return _by_mask(values, target.mask.pixels)
    return None if target.within is None else _of(values, target.within).mean()


def _of(values: Tensor, within: tuple[float, float, float, float]) -> Tensor:
    """The part of a map `HW` that lies in a box given in shares of its sides: a pixel at least."""
    height, width = values.shape
    left, top = min(int(within[0] * width), width - 1), min(int(within[1] * height), height - 1)
    right, bottom = math.ceil(within[2] * width - 1e-6), math.ceil(within[3] * height - 1e-6)
    return values[top : max(top + 1, bottom), left : max(left + 1, right)]


def _by_mask(values: Tensor, counts: NDArray[np.uint8]) -> Tensor:
    """The mean of a map `HW`, each place by how much the pixels that lie there count."""
    shares = torch.from_numpy(counts.astype(np.float32)).to(values)[None, None]
    weights = nn.functional.adaptive_avg_pool2d(shares, (values.shape[0], values.shape[1]))[0, 0]
    return (values * weights).sum() / weights.sum()
