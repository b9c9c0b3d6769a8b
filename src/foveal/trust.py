"""Outputs one can trust: what only a validation split can tell of a trained network.

`settle` sets the temperature and the distance beyond which a picture is none of these; `judge` measures
on the test split, in the pass that judges it, how many known pictures are refused wrongly.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .contracts import Task
from .data.batches import Batches
from .far import Far, first, fit_far, watched
from .loop.evaluation import sweep
from .machine.device import autocast
from .values import Batch, Evaluation, Step

SEEN = 1000
"""Training pictures that the reference is made of; 2,000 made no better one, 500 hardly a worse one."""
TOLD = ("loss", "calibration_error")


@dataclass(frozen=True)
class Gathered:
    """A split as the network leaves it: the outputs of the task's steps, the features `BD` that enter the head, the
    truths and the items' ids, all on the CPU. Features are None where no layer of that name is passed."""

    outputs: Tensor
    features: Tensor | None
    truths: Any
    ids: list[str]


def gather(network: nn.Module, batches: Batches, device: str, head: str, precision: str = "fp32") -> Gathered:
    """One pass over a split in evaluation mode; modes and hooks are as before afterwards."""
    outputs: list[Tensor] = []
    features: list[Tensor | None] = []
    truths: list[Any] = []
    ids: list[str] = []

    def forward(batch: Batch) -> tuple[Tensor, Tensor | None]:
        with torch.inference_mode(), watched(network, head) as seen, autocast(device, precision):
            made: Tensor = batches.task.step(network, batch).outputs
        return made, first(seen, len(batch.ids))

    def take(made: tuple[Tensor, Tensor | None], batch: Batch) -> None:
        outputs.append(made[0].float().cpu())
        features.append(None if made[1] is None else made[1].cpu())
        truths.append(batch.truths.cpu() if isinstance(batch.truths, Tensor) else batch.truths)
        ids.extend(batch.ids)

    sweep(network, batches, device, forward, take, precision)
    return Gathered(torch.cat(outputs), _joined(features), _all(truths), ids)


@dataclass(frozen=True)
class Settled:
    """A task with its temperature, the distances (None: too few pictures, or no features to go by), and
    what the validation split says of it: `temperature`, `loss` and `calibration_error`, each also `_before`."""

    task: Task
    far: Far | None
    numbers: dict[str, float]


def settle(
    network: nn.Module,
    task: Task,
    seen: Batches,
    validation: Batches,
    head: str,
    device: str,
    precision: str = "fp32",
) -> Settled:
    """What is settled once the best network is loaded: one pass over the validation pictures, one over at
    most 1,000 of the training pictures `seen` (both as evaluation views them). The latter is in `precision`:
    where their centre lies, and how they are spread, is told as well by rounded features.

    The validation pictures chose the best epoch too. One number is fitted to them here, and one threshold,
    so that what this makes them look better is small; what is true is measured on the test pictures.
    """
    if not validation.items or not hasattr(task, "calibrated"):
        return Settled(task, None, {})
    val = gather(network, validation, device, head)
    calibrated = task.calibrated(val.outputs, val.truths)
    before, after = _told(task, val), _told(calibrated, val)
    numbers = {f"{name}_before": value for name, value in before.items()} | after
    if hasattr(calibrated, "temperature"):
        numbers["temperature"] = float(calibrated.temperature)
    far = None
    if val.features is not None:
        known = gather(network, _drawn(seen), device, head, precision)
        if known.features is not None:
            classes = known.truths if _are_classes(known.truths) else None
            far = fit_far(known.features, classes, val.features, head)
    return Settled(calibrated, far, numbers)


def judge(
    network: nn.Module, task: Task, batches: Batches, split: str, device: str, far: Far | None
) -> tuple[Evaluation, Far | None]:
    """`evaluate` in fp32, and in the same pass the distances of the split's pictures: `far` comes back
    with its error rate. The validation pictures cannot tell that, as their threshold is their own."""
    meter = task.meter()
    distances: list[Tensor | None] = []
    measured = far if split != "val" else None

    def forward(batch: Batch) -> tuple[Step, Tensor | None]:
        with torch.inference_mode(), watched(network, measured.head if measured else None) as seen:
            step = task.step(network, batch)
        features = first(seen, len(batch.ids)) if measured else None
        return step, None if features is None or measured is None else measured.distance(features)

    def take(made: tuple[Step, Tensor | None], batch: Batch) -> None:
        meter.add(made[0], batch)
        distances.append(made[1])

    sweep(network, batches, device, forward, take)
    judged, joined = meter.result(split), _joined(distances)
    return judged, far if far is None or joined is None else far.judged(joined, split)


def _drawn(seen: Batches) -> Batches:
    """At most `SEEN` of the pictures, the same ones each time."""
    count = len(seen.items)
    if count <= SEEN:
        return seen
    places = np.sort(np.random.default_rng(0).permutation(count)[:SEEN])
    return dataclasses.replace(seen, items=[seen.items[place] for place in places], draw=())


def _are_classes(truths: Any) -> bool:
    return isinstance(truths, Tensor) and truths.dim() == 1 and truths.dtype == torch.int64


def _told(task: Task, val: Gathered) -> dict[str, float]:
    meter = task.meter()
    meter.add(Step(torch.zeros(()), {}, val.outputs), Batch(torch.empty(0), val.truths, val.ids))
    metrics = meter.result("val").metrics
    return {name: metrics[name] for name in TOLD if name in metrics}


def _joined(parts: list[Tensor | None]) -> Tensor | None:
    found = [part for part in parts if part is not None]
    return torch.cat(found) if found and len(found) == len(parts) else None


def _all(truths: list[Any]) -> Any:
    """The batches' truths as one: tensors one after the other, else a list."""
    if isinstance(truths[0], Tensor):
        return torch.cat(truths)
    return [truth for batch in truths for truth in batch]
