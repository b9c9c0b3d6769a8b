"""The learning rate is still at its height when training ends, or was gone long before."""

from __future__ import annotations

import math
from itertools import pairwise

from ...finding import Cure, Evidence, Finding
from ..case import Case
from ._course import half_width, poor, result, stuck, trend
from ._curves import due
from ._rates import is_given, option, rates

SOURCE = (
    "Li, Yumer & Ramanan 2020, Budgeted Training: a rate that falls to nothing just at the end is the most "
    "robust; Google's Deep Learning Tuning Playbook. Ours: half of the peak at the end with a score that swings, "
    "or half of the steps below a two-hundredth of it, and harm"
)
LEVEL = "schedule"
EXPLAINS = ("oscillation", "stopped_too_early", "underfitting", "loss_stuck", "metric_disagrees", "rate_too_low",
            "updates_too_small")  # fmt: skip
HIGH, GONE, LONG = 0.5, 5e-3, 0.5
EPOCHS, STEPS = 4, 60


def examine(case: Case) -> Finding | None:
    told = rates(case)
    if (other := _other_curve(case)) is not None:
        return other
    if len(case.losses) < EPOCHS or len(told) < EPOCHS or case.record.epochs[-1].step < STEPS:
        return None
    top = max(rate for _, rate in told)
    if top <= 0:
        return None
    return _gone(case, told, top) or _small(case, told, top) or _high(case, told, top)


def _other(case: Case) -> str:
    return "cosine" if case.options.get("schedule") == "onecycle" else "onecycle"


def _gone(case: Case, told: list[tuple[float, float]], top: float) -> Finding | None:
    """The rate was next to nothing for most of the steps after its peak."""
    peaked = max(n for n, (_, rate) in enumerate(told) if rate >= 0.99 * top)
    after = next((n for n in range(peaked, len(told)) if told[n][1] < GONE * top), None)
    if after is None or not poor(case, 0.25):
        return None
    since = told[after][0]
    if told[-1][0] - since < LONG or any(rate >= GONE * top for _, rate in told[after:]):
        return None
    epochs = case.record.epochs
    there = min(range(len(epochs)), key=lambda n: abs((n + 1) / len(epochs) - since))
    before, end = case.losses[there], case.losses[-1]
    return Finding(
        "schedule_ends_wrongly",
        "error" if stuck(case) else "warning",
        f"The rate was below {100 * GONE:g} % of its peak for the last {100 * (1 - since):.0f} % of training, in "
        f"which nothing was learned any more; {result(case)}.",
        (
            Evidence(
                f"The rate had gone from {top:.2g} to {told[after][1]:.1g} after {100 * since:.0f} % of the steps.",
                {"peak": top, "since": since, "end": told[-1][1]},
            ),
            Evidence(
                f"The validation loss was {before:.3f} when it did, and {end:.3f} at the end.",
                {"before": before, "end": end, "losses": case.losses},
            ),
        ),
        "A falling rate settles the weights where they are. When it falls before they have got anywhere, the rest "
        "of the training moves nothing.",
        Cure(
            f"Let the rate reach nothing at the very end: --schedule {_other(case)}.",
            {"schedule": _other(case), "warmup": None},
        ),
        confidence=0.9,
    )


