"""Batches of a split, the same for the same seed whatever the workers, startable mid-epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ..contracts import Task, View
from ..device import seeded
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
        if self.shuffle:
            places = np.random.default_rng((self.seed, epoch)).permutation(count)
        return [places[n * self.size : (n + 1) * self.size].tolist() for n in range(len(self))]

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch `number`, from batch `start` on."""
        made = _Made(self, number, self.order(number))
        if not self.workers:
            return (made[n] for n in range(start, len(self)))
        return iter(
            DataLoader(
                made,
                batch_size=None,
                sampler=range(start, len(self)),
                num_workers=self.workers,
                pin_memory=self.pin,
                prefetch_factor=4,
                multiprocessing_context="spawn",
            )
        )

    def to(self, batch: Batch, device: str, channels_last: bool) -> Batch:
        """The batch on the device, normalised, in the memory layout the network wants."""
        images = batch.images.to(device, non_blocking=self.pin)
        images = normalise(images, self.preprocessing)
        if channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        truths = (
            batch.truths.to(device, non_blocking=self.pin) if hasattr(batch.truths, "to") else batch.truths
        )
        return replace(batch, images=images, truths=truths)


@dataclass(frozen=True)
class _Made(Dataset[Batch]):
    """Batch number -> batch; picklable, so that worker processes can make it."""

    batches: Batches
    number: int
    order: list[list[int]]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> Batch:
        b = self.batches
        items = [b.items[n] for n in self.order[place]]
        images, truths = [], []
        # one seed a batch, not a picture: seeding costs as much as a small picture's crop
        seed = int(np.random.SeedSequence((b.seed, self.number, place)).generate_state(1, np.uint64)[0] >> 1)
        with seeded(seed):
            for item in items:
                image, truth = b.view(open_image(b.root, item, b.preprocessing.channels), b.task.truth(item))
                images.append(to_uint8(image))
                truths.append(truth)
        return Batch(torch.stack(images), b.task.collate(truths), [item.id for item in items])
