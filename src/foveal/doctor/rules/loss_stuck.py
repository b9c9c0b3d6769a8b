"""The network answers no better than a guess, and its loss never left a guess's."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import commonest, guess, left, result, stuck

SOURCE = (
    "Karpathy 2019, A Recipe for Training Neural Networks: hold a run against the loss of a guess, ln C; "
    "DeepLocalize (Wardat et al. 2021): a loss that does not move. A symptom: what else is found says why"
)
LEVEL = "generalisation"
SYMPTOM = True
EXPLAINS = ("metric_disagrees",)
EPOCHS, STEPS = 2, 40
"""So many of both before a loss that has not fallen says something."""


def examine(case: Case) -> Finding | Unsure | None:
    if not case.losses or not stuck(case):
        return None
    epochs, steps = len(case.losses), case.record.epochs[-1].step
    if epochs < EPOCHS or steps < STEPS:
        return Unsure(
            f"Nothing was learned in {steps} steps, which may be too few to tell: --epochs {max(10, 4 * epochs)} "
            "would."
        )
    blind, share, base = guess(case), left(case), commonest(case)
    where = "its first value" if blind is None or share is None else (
        f"a guess's ({min(case.losses):.3f} at best, and {blind:.3f} for a network that knows only how common the "
        "classes are)"
    )  # fmt: skip
    return Finding(
        "loss_stuck",
        "error",
        f"Nothing was learned in {epochs} epochs ({steps:,} steps): {result(case)}.",
        (
            Evidence(
                f"The validation loss never left {where}.",
                {"losses": case.losses, "guess": blind, "chance": base},
            ),
            Evidence(
                f"The training loss went from {case.train_losses[0]:.3f} in the first epoch to "
                f"{case.train_losses[-1]:.3f} in the last.",
                {"train_losses": case.train_losses},
            ),
        ),
        "Either no signal reaches the weights (the rate, the gradients, the wiring), or there is none to be found "
        "(labels that do not belong to the pictures, pictures that are empty).",
        Cure(
            "Find a rate that teaches by a range test; where that finds none, test the parts one by one: foveal "
            "diagnose RUN --deep.",
            {"find_lr": True},
        ),
        confidence=0.95,
    )
