"""A linear warm-up, then half a cosine down to nothing."""

import math

SOURCE = "Loshchilov & Hutter 2017, SGDR: Stochastic Gradient Descent with Warm Restarts (eq. 5, one cycle)"


def factor(progress: float, warmup: float) -> float:
    """Share of the peak rate at `progress` 0..1."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) if warmup < 1 else 1.0
