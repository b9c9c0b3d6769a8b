"""How this machine computes and reads: choices that change the time, not what is learned."""

from __future__ import annotations

import math
import os

import torch

from ..errors import OptionError
from ..machine import device, distributed
from ..options import Stage
from ..values import Dataset, Preprocessing
from . import keeping
from .batches import whole_batches
from .choices import Choices

STARTING = 15.0
"""Seconds until reading processes have loaded torch and read: measured beside a GPU, 8 of them on 16 cores."""
DECODED, VARIED = 5e7, 2e7
"""Pixels a second that one core decodes of a JPEG, and that it crops, scales and varies."""


def choose(
    choices: Choices,
    dataset: Dataset,
    preprocessing: Preprocessing,
    stages: tuple[Stage, ...],
    network: str,
    where: str,
) -> None:
    """Precision, layout, compiled code, watching, reading processes, and whether decoded pictures are kept.

    Raises:
        OptionError: a precision that the device has not.
    """
    _precision(choices, where)
    _layout(choices, network, where)
    choices.wanted("threads")
    choices.pick("watch", True, "what the doctor goes by: at most 2 % of the time, or a second")
    together = whole_batches(dataset, preprocessing, choices.filled(), 0) is not None
    _recorded(choices, where, together)
    workers = _workers(choices, where, together, _reading(choices, dataset, preprocessing, stages))
    keeping.choose(
        choices, dataset, preprocessing, stages, workers, together=together, training=distributed.beside()
    )


def _precision(choices: Choices, where: str) -> None:
    fast = device.fast_bf16(where)
    precision: str = choices.pick(
        "precision",
        "bf16" if fast else "fp32",
        "the hardware multiplies bfloat16 about twice as fast; weights stay fp32" if fast
        else "this hardware has no fast half precision",
    )  # fmt: skip
    if precision == "fp16" and not where.startswith("cuda"):
        raise OptionError(
            f"--precision fp16 was given for {where}.",
            "fp16 on CUDA GPUs; fp32 or bf16 everywhere.",
            "Give --precision bf16 or fp32, or leave it out.",
        )


def _layout(choices: Choices, network: str, where: str) -> None:
    last = device.likes_channels_last(network)
    choices.pick(
        "layout",
        "channels_last" if last else "contiguous",
        "most convolutions are faster with the channels last" if last
        else "grouped convolutions, which channels-last slows down (timm's tables)",
    )  # fmt: skip
    if choices.pick("compile", False, "compiling takes minutes, and on a CPU the steps get slower"):
        _try_compiler(where)


def _recorded(choices: Choices, where: str, together: bool) -> None:
    """Whether a GPU records its passes.

    Raises:
        OptionError: it is asked for where there is no CUDA GPU.
    """
    if not where.startswith("cuda"):
        if choices.given.cuda_graph:
            raise OptionError(
                f"--cuda-graph was given for {where}.",
                "CUDA GPUs, which can record what they are asked to do.",
                "Leave --cuda-graph out.",
            )
        return
    choices.pick(
        "cuda_graph",
        together,
        "pictures so small wait on the device: the processor would be slower to ask than the GPU to compute" if together
        else "large pictures keep a GPU busy however it is asked",
    )  # fmt: skip


def _try_compiler(where: str) -> None:
    """Refuse --compile where no compiler works, before a run is made."""
    try:
        torch.compile(lambda x: x.sin() + 1)(torch.zeros(2, device=where))
    except Exception as error:
        raise OptionError(
            f"--compile was given, and no compiler works here: {str(error).splitlines()[0]}",
            "A C++ compiler for a CPU, Triton for a GPU.",
            "Install one, or leave --compile out.",
        ) from error


def _reading(
    choices: Choices, dataset: Dataset, preprocessing: Preprocessing, stages: tuple[Stage, ...]
) -> float:
    """Seconds that one process would take to read and vary all pictures of the whole training; where minutes are
    planned, at most these."""
    train, facts = dataset.part("train"), dataset.facts
    if choices.given.minutes is not None:
        return choices.given.minutes * 60
    if facts is None:
        return math.inf
    decoding = 0.0 if all(item.frame is not None for item in train) else facts.width * facts.height / DECODED
    passes = sum(stage.views or stage.epochs for stage in stages)
    return len(train) * passes * (decoding + preprocessing.size**2 / VARIED)


def _workers(choices: Choices, where: str, together: bool, reading: float) -> int:
    cores = (os.cpu_count() or 1) // distributed.beside()
    if where == "cpu":
        count, why = 0, "training keeps every core busy already"
    elif choices.given.cache == "memory":
        count, why = 0, "other processes would hold a copy of the pictures each"
    elif together:
        count, why = 0, "all pictures lie on the device, and are varied there a batch at a time"
    elif reading < STARTING:
        count, why = 0, f"all reading takes about {reading:.0f} s, as long as other processes to begin"
    else:
        count, why = max(1, min(8, cores - 1)), "read beside the GPU"
    workers: int = choices.pick("workers", count, why)
    return workers
