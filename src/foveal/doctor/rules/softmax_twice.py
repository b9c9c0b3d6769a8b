"""The network, or its loss, takes a softmax of what is a softmax already."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._parts import part, untested

SOURCE = "TheDeepChecker (Braiek & Khomh 2022): softmax applied twice; PyTorch: CrossEntropyLoss takes logits"
LEVEL = "loss"
EXPLAINS = (
    "loss_stuck", "underfitting", "rate_too_low", "updates_too_small", "vanishing", "stopped_too_early",
    "cannot_fit", "metric_disagrees", "overfitting", "schedule_ends_wrongly", "saturation",
    "bad_initialisation", "below_published", "weight_decay_too_strong", "input_ignored", "wrong_loss",
)  # fmt: skip


def examine(case: Case) -> Finding | Unsure | None:
    outputs, loss = part(case, "outputs"), part(case, "loss")
    if outputs is None and loss is None:
        return untested(case, "outputs", "what the network gives")
    if outputs is not None and outputs["probabilities"]:
        return _network(case, outputs)
    if loss is not None and _in_the_loss(loss):
        return _loss(loss)
    return None


def _network(case: Case, outputs: Mapping[str, Any]) -> Finding:
    classes = max(2, len(case.record.labels))
    least = math.log(math.e + classes - 1) - 1
    return Finding(
        "softmax_twice",
        "error",
        "The network ends in a softmax, and the loss takes another: what it gives lies between "
        f"{outputs['low']:.3g} and {outputs['high']:.3g} and adds up to 1.",
        (
            Evidence(
                f"The outputs of {outputs['count']} pictures are all between 0 and 1, and those of each picture "
                "add up to "
                "1 to a thousandth.",
                dict(outputs),
            ),
            Evidence(
                f"With {classes} classes the loss of answers that are wholly right and sure would still be "
                f"{least:.3f}, "
                "instead of 0.",
                {"least_loss": least},
            ),
        ),
        "Cross-entropy takes scores and makes probabilities of them itself. Given probabilities it sees "
        "differences of at most 1 between classes, so gradients are tiny and even the best answer looks unsure.",
        Cure(
            "Take the softmax off the end, in the code of the network or of its loss: the last layer gives scores.",
            repairs=("strip_softmax",) if (part(case, "outputs") or {}).get("ends", "yes") else (),
        ),
        confidence=0.98,
        direct=True,
    )


def _in_the_loss(loss: Mapping[str, Any]) -> bool:
    least = math.log(math.e + loss["labels"] - 1) - 1
    guess = abs(loss["undecided"] - loss["guess"]) < 0.05 * loss["guess"]
    most = [abs(loss[name] - least) < 0.1 * least for name in ("right", "right_in_training")]
    return guess and any(most) and loss["wrong"] - loss["right"] < 1.2


def _loss(loss: Mapping[str, Any]) -> Finding:
    return Finding(
        "softmax_twice",
        "error",
        f"The loss takes a softmax twice: for answers that are right and sure it says {loss['right']:.3f} instead "
        "of 0.",
        (
            Evidence(
                f"For {loss['count']} made-up answers the loss is {loss['right']:.3f} where they are right, "
                f"{loss['wrong']:.3f} where they are wrong, and {loss['undecided']:.3f} where they are undecided; "
                "0, 20 and "
                f"{loss['guess']:.3f} are expected.",
                dict(loss),
            ),
        ),
        "Probabilities are taken for scores, of which probabilities are made once more: differences between "
        "classes are at most 1, so that gradients are tiny.",
        Cure(
            "In the task's code hand the network's scores to cross-entropy as they are, without a softmax "
            "before it: `F.cross_entropy(scores, labels)`."
        ),
        confidence=0.97,
        direct=True,
    )
