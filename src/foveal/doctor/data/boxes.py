"""Boxes in doubt, by what a trained network found on the same pictures: overlooked, misnamed, misplaced, unfound."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.decisions import EXCLUDE, KEEP
from ...intervals import wilson
from ..case import Case
from .told import Drawn, Row

SOURCE = (
    "Tkachenko, Thyagarajan & Mueller 2023, ObjectLab: objects that nobody drew, boxes that lie badly, exchanged "
    "labels; what counts as sure is here the network's own middle sureness where it is right, label by label"
)
KINDS = ("overlooked", "misnamed", "misplaced", "unfound")
TOUCH, HIT = 0.1, 0.5
"""Overlap below which two boxes have nothing to do with each other, and from which on they mean the same."""
INSIDE = 0.5
"""Share of a box that lies within one that was drawn, from which on it may be a part of that."""
FEWEST = 5
"""Right answers of a label before its own sureness is told; else that of all labels."""
FOUND = 0.8
"""Share of a label's boxes that are found, from which on one that is not is worth a look."""
MOST = 500
"""Doubts of a kind that are told one by one, the clearest first."""


def doubts(examples: Sequence[Mapping[str, Any]], part: str) -> dict[str, Any]:
    """What speaks against boxes, as plain values.

    Args:
        examples: a row a picture (`values.Evaluation.examples` of detection): `id`; `truth`, what was drawn (`label`,
            `box` in pixels, `kind`, "ignored" where it does not count); `predicted`, the same with a `probability`.
        part: the split that they are of.

    Returns:
        `pictures`, `boxes` and `right` (how many boxes are found as they were drawn); `sure` (right answers that are
        as sure as what is taken for sure); for each of `KINDS` rows with `id`, `part`, `label`, `box`, and what the
        network says: `said`, `there` (its box), `probability`, the clearest first; and by kind `shares` of the first
        three: `count`, `of` (boxes that could have been so), `share` and Wilson's interval `low`, `high`.
    """
    least = _sure(examples)
    made: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    boxes = right = sure = 0
    asked: defaultdict[str, list[bool]] = defaultdict(list)
    for row in examples:
        told = [one for one in row["truth"] if one.get("kind") != "ignored"]
        over = _overlaps([one["box"] for one in row["predicted"]], [one["box"] for one in row["truth"]])
        counted = np.array([one.get("kind") != "ignored" for one in row["truth"]], bool)
        here = {"id": row["id"], "part": part}
        made["overlooked"] += [here | one for one in _overlooked(row, over, least)]
        for place, one in enumerate(told):
            kind, doubt = _of_box(one, row["predicted"], over[:, np.flatnonzero(counted)[place]], least)
            asked[one["label"]].append(kind == "right")
            if doubt is not None:
                made[kind].append(here | doubt)
            boxes, right = boxes + 1, right + (kind == "right")
        sure += sum(
            p.get("kind") == "right" and p["probability"] >= least[p["label"]] for p in row["predicted"]
        )
    known = {label: sum(hits) / len(hits) for label, hits in asked.items()}
    made["unfound"] = [row for row in made["unfound"] if known[row["label"]] >= FOUND]
    found: dict[str, Any] = {
        "part": part,
        "pictures": len(examples),
        "boxes": boxes,
        "right": right,
        "sure": sure,
    }
    for kind in KINDS:
        rows = sorted(made[kind], key=lambda row: -row.get("probability", known.get(row["label"], 0.0)))
        found[kind] = rows[:MOST]
    found["shares"] = {
        kind: _share(len(made[kind]), len(made[kind]) + (sure if kind == "overlooked" else right))
        for kind in KINDS[:3]
    }
    return found


def held(case: Case) -> list[Mapping[str, Any]]:
    """The doubts of a run: of the pictures that it was judged on, which the network had not seen, and of its training
    pictures, where these were tested (`deep/boxes.py`)."""
    if case.record.kind != "objects":
        return []
    judged, own = case.record.evaluation, case.tests.get("boxes", {})
    found: list[Mapping[str, Any]] = []
    if judged is not None and judged.examples:
        found.append(doubts(judged.examples, judged.headline.split))
    return [*found, *([own] if "shares" in own else [])]


def _share(count: int, of: int) -> dict[str, float]:
    low, high = wilson(count / of, of) if of else (0.0, 1.0)
    return {"count": count, "of": of, "share": count / of if of else 0.0, "low": low, "high": high}


def _sure(examples: Sequence[Mapping[str, Any]]) -> defaultdict[str, float]:
    """From which probability on the network counts as sure of a label: the middle one of its right answers."""
    told: defaultdict[str, list[float]] = defaultdict(list)
    for row in examples:
        for one in row["predicted"]:
            if one.get("kind") == "right":
                told[one["label"]].append(float(one["probability"]))
    every = [value for values in told.values() for value in values]
    middle = median(every) if every else 1.1
    return defaultdict(
        lambda: middle, {label: median(values) for label, values in told.items() if len(values) >= FEWEST}
    )


