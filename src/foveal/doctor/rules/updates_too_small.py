"""Each step changes the weights by so little that they stay what they were."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from ...events import Watched
from ...finding import Cure, Evidence, Finding
from ..case import Case
from ._beside import astray, first_steps, steps, times
from ._course import poor, result, stuck
from ._inside import FEWEST, kernels, main, middle, named, typical, where
from ._rates import at_usual, from_scratch, reached

SOURCE = (
    "CS231n, Neural Networks 3: updates of about a thousandth of the weights; here a hundredth of that, while the "
    "rate was high, and only where little was learned from scratch"
)
LEVEL = "optimizer"
SYMPTOM = True
EXPLAINS = ("loss_stuck", "stopped_too_early", "metric_disagrees")
WHERE_SEEN = (
    "rate_too_low", "underfitting", "clipping_too_strong", "schedule_ends_wrongly", "vanishing", "cannot_fit",
    "dead_units", "labels_noisy",
)  # fmt: skip
SMALL = 3e-4
BY_SIZE = ("adam", "adamw", "nadam", "nadamw", "radam", "amsgrad")
"""Optimizers that move each weight by about their rate, however small its gradient (Kingma & Ba 2015, section 2.1)."""
SHARE = 0.01
"""Of its rate that such an optimizer moves weights by at least. A gradient that is noise alone makes it 0.2."""
NOISE = 1e-6
"""Gradients below this, root mean square, may be lost beside an `eps` of 1e-8 now and then."""


def examine(case: Case) -> Finding | None:
    if astray(case) and (times(case) or 1.0) <= 1 and poor(case, 0.05):
        return _astray(case)
    if (many := times(case)) is not None and many < 1 and poor(case, 0.05):
        return _short(case, many)
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
    if (share := _of_the_rate(case, sights)) is not None and share < SHARE and len(still) <= len(ratios) / 2:
        return _held_back(case, says, ratios, share)
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


def _short(case: Case, many: float) -> Finding:
    """The loop's steps are shorter than gradient and rate say."""
    rows, own = steps(case), str(case.options.get("optimizer"))
    return Finding(
        "updates_too_small",
        "error" if stuck(case) else "warning",
        f"A step changes the weights by {many:.2g} times what gradient and rate say by {own}; {result(case)}.",
        (first_steps(rows),),
        "Between gradient and weights something holds steps back that no option asks for: gradients that are clamped, "
        "clipped or divided in the loop, a rate that is made smaller, or a large `eps` (1 or 10, and not 1e-8).",
        Cure(
            "Look at the code between backward pass and optimizer's step (nothing multiplies or clips `p.grad`), and "
            "at what the optimizer is made with (`lr`, `eps`)."
            + (f" Without touching that: --optimizer sgd in place of {own}." if own in BY_SIZE else ""),
            {"optimizer": "sgd", "lr": None} if own in BY_SIZE else {},
        ),
        confidence=0.95,
        direct=True,
    )


def _astray(case: Case) -> Finding:
    """The loop's steps lead elsewhere than gradient and rate say."""
    rows, own = steps(case), str(case.options.get("optimizer"))
    return Finding(
        "updates_too_small",
        "error" if stuck(case) else "warning",
        f"Steps do not go where gradient and rate say by {own}; {result(case)}.",
        (first_steps(rows),),
        "Between gradient and weights something changes what is to be done: gradients that are clamped, rounded to "
        "their signs or made noisy, weights that are held within limits or overwritten after each step. What is left "
        "of the way down is too little.",
        Cure(
            "Look at the code between `loss.backward()` and `optimizer.step()`, and at what is done after it."
        ),
        confidence=0.95,
        direct=True,
    )


def _of_the_rate(case: Case, sights: Sequence[Watched]) -> float | None:
    """By how much of its rate an optimizer of Adam's kind moves weights, root mean square; the median over looks and
    kernels. None for other optimizers, and where gradients are next to nothing."""
    if case.options.get("optimizer") not in BY_SIZE:
        return None
    told = []
    for sight in sights:
        for name in kernels(case):
            row = sight.layers.get(name, {})
            if sight.lr <= 0 or not {"update_ratio", "weight_std", "weight_mean", "grad_rms"} <= row.keys():
                continue
            if row["grad_rms"] > NOISE:
                size = (row["weight_std"] ** 2 + row["weight_mean"] ** 2) ** 0.5
                told.append(row["update_ratio"] * size / sight.lr)
    return median(told) if len(told) >= FEWEST else None


def _held_back(case: Case, says: str, ratios: dict[str, float], share: float) -> Finding:
    """The optimizer's own steps are too short for its rate."""
    own = str(case.options.get("optimizer"))
    return Finding(
        "updates_too_small",
        "error" if stuck(case) else "warning",
        f"{says}, and that is {share:.1g} of the rate, by about which {own} moves each weight; {result(case)}.",
        (
            Evidence(
                f"Median over looks and kernels while the rate was high: steps of {share:.2g} times the rate, where "
                "gradients were not small.",
                {"of_the_rate": share, "update_ratio": ratios},
            ),
        ),
        "Optimizers of Adam's kind divide each gradient by its usual size, so that steps are about as long as the rate "
        "says. Where they are far shorter, something large is added to that size: an `eps` of 1 or 10, and not 1e-8.",
        Cure(
            f"Set the eps of {own} back to 1e-8, in the code that makes the optimizer. Without touching that: "
            "--optimizer sgd, which divides by nothing.",
            {"optimizer": "sgd", "lr": None},
        ),
        confidence=0.85,
    )
