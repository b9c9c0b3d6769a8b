"""Triton's kernels of `pooling`: all tensors lie channels last."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024


@triton.jit  # type: ignore[untyped-decorator]
def _largest(  # type: ignore[no-untyped-def]
    x, made, places, count, H: tl.constexpr, W: tl.constexpr, C: tl.constexpr, BLOCK: tl.constexpr
):
    """One value a lane: of its four pixels the largest, or the first that is no number, and which it is."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = at < count
    channel = at % C
    place = at // C
    right = place % (W // 2)
    rest = place // (W // 2)
    down = rest % (H // 2)
    picture = rest // (H // 2)
    corner = ((picture * H + 2 * down) * W + 2 * right) * C + channel
    most = tl.load(x + corner, mask=there, other=0.0).to(tl.float32)
    which = (at * 0).to(tl.int8)  # not zeros_like: that one Triton cannot interpret once it is imported
    for n in tl.static_range(1, 4):
        other = tl.load(x + corner + ((n // 2) * W + n % 2) * C, mask=there, other=0.0)
        other = other.to(tl.float32)
        more = (other > most) | ((other != other) & (most == most))
        most = tl.where(more, other, most)
        which = tl.where(more, n, which).to(tl.int8)
    tl.store(made + at, most, mask=there)
    tl.store(places + at, which, mask=there)


@triton.jit  # type: ignore[untyped-decorator]
def _back(  # type: ignore[no-untyped-def]
    gradient, places, made, count, H: tl.constexpr, W: tl.constexpr, C: tl.constexpr, BLOCK: tl.constexpr
):
    """One input pixel's value a lane: its window's gradient where it was the largest, else nothing."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = at < count
    channel = at % C
    place = at // C
    right = place % W
    rest = place // W
    down = rest % H
    picture = rest // H
    inside = there & (down // 2 < H // 2) & (right // 2 < W // 2)
    window = ((picture * (H // 2) + down // 2) * (W // 2) + right // 2) * C + channel
    which = tl.load(places + window, mask=inside, other=-1)
    value = tl.load(gradient + window, mask=inside, other=0.0)
    own = (down % 2) * 2 + right % 2
    tl.store(made + at, tl.where(which == own, value, 0.0), mask=there)


def forward(x: Tensor) -> tuple[Tensor, Tensor]:
    """Of `BCHW` the largest of each 2 x 2 pixels, and which of the four each is, int8."""
    batch, channels, height, width = x.shape
    shape = (batch, channels, height // 2, width // 2)
    made = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    places = torch.empty(shape, dtype=torch.int8, device=x.device, memory_format=torch.channels_last)
    grid = (triton.cdiv(made.numel(), BLOCK),)
    _largest[grid](x, made, places, made.numel(), height, width, channels, BLOCK)
    return made, places


def backward(gradient: Tensor, places: Tensor, shape: torch.Size) -> Tensor:
    """The gradient `BCHW` of what `forward` was given, of this shape."""
    made = torch.empty(shape, dtype=gradient.dtype, device=gradient.device, memory_format=torch.channels_last)
    grid = (triton.cdiv(made.numel(), BLOCK),)
    _, channels, height, width = shape
    _back[grid](gradient, places, made, made.numel(), height, width, channels, BLOCK)
    return made
