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
    assert facts is not None
    choices = Choices(options)
    where, why = device.choose(options.device)
    choices.pick("device", where, why)
    task_name = choices.pick("task", dataset.task, dataset.why)
    task_module = catalog.find("tasks", task_name)
    for kind, name in (("schedules", options.schedule), ("augmentations", options.augment)):
        if name is not None:
            catalog.find(kind, name)
    start = choose(dataset, options)
    if options.freeze in ("first", "always") and start.state is None:
        raise OptionError(
            f"--freeze {options.freeze} was given, but {start.network} starts from scratch ({start.reason}).",
            "A backbone can be frozen only when it has learned something before.",
            "Leave --freeze out, or give pretrained weights with --weights.",
        )
    choices.pick("network", start.network, start.reason)
    pre = recipe.preprocessing(choices, start, facts)
    batch = recipe.batch_size(choices, start, count, where)
    _check_batch(batch, count)
    chosen = recipe.optimization(choices, start, batch)
    own = {name: choices.pick(name, *default) for name, default in task_module.DEFAULTS.items()}
    stages = recipe.stages(choices, start, count, float(chosen["lr"]))
    recipe.variation(choices, facts, count)
    patience = recipe.patience(choices, stages)
    precision = _precision(choices, where)
    _workers(choices, where)
    filled = choices.filled()
    task: Task = task_module.build(dataset.labels, **own)
    family = catalog.find("architectures", start.network)
    fit = FitOptions(
        stages=stages,
        optimizer=filled.optimizer or "sgd",
        momentum=filled.momentum,
        weight_decay=filled.weight_decay or 0.0,
        patience=patience,
        seed=filled.seed,
        device=where,
        precision=precision,  # type: ignore[arg-type]
        head=family.head(start.network),
        batch=batch,
        after=len(dataset.part("test")),
        deterministic=filled.deterministic,
    )
    architecture = {
        "name": start.network,
        "outputs": task.outputs,
        "channels": pre.channels,
        "size": pre.size,
    }
    return Plan(
        filled,
        tuple(choices.made),
        fit,
        task,
        start,
        pre,
        architecture,
        channels_last=not start.network.startswith(CHANNELS_FIRST),
        warnings=tuple(_warnings(options, filled)),
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
