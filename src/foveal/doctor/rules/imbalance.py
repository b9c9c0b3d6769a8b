"""Rare classes are hardly recognised, and others are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor, result
from ._data import share
from ._parts import part

SOURCE = (
    "Buda et al. 2018, A Systematic Study of the Class Imbalance Problem; rare is a tenth of the most common, as in "
    "SageMaker Debugger's ClassImbalance; it is an illness only where it harms"
)
LEVEL = "data"
EXPLAINS = (
    "metric_disagrees", "loss_stuck", "underfitting", "overfitting", "stopped_too_early", "cannot_fit",
)  # fmt: skip
HARM = 0.2
"""What the recall of rare classes must lie below that of the others, beyond both intervals."""
FEWEST = 10


def examine(case: Case) -> Finding | Unsure | None:
    if case.record.kind != "classes":
        return None
    if (found := _backwards(case) or _swallows(case)) is not None:
        return found
    told = case.data.get("rare")
    if not told:
        return None
    few, many = told["few"], told["many"]
    if few["high"] >= many["low"] or many["recall"] - few["recall"] < HARM:
        return None
    if few["count"] < FEWEST:
        return Unsure(f"Rare classes have {few['count']} pictures to be judged by, too few.")
    names = ", ".join(told["names"][:5]) + (
        f" and {len(told['names']) - 5} more" if len(told["names"]) > 5 else ""
    )
    return Finding(
        "imbalance",
        "warning",
        f"Rare classes are hardly recognised: {few['recall']:.0%} of their pictures, {many['recall']:.0%} of others.",
        (
            Evidence(
                f"Of {names}, at most a tenth of the {told['most']} training pictures of the most common class, "
                f"{share(few, 'recall')} are recognised; of the others {share(many, 'recall')}.",
                {"few": few, "many": many, "names": told["names"]},
            ),
        ),
        f"The loss counts pictures, and between {told['least']} and {told['most']} of a class are little against much.",
        _cure(case, "rare"),
        confidence=0.85,
    )


def _cure(case: Case, which: str) -> Cure:
    balanced = case.options.get("balance") not in (None, "none")
    todo = "Balancing is on already" if balanced else "Draw every class as often (--balance sampling)"
    changes = {} if balanced else {"balance": "sampling"}
    return Cure(f"{todo}, and gather more pictures of the {which} classes.", changes=changes)


HALF, MOSTLY, OVER = 0.5, 0.6, 1.5
"""Share of the training pictures that one class has; share of all answers that name it; times as often as it is due,
and as common as where all are alike."""


def _swallows(case: Case) -> Finding | None:
    """Most training pictures are of one class, by whose name most judged pictures of other classes are called."""
    counts = (case.record.dataset.counts() if case.record.dataset is not None else {}).get("train") or {}
    if len(counts) < 2 or not any(counts.values()) or not poor(case, 0.3):
        return None
    # the best network may be an early one that had learned next to nothing: the last one is asked, too
    listed = (case.data.get("confused") or (), (part(case, "splits") or {}).get("called") or ())
    return next((found for rows in listed if (found := _taken(case, counts, rows)) is not None), None)


def _taken(case: Case, counts: Mapping[str, int], rows: Sequence[Mapping[str, Any]]) -> Finding | None:
    whole = sum(counts.values())
    name = max(counts, key=lambda one: counts[one])
    judged = sum(row["count"] for row in rows)
    others = [row for row in rows if row["truth"] != name]
    called = sum(row["count"] * row["share"] for row in rows if row["called"] == name)
    own = judged - sum(row["count"] for row in others)
    taken = sum(row["count"] for row in others if row["called"] == name)
    share_of = counts[name] / whole
    if (
        not rows
        or share_of < max(HALF, OVER / len(counts))
        or called < MOSTLY * judged
        or taken < HALF * (judged - own)
        or called < OVER * own
    ):
        return None
    return Finding(
        "imbalance",
        "warning",
        f"{share_of:.0%} of the training pictures are {name}, and at least {called / judged:.0%} of the judged "
        f"ones are called so, of which {own / judged:.0%} are; {result(case)}.",
        (
            Evidence(
                f"Training has {counts[name]} pictures of {name}, and {min(counts.values())} to "
                f"{sorted(counts.values())[-2]} of each other class.",
                {"counts": dict(counts), "called": called, "judged": judged},
            ),
        ),
        "The loss counts pictures: where most are of one class, naming that class is nearly all there is to be gained.",
        _cure(case, "other"),
        confidence=0.9,
    )


UNEVEN, DUE = 2.0, 3.0
"""Times as many pictures of the commonest class as of the rarest; times as much as is due that a class weighs, beside
another."""


def _backwards(case: Case) -> Finding | None:
    """The loss weighs classes by how common they are, and not the other way round."""
    counts = (case.record.dataset.counts() if case.record.dataset is not None else {}).get("train") or {}
    weights, names = case.record.task.get("class_weights") or (), case.record.labels
    if len(weights) != len(names) or not poor(case, 0.05):
        return None
    told = {name: float(w) for name, w in zip(names, weights, strict=True) if counts.get(name) and w > 0}
    if len(told) < 2:
        return None
    ordered = sorted(told, key=lambda one: counts[one])
    least, most = ordered[0], ordered[-1]
    due = counts[least] / counts[most]
    own = told[most] / told[least]
    if counts[most] < UNEVEN * counts[least] or own < DUE * due or own < 1:
        return None
    return Finding(
        "imbalance",
        "warning",
        f"The loss weighs common classes more, not less: one of {most} {own:.3g} times as much as one of {least}, "
        f"of which there are {counts[most]} and {counts[least]}; {result(case)}.",
        (
            Evidence(
                f"For classes to count alike, one of {most} would weigh {due:.3g} times as much.",
                {"weights": told, "counts": dict(counts)},
            ),
        ),
        "Weights of classes are to be the inverse of how often they occur: taken as they are, rare classes count even "
        "less than without any.",
        Cure(
            "Divide by the counts where weights are made: `weights = counts.sum() / (len(counts) * "
            "counts)`; or leave weighing to --balance weights."
        ),
        confidence=0.95,
    )
