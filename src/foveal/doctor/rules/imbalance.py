"""Rare classes are hardly recognised, and others are."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._data import share

SOURCE = (
    "Buda et al. 2018, A Systematic Study of the Class Imbalance Problem; rare is a tenth of the most common, as in "
    "SageMaker Debugger's ClassImbalance; it is an illness only where it harms"
)
LEVEL = "data"
EXPLAINS = ("metric_disagrees",)
HARM = 0.2
"""What the recall of rare classes must lie below that of the others, beyond both intervals."""
FEWEST = 10


def examine(case: Case) -> Finding | Unsure | None:
    if case.record.kind != "classes":
        return None
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
    balanced = case.options.get("balance") not in (None, "none")
    changes = {} if balanced else {"balance": "sampling"}
    todo = "Draw every class as often (--balance sampling)" if changes else "Balancing is on already"
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
        Cure(f"{todo}, and gather more pictures of the rare classes.", changes=changes),
        confidence=0.85,
    )
