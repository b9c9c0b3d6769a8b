"""Accepted wisdom as defaults: each choice with its reason and source."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from .. import catalog
from ..contracts import Task
from ..errors import OptionError
from ..loop import muon, optimizers
from ..options import Stage, flag
from ..values import Facts, Preprocessing
from .choices import Choices
from .start import Start
from .view import MAGNITUDE

# Networks whose published recipes use an adaptive optimizer (or RMSProp), and whose depthwise
# convolutions train badly with plain SGD at the usual rates; the others' use SGD with momentum.
ADAPTIVE = (
    *("efficientnet", "mobilenet", "mnasnet", "convnext", "regnet", "timm/", "shufflenet"),
    *("vit", "swin", "maxvit"),
)
PLAIN = ("alexnet", "vgg", "squeezenet")
"""Without normalisation, unless their names end in bn: at the others' rate they learn nothing."""


def preprocessing(
    choices: Choices, start: Start, facts: Facts, scale: tuple[float, float] | None = None
) -> Preprocessing:
    """Input size, channels and normalisation: the weights' own where there are weights; else `scale`, the mean and
    the standard deviation that the task wants."""
    side = min(facts.width, facts.height)
    own = start.preprocessing
    if own is None:
        least, most = _sizes(start.network)
        size = choices.pick("size", max(least, min(side, most)), f"the pictures' shorter side is {side} px")
        channels = choices.pick("channels", *_colours(facts))
        # batch normalisation makes the exact values immaterial; these bring pictures near mean 0, std 1
        mean, std = scale or (0.5, 0.25)
        return Preprocessing(size, channels, (mean,) * channels, (std,) * channels)
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


def _sizes(network: str) -> tuple[int, int]:
    """The least and the largest side that a network from scratch is trained on. Most halve the picture five
    times before they look at the whole."""
    family = catalog.find("architectures", network)
    sides: tuple[int, int] = family.sizes(network) if hasattr(family, "sizes") else (64, 224)
    return sides


def stem(choices: Choices, start: Start, size: int) -> str:
    """Which first layers the network has; recorded only where it has a small stem, or one was asked for.

    Raises:
        OptionError: a small stem was given for a network that has none.
    """
    family, own = catalog.find("architectures", start.network), start.options.get("stem")
    below = family.small_stem(start.network) if hasattr(family, "small_stem") else 0
    if not below and choices.given.stem != "small":
        return "published"
    if not below:
        raise OptionError(
            f"--stem small was given, and {start.network} has no small stem.",
            "Networks whose first layers shrink the picture four times: alexnet, resnet, resnext, densenet, "
            "googlenet, inception_v3, squeezenet, shufflenet_v2, convnext.",
            "Leave --stem out, or choose another --network.",
        )
    wanted, why = "published", "the weights' own"
    if own is not None:
        wanted = own
    elif start.state is None and size < below:
        wanted = "small"
        why = (
            f"the published first layers leave little of a picture of {size} px: the first is a 3x3 convolution "
            "instead that keeps the size (He et al. 2016, section 4.2)"
        )
    elif start.state is None:
        why = f"small from scratch below {below} px only"
    chosen: str = choices.pick("stem", wanted, why)
    return chosen


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
        best, why = few, why_few(count)
    own, steps = choices.recipe.values.get("batch", 0), choices.recipe.steps
    if steps > 10:  # not so few that normalising over a batch means nothing
        few = min(count, max(LEAST, 2 ** int(math.log2(max(4, count / steps)))))
    published = None
    if few < own:
        published = (few, f"{own} in the recipe; fewer, {why_few(count, steps)}, and the rate with them")
    elif own and count % own > LEFT_OUT * count:
        even = count // -(-count // own)
        says = (
            f"{own} in the recipe, which would leave {count % own:,} of {count:,} pictures out of each epoch"
        )
        published = (even, f"{says}; the rate with them")
    batch: int = choices.adjusted("batch", best, why, published)
    return batch


def why_few(count: int, steps: int = 10) -> str:
    return f"so that {count:,} pictures still give about {'ten' if steps == 10 else steps} steps an epoch"


LEAST = 16
"""Pictures that a recipe's batch is not made smaller than."""
LEFT_OUT = 0.03
"""Share of the pictures that a recipe's batch may leave out of an epoch, as its last batch would not be full."""


