"""Muon as the CIFAR-10 speed record has it: kernels move in orthogonal steps, all else by SGD.

torch's and timm's Muon make the same steps, but leave kernels to grow (torch's takes only matrices) and
hand the rest to AdamW. Here each kernel is brought back to its length before every step, so that the rate
alone says how far it turns; where a norm follows each convolution, lengths mean nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

SOURCE = (
    "Jordan 2024, Muon: An Optimizer for Hidden Layers in Neural Networks; its form, rates and three "
    "iterations from airbench94_muon"
)
BATCH = 2000
LR = 0.24
MOMENTUM = 0.6
DECAY = 2e-6 * BATCH
"""Share of the other weights that is lost in a step at the peak rate."""
OTHERS = 0.67 * BATCH * (9 / 256) ** 2 / LR
"""SGD's rate beside the kernels'. The record's 0.67 is for gradients summed over the batch and outputs
divided by 256; here they are means, and features divided by 9. For 2000 pictures that is 1.66: He et al.
2016's 0.1 per 128."""
OTHERS_MOMENTUM = 0.85
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Of all a x + b x^3 + c x^5 that do not overshoot much, the steepest at 0 (Jordan 2024)."""
STEPS = 3
TINY = 1e-7


class Muon(torch.optim.Optimizer):
    """Muon for what has more than two dimensions, SGD for the rest, both with Nesterov momentum.

    `lr` and `momentum` are the kernels'; others have `OTHERS` times the rate. `weight_decay` is decoupled
    from it: in a step they lose `lr * weight_decay` of themselves. Kernels have a fixed length and lose
    nothing. Nothing in a step waits for a GPU; where a group's `lr` is a tensor, a captured step follows it.
    """

    replayable = True
    """A recorded step follows rates that are tensors (see `recorded`)."""

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = LR,
        momentum: float = MOMENTUM,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step along the gradients that are there."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        kernels: dict[tuple[int, int], list[tuple[Tensor, Tensor, float | Tensor]]] = {}
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            others = [p for p in moved if p.dim() <= 2]
            if others:
                self._descend(others, group)
            whole = [p for p in moved if p.dim() > 2]
            for p, way in zip(whole, self._ways(whole, group["momentum"]), strict=True):
                shape = (len(p), p.numel() // len(p))
                kernels.setdefault(shape, []).append((p, way, group["lr"]))
        for shape, alike in kernels.items():  # matrices of one shape go through the products together
            flat = torch.stack([way.reshape(shape) for _, way, _ in alike])
            # on a GPU in bf16, whose errors are smaller than those that the iteration leaves
            flat = flat.bfloat16() if flat.is_cuda else flat
            for (p, _, lr), turn in zip(alike, orthogonal(flat), strict=True):
                p.mul_(math.sqrt(len(p)) / p.norm().clamp(min=TINY))
                p.sub_(turn.reshape(p.shape).to(p.dtype) * lr)
        return loss

    def _descend(self, others: list[Tensor], group: dict[str, Any]) -> None:
        """SGD with Nesterov momentum, its decay added to the gradient as torch does."""
        gradients = _gradients(others)
        if group["weight_decay"]:
            gradients = list(torch._foreach_add(gradients, others, alpha=group["weight_decay"] / OTHERS))
        ways = self._along(others, gradients, OTHERS_MOMENTUM)
        torch._foreach_sub_(others, torch._foreach_mul(ways, OTHERS * group["lr"]))

    def _ways(self, kernels: list[Tensor], momentum: float) -> list[Tensor]:
        return self._along(kernels, _gradients(kernels), momentum) if kernels else []

    def _along(self, moved: list[Tensor], gradients: list[Tensor], momentum: float) -> list[Tensor]:
        """Where Nesterov momentum points; the buffers go on."""
        for p in moved:
            if "momentum_buffer" not in self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
        buffers = [self.state[p]["momentum_buffer"] for p in moved]
        torch._foreach_mul_(buffers, momentum)
        torch._foreach_add_(buffers, gradients)
        return list(torch._foreach_add(gradients, buffers, alpha=momentum))


def _gradients(moved: list[Tensor]) -> list[Tensor]:
    return [p.grad for p in moved if p.grad is not None]


def orthogonal(matrices: Tensor, steps: int = STEPS) -> Tensor:
    """Each of `BNM` with its singular values brought near 1 (0.68 to 1.21), by products alone: a Newton-Schulz
    iteration. Values below about a fiftieth of the matrix's length take more steps than three."""
    a, b, c = QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=TINY)
    for _ in range(steps):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
