"""What kinds of mistakes detections are, and what each kind costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from ._coco import Judged, Picture, Ranked, Thing

SOURCE = "Bolya et al. 2020, TIDE: A General Toolbox for Identifying Object Detection Errors"
KINDS = ("wrong_class", "badly_placed", "both", "doubled", "background", "missed")
"""An object of another class overlapped; one of the right class overlapped too little; too little and of another
class; one that was found already; hardly anything there; and an object that nothing found, nor nearly."""
RIGHT, IGNORED = "right", "ignored"
ENOUGH, HARDLY = 0.5, 0.1
"""Overlaps from which an object is found, and below which there is none."""


@dataclass(frozen=True)
class Verdict:
    """What a picture's detections are: the kind of each, the object it hits or nearly hits (-1: none), and for
    each object the score of the detection that hits it and of the best that nearly does (minus infinity: none)."""

    kinds: list[str]
    targets: list[int]
    hit: NDArray[np.float64]
    near: NDArray[np.float64]


def verdicts(judged: Judged) -> list[Verdict]:
    """For each picture what its detections are, by pycocotools' matches at an overlap of 0.5.

    A detection's kind depends on those with higher scores only, so that it stays when low ones are left out.
    """
    pictures = judged.matcher.pictures
    found = [_Open(picture, judged.matcher.params.iouType) for picture in pictures]
    for rows in judged.matches:
        for state, match in zip(found, rows, strict=True):
            if match is not None:
                state.take(match)
    return [state.verdict() for state in found]


@dataclass
class _Open:
    """A picture whose detections are being told apart."""

    picture: Picture
    form: str
    match: dict[int, int] = field(default_factory=dict)
    """The object that a detection hits."""
    ignored: set[int] = field(default_factory=set)
    left: set[int] = field(default_factory=set)
    """Detections that were looked at: the best hundred of each class."""

    def take(self, match: Any) -> None:
        for place, hit, ignored in zip(
            match["dtIds"], match["dtMatches"][0], match["dtIgnore"][0], strict=True
        ):
            self.left.add(place - 1)
            if ignored:
                self.ignored.add(place - 1)
            elif hit:
                self.match[place - 1] = int(hit) - 1

    def verdict(self) -> Verdict:
        told, found = self.picture.told, self.picture.found
        real = np.array([not one.ignored for one in told], dtype=bool)
        over = np.where(real, overlaps(found, told, self.form), 0.0)
        labels = np.array([one.label for one in told], dtype=int)
        hit, near = np.full(len(told), -np.inf), np.full(len(told), -np.inf)
        kinds, targets = [""] * len(found), [-1] * len(found)
        used = np.zeros(len(told), dtype=bool)
        for place in sorted(range(len(found)), key=lambda n: -found[n].score):
            one = found[place]
            if place in self.ignored or place not in self.left:
                kinds[place] = IGNORED
            elif place in self.match:
                target = self.match[place]
                kinds[place], targets[place], used[target] = RIGHT, target, True
                hit[target] = one.score
            else:
                kinds[place], targets[place] = kind_of(over[place], labels == one.label, used)
                if targets[place] >= 0:
                    near[targets[place]] = max(near[targets[place]], one.score)
        return Verdict(kinds, targets, hit, near)


def kind_of(over: NDArray[np.float64], same: NDArray[np.bool_], used: NDArray[np.bool_]) -> tuple[str, int]:
    """The kind of a detection that hits nothing, and the object it nearly hits, by its overlaps with all objects,
    whether they are of its class, and whether they are found already; in TIDE's order."""
    own, other = np.where(same, over, 0.0), np.where(same, 0.0, over)
    if own.max(initial=0.0) >= HARDLY and own.max() <= ENOUGH:
        return "badly_placed", int(own.argmax())
    if other.max(initial=0.0) >= ENOUGH:
        return "wrong_class", int(other.argmax())
    if np.where(used, own, 0.0).max(initial=0.0) >= ENOUGH:
        return "doubled", -1
    return ("background" if over.max(initial=0.0) <= HARDLY else "both"), -1


def overlaps(found: Sequence[Thing], told: Sequence[Thing], form: str) -> NDArray[np.float64]:
    """Intersection over union `DG` of boxes or of masks."""
    if not (found and told):
        return np.zeros((len(found), len(told)))
    if form == "segm":
        sides: list[list[Any]] = [[one.runs for one in things] for things in (found, told)]
    else:
        sides = [[_box(one) for one in things] for things in (found, told)]
    return np.asarray(coco.iou(*sides, [0] * len(told)), dtype=np.float64).reshape(len(found), len(told))


def _box(one: Thing) -> list[float]:
    x0, y0, x1, y1 = one.box
    return [x0, y0, x1 - x0, y1 - y0]


@dataclass(frozen=True)
class Threshold:
    """The score from which detections are counted as said, and the F1 of what is said then."""

    score: float
    f1: float


