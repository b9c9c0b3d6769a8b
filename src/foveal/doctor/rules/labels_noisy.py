"""Many labels are wrong, as far as the other pictures tell."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._data import NOT_SEEN

SOURCE = (
    "Northcutt, Jiang & Chuang 2021 (confident learning): ten much used sets have 3.3 % wrong test labels on average; "
    "the threshold is above that, by our own measurements"
)
LEVEL = "data"
EXPLAINS = ("overfitting", "underfitting", "metric_disagrees", "oscillation")
SHARE = 0.03
"""Lower end of the share of labels contradicted surely, above which they are called noisy. Measured: at most 0.017 on
CIFAR-10, flowers and digits as they are (300 to 2,000 pictures), 0.04 to 0.06 with a tenth of the labels changed."""
OF_ERRORS = 0.14
"""And the share of all that the classifier gets wrong; measured: at most 0.13 and at least 0.17."""


def examine(case: Case) -> Finding | Unsure | None:
    if case.record.kind != "classes":
        return None
    told = case.data.get("labels")
    if told is None:
        return NOT_SEEN if not case.data else Unsure(
            "Pixels alone tell too little to doubt a label: foveal diagnose RUN --deep holds labels against features."
        )  # fmt: skip
    few = told["contradicted_low"] <= SHARE or told["contradicted"] <= OF_ERRORS * (1 - told["accuracy"])
    if few or told["low"] <= told["chance"] + 0.05:
        return None
    sure = [row for row in told["wrong"] if row["sure"]]
    gone = tuple(row["id"] for row in told["wrong"] if row.get("part") == "train")
    pairs = [f"{row['first']} and {row['second']}" for row in told["exchanged"][:3]]
    interval = f"[{told['contradicted_low']:.1%}, {told['contradicted_high']:.1%}]"
    evidence = [
        Evidence(
            f"{told['contradicted']:.1%} {interval} of {told['count']} labels are contradicted with at least 90 % "
            "certainty by a classifier that learned from the other pictures.",
            {k: told[k] for k in ("contradicted", "contradicted_low", "contradicted_high", "count")},
            tuple(row["id"] for row in sure[:12]),
        ),
        Evidence(
            f"Confident learning puts the share of wrong labels at {told['share']:.1%} "
            f"[{told['share_low']:.1%}, {told['share_high']:.1%}].",
            {k: told[k] for k in ("share", "share_low", "share_high")},
        ),
    ]
    if pairs:
        evidence.append(
            Evidence(f"Most often exchanged: {'; '.join(pairs)}.", {"exchanged": told["exchanged"]})
        )
    return Finding(
        "labels_noisy",
        "error" if told["contradicted_low"] > 0.3 else "warning",
        f"About {told['contradicted']:.0%} of the labels are wrong {interval}.",
        tuple(evidence),
        "Whoever or whatever gave the labels erred, or labels were changed on the way.",
        Cure(
            f"Leave the {len(gone)} doubtful training pictures out, or go through them and correct their labels: "
            "foveal inspect DATA --deep.",
            exclude=gone,
        ),
        confidence=0.85,
    )
