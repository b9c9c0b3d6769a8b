"""Depthwise convolutions on a processor: the same gradients, by kernels that are fast.

In bfloat16 oneDNN, which torch computes convolutions with on a processor, has no fast kernel for two gradients of
depthwise convolutions: the weights' where the kernel is larger than 3x3, and the input's where the stride is more
than 1. They took four fifths of the time in which EfficientNet-Lite0 trains. Here the first is put together from
gradients of 3x3 kernels, and the second is the convolution of the stretched gradient by the turned kernel (Dumoulin
& Visin 2016, A guide to convolution arithmetic, section 4.6): 3 to 16 times as fast. In fp32 nothing is gained.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

Pair = tuple[int, int]
FAST = 3
"""Side of the largest kernel whose gradient oneDNN computes fast."""


@contextmanager
def fast_depthwise(device: str) -> Iterator[None]:
    """Inside, depthwise convolutions of this thread in 16 bits whose gradients are wanted get them by the faster way,
    equal but for rounding. Nothing happens on other devices, or where no gradients are computed. Gradients of these
    gradients there are none."""
    if device != "cpu" or not torch.is_grad_enabled():
        yield
        return
    with _Mode():
        yield


class _Mode(TorchFunctionMode):
    """Sees every function that is called; answers the convolutions that it knows better."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d:
            made = _convolved(*args, **(kwargs or {}))
            if made is not None:
                return made
        return func(*args, **(kwargs or {}))


def _convolved(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor | None:
    """The convolution, where its gradients are slow else; None for all others."""
    if groups == 1 or weight.shape[:2] != (groups, 1) or input.dim() != 4 or input.shape[1] != groups:
        return None
    strides, pads = _pair(stride), _pair(padding)
    if pads is None or strides is None or _pair(dilation) != (1, 1):
        return None
    if not (weight.requires_grad or input.requires_grad) or input.device.type != "cpu":
        return None
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else input.dtype
    if dtype not in (torch.bfloat16, torch.float16) or (max(weight.shape[2:]) <= FAST and max(strides) == 1):
        return None
    bias = None if bias is None else bias.to(dtype)
    made: Tensor = _Depthwise.apply(input.to(dtype), weight.to(dtype), bias, strides, pads)
    return made


def _pair(value: Any) -> Pair | None:
    """A number for both axes, or two; None for words such as `same`."""
    if isinstance(value, int):
        return value, value
    if isinstance(value, str) or len(value) > 2:
        return None
    return int(value[0]), int(value[-1])


class _Depthwise(torch.autograd.Function):
    """`BCHW` convolved with `C1KK`, each channel by its own kernel."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, bias, stride, padding, 1, x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        return (
            input_gradient(gradient, x, weight, ctx.stride, ctx.padding) if wanted[0] else None,
            weight_gradient(gradient, x, weight, ctx.stride, ctx.padding) if wanted[1] else None,
            gradient.sum((0, 2, 3)) if wanted[2] else None,
            None,
            None,
        )


def input_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """Of the loss by the input `BCHW`, from that by the output."""
    if max(stride) == 1:
        return _by_torch(gradient, x, weight, stride, padding, 0)
    kernel, before = weight.shape[2:], [k - 1 - p for k, p in zip(weight.shape[2:], padding, strict=True)]
    size = [n + k - 1 for n, k in zip(x.shape[2:], kernel, strict=True)]  # so that what comes out is x's
    stretched = gradient.new_zeros(*x.shape[:2], *size).contiguous(memory_format=torch.channels_last)
    # with more padding than the kernel reaches, the first outputs saw nothing of the input
    skipped = [-(-max(0, -b) // s) for b, s in zip(before, stride, strict=True)]
    rows, columns = (slice(b + s * n, None, s) for b, s, n in zip(before, stride, skipped, strict=True))
    target = stretched[:, :, rows, columns]
    used = gradient[:, :, skipped[0] :, skipped[1] :][:, :, : target.shape[2], : target.shape[3]]
    target[:, :, : used.shape[2], : used.shape[3]] = used
    return F.conv2d(stretched, weight.flip(2, 3), None, 1, 0, 1, x.shape[1])


def weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """Of the loss by the kernels `C1KK`: in windows of 3x3 of them, and with a stride for each of its phases
    by itself, as the kernel's weights of one phase all meet the same part of the input."""
    if max(weight.shape[2:]) <= FAST:
        return _by_torch(gradient, x, weight, stride, padding, 1)
    (height, width), (rows, columns) = weight.shape[2:], gradient.shape[2:]
    padded = F.pad(x, (padding[1], padding[1], padding[0], padding[0]))
    made = torch.empty_like(weight)
    for top in range(stride[0]):
        for left in range(stride[1]):
            part = padded[:, :, top :: stride[0], left :: stride[1]]
            down, across = (
                -(-(k - n) // s) for k, n, s in zip((height, width), (top, left), stride, strict=True)
            )
            for a in _windows(down):
                for b in _windows(across):
                    seen = part[:, :, a : a + rows + FAST - 1, b : b + columns + FAST - 1]
                    # zeros, where the window is wider than what is left of the kernel
                    lacking = [
                        n + FAST - 1 - have for n, have in zip((rows, columns), seen.shape[2:], strict=True)
                    ]
                    if any(lacking):
                        seen = F.pad(seen, (0, lacking[1], 0, lacking[0]))
                    found = _three(gradient, seen.contiguous(memory_format=torch.channels_last))
                    into = made[:, :, top :: stride[0], left :: stride[1]][:, :, a : a + FAST, b : b + FAST]
                    into.copy_(found[:, :, : into.shape[2], : into.shape[3]])
    return made


def _windows(count: int) -> list[int]:
    """Where windows of three begin that cover so many."""
    return sorted({min(start, max(0, count - FAST)) for start in range(0, count, FAST)})


def _three(gradient: Tensor, x: Tensor) -> Tensor:
    return _by_torch(gradient, x, x.new_empty(x.shape[1], 1, FAST, FAST), (1, 1), (0, 0), 1)


def _by_torch(gradient: Tensor, x: Tensor, weight: Tensor, stride: Pair, padding: Pair, which: int) -> Tensor:
    """torch's own gradient by the input (0) or the weights (1)."""
    mask = [which == 0, which == 1, False]
    made: Tensor = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, list(stride), list(padding), [1, 1], False, [0, 0], x.shape[1], mask
    )[which]
    return made
