"""A finished or stopped run as something that can be tested: its networks, its pictures as they are given to them."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .. import catalog
from ..contracts import Task
from ..data.batches import Batches
from ..errors import RunError
from ..loop.evaluation import is_channels_last
from ..options import FitOptions, TrainOptions, make
from ..plan.batches import batches
from ..plan.network import built
from ..plan.trial import untouched
from ..records.gathered import Gathered, gather
from ..records.run import Run
from ..structure.views import Views
from ..values import Batch, Dataset, Item, Preprocessing, Step

Which = Literal["best", "last"]
SHARE, LEAST = 0.2, 16
"""Of the time left, what a test may take; pictures that it has at least."""


@dataclass
class Patient:
    """What tests may touch. Whatever they do to a network is done to a copy; `time_left` is what they have."""

    run: Run
    record: Gathered
    dataset: Dataset
    task: Task
    options: TrainOptions
    fit: FitOptions
    preprocessing: Preprocessing
    architecture: dict[str, Any]
    until: float
    seed: int = 0
    _networks: dict[str, nn.Module] = field(default_factory=dict)
    _drawn: dict[tuple[str, int, bool], Batch] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run, seconds: float = 60.0) -> Patient:
        """The patient of a run's folder, with so many seconds for its tests.

        Raises:
            RunError: the run never began, or was begun with what this Foveal does not know.
        """
        kept, record = run.options, gather(run)
        if record.dataset is None or not record.dataset.items:
            raise RunError(
                f"{run.folder} does not say which pictures it was trained on.",
                "A run with its data.json.",
                "Train a new one: foveal train DATA",
            )
        card = dict(kept["task"])
        task = catalog.find("tasks", card.pop("name")).build(**card)
        return cls(
            run, record, record.dataset, task, make(TrainOptions, kept["train"]), make(FitOptions, kept["fit"]),
            Preprocessing.from_json(kept["preprocessing"]), dict(kept["architecture"]), time.monotonic() + seconds,
        )  # fmt: skip

    @property
    def time_left(self) -> float:
        """Seconds."""
        return self.until - time.monotonic()

    @property
    def scratch(self) -> bool:
        return self.record.options.get("origin") is None

    def network(self, which: Which = "best") -> nn.Module:
        """A copy of the run's best or last network, in evaluation mode, on the processor.

        Raises:
            ModelError: the run has saved none.
        """
        if which not in self._networks:
            made = self.run.model(which).network
            self._networks[which] = made.network if isinstance(made, Views) else made
        return copy.deepcopy(self._networks[which]).float().eval()

    def fresh(self, seed: int = 0) -> nn.Module:
        """The architecture with weights drawn anew, as from scratch, in training mode."""
        torch.manual_seed(seed)
        return built(self.architecture, self.options).train()

    def pictures(self, part: str, augment: bool = False, items: tuple[Item, ...] | None = None) -> Batches:
        """A split as the network is given it; other items of it where they are told."""
        import dataclasses

        shown = self.dataset if items is None else dataclasses.replace(self.dataset, items=items)
        options = dataclasses.replace(self.options, workers=0, cache="off")
        fit = dataclasses.replace(self.fit, device="cpu", batch=max(1, min(self.fit.batch, 64)))
        return batches(
            shown, part, self.task, self.preprocessing, options, fit, scratch=self.scratch, augment=augment
        )

    def batch(self, part: str, count: int, augment: bool = False) -> Batch:
        """At most `count` pictures of a split, spread evenly over it, on the processor; the same each time.

        Raises:
            PictureError: the pictures are not there any more.
        """
        key = (part, count, augment)
        if key not in self._drawn:
            items = spread(self.dataset.part(part), count)
            with untouched("cpu"):
                torch.manual_seed(self.seed)
                source = self.pictures(part, augment, items)
                made = [source.to(raw, "cpu", False) for raw in source.epoch(0)]
            self._drawn[key] = joined(made)
        drawn = self._drawn[key]
        return Batch(drawn.images, drawn.truths, list(drawn.ids))

    @cached_property
    def pace(self) -> float:
        """Seconds that one picture takes to be read and to pass the network."""
        network = self.network()
        self.told(network, self.batch("train", 2))  # the first pass is slower than all others
        began = time.monotonic()
        batch = self.batch("train", 8)
        self.told(network, batch)
        return (time.monotonic() - began) / max(1, len(batch.ids))

    def fits(self, most: int, passes: float = 1.0) -> int:
        """How many pictures, of at most so many, a test may take that has each pass the network so often: what fits
        into its share of the time left, but never less than a few."""
        return min(most, max(LEAST, int(SHARE * self.time_left / max(1e-9, passes * self.pace))))

    def told(self, network: nn.Module, batch: Batch) -> Step:
        """What the task makes of the batch in the network's mode, without gradients."""
        with torch.no_grad():
            return self.task.step(network, batch)


def spread(items: tuple[Item, ...], count: int) -> tuple[Item, ...]:
    """At most `count` of the items, evenly."""
    if len(items) <= count:
        return items
    return tuple(items[n * len(items) // count] for n in range(count))


def joined(parts: list[Batch]) -> Batch:
    """Several batches as one."""
    if len(parts) == 1:
        return parts[0]
    truths = parts[0].truths
    whole = (
        torch.cat([part.truths for part in parts])
        if isinstance(truths, Tensor)
        else [truth for part in parts for truth in part.truths]
    )
    return Batch(torch.cat([part.images for part in parts]), whole, [id for part in parts for id in part.ids])


@contextmanager
def asleep() -> Iterator[None]:
    """Inside, tests may draw as they like: all random states are as before afterwards."""
    with untouched("cpu"):
        yield


def accuracy(outputs: Tensor, truths: Tensor) -> float:
    """Share of pictures whose largest output is their class."""
    return float((outputs.argmax(1) == truths).float().mean())


def is_classes(patient: Patient, outputs: Any) -> bool:
    """Whether outputs are one number a class, and truths class indices."""
    return patient.task.name == "classify" and isinstance(outputs, Tensor) and outputs.dim() == 2


def layout(network: nn.Module, batch: Batch) -> Batch:
    """The batch as the network's kernels lie."""
    if not is_channels_last(network):
        return batch
    return Batch(batch.images.to(memory_format=torch.channels_last), batch.truths, batch.ids)
