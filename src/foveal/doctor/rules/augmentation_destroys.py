"""Training pictures are varied so much that they no longer show their label."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor, result
from ._parts import part, percent, surely_above

SOURCE = "TheDeepChecker (Braiek & Khomh 2022): label-destroying augmentation; own measurement"
LEVEL = "input"
EXPLAINS = (
    "underfitting", "loss_stuck", "rate_too_low", "stopped_too_early", "below_published",
    "split_preprocessing", "dropout_too_strong", "weight_decay_too_strong", "schedule_ends_wrongly",
    "metric_disagrees", "cannot_fit",
)  # fmt: skip
LEAST = 0.2


def examine(case: Case) -> Finding | Unsure | None:
    splits, deep = part(case, "splits"), part(case, "augmentation")
    ways = [
        name
        for name, none in (("augment", "none"), ("erase", 0.0), ("mixup", 0.0), ("cutmix", 0.0))
        if case.options.get(name) not in (None, none, 0)
    ]
    if splits is None or "varied" not in splits or not poor(case, 0.12):
        return None
    low, high = splits["varied"], splits["train"]
    lost = surely_above(high, low, splits["count"], LEAST)
    if deep is not None:
        lost = lost or (
            deep["taught_plain"] > 0.8 and deep["taught_varied"] < deep["commonest"] + 0.1 and poor(case, 0.3)
        )
    strong = (
        [name for name in ("mixup", "cutmix") if float(case.options.get(name) or 0) > 1] if not lost else []
    )
    if not lost and not strong:
        return None
    changes = {name: (0.0 if name != "augment" else "light") for name in (ways or ["augment"])}
    if case.options.get("augment") in (None, "none", "light"):
        changes["augment"] = "none"
    return Finding(
        "augmentation_destroys",
        "error" if poor(case, 0.4) else "warning",
        f"Of the same {splits['count']} training pictures {percent(high)} are right as they are, and "
        f"{percent(low)} as they are varied: {result(case)}.",
        (
            Evidence(
                f"Varied by {', '.join(ways) or 'the view'}.",
                {**splits, **{n: case.options.get(n) for n in ways}},
            ),
        ),
        "A varied picture must still be what its label says. Where it is not (a 6 turned upside down, an object "
        "that is erased), training asks for what cannot be seen.",
        Cure(
            "Vary pictures less, and look at what training sees: foveal inspect DATA --augment NAME.", changes
        ),
        confidence=0.85,
    )
