"""Dropout takes away so much that the network cannot learn from what is left."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import guess, poor, result, stuck, trained_share
from ._inside import whole
from ._rates import option

SOURCE = (
    "Srivastava et al. 2014, Dropout (shares of 0.2 to 0.5, section 7.3; training error grows steeply beyond "
    "0.7); UMLAUT alarms above 0.5. Ours: the loss in training mode on the very pictures that evaluation mode "
    "does much better on, and harm"
)
LEVEL = "generalisation"
EXPLAINS = (
    "underfitting",
    "loss_stuck",
    "stopped_too_early",
    "metric_disagrees",
    "modes_disagree",
    "cannot_fit",
)
STRONG, TIMES, LEFT = 0.75, 1.3, 0.4
"""A share that is strong by itself; how many times the loss is higher in training mode; of the loss, what is left."""


def examine(case: Case) -> Finding | Unsure | None:
    if not poor(case, 0.1):
        return None
    share, blind, left = option(case, "dropout"), guess(case), trained_share(case)
    train, plain = whole(case.sights, "probe_loss_train"), whole(case.sights, "probe_loss")
    # a loss in training mode that is near a guess's: little of any picture gets through
    gap = (
        bool(train and plain)
        and train[-1] > TIMES * plain[-1]
        and blind is not None
        and train[-1] > LEFT * blind
    )
    strong = share is not None and share >= STRONG
    held = strong and (gap if left is None else left > LEFT)
    wide = gap and share is not None and share >= 0.5 and blind and train[-1] - plain[-1] > 0.3 * blind
    if not (held or wide):
        return None
    evidence = []
    if train and plain:
        says = f"On the same training pictures the loss is {plain[-1]:.3f} at the end, {train[-1]:.3f} with dropout."
        evidence.append(Evidence(says, {"plain": plain, "dropped": train}))
    says = f"The training loss ended at {case.train_losses[-1]:.3f}, the validation loss at {case.losses[-1]:.3f}."
    evidence.append(Evidence(says, {"train_losses": case.train_losses, "losses": case.losses}))
    return Finding(
        "dropout_too_strong",
        "error" if stuck(case) else "warning",
        f"Dropout takes {100 * (share or 0):.0f} % of the activations away, too many to learn from the rest; "
        f"{result(case)}.",
        tuple(evidence),
        "Each step sees the network through a few of its activations, drawn anew: what they have in common is all "
        "that can be learned. A validation loss below the training loss is usual with dropout; a training loss "
        "near a guess's is not.",
        Cure("Leave dropout as the network has it, or at 0.5 at most.", {"dropout": None}),
        confidence=0.9,
    )
