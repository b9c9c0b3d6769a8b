"""Named recipes: values from publications, each shown beside its source. A table, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UnknownNameError
from ..loop import muon


@dataclass(frozen=True)
class Recipe:
    """Values for training options, and where they were published. The rate belongs to the batch beside it.

    `changed` says in words what is not as published, and why; `steps` is how many small data still gives an
    epoch, by a smaller batch than the recipe's.
    """

    source: str
    values: Mapping[str, Any] = field(default_factory=dict)
    changed: str = ""
    steps: int = 10

    @property
    def says(self) -> str:
        """The source, and what is not as there."""
        return self.source + (f"; here {self.changed}" if self.changed else "")


RECIPES: Mapping[str, Recipe] = {
    "default": Recipe("every choice by the data and the network, each with its own source"),
    "published": Recipe("the recipe of the network's own authors (plan.classics)", {"pretrained": False}),
    "linear-probe": Recipe(
        "Kornblith et al. 2019, Do Better ImageNet Models Transfer Better?, section 3 (logistic regression "
        "on fixed features by L-BFGS, its L2 chosen by validation)",
        {
            "freeze": "always", "frozen_views": 1, "solve": True, "augment": "none", "flip": False,
            "label_smoothing": 0.0,
        },
    ),
    "fine-tune": Recipe(
        "Howard & Gugger 2020, fastai, Learner.fine_tune and its defaults",
        {
            "freeze": "first", "optimizer": "adamw", "lr": 2e-3, "batch": 64, "weight_decay": 0.01,
            "schedule": "onecycle", "warmup": 0.3, "augment": "light", "flip": True, "label_smoothing": 0.0,
        },
    ),
    "scratch-small": Recipe(
        "Page 2018, How to Train Your ResNet, for CIFAR-10 in 24 epochs",
        {
            "pretrained": False, "network": "resnet9", "optimizer": "sgd", "momentum": 0.9, "lr": 0.4,
            "batch": 512, "weight_decay": 5e-4, "schedule": "onecycle", "warmup": 5 / 24, "epochs": 24,
            "augment": "light", "flip": True, "label_smoothing": 0.0,
        },
    ),
    "scratch-large": Recipe(
        "Vryniotis 2021, How to Train State-Of-The-Art Models Using TorchVision's Latest Primitives",
        {
            "pretrained": False, "network": "resnet50", "size": 224, "train_size": 176, "optimizer": "sgd",
            "momentum": 0.9, "lr": 0.5, "batch": 1024, "weight_decay": 2e-5, "schedule": "cosine",
            "warmup": 5 / 600, "epochs": 600, "augment": "trivialaugment", "flip": True, "erase": 0.1,
            "label_smoothing": 0.1, "mixup": 0.2, "cutmix": 1.0, "ema": 0.99997,
        },
    ),
    "sprint": Recipe(
        "Jordan 2024, airbench94_muon, 94 % on CIFAR-10 in 2.59 s on an A100",
        {
            "pretrained": False, "network": "sprintnet", "size": 32, "optimizer": "muon", "lr": muon.LR,
            "momentum": muon.MOMENTUM, "batch": muon.BATCH, "weight_decay": muon.DECAY / muon.LR,
            "schedule": "polynomial", "warmup": 0.0, "epochs": 9, "augment": "sprint", "flip": True,
            "label_smoothing": 0.2, "erase": 0.0, "ema": 0.0, "mixup": 0.0, "cutmix": 0.0, "views": 6,
            "keep": "last",  # the rate ends at nothing; the best of eight by few validation pictures may be an earlier
            "watch": False,  # the second that looking may take is much of a training of seconds
        },
        changed="9 epochs instead of 8: 94.06 % of CIFAR-10 on average for 94.01, and less spread",
    ),
    "resnet-classic": Recipe(
        "He et al. 2016, Deep Residual Learning, section 3.4, with torchvision's 90 epochs",
        {
            "pretrained": False, "optimizer": "sgd", "momentum": 0.9, "lr": 0.1, "batch": 256,
            "weight_decay": 1e-4, "schedule": "step", "warmup": 0.0, "epochs": 90, "augment": "light",
            "flip": True, "label_smoothing": 0.0,
        },
    ),
    "strikes-back-a3": Recipe(
        "Wightman et al. 2021, ResNet Strikes Back, table 2, A3",
        {
            "pretrained": False, "network": "resnet50", "size": 224, "train_size": 160, "optimizer": "lamb",
            "momentum": 0.9, "lr": 8e-3, "batch": 2048, "weight_decay": 0.02, "schedule": "cosine",
            "warmup": 5 / 100, "epochs": 100, "loss": "bce", "label_smoothing": 0.0,
            "augment": "randaugment", "magnitude": 6, "flip": True, "mixup": 0.1, "cutmix": 1.0,
            "dropout": 0.0,
        },
    ),
}  # fmt: skip


def find(name: str | None) -> Recipe:
    """The recipe of this name; the default one for None.

    Raises:
        UnknownNameError: there is none (the nearest are given).
    """
    if name is not None and name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name or "default"]
