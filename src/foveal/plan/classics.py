"""`--recipe published`: how the authors of each network trained it, as far as it can be had today.

A rate belongs to the batch beside it, epochs to the data of the paper. `plan.recipe` scales them: a smaller batch
where the data is small, the rate in proportion (Goyal et al. 2017, Accurate, Large Minibatch SGD, section 2.1),
and where minutes are planned, the schedule's shape over the time there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import OptionError
from . import recipes
from .recipes import Recipe

NAME = "published"
SMALL = 64
"""Side in pixels below which the settings for CIFAR count, where a paper has some."""
STEPS = 50
"""Steps that small data still gives an epoch: the recipes come from data that gave hundreds and thousands."""
TODAY = "torchvision's reference training script"


@dataclass(frozen=True)
class Published:
    """The recipe of the networks whose names begin with `start`; `small` has what differs for small pictures."""

    start: str
    recipe: Recipe
    small: Recipe | None = None
    ending: str = ""


def _sgd(lr: float, batch: int, decay: float, schedule: str, epochs: int, **more: Any) -> Mapping[str, Any]:
    """SGD with momentum from scratch, as most have it; mirror images are the data's to decide."""
    return {
        "pretrained": False, "optimizer": "momentum", "momentum": 0.9, "lr": lr, "batch": batch,
        "weight_decay": decay, "schedule": schedule, "warmup": 0.0, "epochs": epochs, "augment": "light",
        "label_smoothing": 0.0, "mixup": 0.0, "cutmix": 0.0, "erase": 0.0, **more,
    }  # fmt: skip


def _adamw(lr: float, batch: int, epochs: int, warmup: float, **more: Any) -> Mapping[str, Any]:
    """AdamW with strong augmentation, as transformers and what followed them are trained."""
    return {
        "pretrained": False, "optimizer": "adamw", "momentum": 0.9, "lr": lr, "batch": batch,
        "weight_decay": 0.05, "schedule": "cosine", "warmup": warmup, "epochs": epochs,
        "augment": "randaugment", "magnitude": 9, "erase": 0.25, "mixup": 0.8, "cutmix": 1.0,
        "label_smoothing": 0.1, **more,
    }  # fmt: skip


_RESNET = "He et al. 2016, Deep Residual Learning"
_CIFAR = Recipe(f"{_RESNET}, section 4.2 (CIFAR-10)", _sgd(0.1, 128, 1e-4, "late_steps", 182), steps=STEPS)
_VGG = "Simonyan & Zisserman 2015, Very Deep Convolutional Networks, section 3.1"
_BATCH_NORM = "Ioffe & Szegedy 2015, Batch Normalization, section 4.2 (BN-x5)"
_WHEN = "the rate falls to a tenth when validation stops improving, as there"
_WARM = 5 / 90
_WHY_WARM = (
    "a warm-up of 5 in 90 epochs (Goyal et al. 2017), as the first steps at the full rate throw a network that "
    "nothing normalises to where it answers the same to all pictures"
)

