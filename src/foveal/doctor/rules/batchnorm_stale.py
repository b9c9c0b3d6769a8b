"""Batch norms' running statistics are not those of what they see: evaluation is worse than training was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor, result
from ._parts import part, percent, surely_above, untested
from ._rates import from_scratch

SOURCE = "Ioffe & Szegedy 2015; TheDeepChecker (Braiek & Khomh 2022): running statistics not updated; own measurement"
LEVEL = "network"
EXPLAINS = (
    "metric_disagrees", "overfitting", "loss_stuck", "oscillation", "stopped_too_early", "underfitting",
    "split_preprocessing", "modes_disagree", "below_published", "schedule_ends_wrongly", "rate_too_low",
    "wrong_preprocessing",
)  # fmt: skip
WHERE_SEEN = (
    "rate_too_high", "exploding", "not_finite", "updates_too_large", "bad_initialisation", "dead_units", "vanishing",
    "cannot_fit", "labels_noisy",
)  # fmt: skip
YOUNG = 30
"""Steps before which running statistics are still those of the beginning."""


def examine(case: Case) -> Finding | Unsure | None:
    modes = part(case, "modes")
    if modes is None:
        return untested(case, "modes", "evaluation against training mode")
    if not modes["norms"] or "by_batch" not in modes:
        return None
    if (never := _never(case, modes)) is not None:
        return never
    better = max(modes["by_batch"], modes["anew"])
    worse = surely_above(better, modes["evaluated"], modes["count"], 0.08)
    loss = modes["evaluated_loss"] > 1.5 * min(modes["by_batch_loss"], modes["anew_loss"]) + 0.2
    if not (worse and loss):
        return None
    if modes["steps"] < YOUNG and not modes["frozen"]:
        return Unsure(
            f"Running statistics were followed for {modes['steps']} steps only and are those of the beginning: "
            "train longer."
        )
    return Finding(
        "batchnorm_stale",
        "error",
        f"With its running statistics the network is right for {percent(modes['evaluated'])} of {modes['count']} "
        f"training pictures; with those of the pictures themselves for {percent(better)}.",
        (
            Evidence(
                f"The loss in evaluation mode is {modes['evaluated_loss']:.3f}; {modes['by_batch_loss']:.3f} with "
                "each "
                f"batch's own statistics, {modes['anew_loss']:.3f} with running statistics taken anew.",
                dict(modes),
            ),
        ),
        "In evaluation batch norms use averages that they kept in training. Where these do not follow (a momentum "
        "of 0 or next to it, tracking switched off, other pictures), all that comes after gets other numbers than it "
        "was taught on.",
        Cure(
            "Take the running statistics anew over the training pictures, and give the norms a momentum of 0.1.",
            repairs=("batchnorm_statistics",),
            source="last",
        ),
        confidence=0.95,
    )


def _never(case: Case, modes: Mapping[str, Any]) -> Finding | None:
    """No norm has seen a single batch: all were in evaluation mode while the network learned."""
    steps = max((epoch.step for epoch in case.record.epochs), default=0)
    frozen = case.options.get("freeze") not in (None, "never") or not from_scratch(case)
    if frozen or modes["frozen"] or modes.get("most_steps", 1) or steps < YOUNG or not poor(case, 0.1):
        return None
    return Finding(
        "batchnorm_stale",
        "error",
        f"In {steps} steps none of {modes['norms']} batch norms has followed a batch: the network was trained in "
        f"evaluation mode; {result(case)}.",
        (
            Evidence(
                "Each counts the batches that it has seen in training mode (`num_batches_tracked`); all are at 0.",
                {"steps": steps, "norms": modes["norms"]},
            ),
        ),
        "In evaluation mode a batch norm divides by its running statistics, which are still those that it was made "
        "with: mean 0, deviation 1. It norms nothing, and what comes after it is as if there were none.",
        Cure("Call `network.train()` before each epoch, as each evaluation calls `network.eval()`."),
        confidence=0.97,
        direct=True,
    )
