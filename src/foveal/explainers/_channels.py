"""From gradients of three channels to one number a pixel."""

from __future__ import annotations

from torch import Tensor

STEP = "logits for a step of a pixel from black to white"


def strongest(gradient: Tensor) -> Tensor:
    """Of `BCHW` at each pixel the value of the largest size, with its sign, `BHW`."""
    return gradient.gather(1, gradient.abs().argmax(1, keepdim=True))[:, 0]
