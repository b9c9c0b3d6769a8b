"""A network with batch norms is trained one picture, or two, at a time."""

from __future__ import annotations

from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor, result
from ._inside import of_kind
from ._parts import part

SOURCE = (
    "Ioffe & Szegedy 2015; Wu & He 2018, Group Normalization: errors of batch norm grow as batches shrink"
)
LEVEL = "network"
EXPLAINS = (
    "updates_too_small", "batchnorm_stale", "loss_stuck", "oscillation", "underfitting", "metric_disagrees",
    "rate_too_high", "updates_too_large", "modes_disagree", "stopped_too_early", "overfitting",
    "schedule_ends_wrongly", "rate_too_low", "exploding", "below_published", "saturation", "dead_units",
)  # fmt: skip
SMALL = 2


def examine(case: Case) -> Finding | Unsure | None:
    fit = case.record.fit
    batch, pieces = int(fit.get("batch") or 0), int(fit.get("pieces") or 1)
    each = -(-batch // max(1, pieces))
    modes = part(case, "modes")
    norms = modes["norms"] if modes is not None else len(of_kind(case, "norm"))
    if not 0 < each <= SMALL or not norms or not poor(case, 0.1):
        return None
    return Finding(
        "batch_of_one",
        "error",
        f"Batch norms saw {each} picture{'' if each == 1 else 's'} at a time: {result(case)}.",
        (
            Evidence(
                f"The network has {norms} norms, and steps of {batch} picture{'' if batch == 1 else 's'} in {pieces} "
                "piece"
                f"{'' if pieces == 1 else 's'}.",
                {"batch": batch, "pieces": pieces, "norms": norms},
            ),
        ),
        "A batch norm takes mean and deviation from the pictures of a batch. From one picture these say as much "
        "about the picture as about the data, so that training and evaluation see different networks.",
        _cure(case, batch),
        confidence=0.9,
    )


LARGER, STEPS = 32, 400
"""A usual batch; steps that even small networks want."""


def _cure(case: Case, batch: int) -> Cure:
    """Larger batches make fewer steps, so that more epochs may be wanted. The rate is the plan's, as one that was found
    for a batch of one or two is too low."""
    epochs = case.record.epochs
    changes: dict[str, Any] = {"batch": LARGER, "lr": None, "accumulate": 1}
    steps = epochs[-1].step * batch // LARGER if epochs else STEPS
    if 0 < steps < STEPS and not case.options.get("minutes"):
        changes["epochs"] = -(-len(epochs) * STEPS // steps)
    more = (
        f", and train for {changes['epochs']} epochs, as larger batches are fewer steps"
        if "epochs" in changes
        else ""
    )
    return Cure(f"Take batches of 16 or more{more}.", changes)
