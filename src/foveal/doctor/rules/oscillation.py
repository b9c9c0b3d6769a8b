"""The score swings from epoch to epoch by more than chance, to the very end."""

from __future__ import annotations

from itertools import pairwise

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import half_width, poor, result
from ._rates import at_usual, peak, rates

SOURCE = (
    "Google's Deep Learning Tuning Playbook (late step-to-step variance); AutoTrainer counts swings of 0.03 in a "
    "fifth of the epochs. Ours: in the last half, changes up and down, most of them wider than the score's own "
    "interval; the swings of a high rate in mid-training, which a falling rate ends, are usual"
)
LEVEL = "optimizer"
SYMPTOM = True
EXPLAINS = ("metric_disagrees", "stopped_too_early")
FEWEST = 5


def examine(case: Case) -> Finding | Unsure | None:
    values = [score.value for score in case.headlines]
    late = values[-max(FEWEST, len(values) // 2) :]
    if len(late) < FEWEST:
        return None
    width = half_width(case)
    jumps = [b - a for a, b in pairwise(late)]
    wide = [abs(jump) > 2 * width for jump in jumps]
    up, down = (any(w and sign * jump > 0 for w, jump in zip(wide, jumps, strict=True)) for sign in (1, -1))
    if not (up and down) or sum(wide) < max(2, len(jumps) / 2) or not any(wide[-2:]):
        return None
    if not poor(case, 0.1):
        return None
    top, end = peak(case), (rates(case) or [(1.0, 0.0)])[-1][1]
    constant = top > 0 and end >= 0.3 * top
    schedule = "onecycle" if case.options.get("schedule") != "onecycle" else "cosine"
    changes = {"schedule": schedule, "warmup": None} if constant else at_usual(case)
    return Finding(
        "oscillation",
        "warning",
        f"The score swings by {_points(case, max(abs(j) for j in jumps))} from one epoch to the next, to the end; "
        f"{result(case)}.",
        (
            Evidence(
                f"In the last {len(late)} epochs {sum(wide)} of {len(jumps)} changes, up and down, "
                f"were wider than its own interval ({_points(case, 2 * width)}).",
                {"headlines": late, "interval": 2 * width},
            ),
            Evidence(
                f"The rate ended at {end:.2g}, {100 * end / top:.0f} % of its peak."
                if top
                else "No rate was told.",
                {"rate": end, "peak": top},
            ),
        ),
        "Steps that are too long for the valley the weights are in throw them from side to side of it: which "
        "epoch is the best is luck.",
        Cure(
            "Let the rate fall to nothing at the end."
            if constant
            else "Train at a smaller rate, or with larger batches.",
            changes,
        ),
        confidence=0.75,
    )


def _points(case: Case, value: float) -> str:
    return f"{100 * value:.1f} points" if case.headlines[0].name == "accuracy" else f"{value:.3g}"