def best_threshold(pictures: Sequence[Picture], found: Sequence[Verdict]) -> Threshold:
    """The score of the largest F1 over all classes and pictures, at an overlap of 0.5."""
    total = sum(not one.ignored for picture in pictures for one in picture.told)
    pairs = [
        (one.score, kind == RIGHT)
        for picture, verdict in zip(pictures, found, strict=True)
        for one, kind in zip(picture.found, verdict.kinds, strict=True)
        if kind != IGNORED
    ]
    if not (pairs and total):
        return Threshold(0.5, 0.0)
    scores, right = (np.array(column) for column in zip(*pairs, strict=True))
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], right[order].cumsum()
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + total)
    f1[:-1][ranked[1:] == ranked[:-1]] = -1.0  # equal scores are said together
    best = int(f1.argmax())
    return Threshold(float(ranked[best]), float(f1[best]))


def missed(picture: Picture, verdict: Verdict, least: float) -> list[int]:
    """The objects that no detection from this score on hits, nor nearly hits."""
    return [
        place
        for place, one in enumerate(picture.told)
        if not one.ignored and verdict.hit[place] < least and verdict.near[place] < least
    ]


def costs(judged: Judged, found: Sequence[Verdict]) -> dict[str, float]:
    """What the mean AP at an overlap of 0.5 would gain, were all mistakes of a kind undone: boxes near an object
    put right (the best of each object that no other hits; the rest taken away), others taken away, and missed
    objects not asked for."""
    classes = len(judged.matches)
    flat = _flat(judged, found)
    base = _ap50(flat, judged, classes)
    if base is None:
        return {}
    gains = {}
    for kind in KINDS:
        value = _ap50(
            _undone(flat, judged, found, kind), judged, classes, found if kind == "missed" else None
        )
        gains[kind] = 0.0 if value is None else value - base
    return gains


@dataclass(frozen=True)
class _Flat:
    """All detections of all pictures that count: where they are, their class, score, kind, target, and whether
    they hit."""

    image: NDArray[np.intp]
    label: NDArray[np.intp]
    score: NDArray[np.float64]
    kind: NDArray[np.str_]
    target: NDArray[np.intp]
    hits: NDArray[np.bool_]


def _flat(judged: Judged, found: Sequence[Verdict]) -> _Flat:
    rows = [
        (number, one.label, one.score, kind, target)
        for number, (picture, verdict) in enumerate(zip(judged.matcher.pictures, found, strict=True))
        for one, kind, target in zip(picture.found, verdict.kinds, verdict.targets, strict=True)
        if kind != IGNORED
    ]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    kind = np.array(columns[3], dtype=object)
    return _Flat(
        np.array(columns[0], np.intp), np.array(columns[1], np.intp), np.array(columns[2], np.float64),
        kind, np.array(columns[4], np.intp), kind == RIGHT,
    )  # fmt: skip


def _undone(flat: _Flat, judged: Judged, found: Sequence[Verdict], kind: str) -> _Flat:
    chosen = flat.kind == kind
    keep, hits, label = ~chosen, flat.hits.copy(), flat.label.copy()
    taken: set[tuple[int, int]] = set()
    if kind in ("wrong_class", "badly_placed"):
        for place in np.flatnonzero(chosen)[np.argsort(-flat.score[chosen], kind="stable")]:
            key = (int(flat.image[place]), int(flat.target[place]))
            if key in taken or found[key[0]].hit[key[1]] > -np.inf:
                continue
            taken.add(key)
            keep[place] = hits[place] = True
            label[place] = judged.matcher.pictures[key[0]].told[key[1]].label
    return _Flat(
        flat.image[keep], label[keep], flat.score[keep], flat.kind[keep], flat.target[keep], hits[keep]
    )


def _ap50(
    flat: _Flat, judged: Judged, classes: int, forgiven: Sequence[Verdict] | None = None
) -> float | None:
    """The mean AP at an overlap of 0.5; with `forgiven`, without the objects that were missed."""
    pictures, once = judged.matcher.pictures, np.ones((1, len(judged.matcher.pictures)), dtype=np.intp)
    each = []
    for label in range(classes):
        there = judged.curves["all"][label].there.copy()
        if forgiven is not None:
            for number, verdict in enumerate(forgiven):
                lost = missed(pictures[number], verdict, -1e300)
                there[number] -= sum(pictures[number].told[place].label == label for place in lost)
        own = np.flatnonzero(flat.label == label)
        own = own[np.argsort(-flat.score[own], kind="stable")]
        hits = flat.hits[own][None]
        if there.any():
            curve = Ranked(flat.image[own], np.zeros(len(own), np.intp), hits, ~hits, there)
            each.append(float(curve.precision(once, 0)[0]))
    return float(np.mean(each)) if each else None
