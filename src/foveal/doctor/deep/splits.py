"""Whether validation pictures are seen the same each time, and training pictures alike on both ways in."""

from __future__ import annotations

from typing import Any

import torch

from ...values import Batch
from ..patient import Patient, accuracy, asleep, is_classes, joined, spread

SOURCE = "TheDeepChecker (Braiek & Khomh 2022): shift between training and evaluation; own measurement"
QUICK = True
COUNT, PASSES = 128, 10


def measure(patient: Patient) -> dict[str, Any] | None:
    size = patient.fits(COUNT, PASSES)
    first, again = _seen(patient, "val", 1, size), _seen(patient, "val", 2, size)
    if not isinstance(first.images, torch.Tensor):
        return None
    apart = float((first.images.float() - again.images.float()).abs().mean())
    found: dict[str, Any] = {
        "count": len(first.ids),
        "moves": apart / float(first.images.float().std().clamp_min(1e-9)),
        "same_ids": first.ids == again.ids,
    }
    network = patient.network()
    train = _seen(patient, "train", 1, size)
    made, other = patient.told(network, first), patient.told(network, train)
    if is_classes(patient, made.outputs):
        found["val"] = accuracy(made.outputs, first.truths)
        found["train"] = accuracy(other.outputs, train.truths)
        varied = patient.batch("train", size, augment=True)
        found["varied"] = accuracy(patient.told(network, varied).outputs, varied.truths)
        last = patient.network("last")
        found["last_val"] = accuracy(patient.told(last, first).outputs, first.truths)
        found["last_train"] = accuracy(patient.told(last, train).outputs, train.truths)
        found["called"] = _called(patient, 4 * size)
    return found


def _seen(patient: Patient, part: str, seed: int, size: int) -> Batch:
    with asleep():
        torch.manual_seed(seed)
        source = patient.pictures(part, items=spread(patient.dataset.part(part), size))
        return joined([source.to(raw, "cpu", False) for raw in source.epoch(0)])


def _called(patient: Patient, size: int) -> list[dict[str, Any]]:
    """What the last network mostly calls the validation pictures of each class: the best one may be an early one that
    had learned next to nothing."""
    batch, labels = patient.batch("val", size), patient.task.labels
    said = patient.told(patient.network("last"), batch).outputs.argmax(1)
    found = []
    for n, label in enumerate(labels):
        own = said[batch.truths == n]
        if len(own):
            most = int(torch.bincount(own, minlength=len(labels)).argmax())
            share = float((own == most).float().mean())
            found.append({"truth": label, "called": labels[most], "count": len(own), "share": share})
    return found
