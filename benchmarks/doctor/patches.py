"""Faults in code: what the author of a task, a loop or a loader may get wrong, put into the program for a while."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import repeat
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import foveal.data.batches
import foveal.loop.evaluation
import foveal.loop.optimizers
import foveal.loop.state
import foveal.plan.recipe
import foveal.schedules.exponential
import foveal.schedules.onecycle
from foveal.data.batches import Batches
from foveal.structure.layers import is_in
from foveal.tasks.classify import Classify
from foveal.values import Batch, Preprocessing, Step

Loss = Callable[[Tensor, Tensor], Tensor]


@contextmanager
def replaced(owner: Any, name: str, made: Callable[[Any], Any]) -> Iterator[None]:
    """Inside, `owner.name` is what `made` makes of it."""
    before = getattr(owner, name)
    setattr(owner, name, made(before))
    try:
        yield
    finally:
        setattr(owner, name, before)


# --- the task ---


def loss_as(
    loss: Loss, outputs: Callable[[Tensor], Tensor] = lambda logits: logits
) -> AbstractContextManager[None]:
    """Classification descends `loss(logits, truths)`, and gives `outputs(logits)` to be judged."""

    def wrap(step: Any) -> Any:
        def wrong(self: Classify, network: nn.Module, batch: Batch) -> Step:
            logits = network(batch.images)
            return Step(loss(logits, batch.truths), {}, outputs(logits))

        return wrong

    return replaced(Classify, "step", wrap)


def as_number(logits: Tensor, truths: Tensor) -> Tensor:
    """The class's number as a value to be met by every output."""
    return (logits - truths[:, None].float()).square().mean()


def first_output(logits: Tensor, truths: Tensor) -> Tensor:
    """Two outputs, of which the first alone is taught: how likely the second class is."""
    return F.binary_cross_entropy_with_logits(logits[:, 0], truths.float())


def sigmoid_twice(logits: Tensor, truths: Tensor) -> Tensor:
    """A loss that takes the sigmoid itself is given shares."""
    return F.binary_cross_entropy_with_logits(logits.sigmoid(), F.one_hot(truths, logits.shape[1]).float())


def never_unscaled(logits: Tensor, truths: Tensor) -> Tensor:
    """Gradients are those of 128 times the loss, as half precision asks for, and are never divided again."""
    loss = F.cross_entropy(logits, truths)
    return loss + 127 * (loss - loss.detach())


def naive_log(logits: Tensor, truths: Tensor) -> Tensor:
    """The logarithm of a softmax of logits scaled by 30: of 0 as soon as the network is sure."""
    shares = (30 * logits).softmax(1)
    return -(F.one_hot(truths, logits.shape[1]) * shares.log()).sum(1).mean()


# --- the optimizer ---


def optimizer(change: Callable[[torch.optim.Optimizer], None]) -> AbstractContextManager[None]:
    def wrap(build: Any) -> Any:
        def wrong(*args: Any, **more: Any) -> torch.optim.Optimizer:
            made: torch.optim.Optimizer = build(*args, **more)
            change(made)
            return made

        return wrong

    return replaced(foveal.loop.optimizers, "build", wrap)


def never_zeroed(made: torch.optim.Optimizer) -> None:
    made.zero_grad = lambda set_to_none=True: None  # type: ignore[method-assign]


def never_stepped(made: torch.optim.Optimizer) -> None:
    made.step = lambda closure=None: None  # type: ignore[method-assign, assignment]


def large_eps(made: torch.optim.Optimizer) -> None:
    for group in made.param_groups:
        group["eps"] = 10.0


def parameters(keep: Callable[[str, str], bool]) -> AbstractContextManager[None]:
    """The optimizer is given those parameters only for whose name and the head's `keep` says so."""

    def wrap(groups: Any) -> Any:
        def wrong(network: nn.Module, head: str, **more: Any) -> list[dict[str, Any]]:
            kept = {id(p) for name, p in network.named_parameters() if keep(name, head)}
            made = [
                {**g, "params": [p for p in g["params"] if id(p) in kept]}
                for g in groups(network, head, **more)
            ]
            return [group for group in made if group["params"]]

        return wrong

    return replaced(foveal.loop.state, "parameter_groups", wrap)


def quick_end(factor: Any) -> Any:
    """The schedule runs to its end in the first twelfth of the steps."""
    return lambda progress, warmup: factor(min(1.0, 12 * progress), warmup)


def each_batch(factor: Any) -> Any:
    """A tenth is lost in every step, where in every epoch was meant: 240 steps, about."""
    return lambda progress, warmup: 0.9 ** (240 * progress)


# --- what the network is given ---


