"""What the network is given: mean and standard deviation in training and evaluation, and whether its colours swap."""

from __future__ import annotations

from typing import Any

import torch

from ...values import Batch
from ..patient import Patient, accuracy, is_classes
from ._looks import apart, by_the_card

SOURCE = "LeCun et al. 1998, Efficient BackProp: inputs near mean 0, deviation 1; Karpathy 2019: look at what goes in"
QUICK = True
COUNT, PASSES, FEWER = 256, 4, 64


def measure(patient: Patient) -> dict[str, Any] | None:
    size = patient.fits(COUNT, PASSES)
    varied, plain = patient.batch("train", size, augment=True), patient.batch("train", size)
    judged = patient.batch("val", size)
    if not isinstance(plain.images, torch.Tensor) or plain.images.dim() != 4:
        return None
    found: dict[str, Any] = {"count": len(plain.ids), "judged": len(judged.ids)}
    for name, batch in (("varied", varied), ("plain", plain), ("val", judged)):
        values = batch.images.float()
        found[name] = {
            "mean": values.mean((0, 2, 3)).tolist(),
            "std": values.std((0, 2, 3)).tolist(),
            "low": float(values.min()),
            "high": float(values.max()),
            "colour": float((values[:, 0] - values[:, -1]).abs().mean() / values.std().clamp_min(1e-9)),
            "sharpness": float(
                (values[..., 1:] - values[..., :-1]).abs().mean() / values.std().clamp_min(1e-9)
            ),
        }
    found["mismatched"] = max(_mismatched(patient, batch) for batch in (varied, plain, judged))
    found["renamed"] = _renamed(patient, varied, plain, judged)
    found["apart"] = apart(plain.images, judged.images)
    if patient.dataset.part("test"):
        found["apart_in_test"] = apart(plain.images, patient.batch("test", min(size, FEWER)).images)
    ways = (("varied", "train", True), ("plain", "train", False), ("val", "val", False))
    found["card"] = {name: by_the_card(patient, part, augment) for name, part, augment in ways}
    network = patient.network()
    outputs = patient.told(network, judged).outputs
    if is_classes(patient, outputs):
        found["accuracy"] = accuracy(outputs, judged.truths)
        if judged.images.shape[1] == 3:
            swapped = Batch(judged.images.flip(1), judged.truths, judged.ids)
            other = patient.told(network, swapped).outputs
            right, turned = outputs.argmax(1) == judged.truths, other.argmax(1) == judged.truths
            found["swapped"] = accuracy(other, judged.truths)
            found["only_swapped"] = int((turned & ~right).sum())
            found["only_plain"] = int((right & ~turned).sum())
    return found


def _mismatched(patient: Patient, batch: Batch) -> float:
    """The share of pictures that come with another class, or other labels, than the data say they have."""
    known, labels = {item.id: item.truth for item in patient.dataset.items}, patient.task.labels
    if patient.task.name == "multilabel":
        rows = zip(batch.ids, batch.truths.tolist(), strict=True)
        told = [
            ({labels[n] for n, there in enumerate(row) if there > 0.5}, known[id])
            for id, row in rows
            if id in known
        ]
        return sum(own != set(truth) for own, truth in told) / max(1, len(told))
    if patient.task.name != "classify" or bool(batch.truths.is_floating_point()):
        return 0.0
    pairs = zip(batch.ids, batch.truths.tolist(), strict=True)
    other = [bool(labels[truth] != known[id]) for id, truth in pairs if id in known]
    return sum(other) / max(1, len(other))


def _renamed(patient: Patient, *batches: Batch) -> dict[str, str]:
    """Classes all of whose pictures come under one and the same other name, if such names are exchanged among one
    another."""
    if patient.task.name != "classify":
        return {}
    known, labels = {item.id: item.truth for item in patient.dataset.items}, patient.task.labels
    for batch in batches:
        if bool(batch.truths.is_floating_point()):
            return {}
        came: dict[str, set[str]] = {}
        for id, truth in zip(batch.ids, batch.truths.tolist(), strict=True):
            if id in known:
                came.setdefault(known[id], set()).add(labels[truth])
        other = {name: next(iter(under)) for name, under in came.items() if under != {name}}
        if (
            other
            and all(len(under) == 1 for under in came.values())
            and len(set(other.values())) == len(other)
        ):
            return other
    return {}
