"""Whether pictures are prepared as the network wants them: by its weights' own settings, and by trying others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ... import catalog
from ...values import Batch
from ..patient import Patient, is_classes

SOURCE = (
    "timm's and torchvision's own settings of each weights; own measurement: a wrong mean costs eleven points"
)
QUICK = True
COUNT = 128
WAYS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "ImageNet's mean and deviation": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "-1 to 1": ((0.5,), (0.5,)),
    "0 to 1": ((0.0,), (1.0,)),
    "0 to 255": ((0.0,), (1 / 255,)),
}
"""What others normalise by: mean and standard deviation of pictures from 0 to 1."""


def measure(patient: Patient) -> dict[str, Any] | None:
    found = {**_of_weights(patient), **_tried(patient)}
    return found or None


def _of_weights(patient: Patient) -> dict[str, Any]:
    """How the run's preprocessing differs from that of the published weights that it began with; empty where it began
    with none."""
    origin = patient.record.options.get("origin")
    if not isinstance(origin, dict):
        return {}
    name = str(patient.architecture["name"])
    weights = catalog.find("architectures", name).weights(name, None)
    if weights is None or not _is_of(origin, weights):
        return {}
    own, wanted = patient.preprocessing, weights.preprocessing
    if own.channels != wanted.channels:
        return {}
    return {
        "weights": weights.name,
        "mean": list(own.mean),
        "std": list(own.std),
        "wanted_mean": list(wanted.mean),
        "wanted_std": list(wanted.std),
        "size": own.size,
        "wanted_size": wanted.size,
        "differs": _apart(own.mean, wanted.mean) > 0.02 or _apart(own.std, wanted.std) > 0.02,
    }


def _tried(patient: Patient) -> dict[str, Any]:
    """The other preparation of validation pictures with which the best network is right most often, and how many are
    right with one of the two only; empty where answers are not classes."""
    network, batch = patient.network(), patient.batch("val", COUNT)
    outputs = patient.told(network, batch).outputs
    if not is_classes(patient, outputs):
        return {}
    right, best = outputs.argmax(1) == batch.truths, None
    for way, (mean, std) in WAYS.items():
        if len(mean) not in (1, batch.images.shape[1]) or patient.time_left < 2:
            continue
        other = _renormalised(patient, batch.images, mean, std)
        if float((other - batch.images).abs().max()) < 0.05:
            continue
        hits = patient.told(network, Batch(other, batch.truths, batch.ids)).outputs.argmax(1) == batch.truths
        told: dict[str, Any] = {
            "way": way,
            "accuracy": float(hits.float().mean()),
            "only_so": int((hits & ~right).sum()),
            "only_own": int((right & ~hits).sum()),
        }
        if best is None or told["accuracy"] > best["accuracy"]:
            best = told
    return (
        {} if best is None else {"judged": len(batch.ids), "own": float(right.float().mean()), "other": best}
    )


def _renormalised(
    patient: Patient, images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]
) -> Tensor:
    """Normalised pictures `BCHW` as another mean and deviation would have them."""
    own = patient.preprocessing
    old_mean, old_std, new_mean, new_std = (
        torch.tensor(values).view(1, -1, 1, 1) for values in (own.mean, own.std, mean, std)
    )
    return (images * old_std + old_mean - new_mean) / new_std


def _is_of(origin: dict[str, Any], weights: Any) -> bool:
    """Whether training began with these published weights, and not with a person's own file."""
    said = " ".join(str(value) for value in origin.values())
    return str(weights.source) in said or str(weights.name) in said


def _apart(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    return max(abs(a - b) for a, b in zip(first, second, strict=True))
