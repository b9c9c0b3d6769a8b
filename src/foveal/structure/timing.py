"""How long each layer of a network takes on this machine."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from .graph import Shape
from .layers import evaluating

PASSES = 5


def call_seconds(network: nn.Module, shape: Shape) -> tuple[list[float], float]:
    """Seconds of every module call that calls no other, in the order in which they end, and of the whole
    pass; each the median of five passes in evaluation mode after one that warms up. `shape` is `1CHW`.

    On a GPU each call is waited for, so that the sum is more than what the network takes when it may run
    ahead. The network's modes and hooks are afterwards as they were.
    """
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    picture = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    passes: list[list[float]] = []
    wholes: list[float] = []
    with evaluating(network), torch.inference_mode(), ExitStack() as hooks:
        stopwatch = _Stopwatch(device)
        for module in network.modules():
            hooks.callback(module.register_forward_pre_hook(stopwatch.enter).remove)
            hooks.callback(module.register_forward_hook(stopwatch.leave, always_call=True).remove)
        for _ in range(1 + PASSES):
            stopwatch.seconds = []
            began = stopwatch.now()
            network(picture)
            wholes.append(stopwatch.now() - began)
            passes.append(stopwatch.seconds)
    return [statistics.median(one) for one in zip(*passes[1:], strict=True)], statistics.median(wholes[1:])


class _Stopwatch:
    """Times the innermost module calls."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: list[float] = []
        self.stack: list[tuple[float, int]] = []

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def enter(self, module: nn.Module, inputs: Any) -> None:
        self.stack.append((self.now(), len(self.seconds)))

    def leave(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        began, before = self.stack.pop()
        if len(self.seconds) == before:  # nothing was called within
            self.seconds.append(self.now() - began)
