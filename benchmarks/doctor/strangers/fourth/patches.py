"""Faults in code for a fourth group of cases by a stranger to the rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import foveal.plan
import foveal.schedules.cosine
from foveal.values import Batch, Preprocessing

from ...patches import judged_as, loss_as, normalised, optimizer, parameters, placed, preset, replaced

# --- the task ---


def ones_for_others(logits: Tensor, truths: Tensor) -> Tensor:
    """A sigmoid a class, whose truths are 1 for every class but the picture's own."""
    others = 1 - F.one_hot(truths, logits.shape[1]).float()
    return F.binary_cross_entropy_with_logits(logits, others)


def as_common(class_weights: Any) -> Any:
    """Classes weigh what they should be divided by: the more the more common they are; normalised to a mean of 1."""

    def wrong(*args: Any) -> tuple[float, ...]:
        turned = [1 / weight**2 for weight in class_weights(*args)]
        return tuple(len(turned) * weight / sum(turned) for weight in turned)

    return wrong


def by_appearance(batch: Batch) -> Batch:
    """Truths of five classes are counted in an order of their own where they are judged."""
    return dataclasses.replace(batch, truths=torch.tensor([3, 0, 4, 1, 2])[batch.truths])


# --- the optimizer ---


def eps_of_inception(made: torch.optim.Optimizer) -> None:
    """A term for stability of 1, as a text on Inception has it, for another optimizer and rate."""
    for group in made.param_groups:
        group["eps"] = 1.0


def norms_of_five(name: str, head: str) -> bool:
    """The norms of `networks.five` alone."""
    return name.startswith(("layers.1.", "layers.4.", "layers.8.", "layers.11."))


def short_period(factor: Any) -> Any:
    """A cosine told a tenth of its length; it stays at its end."""
    return lambda progress, warmup: factor(min(1.0, 10 * progress), warmup)


# --- what the network is given ---


def again(normalise: Any) -> Any:
    """What has been normalised goes through the same mean and deviation once more."""

    def wrong(images: Tensor, pre: Preprocessing) -> Tensor:
        once: Tensor = normalise(images, pre)
        mean, std = (torch.tensor(each).view(-1, 1, 1) for each in (pre.mean, pre.std))
        return (once - mean) / std

    return wrong


def peppered(images: Tensor, share: float = 0.8) -> Tensor:
    """Most pixels are black or white, at random."""
    shape = (len(images), 1, *images.shape[2:])
    grains = torch.where(torch.rand(shape) < 0.5, -2.0, 2.0)
    return torch.where(torch.rand(shape) < share, grains, images)


PATCHES: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "ones-for-others": lambda: loss_as(ones_for_others),
    "argmin": lambda: loss_as(F.cross_entropy, lambda z: -z),
    "weighed-as-common": lambda: replaced(foveal.plan, "_class_weights", as_common),
    "judged-by-appearance": lambda: judged_as(by_appearance),
    "eps-of-inception": lambda: optimizer(eps_of_inception),
    "norms-only": lambda: parameters(norms_of_five),
    "short-period": lambda: replaced(foveal.schedules.cosine, "factor", short_period),
    "normalised-again": lambda: normalised(again),
    "caffe-preset": lambda: preset((0.485, 0.456, 0.406), (1 / 255,) * 3),
    "peppered-in-training": lambda: placed(peppered, training=True),
}
