"""The one evaluator: for training's check, the evaluate verb, and exported models."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from .contracts import Source, Task
from .device import autocast, free_memory, is_out_of_memory
from .values import Batch, Evaluation, Step

Made = TypeVar("Made")


def evaluate(
    network: nn.Module, task: Task, batches: Source, split: str, device: str = "cpu", precision: str = "fp32"
) -> Evaluation:
    """Judge a network on a split; the mode of each of its modules is as before afterwards.

    Out of memory is met by smaller pieces, as in training.
    """
    meter = task.meter()

    def forward(batch: Batch) -> Step:
        with torch.inference_mode(), autocast(device, precision):
            return task.step(network, batch)

    sweep(network, batches, device, forward, meter.add)
    return meter.result(split)


def sweep(
    network: nn.Module,
    batches: Source,
    device: str,
    forward: Callable[[Batch], Made],
    take: Callable[[Made, Batch], None],
) -> None:
    """`take` what `forward` makes of each batch of a split, in evaluation mode and in order; the mode of
    each module is as before afterwards.

    Where memory does not suffice for a batch, it comes in pieces; each picture is taken once.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    channels_last = is_channels_last(network)
    pieces = 1
    try:
        for raw in batches.epoch(0):
            batch = batches.to(raw, device, channels_last)
            while True:
                try:
                    made = [(forward(piece), piece) for piece in batch.split(pieces)]
                    break
                except RuntimeError as error:
                    if not is_out_of_memory(error) or pieces >= len(batch.ids):
                        raise
                    pieces *= 2
                free_memory(device)
            for result, piece in made:
                take(result, piece)
    finally:
        for module, training in modes:
            module.training = training


def is_channels_last(network: nn.Module) -> bool:
    """Whether the network's kernels lie channels last, and so its pictures should."""
    return any(
        p.dim() == 4
        and p.shape[1] > 1
        and p.is_contiguous(memory_format=torch.channels_last)
        and not p.is_contiguous()
        for p in network.parameters()
    )
