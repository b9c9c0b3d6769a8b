"""Which regions of masks the trained network doubts, by what it sees there."""

from __future__ import annotations

import time
from typing import Any

import torch

from ...data import masks
from ...tasks.segment import Segment
from ..data.masks import Counted
from ..patient import Patient, spread

SOURCE = "Lad & Mueller 2023, Estimating label quality and errors in semantic segmentation data via any model"
QUICK = False
MOST = 600
"""Pictures of a split that are looked at, where there is time."""
SHARE = 0.4
"""Of the time that is left."""


def measure(patient: Patient) -> dict[str, Any] | None:
    """`data.masks.Counted` of the validation and test pictures, which the network did not learn from, then of the
    training pictures, whose masks it has seen and doubts less than it should."""
    task = patient.task
    if not isinstance(task, Segment):
        return None
    until = time.monotonic() + SHARE * patient.time_left
    network, counted = patient.network(), Counted(task.labels)
    for part in ("val", "test", "train"):
        items = spread(patient.dataset.part(part), MOST)
        if not items:
            continue
        source = patient.pictures(part, items=items)
        for raw in source.epoch(0):
            batch = source.to(raw, "cpu", False)
            whole = [truth["whole"] for truth in batch.truths]
            with torch.no_grad():
                maps = task.maps(network, batch.images, [one.size for one in whole])
            for id, (found, sure), one in zip(batch.ids, maps, whole, strict=True):
                drawn = masks.moving(one.told, task.labels, one.size, one.root).numpy()
                counted.add(id, part, found, sure, drawn)
            if time.monotonic() > until:
                return counted.told()
    return counted.told()
