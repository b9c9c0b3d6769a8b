"""Effective receptive fields: how much each pixel really matters to a unit, measured by gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from .graph import Shape
from .layers import evaluating

SOURCE = "Luo, Li, Urtasun & Zemel 2016, Understanding the Effective Receptive Field in Deep CNNs (NeurIPS)"
PICTURES = 8
EDGE = 0.0455
"""A pixel counts where its gradient is at least this share of the largest: two standard deviations of a
Gaussian, as in the paper (section 3)."""


def effective(network: nn.Module, layers: Sequence[str], shape: Shape) -> dict[str, Tensor]:
    """For each layer (a module's name) a map `HW` of the picture's size: the absolute gradient of the unit in
    the middle of its output, over all its channels, by each pixel, from 0 to 1, mean over eight pictures of
    noise. The network is seen as it is, in evaluation mode; layers whose output is no map `BCHW` are left out.

    The gradient is taken of the channels' sum with random signs, so that they do not cancel out always alike.
    Modes, hooks and gradients are afterwards as they were.
    """
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    draw = torch.Generator().manual_seed(0)
    made: dict[str, Tensor] = {}
    total: dict[str, Tensor] = {}
    with evaluating(network), ExitStack() as hooks:
        for name in layers:
            hooks.callback(network.get_submodule(name).register_forward_hook(_keep(made, name)).remove)
        for _ in range(PICTURES):
            picture = torch.randn(shape, generator=draw).to(device).requires_grad_()
            with torch.enable_grad():
                network(picture)
            for name, output in made.items():
                if output.dim() != 4:
                    continue
                unit = output[0, :, output.shape[2] // 2, output.shape[3] // 2]
                signs = torch.randint(0, 2, unit.shape, generator=draw).to(unit) * 2 - 1
                (gradient,) = torch.autograd.grad((unit * signs).sum(), picture, retain_graph=True)
                seen = gradient[0].abs().sum(0).cpu()
                total[name] = total[name] + seen if name in total else seen
            made.clear()
    return {name: seen / seen.max().clamp_min(1e-30) for name, seen in total.items()}


def side(seen: Tensor) -> float:
    """The side in pixels of a square of as many pixels as matter."""
    return math.sqrt(int((seen >= EDGE).sum()))


def _keep(made: dict[str, Tensor], name: str) -> Any:
    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            made[name] = output.clone()  # a layer after it may work in place

    return keep
