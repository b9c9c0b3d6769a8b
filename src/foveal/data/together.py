"""Pictures of one size, varied a whole batch at a time on the device where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

_BITS = 2**31 - 1


@dataclass(frozen=True)
class Together:
    """Shifts by up to `shift` pixels each way with a reflected border, and mirror images.

    Mirrored at `random`: each picture anew in every epoch; or `alternating`: half the pictures, drawn once
    by `seed`, in even epochs and the other half in odd ones, so that two epochs show each picture both
    ways (Jordan 2024, section 3.6). All depends on `seed`, epoch, place and positions only; no generator
    is touched, and nothing waits for a GPU.
    """

    shift: int = 0
    flip: Literal["none", "random", "alternating"] = "none"
    seed: int = 0

    def __call__(
        self,
        images: Tensor,
        positions: Tensor,
        epoch: int,
        place: int,
        seats: Sequence[int] = (),
        whole: int = 0,
    ) -> Tensor:
        """The batch `BCHW` as batch number `place` of an epoch shows it, in the memory format it has.

        Args:
            positions: of the pictures in the data, int64 `B`, on the pictures' device.
            seats: their places in the batch, where they are not all of its `whole` pictures.
        """
        drawn = self.drawn(len(images), epoch, place, seats, whole)
        return self.moved(images, positions, drawn.to(images.device), epoch)

    def drawn(self, count: int, epoch: int, place: int, seats: Sequence[int] = (), whole: int = 0) -> Tensor:
        """What `moved` is told of each picture, int64 `B3` on the processor: pixels down, pixels right, a coin."""
        mixed = np.random.SeedSequence((self.seed, epoch, place)).generate_state(1, np.uint64)[0]
        dice = torch.Generator().manual_seed(int(mixed >> 1))
        drawn = torch.randint(-self.shift, self.shift + 1, (whole or count, 3), generator=dice)
        drawn[:, 2] = torch.randint(2, (whole or count,), generator=dice) if self.flip == "random" else 0
        return drawn[list(seats)] if whole else drawn

    def moved(self, images: Tensor, positions: Tensor, drawn: Tensor, epoch: int) -> Tensor:
        """The pictures shifted and mirrored as they were `drawn`; all lies on their device."""
        count, channels, height, width = images.shape
        coins = drawn[:, 2] > 0
        if self.flip == "alternating":
            coins = _coins(self.seed, positions) ^ bool(epoch % 2)
        down, right = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
        rows = _inside(down + drawn[:, :1], height)
        columns = _inside(torch.where(coins[:, None], width - 1 - right, right) + drawn[:, 1:2], width)
        where = (rows[:, :, None] * width + columns[:, None, :]).view(count, 1, -1)
        # one gather of pixels is many times faster than a copy for each shift
        seen = (
            images.reshape(count, channels, -1).gather(2, where.expand(-1, channels, -1)).view(images.shape)
        )
        if not images.is_contiguous() and images.is_contiguous(memory_format=torch.channels_last):
            return seen.contiguous(memory_format=torch.channels_last)
        return seen


def _inside(places: Tensor, count: int) -> Tensor:
    """Places beyond `0..count-1` reflected at the first and the last."""
    turn = 2 * max(1, count - 1)
    places = places.abs() % turn
    return torch.minimum(places, turn - places).clamp(max=count - 1)


def _coins(seed: int, positions: Tensor) -> Tensor:
    """A coin a position, the same whenever and wherever it is asked for: bits mixed until nothing of their
    order is left, in products that stay below 2^62."""
    key = int(np.random.SeedSequence(seed).generate_state(1)[0]) & _BITS
    x = (positions ^ key) & _BITS
    for bits, factor in ((12, 0x2C1B3C6D), (12, 0x297A2D39)):
        x = ((x ^ (x >> bits)) * factor) & _BITS
    return ((x ^ (x >> 15)) >> 7) % 2 > 0
