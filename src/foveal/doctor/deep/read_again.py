"""Pictures read from their files again: whether what the network is given is what they show, and tells as much."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from ...data.decoding import open_image
from ...values import Batch, Item
from ..patient import Patient, is_classes, spread
from ._heads import Rows, head

SOURCE = (
    "Karpathy 2019, A Recipe: look at what goes into the network; Dalal & Triggs 2005 (directions of edges), Swain & "
    "Ballard 1991 (colours): what simple features tell; leave-one-out ridge as Hastie, Tibshirani & Friedman 2009, "
    "section 7.10"
)
QUICK = True
LOOKED, TOLD, FEWEST = 16, 240, 60
"""Pictures that are held against their files; from which labels are told, at most and at least."""
SIDE, BINS = 12, 8


def measure(patient: Patient) -> dict[str, Any] | None:
    """By split how what is given lies to the files; and how many training labels simple features of both tell."""
    found: dict[str, Any] = {}
    for part in ("train", "val"):
        batch = patient.batch(part, LOOKED)
        if not isinstance(batch.images, Tensor) or batch.images.dim() != 4 or batch.images.shape[1] > 3:
            return None
        again = _again(patient, part, batch)
        if again is None:
            return None
        found[part] = _beside(again, _shades(patient, batch))
    return {**found, **_told(patient)} if found else None


def _shades(patient: Patient, batch: Batch) -> Tensor:
    """Three channels, 0 to 1 where nothing is wrong."""
    mean, deviation = (
        torch.tensor(v).view(-1, 1, 1) for v in (patient.preprocessing.mean, patient.preprocessing.std)
    )
    made = batch.images.float() * deviation + mean
    return made.expand(-1, 3, -1, -1) if made.shape[1] == 1 else made


def _again(patient: Patient, part: str, batch: Batch) -> Tensor | None:
    """The files' pictures in colours, as large as the batch's, from the middle where sides differ."""
    known: dict[str, Item] = {item.id: item for item in patient.dataset.part(part)}
    height, width = batch.images.shape[2:]
    bleed = min(0.49, (1 - min(1.0, patient.preprocessing.crop)) / 2)
    made = []
    for id in batch.ids:
        if id not in known:
            return None
        image = open_image(patient.dataset.root, known[id], 3)
        fitted = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR, bleed=bleed)
        made.append(torch.from_numpy(np.asarray(fitted, dtype=np.float32) / 255).permute(2, 0, 1))
    return torch.stack(made)


def _beside(files: Tensor, given: Tensor) -> dict[str, float]:
    """How well grey shades go together, picture by picture, and by how much detail and colour differ."""
    one, two = files.mean(1).flatten(1), given.mean(1).flatten(1)
    one, two = one - one.mean(1, keepdim=True), two - two.mean(1, keepdim=True)
    lengths = (one.norm(dim=1) * two.norm(dim=1)).clamp_min(1e-9)
    return {
        "alike": float(((one * two).sum(1) / lengths).median()),
        "colour_in_files": _colour(files),
        "colour": _colour(given),
        "detail": _detail(given) / max(1e-9, _detail(files)),
        "contrast": float(two.std()) / max(1e-9, float(one.std())),
    }


def _colour(images: Tensor) -> float:
    """How far channels lie apart, of the deviation of all."""
    grey = images.mean(1, keepdim=True)
    return float((images - grey).abs().mean() / images.std().clamp_min(1e-9))


def _detail(images: Tensor) -> float:
    """How far neighbours lie apart, of the deviation of all."""
    grey = images.mean(1)
    across, down = grey.diff(dim=2).abs().mean(), grey.diff(dim=1).abs().mean()
    return float((across + down) / grey.std().clamp_min(1e-9))


def _told(patient: Patient) -> dict[str, Any]:
    """The share of training labels that a head tells which did not see them, on features of the files, of what
    evaluation would be given of the same pictures, and of what training is."""
    items = spread(patient.dataset.part("train"), patient.fits(TOLD, 2))
    if patient.task.name != "classify" or len(items) < FEWEST:
        return {}
    batch = patient.batch("train", len(items))
    files = _again(patient, "train", batch)
    if files is None or not is_classes(patient, batch.images.flatten(1)):
        return {}
    truths, classes = np.asarray(batch.truths), len(patient.task.labels)
    varied = patient.batch("train", len(items), augment=True)
    told = {}
    for name, images, own in (
        ("from_files", files, truths),
        ("as_given", _shades(patient, batch), truths),
        ("as_taught", _shades(patient, varied), np.asarray(varied.truths)),
    ):
        told[name] = head(_features(images), own, classes)[0]
    return {**told, "told_of": len(truths)}


def _features(images: Tensor) -> Rows:
    """`ND` of pictures `B3HW`: a small copy, shares of colours, and directions of edges at nine places; each group
    weighs as much as another. What a picture's brightness and contrast are does not matter."""
    x = (images - images.mean()) / images.std().clamp_min(1e-6)
    small = F.adaptive_avg_pool2d(x, SIDE).flatten(1)
    places = (x.clamp(-2, 2 - 1e-4) + 2).long()
    index = places[:, 0] * 16 + places[:, 1] * 4 + places[:, 2]
    colours = torch.stack([torch.bincount(row.flatten(), minlength=64).float() for row in index]).sqrt()
    grey = F.pad(x.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across, down = grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2], grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]
    angle = (torch.atan2(down, across) / torch.pi % 1 * BINS).long().clamp(0, BINS - 1)
    edges = torch.zeros(len(x), BINS, *angle.shape[2:]).scatter_(1, angle, (across**2 + down**2).sqrt())
    turned = F.adaptive_avg_pool2d(edges, 3).flatten(1)
    groups = [group - group.mean(0) for group in (small, colours, turned)]
    sizes = [float(group.square().sum(1).mean().sqrt()) for group in groups]
    rows = torch.cat([group / max(1e-6, size) for group, size in zip(groups, sizes, strict=True)], 1)
    return np.asarray(np.c_[rows.numpy() / 3**0.5, np.ones(len(rows))], np.float64)
