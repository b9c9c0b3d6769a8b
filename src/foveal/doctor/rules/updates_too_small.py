"""Each step changes the weights by so little that they stay what they were."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding
from ..case import Case
from ._course import poor, result, stuck
from ._inside import FEWEST, kernels, main, middle, named, typical, where
from ._rates import at_usual, from_scratch, reached

SOURCE = (
    "CS231n, Neural Networks 3: updates of about a thousandth of the weights; here a hundredth of that, while the "
    "rate was high, and only where little was learned from scratch"
)
LEVEL = "optimizer"
EXPLAINS = ("loss_stuck", "stopped_too_early", "metric_disagrees")
SMALL = 3e-4


def examine(case: Case) -> Finding | None:
    if not from_scratch(case) or not poor(case, 0.4):
        return None
    sights = main(case)
    ratios = typical(sights, kernels(case), "update_ratio")
    most, small = middle(ratios), where(ratios, lambda ratio: ratio < SMALL)
    if len(sights) < FEWEST or most is None or most >= SMALL or not reached(case):
        return None
    still = where(ratios, lambda ratio: ratio == 0)
    says = f"A step changes most kernels by {most:.1g} of their length, where about 0.001 is usual"
    if len(still) > len(ratios) / 2:
        says = f"No step changes {named(still)} at all"
    return Finding(
        "updates_too_small",
        "error" if stuck(case) else "warning",
        f"{says}; {result(case)}.",
        (
            Evidence(
                f"Median over {len(sights)} looks while the rate was high: {len(small)} of {len(ratios)} kernels "
                f"less than {SMALL:g}.",
                {"update_ratio": ratios},
                layers=small[:8],
            ),
        ),
        "The product of rate and gradient is so small beside the weights that all the steps together hardly "
        "change them: a rate that is too low, gradients that vanish or are cut, or an optimizer that is given "
        "other weights.",
        Cure("Train at a higher rate.", at_usual(case)),
        confidence=0.85,
    )
