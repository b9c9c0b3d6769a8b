"""One cosine up from a 25th of the peak, one down to nearly nothing."""

import math

SOURCE = "Smith & Topin 2018, Super-Convergence; fastai's cosine form with div 25, div_final 1e5"

START, END = 1 / 25, 1e-5


def factor(progress: float, warmup: float) -> float:
    """Share of the peak rate at `progress` 0..1."""
    if progress < warmup:
        return _between(START, 1.0, progress / warmup)
    return _between(1.0, END, (progress - warmup) / (1 - warmup)) if warmup < 1 else 1.0


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))
