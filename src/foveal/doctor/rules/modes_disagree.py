"""The score that was reported is not the one that the saved network gets in evaluation mode."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
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
    return _by_chance(case) or _judged_otherwise(case)


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
