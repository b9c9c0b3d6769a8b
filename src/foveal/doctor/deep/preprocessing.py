"""Whether pictures are prepared as the weights that training began with want them."""

from __future__ import annotations

from typing import Any

from ... import catalog
from ..patient import Patient

SOURCE = (
    "timm's and torchvision's own settings of each weights; own measurement: a wrong mean costs eleven points"
)
QUICK = True


def measure(patient: Patient) -> dict[str, Any] | None:
    origin = patient.record.options.get("origin")
    if not isinstance(origin, dict):
        return None
    name = str(patient.architecture["name"])
    weights = catalog.find("architectures", name).weights(name, None)
    if weights is None or not _is_of(origin, weights):
        return None
    own, wanted = patient.preprocessing, weights.preprocessing
    if own.channels != wanted.channels:
        return None
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


def _is_of(origin: dict[str, Any], weights: Any) -> bool:
    """Whether training began with these published weights, and not with a person's own file."""
    said = " ".join(str(value) for value in origin.values())
    return str(weights.source) in said or str(weights.name) in said


def _apart(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    return max(abs(a - b) for a, b in zip(first, second, strict=True))
