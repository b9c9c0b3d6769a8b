"""More faults in code, for a second group of cases whose author never saw the rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import cycle, islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import foveal.loop.state
import foveal.schedules.onecycle
from foveal.data.batches import Batches
from foveal.structure.layers import is_in
from foveal.tasks.classify import Classify
from foveal.values import Batch, Step

from ...patches import epochs, loss_as, normalised, optimizer, parameters, placed, replaced

# --- the task ---


def true_class_alone(logits: Tensor, truths: Tensor) -> Tensor:
    """A sigmoid's likelihood of the true class; the others may have any."""
    return F.softplus(-logits.gather(1, truths[:, None])).mean()


def transposed(logits: Tensor, truths: Tensor) -> Tensor:
    """Classes and pictures exchanged, which nothing refuses where a batch has as many pictures as there are
    classes."""
    if logits.shape[0] != logits.shape[1]:
        return F.cross_entropy(logits, truths)
    return F.cross_entropy(logits.T, truths)


def summed_sigmoids(logits: Tensor, truths: Tensor) -> Tensor:
    """A sigmoid a class, whose losses are summed over classes and pictures."""
    wanted = F.one_hot(truths, logits.shape[1]).float()
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")


def divided_again(logits: Tensor, truths: Tensor) -> Tensor:
    """A mean that is divided by the number of pictures once more."""
    return F.cross_entropy(logits, truths) / len(truths)


def weights_in_the_loss(share: float) -> AbstractContextManager[None]:
    """The squares of all weights are part of the loss, where a ten-thousandth as much was meant."""

    def wrap(step: Any) -> Any:
        def wrong(self: Classify, network: nn.Module, batch: Batch) -> Step:
            made: Step = step(self, network, batch)
            squares = sum((p.square().sum() for p in network.parameters()), torch.zeros(()))
            return dataclasses.replace(made, loss=made.loss + share * squares)

        return wrong

    return replaced(Classify, "step", wrap)


# --- the optimizer ---


def clamped(made: torch.optim.Optimizer) -> None:
    """Each number of a gradient is held within 2e-5."""

    def clamp(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.clamp_(-2e-5, 2e-5)

    made.register_step_pre_hook(clamp)


def frozen_middle(set_trainable: Any) -> Any:
    """All but the first layer and the head was frozen for a trial, and stayed so."""

    def wrong(network: nn.Module, head: str, *args: Any, **more: Any) -> None:
        set_trainable(network, head, *args, **more)
        for name, p in network.named_parameters():
            if not is_in(name, head) and not name.startswith(("layers.0.", "layers.1.")):
                p.requires_grad_(False)

    return wrong


def built_too_soon(name: str, head: str) -> bool:
    """The optimizer was made before the later layers and the head were."""
    return name.startswith(("layers.0.", "layers.1.", "layers.2."))


def slow_warm_up(factor: Any) -> Any:
    """A warm-up made for a run thirty times as long."""
    return lambda progress, warmup: (progress + 0.01) / 30


# --- what the network is given ---


def by_imagenet(normalise: Any) -> Any:
    """Mean and deviation of ImageNet's pictures in 0 to 1 are taken from shades 0 to 255."""
    return lambda images, pre: (images.float() - 0.45) / 0.226


def then_divided(normalise: Any) -> Any:
    """What was normalised is divided by 255, as if it were shades."""
    return lambda images, pre: normalise(images, pre) / 255


def padded(images: Tensor) -> Tensor:
    """Half as large, in a black frame."""
    side = images.shape[-1]
    small = F.interpolate(images, size=(side // 2, side // 2), mode="bilinear", antialias=True)
    before = (side - side // 2) // 2
    after = side - side // 2 - before
    return F.pad(small, (before, after, before, after), value=-2.0)


def jittered(images: Tensor) -> Tensor:
    """Brightness, contrast and the strength of each colour are drawn."""
    count, channels = images.shape[:2]
    gain = 0.2 + 1.8 * torch.rand(count, channels, 1, 1)
    return gain * images + 1.5 * torch.randn(count, channels, 1, 1)


def pasted(images: Tensor) -> Tensor:
    """Most of a picture is that of the next one, whose label nobody asks for."""
    made, side = images.clone(), images.shape[-1]
    made[:, :, :, side // 3 :] = images.roll(1, 0)[:, :, :, side // 3 :]
    return made


class FirstBatches:
    """A limit for debugging that was left in: the first two batches that ever came, again and again."""

    def __init__(self) -> None:
        self.first: list[Batch] = []

    def __call__(self, batches: Batches, made: Iterator[Batch]) -> Iterator[Batch]:
        self.first = self.first or list(islice(made, 2))
        return islice(cycle(self.first), len(batches))


PATCHES: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "true-class-alone": lambda: loss_as(true_class_alone),
    "transposed": lambda: loss_as(transposed),
    "summed-sigmoids": lambda: loss_as(summed_sigmoids),
    "divided-again": lambda: loss_as(divided_again),
    "counted-from-one": lambda: loss_as(F.cross_entropy, lambda z: z.roll(1, 1)),
    "weights-in-the-loss": lambda: weights_in_the_loss(0.2),
    "clamped": lambda: optimizer(clamped),
    "frozen-middle": lambda: replaced(foveal.loop.state, "set_trainable", frozen_middle),
    "built-too-soon": lambda: parameters(built_too_soon),
    "slow-warm-up": lambda: replaced(foveal.schedules.onecycle, "factor", slow_warm_up),
    "by-imagenet": lambda: normalised(by_imagenet),
    "then-divided": lambda: normalised(then_divided),
    "padded-in-evaluation": lambda: placed(padded, training=False),
    "jittered-in-evaluation": lambda: placed(jittered, training=False),
    "pasted-in-training": lambda: placed(pasted, training=True),
    "first-batches": lambda: epochs(FirstBatches()),
}  # fmt: skip
