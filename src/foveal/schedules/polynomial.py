"""After the warm-up a straight line down to nothing."""

SOURCE = (
    "Li, Yumer & Ramanan 2020, Budgeted Training: linear decay is the most robust over budgets; "
    "torch's PolynomialLR with power 1 (DeepLab's 0.9 differs from it by less than 0.04 of the peak)"
)

POWER = 1.0


def factor(progress: float, warmup: float) -> float:
    """Share of the peak rate at `progress` 0..1."""
    if progress < warmup:
        return progress / warmup
    return max(0.0, (1 - progress) / (1 - warmup)) ** POWER if warmup < 1 else 1.0
