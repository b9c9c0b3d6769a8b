"""The loss gets better while the metric does not: they measure different things."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding
from ..case import Case
from ._beside import misjudged
from ._course import guess, half_width, poor, result
from ._parts import percent

SOURCE = (
    "TheDeepChecker (Braiek & Khomh 2022): the correlation of loss and metric. Ours: an accuracy below 1 - loss / "
    "ln 2, which no network can have (a wrong answer gives the truth at most 1/2); or Spearman's rank correlation "
    "over eight epochs of the wrong sign with p below 0.01, both having moved by more than their noise, and harm. "
    "A loss that rises for sureness while the score gains is usual (Guo et al. 2017)"
)
LEVEL = "generalisation"
EXPLAINS: tuple[str, ...] = ()
WHERE_SEEN = (
    "labels_swapped",
    "overfitting",
    "modes_disagree",
    "labels_noisy",
    "labels_shuffled",
    "wrong_loss",
)
EPOCHS, SURE = 8, 0.01


def examine(case: Case) -> Finding | None:
    if (row := misjudged(case)) is not None:
        return _misjudged(row)
    if len(case.headlines) != len(case.losses) or not all(map(math.isfinite, case.losses)):
        return None
    return _impossible(case) or _against(case)


def _misjudged(row: Mapping[str, Any]) -> Finding:
    """What is judged is not what the network gives and the loss is taken of."""
    return Finding(
        "metric_disagrees",
        "error",
        f"Of {row['size']} made-up answers {percent(1 - row['kept'])} are judged as another class than they name: what "
        "is judged is not what the loss is taken of.",
        (
            Evidence(
                f"The largest score is at the same class in what the network gives and in what is judged for "
                f"{percent(row['kept'])} of the answers; 100 % are expected.",
                dict(row),
            ),
        ),
        "Between the network and the metric scores are moved, exchanged or taken from elsewhere: an index that is off "
        "by one, an axis in another order, another layer's outputs.",
        Cure(
            "In the task's code hand the metric the very scores and labels that the loss is given: "
            "between `loss(scores, labels)` and the metric nothing that moves, sorts or drops rows or "
            "classes (roll, argsort, `scores[:, 1:]`)."
        ),
        confidence=0.97,
        direct=True,
    )


def _impossible(case: Case) -> Finding | None:
    """An accuracy that the loss on the same pictures rules out."""
    if guess(case) is None or not case.headlines or case.headlines[0].name != "accuracy":
        return None
    bounds = [
        (1 - loss / math.log(2), score) for loss, score in zip(case.losses, case.headlines, strict=True)
    ]
    apart = [n for n, (bound, score) in enumerate(bounds, 1) if score.high < bound]
    if not apart or apart[-1] != len(bounds):
        return None
    bound, score = bounds[-1]
    return Finding(
        "metric_disagrees",
        "error",
        f"The validation loss is {case.losses[-1]:.3f}, which means that at least {100 * bound:.0f} % are right, "
        f"and the accuracy is said to be {100 * score.value:.1f} % [{100 * score.low:.1f}, "
        f"{100 * score.high:.1f}].",
        (
            Evidence(
                f"So it was after {len(apart)} of {len(bounds)} epochs: a wrong answer gives the truth a "
                "probability of 1/2 at most, and costs ln 2 at least.",
                {"losses": case.losses, "headlines": [s.value for s in case.headlines], "least": bound},
            ),
        ),
        "The loss and the metric are computed from different outputs or different labels: an index that is off by "
        "one, labels in another order, pictures and labels that were shuffled apart.",
        Cure(
            "For one batch print what the loss and what the metric are given (`scores.argmax(1)`, labels, "
            "ids): rows, classes and order are to be the same. Delete what moves them between the two "
            "(roll, a shifted index, a list of labels read anew)."
        ),
        confidence=0.97,
    )


def _against(case: Case) -> Finding | None:
    """Both moved, and the metric the wrong way."""
    losses, scores = case.losses, case.headlines
    if len(losses) < EPOCHS or not poor(case):
        return None
    from scipy.stats import spearmanr

    sign = 1 if scores[0].higher_is_better else -1
    values = [sign * score.value for score in scores]
    if len(set(values)) < 3 or len(set(losses)) < 3:
        return None
    found = spearmanr(losses, values)
    rank, p = float(found.statistic), float(found.pvalue)
    third = len(losses) // 3
    fell = sum(losses[-third:]) < 0.9 * sum(losses[:third])
    lost = sum(values[-third:]) / third < sum(values[:third]) / third - 2 * half_width(case)
    if not (rank > 0 and p < SURE and fell and lost):
        return None
    name = scores[0].name
    return Finding(
        "metric_disagrees",
        "warning",
        f"Over {len(losses)} epochs the validation loss fell and {name} got worse with it; {result(case)}.",
        (
            Evidence(
                f"Rank correlation of the loss with how good {name} is: {rank:+.2f} (p = {p:.2g}, n = "
                f"{len(losses)}); it should be far below 0.",
                {"losses": losses, "headlines": [s.value for s in scores], "rank": rank, "p": p},
            ),
        ),
        "What is descended is not what is judged: classes that are weighted in one and not in the other, or a "
        "metric that only the commonest class decides.",
        Cure(
            "Look at the score of each class, and have the loss count classes as the metric does (--balance)."
        ),
        confidence=0.7,
    )
