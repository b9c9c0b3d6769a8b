"""Whether pictures are prepared as the network wants them: by its weights' own settings, and by trying others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ... import catalog
from ...finding import Evidence
from ...values import Batch
from ..patient import Patient, is_classes

SOURCE = (
    "timm's and torchvision's own settings of each weights; own measurement: a wrong mean costs eleven points"
)
QUICK = True
COUNT, PASSES = 128, 7
WAYS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "ImageNet's mean and deviation": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "-1 to 1": ((0.5,), (0.5,)),
    "0 to 1": ((0.0,), (1.0,)),
    "0 to 255": ((0.0,), (1 / 255,)),
}
"""What others normalise by: mean and standard deviation of pictures from 0 to 1."""
AGAIN, BYTES = "normalised once more", "divided by 255 and normalised once more"


def measure(patient: Patient) -> dict[str, Any] | None:
    found = {**_of_weights(patient), **_tried(patient)}
    return found or None


def told(found: Mapping[str, Any]) -> Evidence:
    said = []
    if "weights" in found:
        way = "otherwise than" if found["differs"] else "as"
        sides = f"{found['size']} px, theirs {found['wanted_size']}"
        said.append(f"Pictures are normalised {way} the published weights want it ({sides}).")
    if "other" in found:
        other = found["other"]
        said.append(
            f"Of {found['judged']} validation pictures {found['own']:.1%} are right, {other['accuracy']:.1%} at most "
            f"where they are prepared otherwise ({other['way']})."
        )
    return Evidence(" ".join(said), dict(found))


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
    network, batch = patient.network(), patient.batch("val", patient.fits(COUNT, PASSES))
    outputs = patient.told(network, batch).outputs
    if not is_classes(patient, outputs):
        return {}
    right, best = outputs.argmax(1) == batch.truths, None
    for way, other in _otherwise(patient, batch.images):
        if float((other - batch.images).abs().max()) < 0.05 or patient.time_left < 1:
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


def _otherwise(patient: Patient, images: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Pictures `BCHW` as they are given to the network, prepared otherwise."""
    mean, std = _columns(patient.preprocessing.mean), _columns(patient.preprocessing.std)
    yield AGAIN, (images - mean) / std
    yield BYTES, (images / 255 - mean) / std
    for way, (other_mean, other_std) in WAYS.items():
        if len(other_mean) in (1, images.shape[1]):
            yield way, (images * std + mean - _columns(other_mean)) / _columns(other_std)


def _columns(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).view(1, -1, 1, 1)


def _is_of(origin: dict[str, Any], weights: Any) -> bool:
    """Whether training began with these published weights, and not with a person's own file."""
    said = " ".join(str(value) for value in origin.values())
    return str(weights.source) in said or str(weights.name) in said


def _apart(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    return max(abs(a - b) for a, b in zip(first, second, strict=True))
