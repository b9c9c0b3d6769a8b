"""Many labels are wrong, as far as the other pictures tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._data import NOT_SEEN
from ._parts import part, percent
from ._range import look_apart

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
LESS, SIGMAS = 0.12, 3.0
"""What a head tells less of training's labels than of validation's, on the same network's features: at least so much,
and so many standard deviations. Measured: at most 0.06 on 110 sound runs, at least 0.25 with 40 % of wrong labels."""
TORN, FEWEST = 0.01, 5
"""Share of the training pictures, and how many, that are there again, pixel for pixel, under another label."""


def examine(case: Case) -> Finding | Unsure | None:
    if case.record.kind != "classes":
        return None
    told = case.data.get("labels")
    found = _torn(case) or (_doubted(told) if told is not None else None) or _held(case)
    if found is not None or told is not None:
        return found
    return NOT_SEEN if not case.data else Unsure(
        "Pixels alone tell too little to doubt a label: foveal diagnose RUN --deep holds labels against features."
    )  # fmt: skip


def _torn(case: Case) -> Finding | None:
    """The same pictures under two labels."""
    pairs = [
        pair
        for pair in case.data.get("twins", ())
        if pair["distance"] == 0
        and not pair["mirrored"]
        and pair["labels"]
        and pair["labels"][0] != pair["labels"][1]
        and pair["parts"] == ["train", "train"]
    ]
    count = sum(case.data.get("counts", {}).get("train", {}).values())
    if len(pairs) < max(FEWEST, TORN * count):
        return None
    names: dict[str, int] = {}
    for pair in pairs:
        key = " and ".join(sorted(pair["labels"]))
        names[key] = names.get(key, 0) + 1
    most = sorted(names, key=lambda name: -names[name])[:3]
    return Finding(
        "labels_noisy",
        "warning",
        f"{len(pairs)} of {count} training pictures are there again, pixel for pixel, under another label.",
        (
            Evidence(
                f"Most often as {'; '.join(f'{name} ({names[name]})' for name in most)}.",
                {"pairs": len(pairs), "labels": names},
                tuple(id for pair in pairs[:6] for id in (pair["first"], pair["second"])),
            ),
        ),
        "One picture cannot be two things: files of one class were copied into another's folder, or labelled twice.",
        Cure(
            "Find out which of the two labels is right, and take the other copy away or put its own picture back."
        ),
        confidence=0.95,
    )


def _held(case: Case) -> Finding | None:
    """What the network sees goes with validation's labels, and much less with training's."""
    found, inputs = part(case, "labels_held"), part(case, "inputs")
    if found is None or (inputs is not None and look_apart(inputs)):
        return None
    low, high, count = found["train"], found["held"], found["count"]
    luck = ((high * (1 - high) + low * (1 - low)) / count) ** 0.5
    if high - low < max(LESS, SIGMAS * luck):
        return None
    share = 1 - low / high
    return Finding(
        "labels_noisy",
        "error" if share > 0.3 else "warning",
        f"About {share:.0%} of the training labels do not go with what the network sees in their pictures, where those "
        "of validation do.",
        (
            Evidence(
                f"On the network's features a linear head tells {percent(high)} of {count} validation labels that it "
                f"did not see, and one for {count} training labels {percent(low)}. A network that learned from "
                "these would have both the other way round.",
                {"train": low, "held": high, "count": count},
                tuple(found["doubted"][:12]),
            ),
        ),
        "Whoever or whatever gave the training labels erred, or they were changed on the way; or training pictures "
        "come from a source that shows their class less well.",
        Cure(
            f"Leave out the {len(found['doubted'])} training pictures whose label is unlikely by the validation "
            "pictures, or go through them and correct their labels.",
            exclude=tuple(found["doubted"]),
        ),
        confidence=0.8,
    )


def _doubted(told: Mapping[str, Any]) -> Finding | None:
    """Labels that a classifier contradicts which learned from other pictures."""
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