FAMILIES: tuple[Published, ...] = (
    Published(
        "lenet5",
        Recipe(
            "LeCun et al. 1998, Gradient-Based Learning, section III.B and appendix C",
            _sgd(0.064, 16, 0.0, "early_steps", 20, optimizer="sgd", momentum=0.0, augment="none"),
            "16 pictures a step and not one, which would leave a processor idle; one rate for all weights, 0.004 a "
            "picture, a quarter of the largest of the 0.00007 to 0.016 that second derivatives gave them there (with "
            "the middle of these, 0.001, it stays at chance for the first thousand steps on 5,000 pictures); "
            "cross-entropy in the place of distances to drawn digits",
            STEPS,
        ),
    ),
    Published(
        "alexnet",
        Recipe(
            "Krizhevsky et al. 2012, ImageNet Classification, section 5",
            _sgd(0.01, 128, 5e-4, "plateau", 90, warmup=_WARM),
            f"{_WHEN}; weights are drawn as He et al. 2015 do, and not with a spread of 0.01, of which eight layers "
            f"leave no signal to learn from for the first hundreds of steps; {_WHY_WARM}; no shifts of colour; "
            "dropout 0.5 as there",
            STEPS,
        ),
    ),
    Published(
        "vgg",
        Recipe(
            f"{_VGG}, with batch normalisation as {TODAY} trains it",
            _sgd(0.1, 256, 5e-4, "step", 90),
            "ten times the paper's rate, which normalisation bears, falling at thirds; the paper's weight decay "
            "and dropout 0.5",
            STEPS,
        ),
        ending="_bn",
    ),
    Published(
        "vgg",
        Recipe(
            _VGG,
            _sgd(0.01, 256, 5e-4, "plateau", 74, warmup=_WARM),
            f"{_WHEN}; weights are drawn as He et al. 2015 do, where the paper began with trained shallow networks "
            f"(and found drawing by Glorot & Bengio's rule to do as well); {_WHY_WARM}; dropout 0.5 as there",
            STEPS,
        ),
    ),
    Published(
        "googlenet",
        Recipe(
            f"{_BATCH_NORM}; averaged weights and auxiliary heads of Szegedy et al. 2015",
            _sgd(0.0075, 32, 4e-5, "exponential", 60, ema=0.9999),
            "this form of the network has batch normalisation, so the rate is that paper's; how long and with what "
            "decay of weights neither says: 60 epochs as Caffe's copy, 0.00004 as TensorFlow-Slim; the rate falls "
            "to a hundredth whatever the length",
            STEPS,
        ),
    ),
    Published(
        "inception_v3",
        Recipe(
            "Szegedy et al. 2016, Rethinking the Inception Architecture, section 8",
            _sgd(0.045, 32, 4e-5, "exponential", 100, ema=0.9999, clip=2.0, label_smoothing=0.1),
            "SGD with momentum in the place of RMSProp, which with the paper's epsilon of 1 moves nearly so; weight "
            "decay 0.00004 as TensorFlow-Slim",
            STEPS,
        ),
    ),
    Published("cifar_resnet110", Recipe(
        f"{_CIFAR.source}, 110 layers", {**_CIFAR.values, "warmup": 400 / 64_000}, steps=STEPS,
    )),
    Published("cifar_resnet", _CIFAR),
    Published("resnet9", recipes.RECIPES["scratch-small"]),
    Published("sprintnet", recipes.RECIPES["sprint"]),
    *(
        Published(
            start,
            Recipe(
                f"{paper}, with {TODAY}'s {epochs} epochs",
                _sgd(0.1, 256, 1e-4, "step", epochs),
                "the rate falls at thirds, where the paper waits until validation stops improving",
                STEPS,
            ),
            _CIFAR,
        )
        for start, paper, epochs in (
            ("resnet", f"{_RESNET}, section 3.4", 90),
            ("resnext", "Xie et al. 2017, Aggregated Residual Transformations, section 4", 100),
            ("wide_resnet", "Zagoruyko & Komodakis 2016, Wide Residual Networks, section 3", 90),
        )
    ),
    Published(
        "densenet",
        Recipe(
            "Huang et al. 2017, Densely Connected Convolutional Networks, section 4.2",
            _sgd(0.1, 256, 1e-4, "step", 90, optimizer="sgd"),
            steps=STEPS,
        ),
        Recipe(
            "Huang et al. 2017, Densely Connected Convolutional Networks, section 4.2 (CIFAR)",
            _sgd(0.1, 64, 1e-4, "late_steps", 300, optimizer="sgd"),
            steps=STEPS,
        ),
    ),
    Published(
        "squeezenet",
        Recipe(
            "Iandola et al. 2016, SqueezeNet, section 3.3, and its authors' solver file",
            _sgd(0.04, 512, 2e-4, "polynomial", 68),
            steps=STEPS,
        ),
    ),
    Published(
        "mobilenet_v2",
        Recipe(
            f"Sandler et al. 2018, MobileNetV2, section 6.1, as {TODAY} has it",
            _sgd(0.045, 256, 4e-5, "exponential", 300),
            "SGD with momentum in the place of RMSProp, as there; the rate falls to a hundredth whatever the length",
            STEPS,
        ),
    ),
    Published(
        "regnet",
        Recipe(
            f"{TODAY}'s for RegNets of up to 1.6 GF, after Radosavovic et al. 2020",
            _sgd(0.8, 1024, 5e-5, "cosine", 100, warmup=0.05),
            steps=STEPS,
        ),
    ),
    Published(
        "convnext",
        Recipe(
            "Liu et al. 2022, A ConvNet for the 2020s, table 5",
            _adamw(4e-3, 4096, 300, 20 / 300, ema=0.9999),
            steps=STEPS,
        ),
    ),
    Published(
        "swin",
        Recipe(
            "Liu et al. 2021, Swin Transformer, appendix A2.1, and its authors' settings file",
            _adamw(1e-3, 1024, 300, 20 / 300, clip=5.0),
            steps=STEPS,
        ),
    ),
)  # fmt: skip


def find(name: str | None, network: str | None, side: int) -> Recipe:
    """The recipe of this name; `published` is the network's own, for pictures of `side` px.

    Raises:
        UnknownNameError: there is none (the nearest are given).
        OptionError: it is `published`, and no network was named.
    """
    if name != NAME:
        return recipes.find(name)
    if network is None:
        raise OptionError(
            f"--recipe {NAME} was given without a network.",
            "Each network has a recipe of its own: --network NAME beside it.",
            f"foveal train DATA --network resnet18 --recipe {NAME}",
        )
    for one in FAMILIES:
        if network.startswith(one.start) and network.endswith(one.ending):
            return one.small if one.small is not None and side < SMALL else one.recipe
    source = (
        f"none is kept here for {network}: every choice by the data and the network, each with its own source"
    )
    return Recipe(source, {"pretrained": False})
