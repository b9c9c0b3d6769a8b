"""Training shows the network some of its pictures only, again and again."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding
from ..case import Case
from ._course import result
from ._parts import part, percent

SOURCE = (
    "TrainCheck (Jiang et al. 2025): loaders that give the same batches; Karpathy 2019: look at what the network is "
    "given. Ours: less than nine tenths of the pictures in twice as many draws as there are, where each is due once"
)
LEVEL = "input"
EXPLAINS = (
    "overfitting", "split_preprocessing", "underfitting", "metric_disagrees", "stopped_too_early", "loss_stuck",
    "below_published", "schedule_ends_wrongly", "labels_noisy", "augmentation_destroys",
)  # fmt: skip
SHARE, MOST = 0.9, 0.5
DRAWS = 2
"""Epochs' worth of pictures after which all should have been shown."""


def examine(case: Case) -> Finding | None:
    found = part(case, "shown")
    if found is None or found["sampling"] or found["draws"] < DRAWS * found["count"]:
        return None
    share = found["seen"] / found["count"]
    if share >= SHARE:
        return None
    return Finding(
        "pictures_unseen",
        "error" if share < MOST else "warning",
        f"Only {found['seen']:,} of {found['count']:,} training pictures ({percent(share)}) were ever shown, each "
        f"{found['times']:g} times (median); {result(case)}.",
        (
            Evidence(
                f"{found['draws']:,} pictures were drawn, {found['draws'] / found['count']:.3g} times as many as there "
                "are: in each epoch every one is due once.",
                dict(found),
            ),
        ),
        "What gives out the batches repeats itself: an iterator that is begun anew for each batch, a sampler with a "
        "seed that never changes, an index that stays within a part, or a cache that always has the first batch.",
        Cure(
            "Mend what gives out the batches, in its code: each epoch is to draw every picture once, in an order of "
            "its own. `data/batches.py` of Foveal does: Batches.epoch."
        ),
        confidence=0.95,
    )
