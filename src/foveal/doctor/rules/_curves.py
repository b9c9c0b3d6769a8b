"""What a schedule by its name should make of the rate, written anew."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

Curve = Callable[[float], float]
"""Of what lies behind the warm-up, 0..1, the share of the peak."""

AFTER: Mapping[str, Curve] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "onecycle": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "polynomial": lambda done: 1 - done,
    "exponential": lambda done: 0.01**done,
    "step": lambda done: 0.1 ** min(2, int(3 * done + 1e-9)),
    "late_steps": lambda done: 0.1 ** ((done >= 0.5) + (done >= 0.75)),
}


def due(schedule: str, warmup: float, progress: float) -> float | None:
    """The share of the peak that is due at a progress 0..1; None of schedules that are not known here."""
    after = AFTER.get(schedule)
    if after is None or not 0 <= warmup < 1:
        return None
    if progress >= warmup:
        return after(min(1.0, (progress - warmup) / (1 - warmup)))
    up = progress / warmup
    return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * up)) if schedule == "onecycle" else up
