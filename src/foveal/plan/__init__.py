"""Chooses what the user left open, each choice with its reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch

from .. import catalog
from ..contracts import Task
from ..errors import OptionError
from ..loop import optimizers
from ..machine import device
from ..options import FitOptions, TrainOptions, flag
from ..structure.transplant import channels_in_words
from ..trust import SEEN
from ..values import Choice, Dataset, Preprocessing
from . import machine, recipe
from .choices import Choices
from .start import DEFAULT, Start, choose

__all__ = ["Plan", "Start", "choose", "make"]

LABELLED = ("classify", "multilabel", "regress")
"""Tasks of networks that say nothing of theirs: one output a label or number."""
ALONE = ("grow", "erase", "train_size", "frozen_views", "solve")
"""Options that do something to a picture, or to its features, that what lies on it would not go along with."""
DENSE = {
    "frozen_views": (0, "what lies on the pictures is moved with them: they are seen anew in every epoch"),
    "solve": (False, "a head that draws a map is no linear problem"),
}


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
    _check_names(options)
    choices = Choices(options, min(facts.width, facts.height))
    where = choices.pick("device", *device.choose(options.device))
    task = _task(choices, dataset)
    begin = _begun(choices, dataset, task)
    scale = getattr(catalog.find("tasks", task.name), "SCALE", None)
    pre = recipe.preprocessing(choices, begin, facts, scale)
    begin = _for_channels(begin, pre.channels)
    stem = recipe.stem(choices, begin, pre.size)
    batch = recipe.batch_size(choices, begin, count, where)
    _check_batch(batch, count)
    pieces = recipe.pieces(choices, batch, pre.size, where)
    moves = recipe.optimization(choices, begin, batch)
    stages = recipe.stages(choices, begin, count, float(moves.pop("lr")))
    ema = recipe.averaging(choices)
    recipe.variation(choices, facts, task)
    _check_augmentation(choices.filled().augment, task)
    one = "each picture as it is; more views cost as many times the time"
    pre = dataclasses.replace(pre, views=choices.pick("views", 1, one))
    recipe.regularisation(choices)
    patience = recipe.patience(choices, stages)
    machine.choose(choices, dataset, pre, stages, begin.network, where)
    filled, family = choices.filled(), catalog.find("architectures", begin.network)
    fit = FitOptions(
        stages=stages,
        **moves,
        pieces=pieces,
        ema=ema,
        mixup=filled.mixup or 0.0,
        cutmix=filled.cutmix or 0.0,
        erase=filled.erase or 0.0,
        grow=filled.grow or 1.0,
        patience=patience,
        seed=filled.seed,
        device=where,
        precision=filled.precision or "fp32",
        head=family.head(begin.network),
        batch=batch,
        after=len(dataset.part("test") or dataset.part("val")) + len(dataset.part("val")) + min(SEEN, count),
        deterministic=filled.deterministic,
        threads=filled.threads,
        compiled=bool(filled.compile),
        cuda_graph=bool(filled.cuda_graph),
        keep=filled.keep or "best",
        sync_norm=filled.sync_norm,
    )
    architecture = _architecture(begin, task, dataset, pre, stem)
    said = (*_warnings(options, filled), *_remarks(dataset, task, pre.size, architecture))
    return Plan(
        filled, tuple(choices.made), fit, task, begin, pre, architecture, filled.layout == "channels_last", said
    )  # fmt: skip


def _remarks(dataset: Dataset, task: Task, size: int, architecture: dict[str, Any]) -> tuple[str, ...]:
    """What the task says of the data at this size, and the network of what building it adds."""
    of_data = getattr(catalog.find("tasks", task.name), "remarks", None)
    of_network = getattr(_family(architecture["name"]), "remarks", None)
    return (
        *(of_data(dataset, size) if of_data else ()),
        *(of_network(architecture) if of_network else ()),
    )


def _begun(choices: Choices, dataset: Dataset, task: Task) -> Start:
    """The network and where it starts from, recorded."""
    begin = choose(dataset, _start_options(choices))
    _check_freeze(choices.given.freeze or choices.recipe.values.get("freeze"), begin)
    _check_network(begin, task)
    other = begin.network != choices.recipe.values.get("network")
    choices.adjusted("network", *_named(choices, begin), (begin.network, begin.reason) if other else None)
    return begin


def _architecture(
    begin: Start, task: Task, dataset: Dataset, pre: Preprocessing, stem: str
) -> dict[str, Any]:
    """What a model's card says of its network: all that building it needs."""
    family = catalog.find("architectures", begin.network)
    told = family.told(begin.network, dataset, pre.size) if hasattr(family, "told") else {}
    own = {"name": begin.network, "outputs": task.outputs, "channels": pre.channels, "size": pre.size}
    # as published is not said, so that cards are as they were before there was a choice
    options = {k: v for k, v in {**begin.options, "stem": stem}.items() if (k, v) != ("stem", "published")}
    return {**own, **options, **task.building(), **told}