def _high(case: Case, told: list[tuple[float, float]], top: float) -> Finding | None:
    """The rate never fell, and the score is what the last long step left."""
    end = told[-1][1]
    stopped = case.record.stopped
    cut_off = stopped is not None and stopped.why in ("early", "interrupted", "diverged")
    if end < HIGH * top or cut_off or not poor(case, 0.15):
        return None
    late = case.headlines[-max(EPOCHS, len(case.headlines) // 2) :]
    values = [score.value for score in late]
    swing = max((abs(b - a) for a, b in pairwise(values)), default=0.0)
    losses = [loss for loss in case.losses[-max(EPOCHS, len(case.losses) // 2) :] if math.isfinite(loss)]
    line = trend(losses)
    restless = swing > 2 * half_width(case) or (line is not None and line.spread > 0.2 * max(1e-9, line.end))
    if not restless or (line is not None and line.falls and swing <= 2 * half_width(case)):
        return None
    rose = told[0][1] < 0.2 * top and sum(rate >= 0.9 * top for _, rate in told) < len(told) / 3
    how = "rose to the very end" if rose else "never fell"
    return Finding(
        "schedule_ends_wrongly",
        "error" if stuck(case) else "warning",
        f"The rate {how} (it ended at {end:.2g}, {100 * end / top:.0f} % of its peak), and the score swings; "
        f"{result(case)}.",
        (
            Evidence(
                f"In the last {len(late)} epochs the score changed by up to {100 * swing:.1f} points between two "
                "epochs."
                if late[0].name == "accuracy"
                else f"In the last {len(late)} epochs the score changed by up to {swing:.3g} between two epochs.",
                {"headlines": values, "interval": 2 * half_width(case)},
            ),
            Evidence(f"The validation loss ended at {case.losses[-1]:.3f}; its lowest was {min(case.losses):.3f}.",
                     {"losses": case.losses}),
        ),
        "Long steps throw the weights about in the valley they are in. Only a rate that falls lets them settle at "
        "its bottom, and the score with them.",
        Cure(
            f"Let the rate fall to nothing at the end: --schedule {_other(case)}.",
            {"schedule": _other(case)} | ({"warmup": None} if rose or is_given(case, "warmup") else {}),
        ),
        confidence=0.8,
    )  # fmt: skip


APART, POINTS = 0.1, 5
"""Of the peak, how far rates lie from those that are due, on average; told rates below which nothing is said. None of
188 sound runs comes to it."""
LOW, MOSTLY = 0.1, 0.6
"""Share of the peak that is low, and share of the training that passes below it."""


def _other_curve(case: Case) -> Finding | None:
    """The rates are not those of the schedule that the run names."""
    told = [(s.progress * (s.step - 1) / s.step, s.lr) for s in case.record.steps if s.step > 0]
    stages, peak = case.record.stages, option(case, "lr")
    if len(stages) != 1 or not peak or case.setbacks or len(told) < POINTS or not poor(case, 0.05):
        return None
    schedule, warmup = str(stages[0].get("schedule")), stages[0].get("warmup")
    rate = float(stages[0].get("lr") or peak)
    if not isinstance(warmup, int | float) or rate <= 0:
        return None
    pairs = [(progress, own / rate, due(schedule, float(warmup), progress)) for progress, own in told]
    known = [(progress, own, share) for progress, own, share in pairs if share is not None]
    if len(known) < POINTS:
        return None
    weights = _lengths([progress for progress, _, _ in known])
    apart = sum(weight * abs(own - share) for weight, (_, own, share) in zip(weights, known, strict=True))
    if apart < APART:
        return None
    highest = max(own for _, own, _ in known)
    middle = min(known, key=lambda one: abs(one[0] - 0.5))
    return Finding(
        "schedule_ends_wrongly",
        "error" if stuck(case) else "warning",
        f"The rate did not follow the schedule {schedule} with a peak of {rate:.3g}: it came to {highest:.0%} of the "
        f"peak at most, and lay {apart:.0%} of it off on average; {result(case)}.",
        (
            Evidence(
                f"After {middle[0]:.0%} of the training it was {middle[1]:.2g} of the peak, not {middle[2]:.2g}.",
                {"apart": apart, "rates": [list(one) for one in known]},
            ),
        ),
        "What sets the rate counts in other steps than the training has (batches for epochs, another run's length), "
        "begins anew, or is another schedule.",
        Cure(
            "Let the schedule end where training ends, and count what it counts, in the code that sets the rate. "
            f"Without touching that: --schedule {_other(case)}.",
            {"schedule": _other(case), "warmup": None},
        ),
        confidence=0.95,
        direct=True,
    )


def _lengths(places: list[float]) -> list[float]:
    """Of the training, the share for which each of these places in it stands: rates are told densely at its start."""
    edges = [places[0], *((a + b) / 2 for a, b in pairwise(places)), places[-1]]
    whole = max(1e-9, places[-1] - places[0])
    return [(b - a) / whole for a, b in pairwise(edges)]


def _small(case: Case, told: list[tuple[float, float]], top: float) -> Finding | None:
    """Most of the training passed below a tenth of the highest rate."""
    weights = _lengths([progress for progress, _ in told])
    below = sum(weight for weight, (_, rate) in zip(weights, told, strict=True) if rate < LOW * top)
    if below < MOSTLY or not poor(case, 0.25):
        return None
    return Finding(
        "schedule_ends_wrongly",
        "error" if stuck(case) else "warning",
        f"{below:.0%} of the training passed below a tenth of the highest rate ({top:.2g}); {result(case)}.",
        (Evidence(f"Rates were told at {len(told)} steps.", {"below": below, "peak": top}),),
        "A warm-up that takes most of the training, or a rate that falls long before its end, leaves few steps for "
        "weights to go anywhere.",
        Cure(
            f"Warm up in a tenth of the training, and let the rate fall to its end: --schedule {_other(case)}.",
            {"schedule": _other(case), "warmup": None},
        ),
        confidence=0.8,
    )
