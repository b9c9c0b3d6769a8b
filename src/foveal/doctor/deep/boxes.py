"""Which boxes of the training pictures the trained network doubts, by what it finds there."""

from __future__ import annotations

import time
from typing import Any

from ...values import Batch
from ..data.boxes import doubts
from ..patient import Patient, spread

SOURCE = "Tkachenko, Thyagarajan & Mueller 2023, ObjectLab"
QUICK = False
MOST = 2000
"""Pictures that are looked at, where there is time."""
SHARE = 0.5
"""Of the time that is left."""


def measure(patient: Patient) -> dict[str, Any] | None:
    """`data.boxes.doubts` of the training pictures, from which the network learned: it has seen the boxes that it is
    to doubt, and doubts fewer of them than it should."""
    if patient.task.name not in ("detect", "instances"):
        return None
    until = time.monotonic() + SHARE * patient.time_left
    network, meter = patient.network(), patient.task.meter()
    source = patient.pictures("train", items=spread(patient.dataset.part("train"), MOST))
    for raw in source.epoch(0):
        batch: Batch = source.to(raw, "cpu", False)
        meter.add(patient.told(network, batch), batch)
        if time.monotonic() > until:
            break
    return doubts(meter.result("train").examples, "train")
