"""Dropout takes away so much that the network cannot learn from what is left."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import guess, poor, result, stuck, trained_share
from ._inside import whole
from ._parts import part, percent
from ._rates import option

SOURCE = (
    "Srivastava et al. 2014, Dropout (shares of 0.2 to 0.5, section 7.3; training error grows steeply beyond "
    "0.7); UMLAUT alarms above 0.5. Ours: the loss in training mode on the very pictures that evaluation mode "
    "does much better on, and harm"
)
LEVEL = "network"
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
        return _own(case)
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


HEART, CHANCE, MUCH = 0.9, 0.15, 0.4
"""Share of a dozen pictures that are known by heart; of the outputs' variance, what two looks must not have in common
for anything to be left to chance, and what is much."""


def _own(case: Case) -> Finding | None:
    """What the network's own code drops, whatever options say."""
    modes, batch = part(case, "modes") or {}, part(case, "one_batch") or {}
    if modes.get("by_chance", 0.0) < CHANCE or "dropped_loss" not in modes:
        return None
    still, plain = batch.get("still") or {}, batch.get("plain") or {}
    cannot = bool(still) and plain["accuracy"] < HEART <= still["accuracy"] and plain["steps"] >= 60
    blind = guess(case)
    gap = (
        blind is not None
        and modes["by_chance"] > MUCH
        and modes["dropped_loss"] - modes["evaluated_loss"] > 0.25 * blind
        and modes["dropped_loss"] > LEFT * blind
    )
    if not (cannot or gap):
        return None
    evidence = [
        Evidence(
            f"Of what the network gives in training mode {percent(modes['by_chance'])} (of its variance) differs from "
            f"one look to the next at the same {modes['count']} pictures; {percent(modes['dropped_accuracy'])} of them "
            f"are right so, and {percent(modes['evaluated'])} in evaluation mode.",
            dict(modes),
        )
    ]
    if cannot:
        says = (
            f"{batch['count']} pictures are learned by heart in evaluation mode ({percent(still['accuracy'])} right), "
            f"and not in training mode ({percent(plain['accuracy'])})."
        )
        evidence.append(Evidence(says, {"still": dict(still), "plain": dict(plain)}))
    return Finding(
        "dropout_too_strong",
        "error" if stuck(case) else "warning",
        f"The network's own layers drop so much in training that it cannot learn from what is left; {result(case)}.",
        tuple(evidence),
        "Each step sees the network through a few of its activations, drawn anew: what they have in common is all "
        "that can be learned.",
        Cure(
            "Drop less, in the network's code: `nn.Dropout(0.5)` at most before the last layer, "
            "`nn.Dropout2d(0.1)` behind blocks, and not after each layer. It may be a call in forward "
            "(F.dropout, or a mask made by `torch.rand`): such a mask is to be divided by the share that "
            "it keeps, and left out where `self.training` is False."
        ),
        confidence=0.9,
    )
