"""The loss takes logarithms of probabilities for granted, and is given scores."""

from __future__ import annotations

import math

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._parts import part, untested

SOURCE = "TheDeepChecker (Braiek & Khomh 2022): missing softmax; PyTorch: NLLLoss takes log-probabilities"
LEVEL = "loss"
EXPLAINS = (
    "not_finite", "exploding", "loss_stuck", "oscillation", "updates_too_large", "rate_too_high",
    "cannot_fit", "overfitting", "metric_disagrees", "saturation", "underfitting", "wrong_loss",
    "stopped_too_early", "bad_initialisation", "rate_too_low", "schedule_ends_wrongly", "dead_units",
    "below_published",
)  # fmt: skip


def examine(case: Case) -> Finding | Unsure | None:
    loss = part(case, "loss")
    if loss is None:
        return untested(case, "loss", "the loss")
    if not all(map(math.isfinite, (loss["right"], loss["undecided"], loss["single"], loss["in_training"]))):
        return None  # `not_finite` says so
    lowest = min(loss["right"], loss["right_in_training"], loss["single"], loss["in_training"])
    if lowest > -0.5 or loss["slope"] > 0:
        return None
    return Finding(
        "softmax_missing",
        "error",
        f"The loss has no lower bound: for answers that are right and sure it says {loss['right']:.3g}, and a loss "
        "of classes is never below 0.",
        (
            Evidence(
                f"For {loss['count']} made-up answers it is {loss['right']:.3g} where they are right (0 is "
                "expected) and "
                f"{loss['undecided']:.3g} where they are undecided ({loss['guess']:.3g} is expected).",
                dict(loss),
            ),
        ),
        "The negative of a score is taken for the negative logarithm of a probability. It can be made as small as "
        "one likes by growing all scores, which teaches nothing about the classes.",
        Cure(
            "In the task's code write `F.cross_entropy(scores, labels)`, or "
            "`F.nll_loss(F.log_softmax(scores, 1), labels)`."
        ),
        confidence=0.97,
        direct=True,
    )
