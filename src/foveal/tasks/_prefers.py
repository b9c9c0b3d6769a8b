"""What tasks with objects want otherwise than classification: network, size, batch, and how they learn."""

from __future__ import annotations

import math
from typing import Any

from ..data.truths import SMALLEST, counted
from ..machine import device
from ..values import Dataset

STEP = 32
"""Sizes are multiples of this, the backbone's largest stride."""
LEAST, SLOW, LARGEST = 128, 320, 640
"""Sides in pixels: the least, the usual one without a GPU, and the largest."""
SMALL = 12.0
"""Pixels on a side that nine of ten objects should have: a cell of the finest maps is 8 pixels wide."""
BATCH = 4


def preferences(dataset: Dataset, network: str, because: str) -> dict[str, tuple[Any, str]]:
    """Options by name: (value, reason)."""
    count = max(1, len(dataset.part("train")))
    epochs = int(min(100, max(12, round(6000 / count))))
    batch = min(BATCH if device.choose()[0] == "cpu" else 4 * BATCH, count)
    few = "small batches make many steps of few pictures, and a processor is no faster with large ones"
    return {
        "network": (network, because),
        "size": _size(dataset),
        "batch": (
            batch,
            few if batch <= BATCH else "keeps a GPU busy; detectors are trained on 16 (Lin et al. 2017)",
        ),
        "augment": (
            "jitter",
            "objects at other sizes and places are new ones to a detector (Ghiasi et al. 2021, section 3)",
        ),
        "freeze": (
            "never",
            "boxes ask more of the backbone than classes did: all layers learn from the first step on",
        ),
        "optimizer": (
            "adamw",
            "new heads of many kinds of losses: each parameter gets steps of its own size",
        ),
        "lr": (
            float(f"{1e-3 * math.sqrt(batch / BATCH):.3g}"),
            "1e-3 per 4 pictures, with the square root of the batch: learned blood cells in five epochs",
        ),
        "epochs": (epochs, f"about 6,000 pictures seen, between 12 and 100 epochs of {count:,}"),
    }


def _size(dataset: Dataset) -> tuple[int, str]:
    """The longer side at which pictures are seen."""
    facts = dataset.facts
    if facts is None:
        return SLOW, "the usual"
    longer = max(facts.width, facts.height)
    own = min(LARGEST, max(LEAST, STEP * round(longer / STEP)))
    usual = SLOW if device.choose()[0] == "cpu" else LARGEST
    if own <= usual:
        return own, f"the pictures' longer side is {longer} px"
    sides = sorted(_sides(dataset))
    small = sides[len(sides) // 10] if sides else math.inf
    need = STEP * math.ceil(longer * SMALL / small / STEP)
    size = min(own, max(usual, need))
    if size > usual:
        return (
            size,
            f"so that nine of ten objects are {SMALL:.0f} px large at least, as far as {LARGEST} px allow",
        )
    return size, f"of {longer} px; time grows with its square, and nine of ten objects keep {SMALL:.0f} px"


def vanishing(dataset: Dataset, size: int) -> tuple[str, ...]:
    """A sentence on the training objects that are less than `SMALLEST` pixels wide or high where pictures have a longer
    side of `size`; pictures of one data set are taken to have their median size."""
    if dataset.facts is None:
        return ()
    scale = size / max(dataset.facts.width, dataset.facts.height)
    narrow = [min(x1 - x0, y1 - y0) * scale for x0, y0, x1, y1 in _boxes(dataset)]
    gone = sum(side < SMALLEST for side in narrow)
    if not gone:
        return ()
    said = (
        f"{counted(gone, 'object')} of {len(narrow):,} to train on are less than {SMALLEST} pixels wide or high at "
        f"--size {size}: they cannot be seen there. A larger --size shows them"
    )
    return (said,)


def _boxes(dataset: Dataset) -> list[list[float]]:
    """The boxes of the training objects that count, in the pictures' pixels."""
    return [
        one["box"]
        for item in dataset.part("train")
        for one in item.truth or ()
        if "box" in one and not (one.get("crowd") or one.get("ignore"))
    ]


def _sides(dataset: Dataset) -> list[float]:
    """The sides, in the pictures' pixels, of squares as large as the training objects' boxes."""
    return [math.sqrt(max(0.0, x1 - x0) * max(0.0, y1 - y0)) or 1.0 for x0, y0, x1, y1 in _boxes(dataset)]
