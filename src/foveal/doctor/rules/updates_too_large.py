"""Each step changes the weights by so large a share of themselves that nothing learned is kept."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._beside import accumulates, first_steps, steps, times
from ._course import poor, result, stuck
from ._inside import FEWEST, kernels, main, middle, named, typical, where
from ._rates import at_usual

SOURCE = (
    "CS231n, Neural Networks 3: updates of about a thousandth of the weights; TheDeepChecker (Braiek & Khomh "
    "2022): between 1e-4 and 1e-1. The true change of the weights, where little was learned"
)
LEVEL = "optimizer"
SYMPTOM = True
EXPLAINS = ("oscillation", "loss_stuck", "stopped_too_early", "metric_disagrees")
WHERE_SEEN = (
    "rate_too_high", "exploding", "not_finite", "dead_units", "saturation", "underfitting", "overfitting",
    "bad_initialisation", "input_ignored", "batchnorm_stale", "schedule_ends_wrongly",
)  # fmt: skip
LARGE = 0.1


def examine(case: Case) -> Finding | Unsure | None:
    many = times(case)
    if (accumulates(case) or (many is not None and many > 1)) and poor(case, 0.05):
        return _long(case)
    if not poor(case):
        return None
    sights = main(case)
    if len(sights) < FEWEST:
        return None
    ratios = typical(sights, kernels(case), "update_ratio")
    most, large = middle(ratios), where(ratios, lambda ratio: ratio > LARGE)
    if most is None or most <= LARGE or len(ratios) < 2:  # a head alone begins small, and is soon another
        return None
    return Finding(
        "updates_too_large",
        "error" if stuck(case) else "warning",
        f"A step changes most kernels by {100 * most:.0f} % of their length, where about 0.1 % is usual; "
        f"{result(case)}.",
        (
            Evidence(
                f"Median over {len(sights)} looks while the rate was high: {named(large)} more than "
                f"{100 * LARGE:g} %.",
                {"update_ratio": ratios},
                layers=large[:8],
            ),
        ),
        "Weights that are exchanged within a few steps remember only the last few batches. The loss then jumps about "
        "instead of falling.",
        Cure("Train at a smaller rate.", at_usual(case)),
        confidence=0.85,
    )


def _long(case: Case) -> Finding:
    """The loop's steps are longer than gradient and rate say, or not along the gradient."""
    rows, again = steps(case), accumulates(case)
    says = (
        "From the second on, steps are not what gradient and rate say: gradients of the steps before are still in them"
        if again
        else f"A step changes the weights by {times(case) or 1:.3g} times what gradient and rate say"
    )
    return Finding(
        "updates_too_large",
        "error" if stuck(case) else "warning",
        f"{says}; {result(case)}.",
        (first_steps(rows),),
        "Gradients are added up until somebody sets them back to 0; where nobody does, each step goes along all that "
        "came before, ever farther."
        if again
        else "Between gradient and weights something makes steps longer than options ask for: a factor, a scale for "
        "half precision that is not taken out again, gradients of several batches without a mean.",
        Cure(
            "Set the gradients back before each backward pass: `optimizer.zero_grad()`."
            if again
            else "Look at the code between the backward pass and the optimizer's step, and at what sets the rate: "
            "`optimizer.step()` stands there once a batch, and nothing multiplies `p.grad`, `p.data` or "
            "`group['lr']`."
        ),
        confidence=0.95,
        direct=True,
    )