def pieces(choices: Choices, batch: int, size: int, device: str) -> int:
    """Pieces that a batch is cut into; more than one only where the main memory would not hold it."""
    most = max(8, 128 * 224**2 // size**2)
    need = -(-batch // most) if device == "cpu" else 1
    why = f"the main memory holds about {most} pictures of {size} px with all that their gradients need"
    chosen: int = choices.pick("accumulate", need, why if need > 1 else "the whole batch fits into memory")
    return min(chosen, batch)


def optimization(choices: Choices, start: Start, batch: int) -> dict[str, Any]:
    """Optimizer, peak rate, momentum and weight decay, by network family and by where training starts."""
    adaptive = start.network.startswith(ADAPTIVE)
    scratch = start.state is None
    optimizer: str = choices.pick(
        "optimizer",
        "adamw" if adaptive else "sgd",
        "this family's own recipes are adaptive"
        if adaptive
        else "SGD with Nesterov momentum: the recipe of this family's papers",
    )
    sgd = optimizers.is_like_sgd(optimizer)
    rate, why = _rate(optimizer, start, batch)
    lr = choices.adjusted("lr", float(f"{rate:.3g}"), why, _scaled(choices, batch, sgd))
    momentum, source = (
        0.9,
        "the usual since Sutskever et al. 2013" if sgd else "Adam's first beta (Kingma & Ba 2015)",
    )
    decay, why = 0.05, "decoupled, as in Loshchilov & Hutter 2019 and ConvNeXt's recipe"
    if sgd:
        decay, why = (
            (5e-4, "the usual for small networks from scratch") if scratch else (1e-4, "He et al. 2016")
        )
    if optimizer == "muon":
        momentum, decay, source = muon.MOMENTUM, float(f"{muon.DECAY / muon.LR:.3g}"), muon.SOURCE
        why = muon.SOURCE
    momentum = choices.pick("momentum", momentum, source)
    weight_decay = choices.pick("weight_decay", decay, why + "; none on norms and biases")
    clip = choices.pick(
        "clip", 0.0, "a loss that is not finite is met by going back; needed for no network here"
    )
    return {
        "optimizer": optimizer, "lr": lr, "momentum": momentum, "weight_decay": weight_decay, "clip": clip,
    }  # fmt: skip


def usual_rate(optimizer: str, network: str, batch: int, *, scratch: bool) -> float:
    """The peak rate for this network and batch where nobody and no recipe says another."""
    return float(f"{_rate(optimizer, Start(network, '', None if scratch else dict), batch)[0]:.3g}")


def _rate(optimizer: str, start: Start, batch: int) -> tuple[float, str]:
    """The peak rate for this batch, and its source."""
    scratch = start.state is None
    if optimizer == "muon":
        return muon.LR * math.sqrt(batch / muon.BATCH), f"{muon.SOURCE}; with the square root of the batch"
    if optimizers.is_like_sgd(optimizer):
        if scratch and start.network.startswith(PLAIN) and not start.network.endswith("_bn"):
            return (
                0.01 * batch / 128,
                "0.01 per 128 pictures where nothing normalises (Krizhevsky et al. 2012), linear in the batch",
            )
        if scratch:
            return (
                0.1 * batch / 128,
                "0.1 per 128 pictures (He et al. 2016), linear in the batch (Goyal et al. 2017)",
            )
        return 0.01, "the common rate for fine-tuning with SGD (Li et al. 2020)"
    rate, why = 1e-3 * math.sqrt(batch / 64), "1e-3 per 64 pictures, with the square root of the batch"
    if not scratch:
        rate, why = 2e-3, "fastai's base rate for fine-tuning; halved once the backbone joins the head"
    if "lion" in optimizer:
        return rate / 10, "a tenth of AdamW's (Chen et al. 2023, section 5)"
    return rate, why


def _scaled(choices: Choices, batch: int, sgd: bool) -> tuple[float, str] | None:
    """The recipe's rate for another batch than its own: linear for SGD, by the square root otherwise."""
    own = choices.recipe.values
    if "batch" not in own or "lr" not in own or batch == own["batch"]:
        return None
    share = batch / own["batch"]
    rate = own["lr"] * (share if sgd else math.sqrt(share))
    rule = "in proportion" if sgd else "with the square root of the batch"
    return float(f"{rate:.3g}"), f"{own['lr']:g} for {own['batch']} pictures in the recipe, {rule}"


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
    frozen = 0 if isinstance(freeze, str) else int(freeze)
    if freeze == "never":
        return (Stage("train", "all", total, lr, schedule, warmup, decay),)
    views, solve = once(choices, freeze, total)
    if freeze == "always" or total == 1:
        return (Stage("head", "head", 1 if solve else total, lr, schedule, warmup, views=views, solve=solve),)
    alone = 1 if solve else min(max(1, total // 5), max(1, total - 1))
    rest = Stage(
        "all", "all", max(1, total - alone), lr / 2, schedule, warmup, decay, frozen, share=0.85,
        views=views if frozen else 0,
    )  # fmt: skip
    seen = min(1, views) if frozen and solve else views  # more is for the stage after
    return (Stage("head", "head", alone, lr, schedule, warmup, share=0.15, views=seen, solve=solve), rest)


STEPPED = ("optimizer", "lr", "schedule", "momentum", "weight_decay", "epochs")


def once(choices: Choices, freeze: str | int, total: int) -> tuple[int, bool]:
    """Views that frozen layers see once, and whether the head is solved for them rather than trained in steps."""
    given = choices.given
    blended = [name for name in ("mixup", "cutmix", "erase") if choices.value(name)]
    stepped = [name for name in STEPPED if getattr(given, name) is not None]
    if blended:
        views, why = 0, f"{flag(blended[0])} changes the pictures in every step, before the frozen layers"
    elif freeze == "first":
        views, why = (
            1,
            "the head is fitted to the pictures' features, computed once; all layers are trained after it",
        )
    else:
        views = min(VIEWS, total)
        why = "frozen layers make the same of the same view: they compute it once, not in every epoch"
    views = choices.pick("frozen_views", views, why)
    if not views:
        solve, why = False, "the features change from epoch to epoch"
    elif freeze == "always" and stepped:
        solve, why = False, f"{flag(stepped[0])} was given, so it is trained in steps"
    else:
        solve, why = (
            True,
            "on fixed features a head is a convex problem, solved in seconds (Kornblith et al. 2019)",
        )
    solve = choices.pick("solve", solve, why)
    if solve and not views:
        raise OptionError(
            "--solve was given, and the features change from epoch to epoch.",
            "A head is solved for features that are computed once: --frozen-views 1 or more, and no blended pictures.",
            "Leave --solve out.",
        )
    return views, solve


VIEWS = 4
"""Views that layers frozen throughout see: the picture as it is, and three augmented ones."""


def variation(choices: Choices, facts: Facts, task: Task) -> None:
    """How training pictures are varied, one by one and in pairs."""
    augment = choices.pick("augment", "light", "keeps every label true; the cheapest regulariser there is")
    if augment == "randaugment":
        choices.pick("magnitude", MAGNITUDE, "the usual for ImageNet (Cubuk et al. 2020, section 4.3)")
    signs = facts.grey and max(facts.width, facts.height) <= 20
    why = "most things look the same mirrored; use --no-flip where they do not (letters, left and right)"
    if signs:
        why = "tiny grey pictures are mostly signs, and a mirrored sign is another sign"
    elif task.name == "regress":
        why = "a mirrored picture may measure differently (angles, positions); --flip where it does not"
    choices.pick("flip", not signs and task.name != "regress", why)
    choices.pick("erase", 0.0, "pays in trainings of hundreds of epochs (Zhong et al. 2020)")
    long = "pays in trainings of hundreds of epochs; in shorter ones it slows learning down (Wightman et al. 2021)"
    blends = task.mix(torch.zeros(2, task.outputs), torch.tensor([1, 0]), 0.5) is not None
    never = None if blends else (0.0, f"blended pictures have no truth in the task {task.name}")
    choices.adjusted("mixup", 0.0, long, never)
    choices.adjusted("cutmix", 0.0, long, never)
    choices.wanted("train_size")
    choices.pick(
        "grow", 1.0, "smaller pictures save time where many epochs are planned, and cost a little accuracy"
    )


def averaging(choices: Choices) -> float:
    """The decay of the weights' moving average."""
    chosen: float = choices.pick(
        "ema",
        0.0,
        "a rate that falls to nothing averages already; published for long trainings (Tan & Le 2019)",
    )
    return chosen


def regularisation(choices: Choices) -> None:
    """Dropout, where it is asked for: a network has its own else."""
    for option in ("dropout", "drop_path"):
        choices.wanted(option)


def patience(choices: Choices, stages: tuple[Stage, ...]) -> int:
    """Epochs without progress before stopping: generous, as a falling rate brings late gains. And which epoch's
    model is kept."""
    if choices.given.minutes is not None:
        limit, why = 10_000, "the minutes are the limit; the best model is kept whenever it was"
    else:
        total = max(stage.epochs for stage in stages)
        limit, why = max(5, total // 2), "half the epochs, at least 5: the falling rate brings late gains"
    chosen: int = choices.pick("patience", limit, why)
    choices.pick(
        "keep", "best", "each is judged by validation pictures: what comes after the best may overfit"
    )
    return chosen
