"""Effective receptive fields: how much each pixel really matters to a unit, measured by gradients; and where, for
that, a unit is to be drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from .graph import Graph, Shape
from .layers import evaluating
from .placing import Grid
from .taps import passed

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


def shift(network: nn.Module, graph: Graph, place: int, grid: Grid) -> tuple[float, float]:
    """How far beside the centres of their receptive fields an operation's cells look, in pixels down and to the right.

    A receptive field's centre is where a cell with even weights would look. Trained weights may lean to one side, as
    they do where pictures are padded unevenly (TensorFlow's "same" padding of strided convolutions). So each cell
    around the middle of the picture is asked for the centre of gravity of its squared gradients by the pixels, of all
    channels with random signs, on pictures of clouds. What it is off counts by how near the cell is to the middle: what
    fields lose at the edges of the picture they then lose alike at both sides.
    """
    near = _around(graph.operations[place].shapes[0][2:], graph.shape[2:], grid)
    weight = next(network.parameters(), torch.zeros(0))
    draw = torch.Generator().manual_seed(0)
    with evaluating(network), torch.inference_mode(False), torch.enable_grad():
        total = torch.zeros(3, dtype=torch.float64)
        for row, column, share in near * (PICTURES // len(near)):
            picture = _clouds(graph.shape, draw).to(weight).requires_grad_()
            seen = passed(network, picture, graph, [place], whole=False)
            if place not in seen.edges:
                return 0.0, 0.0
            by = torch.zeros_like(seen.values[place])
            by[..., row, column] = (torch.randint(0, 2, by.shape[:2], generator=draw) * 2 - 1).to(by)
            (gradient,) = torch.autograd.grad(
                [seen.edges[place]], [picture], grad_outputs=[by], allow_unused=True
            )
            if gradient is None:
                return 0.0, 0.0
            energy = gradient[0].double().square().sum(0).cpu()
            whole = energy.sum()
            if whole > 0 and whole.isfinite():
                y, x = (
                    energy.sum(1 - axis) @ torch.arange(energy.shape[axis]).double() / whole
                    for axis in (0, 1)
                )
                off = [
                    y - grid.centre[0] - row * grid.jump[0],
                    x - grid.centre[1] - column * grid.jump[1],
                    1.0,
                ]
                total += share * torch.tensor(off, dtype=torch.float64)
    down, right, counted = total.tolist()
    return (down / counted, right / counted) if counted else (0.0, 0.0)


def _around(cells: Shape, picture: Shape, grid: Grid) -> list[tuple[int, int, float]]:
    """The row and column of one, two or four cells around the middle of the picture, and how near to it each is, as
    shares of 1."""
    rows = []
    for count, pixels, centre, jump in zip(cells, picture, grid.centre, grid.jump, strict=True):
        middle = min(max(((pixels - 1) / 2 - centre) / jump, 0), count - 1)
        rows.append([(n, 1 - abs(n - middle)) for n in range(count) if abs(n - middle) < 1])
    return [(row, column, y * x) for row, y in rows[0] for column, x in rows[1]]


def _clouds(shape: Shape, draw: torch.Generator) -> Tensor:
    """A grey picture `1CHW` with as much in it at every scale as photographs have (waves as 1 / frequency), normalised.
    White noise hardly reaches what deep layers have learned to see."""
    high, wide = shape[2:]
    waves = torch.hypot(torch.fft.fftfreq(high)[:, None], torch.fft.rfftfreq(wide)[None]).clamp(
        min=1 / max(high, wide)
    )
    noise = torch.fft.rfft2(torch.randn(high, wide, generator=draw))
    made: Tensor = torch.fft.irfft2(noise / waves, s=(high, wide))
    return ((made - made.mean()) / made.std().clamp(min=1e-9)).expand(1, *shape[1:]).clone()
