"""What was found in data, as issues in sentences and as rows that a person goes through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...data.decisions import EXCLUDE, KEEP, LABEL
from ...values import Issue
from .odd import SAYS
from .shortcuts import TELLERS, aside

MOST = 1000
"""Pictures that are gone through, the clearest first."""


@dataclass(frozen=True)
class Drawn:
    """A box on a picture, in its pixels (x0, y0, x1, y1): as it was drawn, or as a network `found` it. A region has the
    points (x, y) of its `edge`, too."""

    label: str
    box: tuple[float, float, float, float]
    found: bool = False
    edge: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Row:
    """One picture to look at: what it is, why, what is suggested, the pictures that it should be seen beside, and the
    boxes on it that are in doubt, the clearest first."""

    id: str
    kind: str
    why: str
    suggested: str = KEEP
    beside: tuple[str, ...] = ()
    drawn: tuple[Drawn, ...] = ()

    def to_csv(self) -> dict[str, str]:
        return {"id": self.id, "decision": KEEP, "why": self.why, "suggested": self.suggested}


def issues(found: Mapping[str, Any]) -> list[Issue]:
    """Sentences with their numbers; nothing of what is sound."""
    made = [*_of_twins(found), *_of_labels(found), *_of_shortcuts(found)]
    for kind, ids in found.get("odd", {}).items():
        says = SAYS[kind] if len(ids) == 1 else _many(SAYS[kind])
        made.append(Issue(kind, "note", f"{_pictures(len(ids))} {says}.", tuple(ids)))
    if found.get("outliers"):
        ids = found["outliers"]
        says = f"{_pictures(len(ids))} {'is' if len(ids) == 1 else 'are'} like no other: far from the ten nearest ones."
        made.append(Issue("outliers", "note", says, tuple(ids)))
    return made


def _of_twins(found: Mapping[str, Any]) -> list[Issue]:
    near = [pair for pair in found.get("twins", ()) if pair["distance"] > 0 or pair["mirrored"]]
    made = []
    apart = [pair for pair in near if pair["parts"][0] == pair["parts"][1]]
    torn = [pair for pair in near if pair["labels"] and pair["labels"][0] != pair["labels"][1]]
    if apart:
        says = (
            f"{_pairs(len(apart))} of near duplicates: one was made of the other by saving, scaling, cropping, turning "
            "or mirroring it, or both are of one moment, as frames of a film."
        )
        made.append(Issue("near-duplicates", "note", says, _ends(apart)))
    if torn:
        says = f"{_pairs(len(torn))} of near duplicates under two labels. One label must be wrong."
        made.append(Issue("near-duplicate-labels", "warning", says, _ends(torn)))
    for part, ids in found.get("leaks", {}).items():
        says = (
            f"{_pictures(len(ids))} of {part} {'has' if len(ids) == 1 else 'have'} a near duplicate in train."
        )
        made.append(
            Issue("near-duplicate-splits", "warning", f"{says} A score on them is too good.", tuple(ids))
        )
    return made


def _of_labels(found: Mapping[str, Any]) -> list[Issue]:
    told = found.get("labels")
    sure = [row for row in told["wrong"] if row["sure"]] if told else []
    if not told or not sure:
        return []
    share = f"{told['contradicted']:.1%} [{told['contradicted_low']:.1%}, {told['contradicted_high']:.1%}]"
    says = (
        f"{len(sure)} of {told['count']:,} labels are in doubt, {share}: a classifier that learned from other pictures "
        "is sure of another one. Some will be wrong, others only hard to tell: look at each."
    )
    return [Issue("label-doubts", "warning", says, tuple(row["id"] for row in sure))]


def _of_shortcuts(found: Mapping[str, Any]) -> list[Issue]:
    """What tells the class beside the thing itself."""
    best = max(found.get(key, {}).get("accuracy", 0.0) for key in ("plain", "labels"))
    made = []
    for row in aside(found.get("shortcuts", ()), best):
        share = f"{row['accuracy']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"
        says = (
            f"The class can be told from {TELLERS[row['what']]} alone, for {share} of the pictures, where the "
            f"commonest class is {row['chance']:.1%} of them. A network may learn that and not the thing: make the "
            "pictures of all classes alike in it."
        )
        made.append(Issue("shortcut", "warning", says))
    return made


def rows(found: Mapping[str, Any]) -> list[Row]:
    """The pictures to go through, the most harmful kind first, each once."""
    made: dict[str, Row] = {}

    def add(row: Row) -> None:
        made.setdefault(row.id, row)

    for pair in found.get("twins", ()):
        one, two = pair["first"], pair["second"]
        torn = pair["labels"] and pair["labels"][0] != pair["labels"][1]
        if pair["parts"][0] != pair["parts"][1]:
            # the one in training goes, so that scores stay comparable
            gone, other = (one, two) if pair["parts"][0] == "train" else (two, one)
            where = pair["parts"][1 if gone == one else 0]
            add(Row(gone, "leak", f"a {_how(pair)} of {other}, which is in {where}", EXCLUDE, (other,)))
        elif torn:
            why = f"a {_how(pair)} of {one}, which bears {pair['labels'][0]}"
            add(Row(two, "two labels", why, KEEP, (one,)))
        else:
            add(Row(two, "duplicate", f"a {_how(pair)} of {one}", EXCLUDE, (one,)))
    for row in found.get("labels", {}).get("wrong", ()):
        why = (
            f"labelled {row['given']}, looks like {row['suggested']} ({row['probability']:.1%} for its label)"
        )
        add(Row(row["id"], "label", why, LABEL + row["suggested"] if row["sure"] else KEEP))
    for kind, ids in found.get("odd", {}).items():
        for id in ids:
            add(Row(id, kind, SAYS[kind], KEEP))
    for id in found.get("outliers", ()):
        add(Row(id, "outlier", "is like no other picture", KEEP))
    return list(made.values())[:MOST]


def _how(pair: Mapping[str, Any]) -> str:
    if pair["distance"] == 0 and not pair["mirrored"]:
        return "copy"
    return "mirrored near duplicate" if pair["mirrored"] else "near duplicate"


def _ends(pairs: list[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(id for pair in pairs for id in (pair["first"], pair["second"])))


def _many(says: str) -> str:
    for one, many in (
        ("is so", "are so"),
        ("is ", "are "),
        ("has ", "have "),
        ("holds ", "hold "),
        ("of it ", "of them "),
    ):
        says = says.replace(one, many, 1)
    return says.replace(": it have", ": they have").replace(": it has", ": they have")


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count:,} pairs"
