"""A tenth of the rate after each third of what follows the warm-up."""

SOURCE = "He et al. 2016, Deep Residual Learning: a tenth at 30 and 60 of 90 epochs; torch's StepLR"

DROPS, SHARE = 3, 0.1
_WHOLE = 1e-9
"""So that a share that is a third but for rounding counts as one."""


def factor(progress: float, warmup: float) -> float:
    """Share of the peak rate at `progress` 0..1. The thirds count from the end of the warm-up, as when
    torch's SequentialLR puts one in front."""
    if progress < warmup:
        return progress / warmup
    done = (progress - warmup) / (1 - warmup) if warmup < 1 else 0.0
    return SHARE ** min(DROPS - 1, int(done * DROPS + _WHOLE))
