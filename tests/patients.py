"""Runs of `staging` as patients whose parts are posed: networks, losses and ways in that are ill in one respect."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from foveal import catalog
from foveal.data.batches import Batches
from foveal.doctor.case import Case
from foveal.doctor.patient import Patient, Which
from foveal.options import TrainOptions, make
from foveal.records.run import Run
from foveal.tasks.classify import Classify
from foveal.values import Batch, Item, Preprocessing
from staging import LABELS, PRE, batches, small, trained

Seen = Callable[[Tensor, str, bool], Tensor]
"""What is done to pictures `BCHW` of a part, augmented or not."""


@dataclass
class Prepared:
    """A source whose pictures are prepared further."""

    source: Batches
    prepare: Callable[[Tensor], Tensor]

    @property
    def items(self) -> Sequence[Item]:
        return self.source.items

    def order(self, epoch: int) -> list[list[int]]:
        return self.source.order(epoch)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        return self.source.epoch(number, start)

    def to(self, raw: Batch, device: str, channels_last: bool) -> Batch:
        batch = self.source.to(raw, device, channels_last)
        return Batch(self.prepare(batch.images), batch.truths, batch.ids)


@dataclass
class Posed(Patient):
    """A patient whose networks are at hand, and whose pictures may be prepared oddly."""

    made: Callable[[], nn.Module] = small
    seen: Seen = field(default=lambda images, part, augment: images)

    def fresh(self, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return self.made().train()

    def pictures(self, part: str, augment: bool = False, items: tuple[Item, ...] | None = None) -> Batches:
        data = self.dataset if items is None else dataclasses.replace(self.dataset, items=items)
        source = batches(data, cast(Classify, self.task), part, 64)
        return cast(Batches, Prepared(source, lambda images: self.seen(images, part, augment)))


def posed(
    *tests: str,
    made: Callable[[], nn.Module] = small,
    build: Callable[..., Classify] | None = None,
    seen: Seen | None = None,
    changed: Callable[[nn.Module], None] | None = None,
    at: Path | None = None,
    **more: Any,
) -> Case:
    """The case of a training with these tests of its parts made. `changed` is done to the network after training."""
    kept: list[nn.Module] = []
    given = {} if build is None else {"build": build}
    case = trained(made, keep=kept, at=at, **given, **more)
    network = kept[0]
    if changed is not None:
        changed(network)
    o = case.record.options
    task = (build or catalog.find("tasks", "classify").build)(
        LABELS, label_smoothing=float(o["train"].get("label_smoothing") or 0.0)
    )
    assert case.record.dataset is not None
    from foveal.options import FitOptions

    patient = Posed(
        Run(at or Path("runs/none")), case.record, case.record.dataset, task, make(TrainOptions, o["train"]),
        make(FitOptions, o["fit"]), PRE, {"name": "own/staged"}, time.monotonic() + 60, made=made,
        _networks=cast("dict[str, nn.Module]", dict.fromkeys(("best", "last"), network)),
    )  # fmt: skip
    if seen is not None:
        patient.seen = seen
    found = {name: catalog.find("doctor.deep", name).measure(patient) for name in tests}
    return dataclasses.replace(case, tests={name: one for name, one in found.items() if one is not None})


def odd(loss: Callable[[Tensor, Tensor, float], Tensor]) -> Callable[..., Classify]:
    """A builder of tasks whose loss of logits, truths and smoothing is this one."""

    @dataclass(frozen=True)
    class Odd(Classify):
        def _loss(self, logits: Tensor, truths: Tensor, training: bool) -> Tensor:
            return loss(logits.float(), truths, self.label_smoothing if training else 0.0)

    return lambda labels, **options: Odd(tuple(labels), **options)


def unlearned(case: Case, **tests: Any) -> Case:
    """The same, of which nothing was learned."""
    events = [
        dataclasses.replace(
            e,
            metrics={**e.metrics, "loss": 2.3},
            headline={**e.headline, "value": 0.1, "low": 0.05, "high": 0.15},
        )
        if hasattr(e, "metrics")
        else e
        for e in case.record.events
    ]
    record = dataclasses.replace(case.record, events=tuple(events))
    return dataclasses.replace(case, record=record, tests={**case.tests, **tests})


__all__ = ["PRE", "Posed", "Preprocessing", "Which", "odd", "posed", "unlearned"]
