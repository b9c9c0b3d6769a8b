"""Accepted wisdom as defaults: each choice with its reason and source."""

from __future__ import annotations

import math
from dataclasses import replace

from ..options import Stage
from ..values import Facts, Preprocessing
from .choices import Choices
from .start import Start

# Networks whose published recipes use an adaptive optimizer (or RMSProp), and whose depthwise
# convolutions train badly with plain SGD at the usual rates; the others' use SGD with momentum.
ADAPTIVE = ("efficientnet", "mobilenet", "mnasnet", "convnext", "regnet", "timm/", "shufflenet")


def preprocessing(choices: Choices, start: Start, facts: Facts) -> Preprocessing:
    """Input size, channels and normalisation: the weights' own where there are weights."""
    side = min(facts.width, facts.height)
    own = start.preprocessing
    if own is None:
        # others than the small network halve the picture five times before they look at the whole
        least, most = (8, 64) if start.network == "resnet9" else (64, 224)
        size = choices.pick("size", max(least, min(side, most)), f"the pictures' shorter side is {side} px")
        channels = choices.pick("channels", *_colours(facts))
        # batch normalisation makes the exact values immaterial; these bring pictures near mean 0, std 1
        return Preprocessing(size, channels, (0.5,) * channels, (0.25,) * channels)
    if not start.labels and side < own.size * 0.75:
        fit = min(own.size, max(64, math.ceil(side / 32) * 32))
        why = f"the pictures' shorter side is {side} px: enlarging to the weights' {own.size} px adds cost, no detail"
    else:
        fit, why = own.size, "the size the weights were trained at"
    size = choices.pick("size", fit, why)
    channels = choices.pick("channels", own.channels, "the weights' own")
    if channels != own.channels:
        mean, std = sum(own.mean) / own.channels, sum(own.std) / own.channels
        own = replace(own, channels=channels, mean=(mean,) * channels, std=(std,) * channels)
    return replace(own, size=size)


def _colours(facts: Facts) -> tuple[int, str]:
    return (1, "every picture is grey") if facts.grey else (3, "the pictures have colours")


def batch_size(choices: Choices, start: Start, count: int, device: str) -> int:
    """Pictures a step: what the hardware likes, and at least about ten steps an epoch."""
    if device == "cpu":
        best, why = (
            (64, "a processor's caches hold it")
            if start.state is None
            else (32, "a processor is no faster with more")
        )
    else:
        best, why = (256 if start.state is None else 64), "keeps a GPU busy"
    if start.state is None and count >= 20_000:
        best, why = max(best, 128), "He et al. 2016 for CIFAR-10; smoother gradients where data is plentiful"
    few = min(count, 2 ** int(math.log2(max(4, count / 10))))
    if few < best:
        best, why = few, f"so that {count:,} pictures still give about ten steps an epoch"
    batch: int = choices.pick("batch", best, why)
    return batch


def optimization(choices: Choices, start: Start, batch: int) -> dict[str, float | str]:
    """Optimizer, peak rate and weight decay, by network family and by where training starts."""
    adaptive = start.network.startswith(ADAPTIVE)
    scratch = start.state is None
    optimizer = choices.pick(
        "optimizer",
        "adamw" if adaptive else "sgd",
        "this family's own recipes are adaptive"
        if adaptive
        else "SGD with Nesterov momentum: the recipe of this family's papers",
    )
    if optimizer == "sgd":
        rate, why = (
            0.1 * batch / 128,
            "0.1 per 128 pictures (He et al. 2016), linear in the batch (Goyal et al. 2017)",
        )
        if not scratch:
            rate, why = 0.01, "the common rate for fine-tuning with SGD (Li et al. 2020)"
    else:
        rate, why = (1e-3 * math.sqrt(batch / 64), "1e-3 per 64 pictures, with the square root of the batch")
        if not scratch:
            rate, why = 2e-3, "fastai's base rate for fine-tuning; halved once the backbone joins the head"
    lr = choices.pick("lr", float(f"{rate:.3g}"), why)
    if optimizer == "sgd":
        decay, why = (
            (5e-4, "the usual for small networks from scratch") if scratch else (1e-4, "He et al. 2016")
        )
    else:
        decay, why = 0.05, "decoupled, as in Loshchilov & Hutter 2019 and ConvNeXt's recipe"
    weight_decay = choices.pick("weight_decay", decay, why + "; none on norms and biases")
    return {"optimizer": optimizer, "lr": lr, "weight_decay": weight_decay}


def stages(choices: Choices, start: Start, count: int, lr: float) -> tuple[Stage, ...]:
    """A head-only stage and then all layers when fine-tuning; one stage from scratch."""
    scratch = start.state is None
    if scratch:
        mode, why = "never", "nothing pretrained to protect"
    elif choices.given.epochs == 1:
        mode, why = "always", "a single epoch is the head's"
    else:
        mode = "first"
        why = "a new head's gradients would spoil good features: it learns alone first (Howard & Ruder 2018)"
    freeze = choices.pick("freeze", mode, why)
    if scratch:
        total = max(15, min(40, round(300_000 / count)))
        why = f"about 300,000 pictures seen, between 15 and 40 epochs of {count:,}"
    else:
        total = max(3, min(20, round(20_000 / count)))
        why = f"about 20,000 pictures seen, between 3 and 20 epochs of {count:,}"
    if choices.given.minutes is None:
        total = choices.pick("epochs", total, why)
    schedule = choices.pick(
        "schedule", "onecycle" if scratch else "cosine",
        "fastest from scratch (Smith & Topin 2018)" if scratch else "gentle on pretrained weights",
    )  # fmt: skip
    warmup = choices.pick("warmup", 0.25 if scratch else 0.1, "the schedule's usual share")
    decay = choices.pick(
        "layer_decay", 1.0 if scratch or freeze == "never" else 0.75,
        "all layers start from nothing" if scratch
        else "earlier layers are more general and change less (Howard & Ruder 2018)",
    )  # fmt: skip
    if freeze == "never":
        return (Stage("train", "all", total, lr, schedule, warmup, decay),)
    if freeze == "always" or total == 1:
        return (Stage("head", "head", total, lr, schedule, warmup),)
    alone = min(max(1, total // 5), max(1, total - 1))
    return (
        Stage("head", "head", alone, lr, schedule, warmup, share=0.15),
        Stage("all", "all", max(1, total - alone), lr / 2, schedule, warmup, decay, share=0.85),
    )


def variation(choices: Choices, facts: Facts) -> tuple[str, bool]:
    """The augmentation and whether pictures are mirrored."""
    augment = choices.pick("augment", "light", "keeps every label true; the cheapest regulariser there is")
    signs = facts.grey and max(facts.width, facts.height) <= 20
    flip = choices.pick(
        "flip", not signs,
        "tiny grey pictures are mostly signs, and a mirrored sign is another sign" if signs
        else "most things look the same mirrored; use --no-flip where they do not (letters, left and right)",
    )  # fmt: skip
    return augment, flip


def patience(choices: Choices, stages: tuple[Stage, ...]) -> int:
    """Epochs without progress before stopping: generous, as a falling rate brings late gains."""
    if choices.given.minutes is not None:
        limit, why = 10_000, "the minutes are the limit; the best model is kept whenever it was"
    else:
        total = max(stage.epochs for stage in stages)
        limit, why = max(5, total // 2), "half the epochs, at least 5: the falling rate brings late gains"
    chosen: int = choices.pick("patience", limit, why)
    return chosen
