"""The one evaluator: for training's check, the evaluate verb, and exported models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..contracts import Meter, Source, Task
from ..machine.device import autocast, free_memory, is_out_of_memory
from ..machine.distributed import ALONE, Crew
from ..machine.pieces import pieces_of, side_by_side
from ..structure.layers import evaluating
from ..values import Batch, Evaluation, Step

Made = TypeVar("Made")


def evaluate(
    network: nn.Module,
    task: Task,
    batches: Source,
    split: str,
    device: str = "cpu",
    precision: str = "fp32",
    crew: Crew = ALONE,
) -> Evaluation:
    """Judge a network on a split; the mode of each of its modules is as before afterwards.

    Out of memory is met by smaller pieces, as in training. Several processes each see their run of the batches, as
    one would; what all have gathered is judged by the first, and the others are told its figures.
    """
    meter = task.meter()

    def forward(batch: Batch) -> Step:
        with torch.inference_mode(), autocast(device, precision):
            return task.step(network, batch)

    sweep(network, batches, device, forward, meter.add, precision)
    if crew.alone:
        return meter.result(split)
    meters = crew.collected(_brought(meter))
    judged = _joined(meters).result(split) if crew.rank == 0 else None
    figures = crew.told(judged and replace(judged, per_class=[], confusion=[], examples=[]))
    found = judged or figures
    assert found is not None
    return found


def _brought(meter: Meter) -> Meter:
    """The meter with its tensors on the CPU, from where they can be sent."""
    for name, value in vars(meter).items():
        if isinstance(value, list):
            setattr(meter, name, [one.cpu() if isinstance(one, Tensor) else one for one in value])
    return meter


def _joined(meters: Sequence[Meter]) -> Meter:
    """One meter that has gathered what these have, in their order."""
    whole = meters[0]
    for name, value in vars(whole).items():
        if isinstance(value, list):
            setattr(whole, name, [one for meter in meters for one in getattr(meter, name)])
    return whole


def sweep(
    network: nn.Module,
    batches: Source,
    device: str,
    forward: Callable[[Batch], Made],
    take: Callable[[Made, Batch], None],
    precision: str = "fp32",
) -> None:
    """`take` what `forward` makes of each batch of a split, in evaluation mode and in order; the mode of
    each module is as before afterwards.

    A batch comes in pieces: on a processor several threads call `forward` at a time, and where memory does
    not suffice the pieces get smaller. Each picture is taken once, in its turn, by the calling thread.
    """
    channels_last = is_channels_last(network)
    smaller = 1

    def work(piece: Batch) -> tuple[Made, Batch]:
        batch = batches.to(piece, device, channels_last)
        return forward(batch), batch

    with evaluating(network), side_by_side() as run:
        for raw in batches.epoch(0):
            while True:
                pieces = raw.split(smaller * pieces_of(raw.images, device, precision))
                try:
                    made = run(work, pieces)
                    break
                except RuntimeError as error:
                    if not is_out_of_memory(error) or len(pieces) == len(raw.ids):
                        raise
                    smaller *= 2
                free_memory(device)
            for result, batch in made:
                take(result, batch)


def is_channels_last(network: nn.Module) -> bool:
    """Whether the network's kernels lie channels last, and so its pictures should."""
    return any(
        p.dim() == 4
        and p.shape[1] > 1
        and p.is_contiguous(memory_format=torch.channels_last)
        and not p.is_contiguous()
        for p in network.parameters()
    )
