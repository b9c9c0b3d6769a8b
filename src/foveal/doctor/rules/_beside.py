"""What the tests say that do a part of training once more, beside the run's own: in words, and from where it counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from ...finding import Evidence
from ...loop.optimizers import is_like_sgd
from ..case import Case
from ._parts import part, percent

OTHER, SAME = 0.95, 0.99
"""Cosine of two gradients below which they lead elsewhere, and above which they are the same. Above 0.99 on all
of 188 sound runs."""
TIMES = 4.0
"""Times as long, or as short, as a gradient should be."""
SILENT, KEPT = 0.05, 0.9
ASIDE = 1e-4
"""Length of the gradient of weights that no answer depends on, beside that of the answers."""
LIKE = {
    "turned": "its sign is turned round",
    "the class after": "it teaches each answer the class after its own",
    "the class before": "it teaches each answer the class before its own",
    "the next answer": "it teaches each answer the class of the next picture",
    "the answer before": "it teaches each answer the class of the picture before",
    "over the answers": "its softmax is over the answers and not over the classes",
    "squares": "it is the squares of shares",
    "squares of scores": "it is the squares of scores",
    "a softmax twice": "it takes a softmax twice",
    "sigmoids": "it is a sigmoid a class",
    "classes and answers exchanged": "classes and answers are exchanged where there are as many of both",
}
EXCHANGED = ("classes and answers exchanged", "over the answers")


def losses(case: Case) -> Sequence[Mapping[str, Any]]:
    """By size of the batch, the loss beside the one that the run names; nothing where that was not tested."""
    found = part(case, "loss_beside")
    return (
        []
        if found is None
        else [r for r in found["rows"] if math.isfinite(r["cosine"] + r["times"] + r["loss"])]
    )


def has_weights(case: Case) -> bool:
    """Whether the loss depends on weights that no answer depends on."""
    rows = losses(case)
    return bool(rows) and min(row["aside"] for row in rows) > ASIDE


def exchanged(case: Case) -> Mapping[str, Any] | None:
    """A size of the batch at which the loss is taken over the answers."""
    return next((r for r in losses(case) if r["like"] in EXCHANGED and r["cosine"] < OTHER), None)


def other_loss(case: Case) -> tuple[str, Mapping[str, Any]] | None:
    """What is wrong with the loss, in a sentence, and the row that shows it."""
    rows = losses(case)
    if not rows:
        return None
    if has_weights(case):
        row = max(rows, key=lambda one: one["aside"])
        says = (
            f"The loss holds the network's weights themselves: a weight that no answer depends on has a gradient "
            f"{row['aside']:.2g} times as long as that of {row['size']} answers: a decay of its own, which no option "
            "tells of."
        )
        return says, row
    row = max(rows, key=lambda one: one["silent"])
    if row["silent"] > SILENT:
        says = (
            f"Of {row['size']} answers {percent(row['silent'])} have no part in the loss: they teach nothing."
        )
        return says, row
    row = max(rows, key=lambda one: one["silent_labels"])
    if row["silent_labels"]:
        return (
            f"The scores of {row['silent_labels']} labels have no part in the loss: they are never taught.",
            row,
        )
    row = min(rows, key=lambda one: one["cosine"])
    if not row["cosine"] < OTHER:
        return _scaled(rows) if is_like_sgd(str(case.options.get("optimizer"))) else None
    why = LIKE.get(row["like"], "it is another loss")
    says = (
        f"For a batch of {row['size']} the gradient of the loss leads elsewhere than that of the loss which the run "
        f"names (cosine {row['cosine']:.2f}): {why}."
    )
    return says, row


def _scaled(rows: Sequence[Mapping[str, Any]]) -> tuple[str, Mapping[str, Any]] | None:
    """Far too short everywhere. Far too long ones are sums (`sum_for_mean`)."""
    row = max(rows, key=lambda one: one["size"])
    if row["times"] >= 1 / TIMES:
        return None
    each = [one["times"] * one["size"] for one in rows]
    again = max(each) < 1.2 * min(each) and len(each) > 1
    how = ": the mean is divided by the number of pictures once more" if again else ", at the same direction"
    says = (
        f"The gradient of the loss is {row['times']:.2g} times as long as that of the loss which the run names, for a "
        f"batch of {row['size']}{how}."
    )
    return says, row


def misjudged(case: Case) -> Mapping[str, Any] | None:
    """Answers that are judged as others than they are."""
    return next((row for row in losses(case) if row.get("kept", 1.0) < KEPT), None)


# --- steps ---

SHORT, LONG, FURTHER = 0.5, 2.0, 1.3
"""Times the length that a step should have; and, of later ones, times the first one's."""
ASTRAY = 0.99
"""Cosine of a later step with what is due, below which it goes elsewhere where the first did not. Sound: 1.000."""


def steps(case: Case) -> Sequence[Mapping[str, float]]:
    """The loop's first steps beside what is due."""
    found = part(case, "steps_beside")
    return [] if found is None or found["gradient"] > 0.01 else found["rows"]


def still(case: Case) -> Sequence[str]:
    """Parameters that are due to move and do not."""
    found = part(case, "steps_beside")
    return [] if found is None else found["still"]


def times(case: Case) -> float | None:
    """How many times as long as it is due the change in a step is; None where that is as it should be, or not known.
    Where the first is far off already, later ones start from where it led."""
    rows = steps(case)
    made = median(row["times"] for row in rows) if rows else 1.0
    if rows and not SHORT <= rows[0]["times"] <= LONG:
        made = rows[0]["times"]
    return None if SHORT <= made <= LONG or made == 0 else made


def accumulates(case: Case) -> bool:
    """Whether the first step is as due and later ones are not: something of those before is in them."""
    rows = steps(case)
    if len(rows) < 2 or rows[0]["cosine"] < 0.999 or not 0.95 < rows[0]["times"] < 1.05:
        return False
    return any(row["times"] > FURTHER or row["cosine"] < ASTRAY for row in rows[1:])


def astray(case: Case) -> bool:
    """Whether steps lead elsewhere than gradient, rate and momentum say."""
    rows = steps(case)
    return (
        bool(rows)
        and median(row["cosine"] for row in rows) < OTHER
        and not climbs(case)
        and not accumulates(case)
    )


def climbs(case: Case) -> bool:
    """Whether steps go the other way."""
    rows = steps(case)
    return bool(rows) and max(row["cosine"] for row in rows) < -0.5


def first_steps(rows: Sequence[Mapping[str, Any]]) -> Evidence:
    """How long steps by the run's own loop are, beside the same made apart."""
    return Evidence(
        f"The first {len(rows)} steps of a fresh network by the run's own loop, beside the same made apart: "
        f"{told(rows)} times as long.",
        {"rows": [dict(row) for row in rows]},
    )


def told(rows: Sequence[Mapping[str, float]]) -> str:
    return ", ".join(f"{row['times']:.3g} (cosine {row['cosine']:.2f})" for row in rows)
