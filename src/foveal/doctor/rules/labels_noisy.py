"""Many labels are wrong, as far as the other pictures tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor
from ._data import NOT_SEEN
from ._held import CERTAIN, PART, SURELY, backwards, held, longer, swallowed
from ._parts import part, percent
from ._tags import missing, number

SOURCE = (
    "Northcutt, Jiang & Chuang 2021 (confident learning): ten much used sets have 3.3 % wrong test labels on average; "
    "the threshold is above that, by our own measurements"
)
LEVEL = "data"
EXPLAINS = ("overfitting", "underfitting", "metric_disagrees", "oscillation")
WHERE_SEEN = ("imbalance",)  # a label that takes in pictures of others is more common than it should be
SHARE = 0.03
"""Lower end of the share of labels contradicted surely, above which they are called noisy. Measured: at most 0.017 on
CIFAR-10, flowers and digits as they are (300 to 2,000 pictures), 0.04 to 0.06 with a tenth of the labels changed."""
OF_ERRORS = 0.14
"""And the share of all that the classifier gets wrong; measured: at most 0.13 and at least 0.17."""
TORN, FEWEST = 0.01, 5
"""Share of the training pictures, and how many, that are there again, pixel for pixel, under another label."""


def examine(case: Case) -> Finding | Unsure | None:
    if case.record.kind == "labels":
        return _tags(case)
    if case.record.kind != "classes":
        return None
    told = case.data.get("labels")
    found = (
        _torn(case)
        or _taken(case)
        or _slipped(case)
        or swallowed(case)
        or (_doubted(case, told) if told is not None else None)
        or held(case)
    )
    found = found or backwards(case)
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
            "Find out which of the two labels is right, and take the other copy away or put its own "
            "picture back (these pairs are named by foveal inspect DATA)."
        ),
        confidence=0.95,
    )


def _doubted(case: Case, told: Mapping[str, Any]) -> Finding | None:
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
            longer(case, len(gone)),
            exclude=gone,
        ),
        confidence=0.85,
    )


SLIPPED = 0.06
"""What the label of another row must tell beyond those of other rows."""


def _slipped(case: Case) -> Finding | None:
    """Labels stand some rows away from their pictures."""
    slipped = (part(case, "labels_held") or {}).get("slipped")
    if not slipped or slipped["count"] < 50 or not poor(case, 0.1):
        return None
    share, others, by = slipped["share"], slipped["others"], slipped["by"]
    luck = math.sqrt(max(1e-4, others * (1 - others)) / slipped["count"])
    if share - others < max(SLIPPED, CERTAIN * luck) or slipped["typical"] - others < SLIPPED / 2:
        return None
    rows = f"{abs(by)} row{'' if abs(by) == 1 else 's'} {'further down' if by > 0 else 'further up'}"
    return Finding(
        "labels_noisy",
        "error",
        f"Labels of training pictures stand beside other pictures: {percent(share)} of what is seen in them is the "
        f"label {rows}, and {percent(others)} that of other rows.",
        (
            Evidence(
                f"Of {slipped['count']} training pictures, in the order of the data, by a head that learned the "
                "validation labels on the network's features.",
                dict(slipped),
            ),
        ),
        "A row was lost or put in twice in the table of labels, or in the list of files: from there on each picture "
        "has its neighbour's label.",
        Cure(
            "Find the row from which labels and pictures part (open a few pictures at the start, in the "
            "middle and at the end of the table), and join labels to files by name, not by place: `label "
            "= dict(zip(table.file, table.label))[path.name]`. `sorted(files)` puts 10 before 2, and a "
            "heading that is read as a row moves all by one."
        ),
        confidence=0.9,
    )


CALLED = 0.25
"""Share of the pictures of a class that training has too few of that are called by one other name, at least."""


def _taken(case: Case) -> Finding | None:
    """Training has too few pictures of one class and as many too many of another, by whose name the network calls the
    first: many of these were labelled so."""
    counts = case.record.dataset.counts() if case.record.dataset is not None else {}
    train = counts.get("train") or {}
    others = {name: sum((counts.get(p) or {}).get(name, 0) for p in ("val", "test")) for name in train}
    whole, rest = sum(train.values()), sum(others.values())
    called = case.data.get("confused") or (part(case, "splits") or {}).get("called", ())
    if not whole or not rest or len(train) < 3:
        return None
    for row in called:
        name, other = row["truth"], row["called"]
        if name == other or row["share"] < CALLED or not {name, other} <= train.keys():
            continue
        due = {one: whole * others[one] / rest for one in (name, other)}
        luck = {one: math.sqrt(max(1.0, due[one] * (1 + whole / rest))) for one in due}
        few, many = due[name] - train[name], train[other] - due[other]
        if (
            few > max(SURELY * luck[name], PART * due[name])
            and many > SURELY * luck[other]
            and 0.5 < few / many < 2
        ):
            return _as_another(row, train, due, round(min(few, many)))
    return None


def _as_another(
    row: Mapping[str, Any], train: Mapping[str, int], due: Mapping[str, float], moved: int
) -> Finding:
    name, other = row["truth"], row["called"]
    return Finding(
        "labels_noisy",
        "warning",
        f"About {moved} training pictures of {name} are labelled {other}, as far as the other splits tell.",
        (
            Evidence(
                f"Training has {train[name]} pictures of {name} and {train[other]} of {other}; by the shares in the "
                f"other splits {due[name]:.0f} and {due[other]:.0f} are due.",
                {"train": [train[name], train[other]], "due": [due[name], due[other]]},
            ),
            Evidence(
                f"{row['share']:.0%} of the {row['count']} judged pictures labelled {name} are called {other}.",
                dict(row),
            ),
        ),
        "Whoever or whatever labelled the training pictures took the one class for the other, or put its files into "
        "the other's folder.",
        Cure(
            f"Go through the training pictures labelled {other} (foveal inspect DATA --deep shows those in doubt "
            f"first), and give those of {name} their own label back."
        ),
        confidence=0.85,
    )


def _tags(case: Case) -> Finding | None:
    """Of several labels a picture, training's are not as many as those of the other splits, or some are missing."""
    apart, gone = number(case), missing(case)
    if (apart is None and not gone) or not poor(case, 0.1):
        return None
    evidence = [
        Evidence(
            f"{name}: {had} training pictures bear it, and {due:.0f} are due by the other splits.",
            {"had": had, "due": due},
        )
        for name, (had, due) in list(gone.items())[:6]
    ]
    said = f"Training pictures lack labels that other pictures have: {', '.join(list(gone)[:4])}."
    if apart is not None:
        own, other, sure, count, rest = apart
        said = (
            f"Training pictures bear {own:.2f} labels each, and those of the other splits {other:.2f}: "
            f"{'many are missing' if own < other else 'many are too much'}."
        )
        told = (
            f"{count} training pictures and {rest} others; the difference is {sure:.0f} standard deviations."
        )
        evidence.insert(0, Evidence(told, {"train": own, "others": other}))
    return Finding(
        "labels_noisy",
        "error",
        said,
        tuple(evidence),
        "Of several labels a picture the table of training kept the first, or some names were lost on the way: what is "
        "there and bears no label is taught as absent.",
        Cure(
            "Read all labels of the training pictures again: how are several of them parted in the table? "
            "`cell.split(';')` with the sign that stands there, and `.strip()` on each."
        ),
        confidence=0.93,
    )
