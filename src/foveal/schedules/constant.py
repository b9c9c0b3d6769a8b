"""The rate stays at its peak after the warm-up."""

SOURCE = "Goyal et al. 2017, Accurate, Large Minibatch SGD (warm-up, section 2.2)"


def factor(progress: float, warmup: float) -> float:
    """Share of the peak rate at `progress` 0..1."""
    return progress / warmup if progress < warmup else 1.0
