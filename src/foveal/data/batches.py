"""Batches of a split, the same for the same seed whatever the workers, startable mid-epoch."""

from __future__ import annotations

import atexit
import os
import signal
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from multiprocessing import resource_tracker

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ..contracts import Task, View
from ..device import seeded
from ..errors import FovealError
from ..values import Batch, Item, Preprocessing
from .decoding import open_image
from .views import normalise, to_uint8


@dataclass(frozen=True)
class Batches:
    """A split as batches.

    `epoch(n, start)` gives the batches of epoch `n` from number `start` on: pictures uint8 `BCHW`,
    in an order and with augmentations that depend on `seed`, `n` and the batch's number only. So a
    resumed run sees what an uninterrupted one saw, and worker processes change nothing.
    """

    root: str
    items: Sequence[Item]
    task: Task
    view: View
    preprocessing: Preprocessing
    size: int
    seed: int = 0
    shuffle: bool = False
    draw: tuple[float, ...] = ()
    """Chance of each picture to be drawn, with replacement, where an epoch is not each of them once."""
    workers: int = 0
    pin: bool = False

    def __len__(self) -> int:
        full, rest = divmod(len(self.items), self.size)
        return max(1, full) if self.shuffle else full + bool(rest)

    @property
    def count(self) -> int:
        """Number of pictures."""
        return len(self.items)

    def order(self, epoch: int) -> list[list[int]]:
        """The items' positions, batch by batch.

        When shuffled, the pictures beyond the last full batch sit this epoch out, others each
        time: a last batch of one would upset batch normalisation.
        """
        count = len(self.items)
        places = np.arange(count)
        if self.draw:
            chances = np.asarray(self.draw) / sum(self.draw)
            places = np.random.default_rng((self.seed, epoch)).choice(count, count, p=chances)
        elif self.shuffle:
            places = np.random.default_rng((self.seed, epoch)).permutation(count)
        return [places[n * self.size : (n + 1) * self.size].tolist() for n in range(len(self))]

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch `number`, from batch `start` on."""
        if not self.workers:
            made = _Made(self)
            return (_checked(made[number, n]) for n in range(start, len(self)))
        places, loader = self._workers
        places.epoch, places.start = number, start
        begun = loader._iterator is not None
        with _shielded():
            batches = iter(loader)
        if not begun:  # after torch's own, hence before it at the exit: that one waits five seconds a worker
            atexit.register(_dismiss, weakref.ref(loader))
        return map(_checked, batches)

    @cached_property
    def _workers(self) -> tuple[_Places, DataLoader[Batch | FovealError]]:
        """The worker processes, begun once for all epochs: each of them has to load torch first."""
        places = _Places(len(self))
        loader = DataLoader(
            _Made(replace(self)),  # a copy, without the workers themselves
            batch_size=None,
            sampler=places,
            num_workers=self.workers,
            pin_memory=self.pin,
            generator=torch.Generator(),  # its own: the network's draws stay as without workers
            prefetch_factor=4,
            multiprocessing_context="spawn",
            worker_init_fn=_begun,
            persistent_workers=True,
        )
        return places, loader

    def to(self, batch: Batch, device: str, channels_last: bool) -> Batch:
        """The batch on the device, normalised, in the memory layout the network wants."""
        batch = batch.moved(lambda tensor: tensor.to(device, non_blocking=self.pin))
        images = normalise(batch.images, self.preprocessing)
        if channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        return replace(batch, images=images)


@dataclass
class _Made(Dataset["Batch | FovealError"]):
    """Epoch and batch number -> batch; picklable, so that worker processes can make it.

    An error is a value here: torch would turn one that a worker raises into a RuntimeError.
    """

    batches: Batches
    drawn: tuple[int, list[list[int]]] = (-1, [])

    def __len__(self) -> int:
        return len(self.batches)

    def order(self, number: int) -> list[list[int]]:
        """The epoch's order, drawn once an epoch."""
        if self.drawn[0] != number:
            self.drawn = number, self.batches.order(number)
        return self.drawn[1]

    def __getitem__(self, where: tuple[int, int]) -> Batch | FovealError:
        try:
            return self.batch(*where)
        except FovealError as error:
            return error

    def batch(self, number: int, place: int) -> Batch:
        """One batch of an epoch.

        Raises:
            PictureError: a picture cannot be read any more.
        """
        b = self.batches
        items = [b.items[n] for n in self.order(number)[place]]
        images, truths = [], []
        # one seed a batch, not a picture: seeding costs as much as a small picture's crop
        seed = int(np.random.SeedSequence((b.seed, number, place)).generate_state(1, np.uint64)[0] >> 1)
        with seeded(seed):
            for item in items:
                image = open_image(b.root, item, b.preprocessing.channels)
                seen, truth = b.view(image, b.task.truth(item, image, b.root))
                images.append(to_uint8(seen))
                truths.append(truth)
        return Batch(torch.stack(images), b.task.collate(truths), [item.id for item in items])


def _checked(made: Batch | FovealError) -> Batch:
    if isinstance(made, FovealError):
        raise made
    return made


@dataclass
class _Places:
    """Which batches are wanted next, as (epoch, batch number)."""

    count: int
    epoch: int = 0
    start: int = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, n) for n in range(self.start, self.count))

    def __len__(self) -> int:
        return self.count - self.start


@contextmanager
def _shielded() -> Iterator[None]:
    """Processes begun inside never see Ctrl-C, which a terminal sends to all: their parent ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows: there they ignore it once they have begun
        yield
        return
    resource_tracker.ensure_running()  # it would lift the block on its way
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _dismiss(loader: weakref.ref[DataLoader[Batch | FovealError]]) -> None:
    """Tell the workers to go; a leaving process would wait for them before it tells them."""
    there = loader()
    if there is not None and there._iterator is not None:
        there._iterator._shutdown_workers()  # type: ignore[attr-defined]


def _begun(worker: int) -> None:
    """In a worker: deaf to Ctrl-C, and gone at once when it is told to, without unloading torch first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    atexit.register(os._exit, 0)
