"""How detections are judged: COCO's average precision and recall, and how sure they are.

Overlaps and matches are pycocotools' own; what is made of the matches is done here for all figures at once, and for
many resamples of the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from ..intervals import wilson

SOURCE = "Lin et al. 2014, Microsoft COCO; pycocotools' COCOeval"
AREAS = ("all", "small", "medium", "large")
MOST = (1, 10, 100)
WORK = 60_000_000
"""Detections times thresholds times resamples that an interval may cost, above 50 of them: about two seconds."""
FIGURES: Mapping[str, tuple[str, float | None, str, int]] = {
    "mAP": ("precision", None, "all", 100),
    "mAP50": ("precision", 0.5, "all", 100),
    "mAP75": ("precision", 0.75, "all", 100),
    "mAP_small": ("precision", None, "small", 100),
    "mAP_medium": ("precision", None, "medium", 100),
    "mAP_large": ("precision", None, "large", 100),
    "mAR1": ("recall", None, "all", 1),
    "mAR10": ("recall", None, "all", 10),
    "mAR100": ("recall", None, "all", 100),
    "mAR_small": ("recall", None, "small", 100),
    "mAR_medium": ("recall", None, "medium", 100),
    "mAR_large": ("recall", None, "large", 100),
}
"""COCO's twelve, in its order: what, at which overlap (None: the mean over 0.50 to 0.95), of which areas, of how many
boxes a picture."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Thing:
    """An object of a picture, told or found: its class, its box (x0, y0, x1, y1 in the picture's pixels), its area
    in pixels, and its mask as run lengths where masks are judged. `crowd` and `ignore` are COCO's and VOC's."""

    label: int
    box: tuple[float, float, float, float]
    area: float
    score: float = 1.0
    crowd: bool = False
    ignore: bool = False
    runs: Mapping[str, Any] | None = None

    @property
    def ignored(self) -> bool:
        return self.crowd or self.ignore


@dataclass(frozen=True)
class Picture:
    """What is on a picture and what was found there."""

    told: Sequence[Thing]
    found: Sequence[Thing]


@dataclass(frozen=True)
class Ranked:
    """The detections of a class in all pictures, highest score first, matched with objects of some areas.

    For each detection: the picture it is of, its rank there, and at each overlap whether it hits (`TD`) or misses;
    neither where it lies on what is ignored. `there` is the number of objects in each picture.
    """

    image: NDArray[np.intp]
    rank: NDArray[np.intp]
    hits: NDArray[np.bool_]
    misses: NDArray[np.bool_]
    there: NDArray[np.intp]

    def first(self, most: int) -> Ranked:
        """With the best `most` of each picture only."""
        keep = self.rank < most
        return Ranked(self.image[keep], self.rank[keep], self.hits[:, keep], self.misses[:, keep], self.there)

    def precision(self, counts: NDArray[Any], place: int) -> Numbers:
        """Average precision `R` at overlap number `place` in resamples that hold each picture `counts` (`RI`) times;
        NaN where they hold no object. A picture drawn twice has its boxes twice, next to each other by score, so
        that counting each by its weight is what COCO makes of the pictures themselves."""
        positives = counts @ self.there
        drawn = counts[:, self.image]
        found = (drawn * self.hits[place]).cumsum(1, dtype=np.float64)
        wrong = (drawn * self.misses[place]).cumsum(1, dtype=np.float64)
        precise = found / (wrong + found + np.spacing(1))
        recall = found / np.maximum(positives, 1)[:, None]
        # what is still reached at a larger recall counts for a smaller one
        reached = np.zeros((len(counts), precise.shape[1] + 1))
        reached[:, :-1] = np.maximum.accumulate(precise[:, ::-1], 1)[:, ::-1]
        apart = 2.0 * np.arange(len(counts))[:, None]  # one sorted row instead of many
        places = np.searchsorted((recall + apart).ravel(), (RECALLS + apart).ravel())
        places = places.reshape(len(counts), -1) - precise.shape[1] * np.arange(len(counts))[:, None]
        average: Numbers = np.take_along_axis(reached, places, 1).mean(1)
        return np.where(positives > 0, average, np.nan)

    def recall(self) -> Numbers:
        """The recall `T` of all of them; NaN where there is no object."""
        total = self.there.sum()
        found: Numbers = self.hits.sum(1) / total if total else np.full(len(self.hits), np.nan)
        return found


class Matcher(COCOeval):  # type: ignore[misc]
    """pycocotools' overlaps and matches, without its files, its print-outs and its sums."""

    def __init__(self, pictures: Sequence[Picture], classes: int, kind: Literal["bbox", "segm"]) -> None:
        super().__init__(iouType=kind)
        self.pictures = pictures
        self.params.imgIds = list(range(len(pictures)))
        self.params.catIds = list(range(classes))
        for number, picture in enumerate(pictures):
            for place, thing in enumerate(picture.told):
                self._gts[number, thing.label].append(self.plain(thing, place))
            for place, thing in enumerate(picture.found):
                self._dts[number, thing.label].append(self.plain(thing, place))
        self.ious = {
            (number, label): self.computeIoU(number, label)
            for number in self.params.imgIds
            for label in self.params.catIds
        }

    def plain(self, thing: Thing, place: int) -> dict[str, Any]:
        """As COCO writes it; numbers begin at 1, as 0 says that there is no match."""
        x0, y0, x1, y1 = thing.box
        found = {
            "id": place + 1,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": thing.area,
            "iscrowd": int(thing.crowd),
            "ignore": int(thing.ignored),
            "score": thing.score,
        }
        if self.params.iouType == "segm":
            assert thing.runs is not None
            found["segmentation"] = dict(thing.runs)
        return found

    def matched(self, label: int, area: str) -> list[dict[str, Any] | None]:
        """For each picture pycocotools' matches of a class, None where it has neither objects nor boxes of it."""
        limits = self.params.areaRng[AREAS.index(area)]
        return [self.evaluateImg(number, label, limits, MOST[-1]) for number in self.params.imgIds]


