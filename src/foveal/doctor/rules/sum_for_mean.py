"""The loss grows with the number of pictures: their sum was taken where the mean was meant."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
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
    ways = (("in_training", "doubled_in_training"), ("single", "doubled"))
    summed = [(a, b) for a, b in ways if loss[a] > 0 and TWICE[0] < loss[b] / loss[a] < TWICE[1]]
    if not summed:
        return None
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
        Cure("In the task's code take the mean of the loss over the batch's pictures."),
        confidence=0.97,
    )
