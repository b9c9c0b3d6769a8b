"""Mean and deviation are taken out of the pictures twice."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._parts import part, untested
from ._range import limits, state

SOURCE = "TheDeepChecker (Braiek & Khomh 2022): double normalisation; own bounds from mean and deviation"
LEVEL = "input"
EXPLAINS = (
    "loss_stuck", "exploding", "not_finite", "dead_units", "saturation", "bad_initialisation",
    "rate_too_high", "oscillation", "underfitting", "updates_too_large", "stopped_too_early", "overfitting",
    "schedule_ends_wrongly", "metric_disagrees", "below_published", "split_preprocessing", "cannot_fit",
    "wrong_preprocessing", "rate_too_low", "frozen_by_mistake",
)  # fmt: skip


def examine(case: Case) -> Finding | Unsure | None:
    found = part(case, "inputs")
    if found is None:
        return untested(case, "inputs", "what the network is given")
    states = [state(case, name) for name in ("varied", "plain", "val")]
    if states[2] != "twice" or "twice" not in states[:2]:
        return None
    seen, allowed = found["plain"], limits(case)
    low, high = min(row[0] for row in allowed), max(row[1] for row in allowed)
    return Finding(
        "input_normalised_twice",
        "error",
        f"The network is given values from {seen['low']:.3g} to {seen['high']:.3g}, where pictures normalised once "
        f"lie between {low:.3g} and {high:.3g}.",
        (
            Evidence(
                f"Mean {seen['mean'][0]:.3g} and deviation {seen['std'][0]:.3g} in the first channel: what taking "
                f"out mean {allowed[0][2]:.3g} and deviation {allowed[0][3]:.3g} a second time gives.",
                {k: found[k] for k in ("varied", "plain", "val")},
            ),
        ),
        "The second time moves the pictures far from 0 and stretches them: weights drawn for inputs around 0, or "
        "learned on them, do not fit.",
        Cure(
            "Normalise once: delete either `Normalize(mean, std)` (or `/ 255`) in the transform, or `(x - "
            "mean) / std` in the network's forward. Foveal does it itself before the network sees a "
            "picture."
        ),
        confidence=0.95,
    )
