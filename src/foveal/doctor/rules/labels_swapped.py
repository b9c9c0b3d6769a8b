"""Labels stand for other classes where the network is judged than where it learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import Cure, Evidence, Finding, Unsure
from ...intervals import wilson
from ..case import Case
from ._parts import part

SOURCE = (
    "own: classes whose pictures are mostly called by the name of another, which are called by theirs in turn"
)
LEVEL = "data"
EXPLAINS = (
    "overfitting",
    "labels_noisy",
    "labels_shuffled",
    "suspiciously_good",
    "wrong_preprocessing",
    "underfitting",
    "metric_disagrees",
    "loss_stuck",
)
MOSTLY = 0.5
"""Lower end of the share of a class's pictures that are called by one other name."""
FEWEST = 10
SURE = 0.75
"""Share of a ring's names of which that is sure; of the others it is more likely than not."""


def examine(case: Case) -> Finding | Unsure | None:
    if (tags := part(case, "tags")) is not None:
        return _tags(tags)
    if case.record.kind != "classes":
        return None
    if renamed := (part(case, "inputs") or {}).get("renamed"):
        return _renamed(renamed)
    told = (case.data.get("confused", ()), case.tests.get("splits", {}).get("called", ()))
    for listed in told:
        rows = {row["truth"]: row for row in listed}
        sure = _moved(rows)
        likely = {**_likely(rows), **sure}
        rings = [ring for ring in _rings(likely) if sum(name in sure for name in ring) >= SURE * len(ring)]
        if rings:
            break
    else:
        return (
            None
            if any(told)
            else Unsure("No picture was judged after training, so no label can be compared.")
        )
    names = [name for ring in rings for name in ring]
    says = "; ".join(" -> ".join((*ring, ring[0])) for ring in rings)
    evidence = tuple(
        Evidence(
            f"{rows[name]['share']:.0%} of the {rows[name]['count']} pictures labelled {name} are called "
            f"{rows[name]['called']}.",
            dict(rows[name]),
        )
        for name in names[:6]
    )
    return Finding(
        "labels_swapped",
        "error",
        f"{len(names)} labels stand for one another's classes in the judged pictures ({says}).",
        evidence,
        "The names were numbered in another order there than in training (as by sorting 10 before 2, or by counting "
        "from 1), or two folders were exchanged.",
        Cure(
            "Compare pictures of these labels in both splits (foveal inspect DATA), and rename what is exchanged "
            "in one of them: two folders by a third name, a column of a table by "
            "`table.label.map({'a': 'b', 'b': 'a'})`."
        ),
        confidence=0.95,
    )


def _moved(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Classes whose pictures are mostly called by another name."""
    return {
        truth: row["called"]
        for truth, row in rows.items()
        if row["called"] != truth
        and row["count"] >= FEWEST
        and wilson(row["share"], row["count"])[0] > MOSTLY
    }


def _likely(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Classes of which more than half are called by another name, though by luck, perhaps."""
    return {
        truth: row["called"]
        for truth, row in rows.items()
        if row["called"] != truth and row["count"] >= FEWEST and row["share"] > MOSTLY
    }


def _rings(moved: dict[str, str]) -> list[tuple[str, ...]]:
    """Names that are called by one another's in turn."""
    found: list[tuple[str, ...]] = []
    seen: set[str] = set()
    for start in sorted(moved):
        ring, name = [start], moved[start]
        while name in moved and name not in ring:
            ring.append(name)
            name = moved[name]
        if name == start and not seen & set(ring):
            found.append(tuple(ring))
            seen.update(ring)
    return found


def _renamed(renamed: Mapping[str, str]) -> Finding:
    """All pictures of a class come under one other name, while batches are made."""
    pairs = [f"{name} as {other}" for name, other in renamed.items()]
    said = f"All pictures of {len(pairs)} classes reach the network, or what judges it, under another name"
    return Finding(
        "labels_swapped",
        "error",
        f"{said}: {', '.join(pairs[:6])}{' ...' if len(pairs) > 6 else ''}.",
        (Evidence("Each label of a batch was held against the data's own.", {"renamed": dict(renamed)}),),
        "Names are numbered in one order where the data are read and in another where batches are made (as by sorting "
        "10 before 2, or by counting from 1).",
        Cure(
            "Number the names once, `names = sorted(set(labels_of_training))`, and use "
            "`names.index(label)` from that one list in all code that turns names into numbers, also "
            "where the task's or the loader's code does."
        ),
        confidence=0.97,
    )


TOLD, WORSE = 0.75, 0.12
"""How well another label's score must tell a label (0.5: not at all), and how much worse its own does: at least so
much, and three standard deviations (Mann & Whitney 1947)."""


def _luck(count: int, whole: int) -> float:
    """The standard deviation of how often a picture with a label is above one without, where that is chance."""
    without = max(1, whole - count)
    return float(((count + without + 1) / (12 * count * without)) ** 0.5)


def _tags(found: Mapping[str, Any]) -> Finding | None:
    """Of several labels a picture: labels that are told by one another's scores, and not by their own."""
    rows = {
        name: row
        for name, row in found["labels"].items()
        if row["best"] != name
        and row["count"] >= FEWEST
        and row["told"] >= TOLD
        and row["told"] - row["own"] >= max(WORSE, 3 * _luck(row["count"], found["count"]))
    }
    rings = _rings({name: row["best"] for name, row in rows.items()})
    if not rings:
        return None
    names = [name for ring in rings for name in ring]
    return Finding(
        "labels_swapped",
        "error",
        f"{len(names)} labels bear one another's names where the network is judged or where it learned: "
        f"{'; '.join(' -> '.join((*ring, ring[0])) for ring in rings)}.",
        tuple(
            Evidence(
                f"Pictures with {name} are above those without in {rows[name]['own']:.0%} of all pairs by the score of "
                f"{name}, and in {rows[name]['told']:.0%} by that of {rows[name]['best']}; 50 % is chance.",
                dict(rows[name]),
            )
            for name in names[:6]
        ),
        "The labels were numbered or named in another order for training than for validation.",
        Cure(
            "Compare pictures of these labels in both splits (foveal inspect DATA), and rename what is exchanged "
            "in one of them: two folders by a third name, a column of a table by "
            "`table.label.map({'a': 'b', 'b': 'a'})`."
        ),
        confidence=0.93,
    )
