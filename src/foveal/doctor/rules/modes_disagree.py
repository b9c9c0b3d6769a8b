"""The score that was reported is not the one that the saved network gets in evaluation mode."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import commonest, guess, poor, result, trained_share
from ._parts import part, percent, untested

SOURCE = (
    "TheDeepChecker (Braiek & Khomh 2022): training and evaluation mode; own measurement: judged once more"
)
LEVEL = "network"
EXPLAINS = (
    "metric_disagrees", "oscillation", "stopped_too_early", "underfitting", "below_published",
    "overfitting", "rate_too_low", "cannot_fit", "loss_stuck",
)  # fmt: skip
LEAST = 0.06
CHANCE = 0.05
"""Of the largest output: less is rounding, or does not matter."""
FEW = 2.5
"""Pictures: one or two on the edge of two classes fall to the other one by rounding (bf16) alone."""


def examine(case: Case) -> Finding | Unsure | None:
    return _another(case) or _by_chance(case) or _judged_otherwise(case)


LEARNED, GUESS, KNOWN = 0.5, 0.9, 0.1
"""Share of a guess's loss that training ended below, and that the saved network has at least left of the same pictures,
in either mode; and what it may get right beyond a guess of pictures as training gives them."""


def _another(case: Case) -> Finding | None:
    """Training's own loss says that much was learned, and the network that was judged and saved knows nothing of it."""
    found, share, blind = part(case, "modes"), trained_share(case), guess(case)
    if found is None or share is None or blind is None or not poor(case, 0.3) or case.setbacks:
        return None
    least = min(
        found[key] for key in ("evaluated_loss", "dropped_loss", "by_batch_loss", "anew_loss") if key in found
    )
    # pictures that evaluation shows otherwise are unknown to any network that learned
    known = (part(case, "splits") or {}).get("varied", 1.0)
    if share > LEARNED or least < GUESS * blind or known > KNOWN + (commonest(case) or 0.0):
        return None
    average = float(case.record.fit.get("ema") or 0)
    return Finding(
        "modes_disagree",
        "error",
        f"The network that was judged is not the one that learned: training ended at a loss of "
        f"{case.train_losses[-1]:.3f}, and the saved network has {least:.3f} on its own training pictures; "
        f"{result(case)}.",
        (
            Evidence(
                f"A guess's loss is {blind:.3f}. {found['count']} training pictures were asked in training mode and in "
                "evaluation mode, with running statistics as they are and taken anew; the least is told.",
                {"trained": case.train_losses[-1], "saved": least, "guess": blind, "count": found["count"]},
            ),
        ),
        "What is judged and kept is another network than the one that the steps moved: "
        + (
            f"an average of the weights (--ema {average:g}) that follows them too slowly, or begins at the untrained "
            "ones; "
            if average
            else ""
        )
        + "a copy from before, layers that are made anew when it is loaded, or weights that are set back between the "
        "epochs.",
        Cure(
            "Judge the weights themselves (--ema 0), and look at what the loop evaluates."
            if average
            else "Look at what the loop evaluates and saves, and at what is done between two epochs.",
            {"ema": 0.0} if average else {},
        ),
        confidence=0.93,
        direct=True,
    )


def _by_chance(case: Case) -> Finding | None:
    """The same pictures, asked twice in evaluation mode, with two answers."""
    found = part(case, "mixing")
    if found is None or found.get("again", 0.0) <= CHANCE * max(found["size"], 1e-6):
        return None
    return Finding(
        "modes_disagree",
        "error",
        f"Asked twice in evaluation mode, the network gives two answers to the same {found['count']} pictures.",
        (
            Evidence(
                f"Outputs differ by up to {found['again']:.3g} from one look to the next; they are up to "
                f"{found['size']:.3g}.",
                dict(found),
            ),
        ),
        "Something is left to chance where nothing should be: dropout or noise by a function that does not know of "
        "evaluation mode.",
        Cure(
            "In the network's forward write `F.dropout(x, p, self.training)`, or use nn.Dropout; put "
            "noise behind `if self.training:`."
        ),
        confidence=0.95,
        direct=True,
    )


def _judged_otherwise(case: Case) -> Finding | Unsure | None:
    found = part(case, "splits")
    if found is None:
        return untested(case, "splits", "both ways in")
    if (
        "val" not in found
        or not case.headlines
        or case.headlines[0].name != "accuracy"
        or case.options.get("views") not in (None, 1)
    ):
        return None
    said = max(score.value for score in case.headlines)
    own, count = found["val"], found["count"]
    middle = min(max((said + own) / 2, 0.02), 0.98)
    luck = 3 * (middle * (1 - middle) / count) ** 0.5
    if count >= len(case.record.dataset.part("val") if case.record.dataset else ()):
        luck = 0.02  # the very same pictures
    if abs(said - own) < max(LEAST, luck, FEW / count):
        return None
    return Finding(
        "modes_disagree",
        "error",
        f"The best epoch was judged {percent(said)} right, and the saved network gets {percent(own)} on {count} of "
        "the same pictures.",
        (
            Evidence(
                f"In evaluation mode, picture by picture as prediction does: {percent(own)}.",
                {**found, "reported": said},
            ),
        ),
        "Judging used the network in another state than the one that is saved and used: in training mode, with "
        "dropout and the batch's own statistics, or with other pictures.",
        Cure(
            "Write `network.eval()` before it is judged and `network.train()` before it learns again, and "
            "nothing else (no `module.train()` for single layers, no `train()` of one's own that passes "
            "over some)."
        ),
        confidence=0.85,
    )