def _for_channels(begin: Start, channels: int) -> Start:
    """The start, which says how its weights come to take so many channels."""
    own = begin.preprocessing
    if begin.state is None or own is None or own.channels == channels:
        return begin
    return dataclasses.replace(begin, adapted=channels_in_words(own.channels, channels))


def _check_names(options: TrainOptions) -> None:
    for kind, name in (("schedules", options.schedule), ("augmentations", options.augment)):
        if name is not None:
            catalog.find(kind, name)
    if options.optimizer is not None:
        optimizers.check(options.optimizer)


def _task(choices: Choices, dataset: Dataset) -> Task:
    """The task the data poses, with its own options filled in."""
    module = catalog.find("tasks", choices.pick("task", dataset.task, dataset.why))
    wants = module.prefers(dataset) if hasattr(module, "prefers") else {}
    choices.preferred = wants  # which may hold the task's own options, where the data tells them
    own = {name: choices.pick(name, *default) for name, default in module.DEFAULTS.items()}
    balance = choices.pick("balance", "none", "every picture counts the same, as it does in the headline")
    if balance != "none":
        weighed = getattr(module, "weighed", None)
        weights = weighed(dataset, balance) if weighed else _class_weights(dataset)
        if balance == "weights":
            own["class_weights"] = weights
    told = module.from_data(dataset) if hasattr(module, "from_data") else {}
    task: Task = module.build(dataset.labels, **own, **told)
    choices.preferred = {**(DENSE if task.dense else {}), **wants, **getattr(task, "wants", {})}
    _check_task(choices, task, own)
    return task


def _check_task(choices: Choices, task: Task, own: Mapping[str, Any]) -> None:
    """Refuse options that mean something to other tasks only.

    Raises:
        OptionError: naming the option and the task.
    """
    others = {name for kind in catalog.names("tasks") for name in catalog.find("tasks", kind).DEFAULTS}
    senseless = [name for name in sorted(others - set(own)) if getattr(choices.given, name, None) is not None]
    mixing = [name for name in ("mixup", "cutmix") if getattr(choices.given, name)]
    if mixing and task.mix(torch.zeros(2, task.outputs), torch.tensor([1, 0]), 0.5) is None:
        senseless += mixing
    if task.dense:
        senseless += [name for name in ALONE if getattr(choices.given, name)]
    if senseless:
        raise OptionError(
            f"{flag(senseless[0])} was given, but the task is {task.name}, to which it means nothing.",
            "Options that the task has; see what each means with --help.",
            f"Leave {flag(senseless[0])} out, or give another --task.",
        )


def _check_network(begin: Start, task: Task) -> None:
    """Refuse a network made for other tasks.

    Raises:
        OptionError: naming networks that are for this task.
    """
    if task.name in tasks_of(begin.network) or not (task.dense or hasattr(_family(begin.network), "tasks")):
        return
    suited = [name for name in catalog.names("architectures") if task.name in tasks_of(name)]
    raise OptionError(
        f"The network {begin.network} is made for the task {' or '.join(tasks_of(begin.network))}, and the task is "
        f"{task.name}.",
        f"Networks for {task.name}: {', '.join(name for name in suited if not name.endswith('/'))[:600]}.",
        "Choose another --network (or another --task), or leave it out.",
    )


