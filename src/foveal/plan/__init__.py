"""Chooses what the user left open, each choice with its reason."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from .. import catalog, device
from ..contracts import Task
from ..errors import OptionError
from ..options import FitOptions, TrainOptions, tuning_ranges
from ..values import Choice, Dataset, Preprocessing
from . import recipe
from .choices import Choices
from .start import Start, choose

__all__ = ["Plan", "Start", "choose", "make"]

# Mostly grouped convolutions, which channels-last halves (timm's tables, RTX 3090, AMP training)
CHANNELS_FIRST = ("regnet", "timm/regnet", "timm/nfnet", "timm/repvgg")


@dataclass(frozen=True)
class Plan:
    """Everything a run needs to know before its first step."""

    options: TrainOptions
    choices: tuple[Choice, ...]
    fit: FitOptions
    task: Task
    start: Start
    preprocessing: Preprocessing
    architecture: dict[str, Any]
    channels_last: bool
    warnings: tuple[str, ...] = ()


def make(dataset: Dataset, options: TrainOptions) -> Plan:
    """The plan for this data on this machine. `dataset` is examined and split.

    Raises:
        OptionError, ModelError, OfflineError, DataError: what was asked for cannot be.
    """
    facts, count = dataset.facts, len(dataset.part("train"))
    assert facts is not None, "the data set was examined"
    for kind, name in (("schedules", options.schedule), ("augmentations", options.augment)):
        if name is not None:
            catalog.find(kind, name)
    choices = Choices(options)
    where = choices.pick("device", *device.choose(options.device))
    task = _task(choices, dataset)
    begin = choose(dataset, options)
    _check_freeze(options, begin)
    choices.pick("network", begin.network, begin.reason)
    pre = recipe.preprocessing(choices, begin, facts)
    batch = recipe.batch_size(choices, begin, count, where)
    _check_batch(batch, count)
    rates = recipe.optimization(choices, begin, batch)
    stages = recipe.stages(choices, begin, count, float(rates["lr"]))
    recipe.variation(choices, facts)
    patience = recipe.patience(choices, stages)
    precision = _precision(choices, where)
    _workers(choices, where)
    filled = choices.filled()
    fit = FitOptions(
        stages=stages,
        optimizer=rates["optimizer"],  # type: ignore[arg-type]
        momentum=filled.momentum,
        weight_decay=float(rates["weight_decay"]),
        patience=patience,
        seed=filled.seed,
        device=where,
        precision=precision,  # type: ignore[arg-type]
        head=catalog.find("architectures", begin.network).head(begin.network),
        batch=batch,
        after=len(dataset.part("test") or dataset.part("val")),
        deterministic=filled.deterministic,
    )
    architecture = {
        "name": begin.network,
        "outputs": task.outputs,
        "channels": pre.channels,
        "size": pre.size,
    }
    last = not begin.network.startswith(CHANNELS_FIRST)
    said = tuple(_warnings(options, filled))
    return Plan(filled, tuple(choices.made), fit, task, begin, pre, architecture, last, said)


def _task(choices: Choices, dataset: Dataset) -> Task:
    """The task the data poses, with its own options filled in."""
    module = catalog.find("tasks", choices.pick("task", dataset.task, dataset.why))
    own = {name: choices.pick(name, *default) for name, default in module.DEFAULTS.items()}
    task: Task = module.build(dataset.labels, **own)
    return task


def _check_freeze(options: TrainOptions, begin: Start) -> None:
    if options.freeze in ("first", "always") and begin.state is None:
        raise OptionError(
            f"--freeze {options.freeze} was given, but {begin.network} starts from scratch: {begin.reason}.",
            "A backbone can be frozen only when it has learned something before.",
            "Leave --freeze out, or give pretrained weights with --weights.",
        )


def _check_batch(batch: int, count: int) -> None:
    if batch > count:
        raise OptionError(
            f"--batch {batch} is larger than the data: there are {count:,} training pictures.",
            f"--batch from 1 to {count}.",
            "Give a smaller --batch, or leave it out.",
        )


def _precision(choices: Choices, where: str) -> str:
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
    return precision


def _workers(choices: Choices, where: str) -> None:
    cores = os.cpu_count() or 1
    choices.pick(
        "workers",
        0 if where == "cpu" else max(1, min(8, cores - 1)),
        "training keeps every core busy already" if where == "cpu" else "read beside the GPU",
    )


def _warnings(given: TrainOptions, filled: TrainOptions) -> list[str]:
    """Sentences about values that are allowed but seldom work."""
    said = []
    limit = {"sgd": 1.0, "adamw": 0.01}[filled.optimizer or "sgd"]
    if given.lr is not None and given.lr > limit:
        usual = tuning_ranges(TrainOptions)["lr"]
        said.append(
            f"--lr {given.lr:g} is far above what {filled.optimizer} bears (usually {usual.low:g} to {limit:g}): "
            "expect the loss to explode. If it does, training goes back and divides the rate by ten, twice"
        )
    if given.lr is not None and given.lr < usual_low(filled):
        said.append(f"--lr {given.lr:g} is so small that hardly anything will be learned")
    return said


def usual_low(filled: TrainOptions) -> float:
    """The smallest rate that the optimizer is usually given."""
    return {"sgd": 1e-4, "adamw": 1e-6}[filled.optimizer or "sgd"]
