"""Batches of a split, the same for the same seed whatever the workers, startable mid-epoch."""

from __future__ import annotations

import atexit
import functools
import os
import signal
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from multiprocessing import resource_tracker
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..contracts import Pair, Task, View
from ..errors import FovealError
from ..machine.device import seeded
from ..machine.memory import MB, free_megabytes
from ..machine.shares import OWN_STREAM, WHOLE, Share
from ..values import Batch, Item, Preprocessing
from .cache import Kept, as_image, lies_on_picture
from .decoding import open_image
from .pixels import Scratch
from .together import Together
from .views import normalise, to_uint8

ROOM = 0.25
"""Share of a GPU's free memory that the pictures of a split may fill."""


def drawn_order(
    count: int, size: int, batches: int, shuffle: bool, draw: Sequence[float], seed: tuple[int, int]
) -> list[list[int]]:
    """Positions below `count` in batches of `size`: as they are, shuffled, or drawn by chances with replacement."""
    places = np.arange(count)
    if draw:
        places = np.random.default_rng(seed).choice(count, count, p=np.asarray(draw) / sum(draw))
    elif shuffle:
        places = np.random.default_rng(seed).permutation(count)
    return [places[n * size : (n + 1) * size].tolist() for n in range(batches)]


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
    view: View | None
    """None: what is kept is viewed already."""
    varied: bool = field(default=True, kw_only=True)
    """Whether the view may draw: such views are made one after the other, others by several threads."""
    preprocessing: Preprocessing
    size: int
    """Pictures a batch."""
    seed: int = 0
    shuffle: bool = False
    draw: tuple[float, ...] = ()
    """Chance of each picture to be drawn, with replacement, where an epoch is not each of them once."""
    workers: int = 0
    pin: bool = False
    kept: Kept | None = None
    """The pictures, where they were decoded before."""
    together: Together | None = None
    """What varies whole batches, after `view`."""
    among: Callable[[list[Pair]], list[Pair]] | None = None
    """What varies the viewed pictures of a batch by each other."""
    device: str = "cpu"
    """Where pictures that are varied together lie."""
    share: Share = WHOLE
    """What of it this process makes: of shuffled pictures its part of each batch, else a run of whole batches."""

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
        return drawn_order(len(self.items), self.size, len(self), self.shuffle, self.draw, (self.seed, epoch))

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch `number`, from batch `start` on."""
        if self._whole is not None:
            return self._resident(number, start)
        due = self.due(start)
        if not self.workers:
            made = _Made(self)
            return (_checked(made[number, n]) for n in due)
        places, loader = self._workers
        places.epoch, places.due = number, due
        begun = loader._iterator is not None
        with _shielded():
            batches = iter(loader)
        if not begun:  # after torch's own, hence before it at the exit: that one waits five seconds a worker
            atexit.register(_dismiss, weakref.ref(loader))
        return map(_checked, batches)

    def due(self, start: int = 0) -> range:
        """The numbers of the batches, from `start` on, of which this process makes something."""
        if self.shuffle:
            return range(start, len(self))
        first, end = self.share.span(len(self))
        return range(max(first, start), end)

    def seats(self, count: int) -> list[int]:
        """The places in a batch of so many pictures that this process makes."""
        return self.share.seats(count) if self.shuffle else list(range(count))

    @property
    def is_cut(self) -> bool:
        """Whether it makes only a part of each batch."""
        return self.shuffle and self.share.of > 1

    def laid(self) -> Batches:
        """The same, with what can lie on the device for all epochs laid there now."""
        _ = self._whole
        return self

    @cached_property
    def _whole(self) -> tuple[Tensor, Any] | None:
        """All pictures as one tensor on the device, and their truths, where they are kept in memory, have one
        size, and no picture is touched alone: they are varied together, or a GPU sees them as they are kept."""
        if self.kept is None or self.kept.arrays is None:
            return None
        if self.together is None and (self.view is not None or not self.device.startswith("cuda")):
            return None
        if self.view is not None and self.preprocessing.crop != 1:  # the view takes a part of each
            return None
        pairs = [self.kept[item] for item in self.items]
        if len({array.shape for array, _ in pairs}) > 1 or not self._fits(sum(a.nbytes for a, _ in pairs)):
            return None
        images = torch.from_numpy(np.stack([array for array, _ in pairs])).permute(0, 3, 1, 2)
        truths = self.task.collate([truth for _, truth in pairs])
        if not isinstance(truths, Tensor):
            return None
        return images.to(self.device), truths.to(self.device)

    def _fits(self, size: int) -> bool:
        """Whether a GPU has room for so many bytes beside what training needs."""
        return not self.device.startswith("cuda") or size < ROOM * MB * free_megabytes(self.device)

    def _resident(self, number: int, start: int) -> Iterator[Batch]:
        """The same batches, made of the whole on its device; nothing waits for a GPU.

        Where the pictures lie and how they are varied is written to one pinned row of numbers an epoch: memory that
        a copy does not wait for is dear to get.
        """
        assert self._whole is not None
        images, truths = self._whole
        order = self.order(number)
        told = torch.empty((sum(map(len, order)), 4), dtype=torch.int64, pin_memory=images.is_cuda)
        for place in self.due(start):
            began = time.perf_counter()
            seats = self.seats(len(order[place]))
            places = [order[place][seat] for seat in seats]
            part = (tuple(seats), len(order[place])) if self.is_cut else ((), 0)
            here, told = told[: len(places)], told[len(places) :]
            here[:, 0] = torch.tensor(places)
            if self.together is not None:
                here[:, 1:] = self.together.drawn(len(places), number, place, *part)
            there = here.to(images.device, non_blocking=True)
            at = there[:, 0]
            seen = images[at]
            if self.together is not None:
                seen = self.together.moved(seen, at, there[:, 1:], number)
            ids = [self.items[n].id for n in places]
            yield Batch(seen, truths[at], ids, (0.0, time.perf_counter() - began), part[1], part[0])

    @cached_property
    def _workers(self) -> tuple[_Places, DataLoader[Batch | FovealError]]:
        """The worker processes, begun once for all epochs: each of them has to load torch first."""
        places = _Places(self.due())
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
        layout = torch.channels_last if channels_last else torch.contiguous_format
        return replace(batch, images=images.contiguous(memory_format=layout))


@dataclass
class _Made(Dataset["Batch | FovealError"]):
    """Epoch and batch number -> batch; picklable, so that worker processes can make it.

    An error is a value here: torch would turn one that a worker raises into a RuntimeError.
    """

    batches: Batches
    drawn: tuple[int, list[list[int]]] = (-1, [])
    scratch: Scratch = field(default_factory=Scratch)
    """Holds a batch's pictures until they are stacked."""

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
        order = self.order(number)[place]
        seats = b.seats(len(order))
        places = [order[seat] for seat in seats]
        items = [b.items[n] for n in places]
        began = time.perf_counter()
        self.scratch.clear()
        pictures = self.read(items)
        read = time.perf_counter()
        # one seed a batch, not a picture: seeding costs as much as a small picture's crop
        seed = _mixed(b.seed, number, place)
        part: tuple[tuple[int, ...], int] = (tuple(seats), len(order)) if b.is_cut else ((), 0)
        viewed = pictures
        if b.view is not None and b.varied:
            viewed = self.varied(pictures, seed, part[0])
        images = stacked([image for image, _ in viewed])
        if b.together is not None:
            images = b.together(images, torch.tensor(places), number, place, *part)
        truths = b.task.collate([truth for _, truth in viewed])
        seconds = (read - began, time.perf_counter() - read)
        return Batch(images, truths, [item.id for item in items], seconds, part[1], part[0])

    def varied(self, pictures: list[Pair], seed: int, seats: tuple[int, ...]) -> list[Pair]:
        """The pictures as a training view draws them. Where processes share the batch (`seats` are the pictures'
        places in it) each picture has a seed of its own: the draws are the same however many share it, without
        the pictures of others being made."""
        b = self.batches
        assert b.view is not None
        if not seats:
            with seeded(seed):
                viewed = [b.view(image, truth) for image, truth in pictures]
                return viewed if b.among is None else b.among(viewed)
        viewed = []
        for seat, (image, truth) in zip(seats, pictures, strict=True):
            with seeded(_mixed(seed, seat)):
                viewed.append(b.view(image, truth))
        if b.among is None:
            return viewed
        with seeded(_mixed(seed, OWN_STREAM, b.share.rank)):
            return b.among(viewed)

    def read(self, items: list[Item]) -> list[tuple[Any, Any]]:
        """Pictures and truths, by several threads where they come from files of their own (in a worker process
        by one, as its sisters keep the other cores busy); viewed already, where the view draws nothing."""
        b = self.batches
        works = b.kept is None or (b.view is not None and not b.varied)
        several = works and not b.workers and items[0].frame is None and len(items) > 1
        return list((_readers().map if several else map)(self.one, items))

    def one(self, item: Item) -> tuple[Any, Any]:
        b = self.batches
        fast = getattr(b.view, "tensors", False)
        if b.kept is not None:
            array, truth = b.kept.read(item, self.scratch)
            if b.view is None or (fast and not lies_on_picture(truth)):
                return torch.from_numpy(array).permute(2, 0, 1), truth
            image = as_image(array)
        else:
            image = open_image(b.root, item, b.preprocessing.channels)
            truth = b.task.truth(item, image, b.root)
            if fast and not lies_on_picture(truth):
                return to_uint8(image), truth
        return (image, truth) if b.varied or b.view is None else b.view(image, truth)


def _mixed(*numbers: int) -> int:
    """A seed made of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


@functools.cache
def _readers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="foveal-decode")


def stacked(images: Sequence[Image.Image | Tensor]) -> Tensor:
    """Pictures of one size as uint8 `BCHW`, their bytes channels last, as decoders and kernels like them."""
    first = images[0]
    height, width = first.shape[-2:] if isinstance(first, Tensor) else (first.height, first.width)
    channels = len(first) if isinstance(first, Tensor) else len(first.getbands())
    made = torch.empty((len(images), height, width, channels), dtype=torch.uint8).permute(0, 3, 1, 2)
    for place, image in zip(made, images, strict=True):
        place.copy_(image if isinstance(image, Tensor) else to_uint8(image))
    return made


def _checked(made: Batch | FovealError) -> Batch:
    if isinstance(made, FovealError):
        raise made
    return made


@dataclass
class _Places:
    """Which batches are wanted next, as (epoch, batch number)."""

    due: range
    epoch: int = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, n) for n in self.due)

    def __len__(self) -> int:
        return len(self.due)


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
