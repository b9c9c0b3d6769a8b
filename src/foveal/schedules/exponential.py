"""After the warm-up the same share is lost in every step, down to a hundredth of the peak."""

SOURCE = (
    "torch's ExponentialLR; the end as in Tan & Le 2019, EfficientNet: 0.97 every 2.4 of 350 epochs, 0.012"
)

END = 0.01


def factor(progress: float, warmup: float) -> float:
    """Share of the peak rate at `progress` 0..1."""
    if progress < warmup:
        return progress / warmup
    return END ** ((progress - warmup) / (1 - warmup)) if warmup < 1 else 1.0