def _overlooked(
    row: Mapping[str, Any], over: NDArray[np.float64], least: Mapping[str, float]
) -> list[dict[str, Any]]:
    """What the network is sure of where nobody drew anything, each place once."""
    drawn = [one["box"] for one in row["truth"]]
    found: list[dict[str, Any]] = []
    for place, one in sorted(enumerate(row["predicted"]), key=lambda pair: -pair[1]["probability"]):
        if one["probability"] < least[one["label"]] or over[place].max(initial=0.0) >= TOUCH:
            continue
        if _inside(one["box"], drawn).max(initial=0.0) >= INSIDE:
            continue
        if any(_overlaps([one["box"]], [other["there"]])[0, 0] >= HIT for other in found):
            continue
        found.append(
            {
                "label": one["label"],
                "box": None,
                "said": one["label"],
                "there": list(one["box"]),
                "probability": round(float(one["probability"]), 4),
            }
        )
    return found


def _of_box(
    one: Mapping[str, Any],
    predicted: Sequence[Mapping[str, Any]],
    over: NDArray[np.float64],
    least: Mapping[str, float],
) -> tuple[str, dict[str, Any] | None]:
    """What is said of one box that was drawn; with the row where that is a doubt."""
    own = np.array([said["label"] == one["label"] for said in predicted], bool)
    sure = np.array([said["probability"] >= least[said["label"]] for said in predicted], bool)
    base = {"label": one["label"], "box": list(one["box"])}
    if (over[own] >= HIT).any():
        return "right", None
    other = ~own & sure & (over >= HIT)
    if other.any():
        return "misnamed", base | _said(predicted, over, other)
    beside = own & sure & (over >= TOUCH)
    if beside.any():
        return "misplaced", base | _said(predicted, over, beside)
    if not (over >= TOUCH).any():
        return "unfound", base
    return "", None


def _said(
    predicted: Sequence[Mapping[str, Any]], over: NDArray[np.float64], among: NDArray[np.bool_]
) -> dict[str, Any]:
    """The one of these answers that overlaps most."""
    place = int(np.where(among, over, -1.0).argmax())
    said = predicted[place]
    return {
        "said": said["label"],
        "there": list(said["box"]),
        "probability": round(float(said["probability"]), 4),
        "overlap": round(float(over[place]), 3),
    }


def _corners(boxes: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    return np.asarray(boxes, np.float64).reshape(-1, 4)


def _common(one: NDArray[np.float64], two: NDArray[np.float64]) -> NDArray[np.float64]:
    """Areas `AB` that boxes have in common."""
    low = np.maximum(one[:, None, :2], two[None, :, :2])
    high = np.minimum(one[:, None, 2:], two[None, :, 2:])
    return np.asarray(np.prod(np.clip(high - low, 0, None), 2))


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), 1))


def _overlaps(one: Sequence[Sequence[float]], two: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Intersection over union `AB` of boxes."""
    a, b = _corners(one), _corners(two)
    both = _common(a, b)
    return np.asarray(both / np.maximum(_areas(a)[:, None] + _areas(b)[None] - both, 1e-9))


def _inside(box: Sequence[float], others: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """The share of a box that lies within each of the others."""
    a = _corners([box])
    return np.asarray(_common(a, _corners(others))[0] / max(1e-9, float(_areas(a)[0])))


def rows(found: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The pictures to go through, those with the clearest doubt first, each once with all its doubts."""
    every: defaultdict[str, list[tuple[int, float, str, Mapping[str, Any]]]] = defaultdict(list)
    for told in found:
        for rank, kind in enumerate(KINDS):
            for row in told[kind]:
                every[row["id"]].append((rank, -float(row.get("probability", 0.0)), kind, row))
    made = []
    for id, own in every.items():
        own.sort(key=lambda entry: entry[:2])
        clear = any(kind != "unfound" for *_, kind, _ in own)
        alike: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
        for *_, kind, row in own:
            alike.setdefault((kind, row["label"], row.get("said", "")), []).append(row)
        said = [_words(kind, some) for (kind, *_), some in alike.items()]
        why = "; ".join(said[:3]) + (f"; and {len(said) - 3} things more" if len(said) > 3 else "")
        gone = clear and own[0][3]["part"] == "train"
        drawn = tuple(
            Drawn(label, (x0, y0, x1, y1), found=key == "there")
            for *_, row in own
            for key, label in (("box", row["label"]), ("there", row.get("said", "")))
            if row.get(key)
            for x0, y0, x1, y1 in [map(float, row[key])]
        )
        made.append((own[0][:2], Row(id, own[0][2], why, EXCLUDE if gone else KEEP, drawn=drawn)))
    made.sort(key=lambda pair: pair[0])
    return [row for _, row in made]


def _words(kind: str, some: Sequence[Mapping[str, Any]]) -> str:
    """Doubts of one kind and label on a picture, the clearest first."""
    first, count = some[0], len(some)
    label = f"{count} times {first['label']}" if count > 1 else first["label"]
    if kind == "unfound":
        return f"{label}, in which the network sees nothing, though it finds most others"
    sure = f"{'up to ' if count > 1 else ''}{first['probability']:.0%} sure"
    if kind == "overlooked":
        return f"{label} that nobody drew ({sure})"
    if kind == "misnamed":
        return f"drawn as {label}, looks like {first['said']} ({sure})"
    least = min(row["overlap"] for row in some)
    return f"{label} drawn beside it: {least:.0%} in common with the network's box ({sure})"
