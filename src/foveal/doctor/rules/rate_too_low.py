"""The learning rate is so low that the run ended long before it could have learned."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor, result, stuck, trained_share, trend
from ._inside import update_ratio
from ._rates import at_usual, from_scratch, option, reached, times_usual, told_by_trial, tried, usual

SOURCE = (
    "Google's Deep Learning Tuning Playbook (training that still improves at its end); CS231n: updates of about a "
    "thousandth of the weights. Ours: a tenth of the plan's usual rate or less, and updates below 0.0005, where "
    "little was learned"
)
LEVEL = "optimizer"
EXPLAINS = (
    "loss_stuck", "updates_too_small", "underfitting", "stopped_too_early", "metric_disagrees", "schedule_ends_wrongly",
    "dropout_too_strong",
)  # fmt: skip
LITTLE, VERY_LITTLE = 0.2, 0.02
"""Times the usual rate: with small updates, and where updates were not watched."""
SMALL, TINY = 5e-3, 1e-4
"""Share of a kernel's length that a step moves: where the rate is known to be low, and where it alone speaks."""
HIGH = 0.4
"""Share of the training loss that is still there."""


def examine(case: Case) -> Finding | Unsure | None:
    if not poor(case) or case.setbacks or not case.train_losses:
        return None
    times, ratio, rate, own = times_usual(case), update_ratio(case), usual(case), option(case, "lr")
    if times is None or rate is None or own is None:
        return None
    small = ratio < SMALL if ratio is not None else times <= VERY_LITTLE or _learns_higher(case)
    low = times <= LITTLE and small
    tiny = ratio is not None and ratio < TINY and times <= 1 / 3 and from_scratch(case)
    share = trained_share(case)
    if not reached(case) or (share is not None and share < HIGH):
        return None
    if not (low or tiny):
        return _by_trial(case, own)
    evidence = [Evidence(
        f"Usual for {case.options.get('optimizer')} at this batch are {rate:.2g}: this is {times:.2g} of it.",
        {"lr": own, "usual": rate, "times": times},
    )]  # fmt: skip
    if ratio is not None:
        says = f"While the rate was highest a step changed most kernels by {ratio:.1g} of their length; 0.001 is usual."
        evidence.append(Evidence(says, {"update_ratio": ratio}))
    evidence += _course(case)
    changes = at_usual(case)
    how = ", ".join(f"--{k} {v:g}" for k, v in changes.items() if k != "find_lr") or "--find-lr"
    return Finding(
        "rate_too_low",
        "error" if stuck(case) else "warning",
        f"A rate of {own:.2g} is too low to learn in {len(case.losses)} epochs; {result(case)}.",
        tuple(evidence),
        "Each step goes the right way, and next to nowhere. With so few steps the weights end close to where they "
        "were drawn; more epochs would help as a higher rate does, only much later.",
        Cure(f"Train with a higher rate: {how}.", changes),
        confidence=0.93,
    )


def _course(case: Case) -> list[Evidence]:
    """How the training loss went."""
    first, last = case.train_losses[0], case.train_losses[-1]
    line = trend(case.train_losses[len(case.train_losses) // 2 :])
    falling = " and was still falling in a straight line" if line is not None and line.falls else ""
    says = f"The training loss went from {first:.3f} in the first epoch to {last:.3f} in the last{falling}."
    return [Evidence(says, {"train_losses": case.train_losses})]


GAINED = 0.25
"""Of the first loss, how much less a higher rate leaves after a few steps than the run's own."""


def _learns_higher(case: Case) -> bool:
    """Whether a fresh network learns at a higher rate: what there is to go by where no update was watched, as on a
    machine that was too busy for it."""
    left = tried(case)
    return bool(left) and left[1.0] - min(left[times] for times in left if times > 1) >= GAINED


LEFT, LEARNED = 0.9, 0.6
"""Of the first loss, what the run's own rate leaves at least after a few steps, and a higher one at most."""


def _by_trial(case: Case, own: float) -> Finding | None:
    """A fresh network learns at a higher rate, and next to nothing at the run's own, usual as that may be."""
    left = tried(case)
    if not left or not LEFT < left[1.0] < float("inf") or not stuck(case):
        return None
    best = min((times for times in left if times > 1), key=lambda times: left[times])
    if left[best] > LEARNED:
        return None
    rate = float(f"{own * best / 2:.2g}")
    return Finding(
        "rate_too_low",
        "error",
        f"A rate of {own:.2g} moves this network too little: at {best:g} times it a fresh one learns; {result(case)}.",
        (told_by_trial(case), *_course(case)),
        "Each step goes the right way, and next to nowhere. How long a step must be hangs on how large gradients are "
        "beside weights, and usual rates are for usual networks.",
        Cure(f"Train with a higher rate: --lr {rate:g}.", {"lr": rate}),
        confidence=0.8,
    )
