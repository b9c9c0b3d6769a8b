"""The loss grows with the number of pictures: their sum was taken where the mean was meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ...loop.optimizers import is_like_sgd
from ..case import Case
from ._beside import has_weights
from ._course import poor
from ._parts import part, untested

SOURCE = (
    "TheDeepChecker (Braiek & Khomh 2022): sum and mean exchanged; own measurement on twice the same answers"
)
LEVEL = "loss"
EXPLAINS = (
    "not_finite", "exploding", "oscillation", "updates_too_large", "rate_too_high", "loss_stuck",
    "dead_units", "bad_initialisation", "underfitting", "cannot_fit", "saturation", "clipping_too_strong",
    "metric_disagrees", "stopped_too_early", "overfitting", "schedule_ends_wrongly", "below_published",
    "wrong_loss",
)  # fmt: skip
TWICE = (1.6, 2.4)


def examine(case: Case) -> Finding | Unsure | None:
    loss = part(case, "loss")
    if loss is None:
        return untested(case, "loss", "the loss")
    if has_weights(case):
        return None  # it grows with the answers for another reason
    if not poor(case, 0.05) and not is_like_sgd(str(case.options.get("optimizer"))):
        return None  # Adam and its kind divide the length out
    ways = (("in_training", "doubled_in_training"), ("single", "doubled"))
    summed = [(a, b) for a, b in ways if loss[a] > 0 and TWICE[0] < loss[b] / loss[a] < TWICE[1]]
    if not summed:
        return _many_times(case, loss)
    one, two = summed[0]
    when = "training" if one == "in_training" else "evaluation"
    return Finding(
        "sum_for_mean",
        "error",
        f"The loss is a sum over the batch in {when}: for the same {loss['count']} answers twice it is "
        f"{loss[two] / loss[one]:.2f} times as large.",
        (
            Evidence(
                f"For {loss['count']} made-up answers the loss is {loss[one]:.3g}, for these and the same again "
                f"{loss[two]:.3g}; a mean would stay.",
                dict(loss),
            ),
        ),
        f"Gradients grow with the batch: with {case.record.fit.get('batch', '?')} pictures a step they are that many "
        "times as long as the learning rate was made for.",
        Cure(
            "In the task's code take the mean of the loss over the batch's pictures: "
            '`F.cross_entropy(scores, labels)`, without `reduction="sum"`, `.sum()` or a factor of the '
            "batch's size."
        ),
        confidence=0.97,
        direct=True,
    )


TIMES = 4.0
"""Times as long as the mean's gradient. Shorter ones are no sum (`wrong_loss`)."""


def _many_times(case: Case, loss: Mapping[str, Any]) -> Finding | None:
    """The gradient of the loss has the mean's direction, and a length of its own."""
    wanted = loss.get("expected_slope")
    if not wanted or not loss["slope"] < 0 or not poor(case, 0.05):
        return None
    times = loss["slope"] / wanted
    cost = loss["in_training"] / max(1e-9, loss["expected_in_training"])
    only_longer = (
        abs(cost - 1) < 0.05 or 0.8 < times / max(1e-9, cost) < 1.25
    )  # another loss has another shape
    if times < TIMES or not only_longer:
        return None
    return Finding(
        "sum_for_mean",
        "error",
        f"The gradient of the loss is {times:.3g} times as long as that of mean cross-entropy, which the run names as "
        "its loss.",
        (
            Evidence(
                f"For {loss['count']} made-up answers the loss falls by {-loss['slope']:.3g} where the score of the "
                f"true class grows by 1, and mean cross-entropy by {-wanted:.3g}.",
                dict(loss),
            ),
        ),
        "A factor before the loss (a scale for half precision that is not taken out again, a sum that is divided by "
        "something else than the number of pictures, a weight) multiplies every step of an optimizer that goes by the "
        "gradient's length.",
        Cure(
            "In the task's code take the mean of cross-entropy over the batch's pictures, and no factor: "
            "`F.cross_entropy(scores, labels)`."
        ),
        confidence=0.95,
        direct=True,
    )
