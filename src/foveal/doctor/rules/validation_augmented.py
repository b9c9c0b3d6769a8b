"""Validation pictures look different each time they are seen."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._parts import part, untested

SOURCE = "Karpathy 2019, A Recipe: fix what you judge on; own measurement: the same pictures looked at twice"
LEVEL = "input"
EXPLAINS = (
    "oscillation", "metric_disagrees", "stopped_too_early", "below_published", "underfitting",
    "split_preprocessing", "rate_too_low", "wrong_preprocessing",
)  # fmt: skip
LEAST = 0.02


def examine(case: Case) -> Finding | Unsure | None:
    found = part(case, "splits")
    if found is None:
        return untested(case, "splits", "both ways in")
    if found["moves"] < LEAST:
        return None
    return Finding(
        "validation_augmented",
        "error",
        f"The same {found['count']} validation pictures differ from one look to the next by {found['moves']:.2f} "
        "of their deviation.",
        (
            Evidence(
                f"Two looks with other random numbers gave pictures {found['moves']:.2f} deviations apart on "
                "average; 0 is expected.",
                dict(found),
            ),
        ),
        "What varies training pictures is done to validation pictures as well. The score is that of another, "
        "harder set each time, and epochs cannot be compared.",
        Cure(
            "Make two transforms, and hand that of training to training alone: validation pictures are "
            "resized, cropped in the middle and normalised (`Resize`, `CenterCrop`, `ToTensor`, "
            "`Normalize`), and nothing in them is random."
        ),
        confidence=0.97,
    )