def _check_augmentation(name: str | None, task: Task) -> None:
    """Refuse ways of varying pictures that are made for other tasks.

    Raises:
        OptionError: naming those tasks.
    """
    suited = getattr(catalog.find("augmentations", name or "none"), "TASKS", (task.name,))
    if task.name not in suited:
        raise OptionError(
            f"--augment {name} was given, which is made for {' and '.join(suited)}, and the task is {task.name}.",
            f"Ways to vary pictures: {', '.join(catalog.names('augmentations'))}.",
            "Choose another --augment, or leave it out.",
        )


def tasks_of(network: str) -> tuple[str, ...]:
    """The tasks that a network is made for."""
    family = _family(network)
    own: tuple[str, ...] = family.tasks(network) if hasattr(family, "tasks") else LABELLED
    return own


def _family(network: str) -> ModuleType:
    return catalog.find("architectures", network)


def _named(choices: Choices, begin: Start) -> tuple[str, str]:
    """The network and why; where the task prefers it, for the task's reason too."""
    wanted, why = choices.preferred.get("network", (None, ""))
    if choices.given.network is not None or wanted != begin.network:
        choices.preferred = {k: v for k, v in choices.preferred.items() if k != "network"}
        return begin.network, begin.reason
    choices.preferred = {**choices.preferred, "network": (begin.network, f"{why}; {begin.reason}")}
    return begin.network, begin.reason


def _class_weights(dataset: Dataset) -> tuple[float, ...]:
    """One weight a label, inverse to how often training pictures bear it; its mean over those is 1.

    Raises:
        OptionError: the data has no classes.
    """
    often = dataset.counts().get("train", {})
    if not dataset.labels or not often:
        raise OptionError(
            f"--balance was given, but the task is {dataset.task}, without classes.",
            "Data with classes, of which some are rare.",
            "Leave --balance out.",
        )
    total = sum(often.values())
    return tuple(total / (len(often) * often[label]) if label in often else 1.0 for label in dataset.labels)


def _start_options(choices: Choices) -> TrainOptions:
    """Which network and weights were asked for, by the user or else by the recipe."""
    given, own = choices.given, choices.recipe.values
    preferred = choices.preferred.get("network", (None,))[0]
    if given.weights is not None:
        return given
    if given.pretrained:
        return dataclasses.replace(given, network=given.network or preferred)
    pretrained = choices.wanted("pretrained")
    network = given.network or own.get("network") or preferred
    if network is None and pretrained is None and (given.freeze or own.get("freeze")) not in (None, "never"):
        network = DEFAULT  # a backbone to be frozen must have learned something
    return dataclasses.replace(given, pretrained=pretrained, network=network)


def _check_freeze(freeze: str | int | None, begin: Start) -> None:
    if freeze not in (None, "never") and begin.state is None:
        raise OptionError(
            f"--freeze {freeze} needs a backbone that has learned, and {begin.network} starts from scratch: "
            f"{begin.reason}.",
            "A backbone can be frozen only when it has learned something before.",
            "Leave --freeze (or the --recipe) out, or give pretrained weights with --weights.",
        )


def _check_batch(batch: int, count: int) -> None:
    if batch > count:
        raise OptionError(
            f"--batch {batch} is larger than the data: there are {count:,} training pictures.",
            f"--batch from 1 to {count}.",
            "Give a smaller --batch, or leave it out.",
        )


def _warnings(given: TrainOptions, filled: TrainOptions) -> list[str]:
    """Sentences about values that are allowed but seldom work."""
    said = []
    low, limit = optimizers.usual_rates(filled.optimizer or "sgd")
    if given.lr is not None and given.lr > limit:
        said.append(
            f"--lr {given.lr:g} is far above what {filled.optimizer} bears (usually {low:g} to {limit:g}): "
            "expect the loss to explode. If it does, training goes back and divides the rate by ten, twice"
        )
    if given.lr is not None and given.lr < low:
        said.append(f"--lr {given.lr:g} is so small that hardly anything will be learned")
    return said
