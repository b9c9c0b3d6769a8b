"""Colours that tell the classes, turned round in evaluation."""

from __future__ import annotations

import dataclasses

from foveal.doctor.case import Case
from patients import posed


def staged() -> Case:
    case = posed(epochs=2)
    fine = {"mean": [0.0] * 3, "std": [1.0] * 3, "low": -1.9, "high": 1.9, "sharpness": 0.5}
    told = {
        **dict.fromkeys(("varied", "plain", "val"), fine),
        "judged": 150, "count": 150, "accuracy": 0.61, "swapped": 0.93, "only_swapped": 50, "only_plain": 2,
    }  # fmt: skip
    return dataclasses.replace(case, tests={"inputs": told})
