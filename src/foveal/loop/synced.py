"""Batch normalisation over the pictures of all processes: in training, its statistics are those of the whole batch.

What torch's `SyncBatchNorm` does on GPUs is done here on any device and for every module that normalises through
`torch.nn.functional.batch_norm`, without a module being replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

SOURCE = "Peng et al. 2018, MegDet, section 3.2; pooled variances: Chan et al. 1979"


@contextmanager
def synchronised(wanted: bool) -> Iterator[None]:
    """Inside, where that is wanted, batch normalisation in training mode takes its statistics over all processes.
    All of them must pass the same layers as often."""
    if not wanted:
        yield
        return
    with _Synchronised():
        yield


class _Synchronised(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm and kwargs.get("training", args[5] if len(args) > 5 else False):
            return normalised(*args, **kwargs)
        return func(*args, **kwargs)


class _Gathered(torch.autograd.Function):
    """`N` of each process -> `RN`, in their order; the gradient is the sum over what each made of it."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor) -> Tensor:
        parts = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, mine.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        whole = gradients[0].contiguous()
        dist.all_reduce(whole)
        return whole[dist.get_rank()]


def normalised(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`torch.nn.functional.batch_norm` in training, of `BC...` of all processes together."""
    x = input if input.dtype == torch.float64 else input.float()
    over = [0, *range(2, x.dim())]
    count = x.new_full((1,), x.numel() // x.shape[1])
    var, mean = torch.var_mean(x, over, correction=0)
    counts, means, variances = _gathered(torch.cat([count, mean, var]), x.shape[1])
    total = counts.sum()
    shares = counts / total
    whole = (shares * means).sum(0)
    spread = (shares * (variances + (means - whole).square())).sum(0)
    with torch.no_grad():
        if running_mean is not None:
            running_mean.lerp_(whole.to(running_mean.dtype), momentum)
        if running_var is not None:
            unbiased = spread * (total / (total - 1).clamp_min(1))
            running_var.lerp_(unbiased.to(running_var.dtype), momentum)
    scale = (spread + eps).rsqrt()
    if weight is not None:
        scale = scale * weight
    sides = (1, -1, *(1 for _ in over[1:]))
    made = (x - whole.view(sides)) * scale.view(sides)
    return (made if bias is None else made + bias.view(sides)).to(input.dtype)


def _gathered(mine: Tensor, channels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Counts `R1`, means `RC` and variances `RC` of all processes."""
    every: Tensor = _Gathered.apply(mine)
    counts, means, variances = torch.split(every, [1, channels, channels], dim=1)
    return counts.detach(), means, variances