def ranked(matches: Sequence[Mapping[str, Any] | None], overlaps: int) -> Ranked:
    """The matches of a class in all pictures as one list."""
    there = np.zeros(len(matches), dtype=np.intp)
    rows = [(number, match) for number, match in enumerate(matches) if match is not None]
    for number, match in rows:
        there[number] = np.count_nonzero(np.asarray(match["gtIgnore"]) == 0)
    if not rows:
        none = np.zeros((overlaps, 0), dtype=bool)
        return Ranked(np.zeros(0, np.intp), np.zeros(0, np.intp), none, none, there)
    scores = np.concatenate([np.asarray(match["dtScores"], dtype=np.float64) for _, match in rows])
    image = np.concatenate([np.full(len(match["dtScores"]), number) for number, match in rows])
    rank = np.concatenate([np.arange(len(match["dtScores"])) for _, match in rows])
    hit = np.concatenate([match["dtMatches"] for _, match in rows], 1) > 0
    counts = np.concatenate([match["dtIgnore"] for _, match in rows], 1) == 0
    order = np.argsort(-scores, kind="mergesort")
    return Ranked(image[order], rank[order], (hit & counts)[:, order], (~hit & counts)[:, order], there)


@dataclass(frozen=True)
class Judged:
    """Detections of several classes in some pictures, matched: what every figure comes from."""

    matcher: Matcher
    matches: Sequence[Sequence[Mapping[str, Any] | None]]
    """Of each class in each picture, objects of all areas."""
    curves: Mapping[str, Sequence[Ranked]]
    """By area, of each class."""

    @classmethod
    def of(cls, pictures: Sequence[Picture], classes: int, kind: Literal["bbox", "segm"]) -> Judged:
        matcher = Matcher(pictures, classes, kind)
        matches = {area: [matcher.matched(label, area) for label in range(classes)] for area in AREAS}
        curves = {area: [ranked(rows, len(OVERLAPS)) for rows in found] for area, found in matches.items()}
        return cls(matcher, matches["all"], curves)

    def figures(self) -> dict[str, float]:
        """COCO's twelve figures; those that no object counts for, of which COCO says -1, are left out."""
        found = {}
        for name, (what, overlap, area, most) in FIGURES.items():
            places = range(len(OVERLAPS)) if overlap is None else [int(np.abs(OVERLAPS - overlap).argmin())]
            each = [
                _mean_of(curve.first(most), what, places) for curve in self.curves[area] if curve.there.any()
            ]
            if each:
                found[name] = float(np.mean(each))
        return found

    def of_class(self, label: int) -> dict[str, float | None]:
        """A class's AP, AP50, AP75 and AR100; None where it has no objects."""
        curve = self.curves["all"][label]
        every = range(len(OVERLAPS))
        wanted = {"AP": every, "AP50": [0], "AP75": [5]}
        if not curve.there.any():
            return dict.fromkeys((*wanted, "AR100"))
        row: dict[str, float | None] = {n: _mean_of(curve, "precision", p) for n, p in wanted.items()}
        return {**row, "AR100": float(curve.recall().mean())}

    def interval(self, value: float, seed: int = 0) -> tuple[float, float]:
        """95 % interval of the mAP: two standard errors, from resamples of the pictures (Efron & Tibshirani 1993,
        chapter 6). Their percentiles would lie too high, as a resample holds pictures twice, and a box beside its
        own copy is ranked the better for it."""
        curves = [curve for curve in self.curves["all"] if curve.there.any()]
        count = len(self.matcher.pictures)
        if not curves:
            return 0.0, 1.0
        boxes = sum(len(curve.image) for curve in curves)
        resamples = int(np.clip(WORK / (max(1, boxes) * len(OVERLAPS)), 50, 200))
        drawn = np.random.default_rng(seed).integers(0, count, (resamples, count))
        counts = np.stack([np.bincount(row, minlength=count) for row in drawn])
        each = np.stack([_means(curve, counts) for curve in curves])
        held = np.isfinite(each)  # a class that a resample lacks is left out, as where the data lacks it
        with np.errstate(invalid="ignore"):
            means = np.where(held, each, 0).sum(0) / held.sum(0)
        means = means[np.isfinite(means)]
        if not len(means) or np.ptp(means) == 0:
            return wilson(value, count)  # all right, all wrong, or one picture: no resample shows a spread
        error = 1.959964 * float(means.std(ddof=1))
        return max(0.0, value - error), min(1.0, value + error)


OVERLAPS: Numbers = np.linspace(0.5, 0.95, 10)
RECALLS: Numbers = np.linspace(0.0, 1.0, 101)


def _mean_of(curve: Ranked, what: str, places: Sequence[int]) -> float:
    if what == "recall":
        return float(curve.recall()[list(places)].mean())
    once = np.ones((1, len(curve.there)), dtype=np.intp)
    return float(np.mean([curve.precision(once, place)[0] for place in places]))


def _means(curve: Ranked, counts: NDArray[Any]) -> Numbers:
    """The AP `R` of a class in each resample; a few at a time, for the memory's sake."""
    step = max(1, 4_000_000 // max(1, len(curve.image)))
    found: Numbers = np.concatenate(
        [
            np.mean([curve.precision(part, place) for place in range(len(OVERLAPS))], axis=0)
            for part in (counts[n : n + step] for n in range(0, len(counts), step))
        ]
    )
    return found
