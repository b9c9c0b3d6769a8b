"""Nearly every gradient is cut to a small part of its length, so that steps hardly move."""

from __future__ import annotations

from statistics import median

from ...finding import Cure, Evidence, Finding, Unsure
from ...loop.optimizers import is_like_sgd
from ..case import Case
from ._course import poor, result, stuck
from ._inside import FEWEST, update_ratio, whole
from ._rates import option

SOURCE = (
    "Google's Deep Learning Tuning Playbook: where more than half of the gradients are clipped, lower the rate "
    "instead. Ours: nine of ten, to a tenth of their length or less, with plain SGD (Adam's steps have the length "
    "of the rate), and harm"
)
LEVEL = "optimizer"
EXPLAINS = (
    "loss_stuck",
    "updates_too_small",
    "underfitting",
    "rate_too_low",
    "stopped_too_early",
    "metric_disagrees",
)
OFTEN, SHORT = 0.9, 10.0


def examine(case: Case) -> Finding | Unsure | None:
    clip = option(case, "clip")
    if not clip or not poor(case, 0.15) or not is_like_sgd(str(case.options.get("optimizer"))):
        return None
    cut, norms = whole(case.sights, "clipped"), whole(case.sights, "grad_norm")
    if len(norms) < FEWEST or not cut:
        return Unsure(
            "How long gradients were before they were clipped was not watched: train again with this version."
        )
    share, usual = sum(cut) / len(cut), median(norms)
    if share < OFTEN or usual < SHORT * clip:
        return None
    ratio = update_ratio(case)
    moved = (
        ""
        if ratio is None
        else f" A step then changed most kernels by {ratio:.1g} of their length; 0.001 is usual."
    )
    return Finding(
        "clipping_too_strong",
        "error" if stuck(case) else "warning",
        f"Gradients are clipped to a length of {clip:g}, and are {usual:.2g} long (median); {result(case)}.",
        (
            Evidence(
                f"{100 * share:.0f} % of {len(cut)} steps that were looked at were cut, to 1/{usual / clip:.3g} of "
                f"their length.{moved}",
                {"clip": clip, "grad_norms": norms, "clipped": share, "update_ratio": ratio},
            ),
        ),
        "Clipping is to catch the rare gradient that is far too long. Where it cuts nearly all of them it divides "
        "the rate instead, here by so much that nothing is learned in time.",
        Cure(
            "Leave clipping out, or clip at the length that nine of ten gradients keep below.", {"clip": 0.0}
        ),
        confidence=0.95,
    )
