"""Sigmoids or tangents at their limits, where they are flat and pass no gradient back."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor, result, stuck
from ._inside import FEWEST, first, late, measured, named, of_kind

SOURCE = (
    "Glorot & Bengio 2010; Rakitianskaia & Engelbrecht 2015, Measuring Saturation in Neural Networks; "
    "DeepDiagnosis: more than half of a layer's outputs. Gates at their limits are usual in sound networks: only "
    "where little was learned"
)
LEVEL = "network"
SYMPTOM = True
EXPLAINS = ("loss_stuck", "vanishing", "updates_too_small", "underfitting", "rate_too_low", "stopped_too_early",
            "metric_disagrees", "cannot_fit")  # fmt: skip
HALF = 0.5


def examine(case: Case) -> Finding | Unsure | None:
    if not poor(case):
        return None
    squashing = of_kind(case, "squash")
    sights = late(case)
    if not squashing or len(sights) < FEWEST:
        return None
    lowest = {name: min(v) for name in squashing if len(v := measured(sights, name, "saturated")) >= FEWEST}
    full = tuple(name for name, share in lowest.items() if share >= HALF)
    if len(full) < max(1, len(squashing) / 2):
        return None
    seen = first(case)
    before = [seen.layers.get(name, {}).get("saturated", 0.0) for name in full] if seen else []
    began = bool(before) and sum(b >= HALF for b in before) >= len(before) / 2
    return Finding(
        "saturation",
        "error" if stuck(case) else "warning",
        f"{len(full)} of {len(squashing)} sigmoid or tangent layers lie at their limits for half of their outputs "
        f"or more; {result(case)}.",
        (
            Evidence(
                f"At each of the last {len(sights)} looks {named(full)} had "
                f"{100 * min(lowest[n] for n in full):.0f} % or more within 0.02 of a "
                f"limit{', and so from the very start' if began else ''}.",
                {"saturated": lowest, "at_start": before},
                layers=full[:8],
            ),
        ),
        "At its limits a sigmoid or tangent is flat: whatever comes in, the same comes out, and the gradient is "
        "next to 0. Weights that are too large, or one step that was too long, push it there, and nothing brings "
        "it back.",
        Cure(
            "Draw smaller weights (Glorot & Bengio 2010), put a norm before the activations, or use rectifiers."
            if began
            else "Train at a smaller rate: a range test finds one. Or put a norm before the activations.",
            {} if began else {"find_lr": True},
            repairs=("redraw",) if began else (),
        ),
        confidence=0.9,
    )
