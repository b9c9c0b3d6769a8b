"""Pictures are not prepared as the pretrained weights want them."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._parts import part

SOURCE = "timm's pretrained settings; measured: ImageNet's mean and deviation cost EfficientNet-Lite0 eleven points"
LEVEL = "input"
EXPLAINS = (
    "underfitting", "stopped_too_early", "rate_too_low", "below_published", "overfitting", "loss_stuck",
)  # fmt: skip


def examine(case: Case) -> Finding | Unsure | None:
    found = part(case, "preprocessing")
    if found is None or not found["differs"]:
        return None
    return Finding(
        "wrong_preprocessing",
        "warning",
        f"The weights {found['weights']} want mean {_few(found['wanted_mean'])} and deviation "
        f"{_few(found['wanted_std'])}; the pictures were given with {_few(found['mean'])} and "
        f"{_few(found['std'])}.",
        (
            Evidence(
                "Both stand in the run's record and in the weights' own settings: 2 kinds of preprocessing.",
                dict(found),
            ),
        ),
        "Pretrained layers expect numbers like those that they learned on. Others shift every feature; training "
        "can make up for some of it, and frozen layers cannot.",
        Cure(
            "Prepare the pictures as the weights want them: Foveal does if it is left to it; else mend your own code."
        ),
        confidence=0.9,
    )


def _few(values: list[float]) -> str:
    return "/".join(f"{value:.3g}" for value in dict.fromkeys(values))