def placed(change: Callable[[Tensor], Tensor], training: bool | None = None) -> AbstractContextManager[None]:
    """Pictures `BCHW`, normalised, are changed on their way to the network: in training, in evaluation (`training`
    False), or in both (None)."""

    def wrap(to: Any) -> Any:
        def wrong(self: Batches, batch: Batch, device: str, channels_last: bool) -> Batch:
            made: Batch = to(self, batch, device, channels_last)
            if training is None or training == self.shuffle:
                made = dataclasses.replace(made, images=change(made.images))
            return made

        return wrong

    return replaced(Batches, "to", wrap)


def normalised(change: Callable[[Any], Any]) -> AbstractContextManager[None]:
    return replaced(foveal.data.batches, "normalise", change)


def twice(normalise: Any) -> Any:
    """Shades are divided by 255, and what comes of it is normalised as if it were shades."""
    return lambda images, pre: normalise(images.float() / 255, pre)


def twice_standardised(normalise: Any) -> Any:
    def wrong(images: Tensor, pre: Preprocessing) -> Tensor:
        once: Tensor = normalise(images, pre)
        again: Tensor = normalise(255 * once, pre)
        return again

    return wrong


def centred(normalise: Any) -> Any:
    """Shades with their mean taken out, which nobody divided."""

    def wrong(images: Tensor, pre: Preprocessing) -> Tensor:
        made: Tensor = normalise(images, pre)
        return made * torch.tensor(pre.std).view(-1, 1, 1) * 255

    return wrong


def raw(normalise: Any) -> Any:
    """Shades 0..255, as they are."""
    return lambda images, pre: images.float()


def preset(mean: tuple[float, ...], std: tuple[float, ...]) -> AbstractContextManager[None]:
    """Pretrained weights are given pictures normalised by these numbers."""

    def wrap(preprocessing: Any) -> Any:
        def wrong(*args: Any, **more: Any) -> Preprocessing:
            made: Preprocessing = preprocessing(*args, **more)
            return dataclasses.replace(made, mean=mean, std=std)

        return wrong

    return replaced(foveal.plan.recipe, "preprocessing", wrap)


