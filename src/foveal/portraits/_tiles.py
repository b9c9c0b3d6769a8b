"""From tensors to the small pictures of a sheet."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..charts.sheet_of_maps import Tile, shaded


def tile(picture: Tensor, words: tuple[str, ...] = (), mark: str = "") -> Tile:
    """A picture `CHW`, uint8 or from 0 to 1, of any number of channels: colours where there are three or more,
    grey of one, the mean of two."""
    whole = picture if picture.dtype == torch.uint8 else (picture.clamp(0, 1) * 255).round().byte()
    if len(whole) >= 3:
        return Tile(whole[:3].permute(1, 2, 0).contiguous().cpu().numpy(), words, mark)
    return Tile(whole.float().mean(0).round().byte().cpu().numpy(), words, mark)


def shades(values: Tensor, low: float, high: float) -> NDArray[np.uint8]:
    """A map `HW` in the shades of its row."""
    return shaded(values.double().cpu().numpy(), low, high)
