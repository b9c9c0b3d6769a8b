"""Weights that want 0.5, and pictures normalised by ImageNet."""

from __future__ import annotations

import dataclasses

from foveal.doctor.case import Case
from patients import posed


def staged() -> Case:
    case = posed(epochs=2)
    told = {
        "weights": "tf_efficientnet_lite0", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
        "wanted_mean": [0.5, 0.5, 0.5], "wanted_std": [0.5, 0.5, 0.5], "size": 224, "wanted_size": 224, "differs": True,
    }  # fmt: skip
    return dataclasses.replace(case, tests={"preprocessing": told})
