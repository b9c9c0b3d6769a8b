"""Whether validation pictures are seen the same each time, and training pictures alike on both ways in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...values import Batch
from ..patient import Patient, accuracy, asleep, is_classes, joined, spread

SOURCE = "TheDeepChecker (Braiek & Khomh 2022): shift between training and evaluation; own measurement"
QUICK = True
COUNT, PASSES = 128, 10
GAP = 0.15
"""What validation must lack of training for other ways of seeing its pictures to be tried."""


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
        if found["last_train"] > found["last_val"] + GAP:
            found["seen_as"] = _seen_as(last, patient, first, train)
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


WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "turned by a quarter": lambda x: x.rot90(1, (2, 3)),
    "turned by a half": lambda x: x.rot90(2, (2, 3)),
    "turned by three quarters": lambda x: x.rot90(3, (2, 3)),
    "mirrored left to right": lambda x: x.flip(3),
    "mirrored top to bottom": lambda x: x.flip(2),
    "with rows and columns exchanged": lambda x: x.transpose(2, 3),
    "mirrored at the other diagonal": lambda x: x.rot90(2, (2, 3)).transpose(2, 3),
    "smoothed": lambda x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1),
    "enlarged by half": lambda x: _zoomed(x, 1.5),
    "made smaller by a third": lambda x: _zoomed(x, 2 / 3),
}


def _zoomed(images: Tensor, times: float) -> Tensor:
    """The middle enlarged, or all made smaller with the edge drawn out around it."""
    height, width = images.shape[2:]
    size = (max(1, round(height * times)), max(1, round(width * times)))
    made = F.interpolate(images, size=size, mode="bilinear", antialias=times < 1)
    up, left = (size[0] - height) // 2, (size[1] - width) // 2
    if times >= 1:
        return made[:, :, up : up + height, left : left + width]
    around = (-left, width - size[1] + left, -up, height - size[0] + up)
    return F.pad(made, around, mode="replicate")


def _seen_as(network: nn.Module, patient: Patient, judged: Batch, train: Batch) -> dict[str, float]:
    """How many validation pictures are right when they are changed in one way that may undo what was done to them."""
    images = judged.images.float()
    mean, deviation = (train.images.float().mean((0, 2, 3)), train.images.float().std((0, 2, 3)))
    own_mean, own = images.mean((0, 2, 3)), images.std((0, 2, 3)).clamp_min(1e-6)
    scale, shift = (v.view(-1, 1, 1) for v in (deviation / own, mean - own_mean * deviation / own))
    low, high = float(images.min()), float(images.max())
    changed = {name: way(images) for name, way in WAYS.items()}
    changed["with light and dark exchanged"] = low + high - images
    changed["with the shades of training pictures"] = images * scale + shift
    if images.shape[2] != images.shape[3]:
        changed = {name: made for name, made in changed.items() if made.shape == images.shape}
    found = {}
    for name, made in changed.items():
        outputs = patient.told(network, Batch(made.contiguous(), judged.truths, judged.ids)).outputs
        found[name] = accuracy(outputs, judged.truths)
    return found
