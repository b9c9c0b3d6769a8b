"""A softmax, or the loss, works over the batch's pictures instead of the classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._beside import exchanged
from ._parts import part, untested

SOURCE = "TheDeepChecker (Braiek & Khomh 2022): softmax over the wrong axis, cross-entropy reduced over the wrong axis"
LEVEL = "loss"
EXPLAINS = (
    "loss_stuck", "underfitting", "examples_mix", "rate_too_low", "updates_too_small", "stopped_too_early",
    "cannot_fit", "metric_disagrees", "wrong_loss", "sum_for_mean", "overfitting", "vanishing",
    "bad_initialisation", "rate_too_high", "oscillation", "schedule_ends_wrongly", "below_published",
    "modes_disagree", "input_ignored",
)  # fmt: skip


def examine(case: Case) -> Finding | Unsure | None:
    outputs, loss = part(case, "outputs"), part(case, "loss")
    if outputs is None and loss is None:
        return untested(case, "loss", "the loss")
    evidence = []
    if outputs is not None and outputs["over_the_batch"] and not outputs["probabilities"]:
        evidence.append(
            Evidence(
                f"What the network gives for {outputs['count']} pictures adds up to 1 over the pictures, class by "
                "class.",
                dict(outputs),
            )
        )
    if loss is not None and _over_the_batch(loss):
        evidence.append(
            Evidence(
                f"For {loss['count']} undecided answers the loss is {loss['undecided']:.3f}, the logarithm of the "
                f"number of pictures, where that of the {loss['labels']} classes is {loss['guess']:.3f}.",
                dict(loss),
            )
        )
    if not evidence and (row := exchanged(case)) is not None:
        evidence.append(
            Evidence(
                f"For a batch of {row['size']} pictures the gradient of the loss is that of a loss over the pictures"
                f"{_also(row, case)}: its cosine with that of the loss over classes is {row['cosine']:.2f}.",
                dict(row),
            )
        )
    if not evidence:
        return None
    return Finding(
        "softmax_wrong_axis",
        "error",
        f"Probabilities are made over the batch's pictures instead of the {len(case.record.labels)} classes.",
        tuple(evidence),
        "Over the wrong axis pictures compete with each other for a class: what is learned depends on which pictures "
        "happen to stand in a batch, and says nothing of which class a picture is.",
        Cure(
            "Take the softmax off the network's end, and let the loss take it over the classes: "
            "`F.cross_entropy(scores, labels)` in the task's code, with scores of shape (pictures, "
            "classes). Where probabilities are wanted elsewhere: `scores.softmax(dim=1)`."
        ),
        confidence=0.97,
        direct=True,
    )


def _also(row: Mapping[str, Any], case: Case) -> str:
    return (
        ", classes and pictures exchanged, as there are as many of both"
        if row["size"] == len(case.record.labels)
        else ""
    )


def _over_the_batch(loss: Mapping[str, Any]) -> bool:
    for name in ("undecided", "undecided_in_training"):
        if abs(loss[name] - math.log(loss["count"])) < 0.02 and abs(loss[name] - loss["guess"]) > 0.2:
            return True
    return False
