"""A tenth of the rate after half of what follows the warm-up, and again after three quarters."""

SOURCE = (
    "He et al. 2016, Deep Residual Learning, section 4.2: a tenth at 32,000 and 48,000 of 64,000 steps on "
    "CIFAR-10; Huang et al. 2017, section 4.2: at 50 % and 75 % of the epochs; torch's MultiStepLR"
)

DROPS, SHARE = (0.5, 0.75), 0.1
_WHOLE = 1e-9
"""So that a share that is a half but for rounding counts as one."""


def factor(progress: float, warmup: float) -> float:
    """Share of the peak rate at `progress` 0..1."""
    if progress < warmup:
        return progress / warmup
    done = (progress - warmup) / (1 - warmup) if warmup < 1 else 0.0
    return SHARE ** sum(done + _WHOLE >= drop for drop in DROPS)