def varied(images: Tensor) -> Tensor:
    """Rolled by up to a third of the side and a part covered, differently for each picture."""
    side = images.shape[-1]
    draw = torch.Generator().manual_seed(int(images.abs().sum().item()) % 2**31)
    made = []
    for image in images:
        y, x = torch.randint(-side // 3, side // 3 + 1, (2,), generator=draw).tolist()
        image = image.roll((y, x), (1, 2)).clone()
        top, left = torch.randint(0, side // 2, (2,), generator=draw).tolist()
        image[:, top : top + side // 2, left : left + side // 2] = 0
        made.append(image)
    return torch.stack(made)


def turned(images: Tensor) -> Tensor:
    """By a quarter, a half, three quarters or not at all, at random."""
    turns = torch.randint(0, 4, (len(images),)).tolist()
    return torch.stack([image.rot90(k, (1, 2)) for image, k in zip(images, turns, strict=True)])


def noisy(images: Tensor) -> Tensor:
    return images + 4.0 * torch.randn_like(images)


def recoloured(images: Tensor) -> Tensor:
    """The colours of each picture in an order of its own."""
    return torch.stack([image[torch.randperm(len(image))] for image in images])


def zoomed(images: Tensor) -> Tensor:
    """A drawn window of half the side of each picture, enlarged."""
    side, made = images.shape[-1], []
    for image in images:
        y, x = torch.randint(0, side // 2 + 1, (2,)).tolist()
        window = image[None, :, y : y + side // 2, x : x + side // 2]
        made.append(F.interpolate(window, size=(side, side), mode="bilinear")[0])
    return torch.stack(made)


def by_number(batch: Batch) -> Batch:
    """Truths of the classes "1" to "12", which stand in the order of their letters, in the order of their numbers."""
    order = torch.tensor([int(label) - 1 for label in sorted(str(n) for n in range(1, 13))])
    return dataclasses.replace(batch, truths=order[batch.truths])


def judged_as(change: Callable[[Batch], Batch]) -> AbstractContextManager[None]:
    """Batches that are judged, not trained on, are changed."""

    def wrap(to: Any) -> Any:
        def wrong(self: Batches, batch: Batch, device: str, channels_last: bool) -> Batch:
            made: Batch = to(self, batch, device, channels_last)
            return made if self.shuffle else change(made)

        return wrong

    return replaced(Batches, "to", wrap)


def epochs(change: Callable[[Batches, Iterator[Batch]], Iterator[Batch]]) -> AbstractContextManager[None]:
    """The batches of training come as `change` gives them."""

    def wrap(epoch: Any) -> Any:
        def wrong(self: Batches, number: int, start: int = 0) -> Iterator[Batch]:
            made: Iterator[Batch] = epoch(self, number, start)
            return change(self, made) if self.shuffle else made

        return wrong

    return replaced(Batches, "epoch", wrap)


def apart(batches: Batches, made: Iterator[Batch]) -> Iterator[Batch]:
    """The pictures were shuffled, and their labels were not."""
    return (dataclasses.replace(b, truths=b.truths[torch.randperm(len(b.truths))]) for b in made)


class Same:
    """The first batch that ever came, again and again."""

    def __init__(self) -> None:
        self.first: Batch | None = None

    def __call__(self, batches: Batches, made: Iterator[Batch]) -> Iterator[Batch]:
        if self.first is None:
            self.first = next(made)
        return repeat(self.first, len(batches))


def trains(evaluating: Any) -> Any:
    """Evaluation leaves the network in training mode."""

    @contextmanager
    def wrong(network: nn.Module) -> Iterator[None]:
        modes = [(module, module.training) for module in network.modules()]
        network.train()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training

    return wrong


PATCHES: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "": nullcontext,
    "softmax-in-the-task": lambda: loss_as(lambda z, y: F.cross_entropy(z.softmax(1), y), lambda z: z.softmax(1)),
    "sigmoid-in-the-task": lambda: loss_as(lambda z, y: F.cross_entropy(z.sigmoid(), y), lambda z: z.sigmoid()),
    "softmax-over-the-batch": lambda: loss_as(lambda z, y: F.nll_loss(z.log_softmax(0), y)),
    "no-softmax": lambda: loss_as(lambda z, y: F.nll_loss(z, y)),
    "log-of-the-loss-missing": lambda: loss_as(lambda z, y: F.nll_loss(z.softmax(1), y)),
    "number-of-the-class": lambda: loss_as(as_number),
    "squares-of-logits": lambda: loss_as(lambda z, y: (z - F.one_hot(y, z.shape[1])).square().mean()),
    "squares-of-shares": lambda: loss_as(lambda z, y: (z.softmax(1) - F.one_hot(y, z.shape[1])).square().mean()),
    "summed": lambda: loss_as(lambda z, y: F.cross_entropy(z, y, reduction="sum")),
    "sign": lambda: loss_as(lambda z, y: -F.cross_entropy(z, y)),
    "never-zeroed": lambda: optimizer(never_zeroed),
    "never-stepped": lambda: optimizer(never_stepped),
    "large-eps": lambda: optimizer(large_eps),
    "without-backbone": lambda: parameters(is_in),
    "without-head": lambda: parameters(lambda name, head: not is_in(name, head)),
    "without-weights": lambda: parameters(lambda name, head: name.endswith("bias")),
    "quick-end": lambda: replaced(foveal.schedules.onecycle, "factor", quick_end),
    "normalised-twice": lambda: normalised(twice),
    "standardised-twice": lambda: normalised(twice_standardised),
    "not-normalised": lambda: normalised(raw),
    "swapped-in-evaluation": lambda: placed(lambda images: images.flip(1), training=False),
    "swapped-in-training": lambda: placed(lambda images: images.flip(1), training=True),
    "shades-in-evaluation": lambda: placed(lambda images: (images * 0.25 + 0.5), training=False),
    "wide-shades-in-evaluation": lambda: placed(lambda images: (images * 0.25 + 0.5) * 255, training=False),
    "varied-in-evaluation": lambda: placed(varied, training=False),
    "turned-in-training": lambda: placed(turned, training=True),
    "noise-in-training": lambda: placed(noisy, training=True),
    "swapped": lambda: placed(lambda images: images.flip(1)),
    "imagenet-preset": lambda: preset((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "shades-preset": lambda: preset((0.0, 0.0, 0.0), (1 / 255,) * 3),
    "dark-preset": lambda: preset((0.0, 0.0, 0.0), (10.0,) * 3),
    "labels-apart": lambda: epochs(apart),
    "same-batch": lambda: epochs(Same()),
    "trains-in-evaluation": lambda: replaced(foveal.loop.evaluation, "evaluating", trains),
    "first-output": lambda: loss_as(first_output),
    "sigmoid-twice": lambda: loss_as(sigmoid_twice),
    "never-unscaled": lambda: loss_as(never_unscaled),
    "naive-log": lambda: loss_as(naive_log, lambda z: 30 * z),
    "without-first-layers": lambda: parameters(lambda name, head: not name.startswith(("layers.0.", "layers.2."))),
    "each-batch": lambda: replaced(foveal.schedules.exponential, "factor", each_batch),
    "centred": lambda: normalised(centred),
    "recoloured-in-training": lambda: placed(recoloured, training=True),
    "zoomed-in-training": lambda: placed(zoomed, training=True),
    "judged-by-number": lambda: judged_as(by_number),
}  # fmt: skip
