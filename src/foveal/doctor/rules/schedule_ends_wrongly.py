"""The learning rate is still at its height when training ends, or was gone long before."""

from __future__ import annotations

import math
from itertools import pairwise

from ...finding import Cure, Evidence, Finding
from ..case import Case
from ._course import half_width, poor, result, stuck, trend
from ._rates import is_given, rates

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
    if len(case.losses) < EPOCHS or len(told) < EPOCHS or case.record.epochs[-1].step < STEPS:
        return None
    top = max(rate for _, rate in told)
    if top <= 0:
        return None
    return _gone(case, told, top) or _high(case, told, top)


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
