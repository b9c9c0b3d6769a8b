"""The rate stays at its peak until the validation loss no longer falls, then goes down to a tenth."""

import math
from collections.abc import Mapping

SOURCE = (
    "torch's ReduceLROnPlateau (factor 0.1, relative threshold 1e-4); the tenth when the error plateaus "
    "is He et al. 2016's, section 3.4"
)

SHARE, THRESHOLD = 0.1, 1e-4
PATIENCE = 2
"""Epochs without a lower loss that are borne; the next one brings the tenth. Early stopping waits for five
at least, so a smaller rate always has its chance before it."""
LEAST = 1e-8
"""A step down that changes the scale by no more than this is not made (torch's `eps`, for a peak of 1)."""


def factor(progress: float, warmup: float) -> float:
    """Share of the peak rate at `progress` 0..1, before what `react` scales it by."""
    return progress / warmup if progress < warmup else 1.0


def react(memory: Mapping[str, float], loss: float) -> dict[str, float]:
    """What is known after an epoch with this validation loss: `best` loss, `bad` epochs since, `scale`."""
    best, bad = memory.get("best", math.inf), memory.get("bad", 0)
    scale = memory.get("scale", 1.0)
    if loss < best * (1 - THRESHOLD):
        best, bad = loss, 0
    else:
        bad += 1
    if bad > PATIENCE:
        bad = 0
        if scale * (1 - SHARE) > LEAST:
            scale *= SHARE
    return {"best": best, "bad": bad, "scale": scale}
