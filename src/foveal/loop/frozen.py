"""Frozen layers make the same of a picture in every epoch: what they make of it is computed once.

The layers that stay frozen are those before one module of the network, the border: the head, or the
first stage that is trained. What enters the border is kept for one or several views of each picture, and
training goes on from there (LOFF-TA: Eliasson et al. 2024; Donahue et al. 2014, DeCAF, for the head).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..contracts import Source
from ..data.batches import drawn_order
from ..machine.device import autocast
from ..machine.pieces import pieces_of, side_by_side
from ..machine.shares import WHOLE, Share
from ..structure.layers import is_in, stages
from ..values import Batch

TOLERANCE = 0.02
"""Largest difference of outputs, as a share of their size, between the whole network and the two halves
in the precision of training; halves that do not belong together differ by far more."""
OWN_STREAM = 0x4F4E4345  # which view is seen is drawn from the same seeds as the order


def border(network: nn.Module, head: str, frozen: int) -> str:
    """The name of the first module that is trained: the head, or (with `frozen` stages) the stage after them."""
    if not frozen:
        return head
    name = stages(network, head)[frozen][0][0]
    # the stage is the longest module that holds this parameter and none of the frozen ones
    before = [n for stage in stages(network, head)[:frozen] for n, _ in stage]
    parts = name.split(".")
    for length in range(1, len(parts)):
        module = ".".join(parts[:length])
        if not any(is_in(other, module) for other in before):
            return module
    return name


class _Reached(Exception):
    """Ends a forward pass at the border."""


def up_to(network: nn.Module, name: str, images: Tensor, *, whole: bool = False) -> tuple[Tensor, Any]:
    """What enters module `name` when this thread's network sees `images`, and with `whole` its outputs.

    Raises:
        ValueError: the module is not passed exactly once with one tensor.
    """
    seen: list[tuple[Any, ...]] = []
    thread = threading.get_ident()

    def look(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if threading.get_ident() != thread:
            return
        seen.append(inputs)
        if not whole:
            raise _Reached

    hook = network.get_submodule(name).register_forward_pre_hook(look)
    outputs = None
    try:
        outputs = network(images)
    except _Reached:
        pass
    finally:
        hook.remove()
    if len(seen) != 1 or len(seen[0]) != 1 or not isinstance(seen[0][0], Tensor):
        raise ValueError(f"{name} is not passed once with one tensor")
    return seen[0][0].detach(), outputs


@contextmanager
def beginning_at(network: nn.Module, name: str | None) -> Iterator[None]:
    """Inside, every module before `name` passes on what it gets, so that the network goes on from there
    when it is given what `up_to` found. None: the network is as it is."""
    silenced: list[nn.Module] = []
    module = network
    for part in name.split(".") if name else ():
        for child, earlier in module.named_children():
            if child == part:
                break
            silenced.append(earlier)
        module = module.get_submodule(part)
    try:
        for earlier in silenced:
            earlier.forward = _same
        yield
    finally:
        for earlier in silenced:
            del earlier.forward


def _same(x: Any, *more: Any, **named: Any) -> Any:
    return x


def can_begin_at(network: nn.Module, name: str, images: Tensor) -> bool:
    """Whether the network split at `name` computes what the whole one does, tried on `images`.

    A path around the border, or a layer passed twice, shows in the outputs.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            entering, wanted = up_to(network, name, images, whole=True)
            with beginning_at(network, name):
                made = network(entering)
            return same(made, wanted)
    except (ValueError, RuntimeError, TypeError, AttributeError, IndexError):
        return False
    finally:
        for module, training in modes:
            module.training = training


def same(made: Any, wanted: Any) -> bool:
    """Whether two outputs are equal but for rounding."""
    if not (isinstance(made, Tensor) and isinstance(wanted, Tensor)) or made.shape != wanted.shape:
        return False
    size = wanted.float().abs().max().clamp_min(1e-6)
    return bool((made.float() - wanted.float()).abs().max() <= TOLERANCE * size)


