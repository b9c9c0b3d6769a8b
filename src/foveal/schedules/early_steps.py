"""The first quarter at large rates, then steps down to a fiftieth, where most of the training is spent."""

SOURCE = (
    "LeCun et al. 1998, section III.B: twenty passes, 0.0005 in the first two, 0.0002 in the next three, "
    "0.0001 in three, 0.00005 in four, 0.00001 thereafter"
)

STEPS = ((0.1, 1.0), (0.25, 0.4), (0.4, 0.2), (0.6, 0.1), (1.0, 0.02))
"""Until which share of what follows the warm-up, which share of the peak."""
_WHOLE = 1e-9
"""So that a share that is met but for rounding counts as met."""


def factor(progress: float, warmup: float) -> float:
    """Share of the peak rate at `progress` 0..1."""
    if progress < warmup:
        return progress / warmup
    done = (progress - warmup) / (1 - warmup) if warmup < 1 else 0.0
    return next((share for until, share in STEPS if done + _WHOLE < until), STEPS[-1][1])