@dataclass(frozen=True)
class Seen:
    """One view of a split as the frozen layers leave it: activations `N...`, truths and ids in order."""

    activations: Tensor
    truths: Any
    ids: list[str]

    def at(self, places: Tensor) -> Batch:
        """The pictures at these positions as a batch."""
        truths = self.truths[places] if isinstance(self.truths, Tensor) else [self.truths[n] for n in places]
        return Batch(self.activations[places].float(), truths, [self.ids[n] for n in places.tolist()])


def sighted(
    network: nn.Module,
    name: str,
    raws: Iterator[Batch],
    source: Source,
    device: str,
    precision: str,
    last: bool,
) -> Iterator[Seen]:
    """What enters module `name` for each batch of a split, in its order, one `Seen` a batch, on the CPU.

    The network's modes are left as they are: put it in evaluation mode before. `last`: its pictures lie
    channels last.
    """

    def look(piece: Batch) -> Seen:
        batch = source.to(piece, device, last)
        with torch.no_grad(), autocast(device, precision):
            entering, _ = up_to(network, name, batch.images)
        truths = batch.truths.cpu() if isinstance(batch.truths, Tensor) else batch.truths
        return Seen(entering.cpu(), truths, batch.ids)

    with side_by_side() as run:
        for raw in raws:
            yield joined(run(look, raw.split(pieces_of(raw.images, device, precision))))


def joined(parts: Sequence[Seen]) -> Seen:
    """Batches of one split as one."""
    truths: Any = [part.truths for part in parts]
    whole = torch.cat(truths) if isinstance(truths[0], Tensor) else [t for batch in truths for t in batch]
    return Seen(torch.cat([part.activations for part in parts]), whole, [i for p in parts for i in p.ids])


def chosen(seen: Seen, places: Tensor) -> Seen:
    """The pictures at these positions, in their order, one as often as it is named."""
    batch = seen.at(places)
    return Seen(seen.activations[places], batch.truths, batch.ids)


@dataclass(frozen=True)
class Once:
    """A split's activations as batches: in the place of `Batches` wherever a network begins at the border.

    With several views each picture is seen in one of them, drawn anew in each epoch.
    """

    views: tuple[Seen, ...]
    size: int
    """Pictures a batch."""
    seed: int = 0
    shuffle: bool = False
    draw: tuple[float, ...] = ()
    share: Share = WHOLE
    """What of it this process has, as in `Batches`."""

    @property
    def count(self) -> int:
        return len(self.views[0].ids)

    def __len__(self) -> int:
        full, rest = divmod(self.count, self.size)
        return max(1, full) if self.shuffle else full + bool(rest)

    def all(self) -> Seen:
        """All views of all pictures as one, those drawn by chances as often as they are drawn in an epoch."""
        whole = joined(self.views)
        if not self.draw:
            return whole
        order = drawn_order(self.count, self.count, 1, False, self.draw, (self.seed, 0))[0]
        return chosen(
            whole, torch.as_tensor([v * self.count + n for v in range(len(self.views)) for n in order])
        )

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch `number`, from batch `start` on, in the order that `Batches` has."""
        order = drawn_order(self.count, self.size, len(self), self.shuffle, self.draw, (self.seed, number))
        first, end = (0, len(self)) if self.shuffle else self.share.span(len(self))
        for n in range(max(start, first), end):
            which = np.random.default_rng((self.seed, number, n, OWN_STREAM)).integers(len(self.views))
            if not self.shuffle or self.share.of == 1:
                yield self.views[which].at(torch.as_tensor(order[n]))
                continue
            seats = self.share.seats(len(order[n]))
            part = self.views[which].at(torch.as_tensor([order[n][seat] for seat in seats]))
            yield replace(part, whole=len(order[n]), seats=tuple(seats))

    def to(self, batch: Batch, device: str, channels_last: bool) -> Batch:
        """The batch on the device, in the layout the network wants."""
        batch = batch.moved(lambda tensor: tensor.to(device))
        if channels_last and batch.images.dim() == 4:
            return replace(batch, images=batch.images.contiguous(memory_format=torch.channels_last))
        return batch
