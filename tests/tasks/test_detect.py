"""Detection: figures against pycocotools on files, mistakes and intervals against brute force and known cases."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from foveal.tasks import _mistakes
from foveal.tasks._coco import FIGURES, Judged, Picture, Thing

SIDES = (320, 240)


def boxes(draw: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Boxes small, medium and large, some beyond the borders."""
    centres = draw.random((count, 2)) * SIDES
    sides = np.exp(draw.uniform(np.log(6), np.log(200), (count, 2)))
    return np.concatenate([centres - sides / 2, centres + sides / 2], 1).round(1)


def drawn(seed: int, pictures: int = 6, classes: int = 3, digits: int = 1) -> list[Picture]:
    """Pictures whose detections are some of the objects, moved, doubled and misnamed, and some of nothing, with many
    equal scores unless these have many digits; objects are crowds here and there, and have areas of their own."""
    draw = np.random.default_rng(seed)
    made = []
    for _ in range(pictures):
        told, found = [], []
        for box in boxes(draw, draw.integers(0, 9)):
            x0, y0, x1, y1 = box.tolist()
            label = int(draw.integers(classes))
            area = (x1 - x0) * (y1 - y0) * draw.uniform(0.4, 1.0)
            told.append(Thing(label, (x0, y0, x1, y1), area, crowd=bool(draw.random() < 0.2)))
            for _ in range(draw.integers(0, 4)):
                moved = box + draw.normal(0, 0.12, 4) * np.tile(box[2:] - box[:2], 2) * draw.random()
                found.append((moved, label if draw.random() < 0.8 else int(draw.integers(classes))))
        found += [(box, int(draw.integers(classes))) for box in boxes(draw, draw.integers(0, 12))]
        things = []
        for box, label in found:
            x0, y0, x1, y1 = np.concatenate([np.minimum(box[:2], box[2:] - 1), box[2:]]).tolist()
            score = round(float(draw.random()), digits)
            things.append(Thing(label, (x0, y0, x1, y1), (x1 - x0) * (y1 - y0), score))
        made.append(Picture(told, things))
    return made


def reference(pictures: Sequence[Picture], classes: int, folder: Path, kind: str = "bbox") -> list[float]:
    """pycocotools' twelve figures, from files written as COCO's are."""
    images = [{"id": n, "width": SIDES[0], "height": SIDES[1]} for n in range(len(pictures))]
    annotations: list[dict[str, Any]] = []
    results = []
    for number, picture in enumerate(pictures):
        for thing in picture.told:
            row = {"id": len(annotations) + 1, "area": thing.area, "iscrowd": int(thing.crowd)}
            annotations.append({**row, **place(number, thing), **outline(thing)})
        for thing in picture.found:
            form = outline(thing) if kind == "segm" else {}
            row = place(number, thing) | form | {"score": thing.score}
            if kind == "segm":
                row.pop("bbox")
            results.append(row)
    (folder / "truth.json").write_text(
        json.dumps(
            {
                "images": images,
                "annotations": annotations,
                "categories": [{"id": n, "name": f"{n}"} for n in range(classes)],
            }
        ),
        encoding="utf-8",
    )
    (folder / "found.json").write_text(json.dumps(results), encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "truth.json"))
        judge = COCOeval(truth, truth.loadRes(str(folder / "found.json")), kind)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return [float(value) for value in judge.stats]


def place(number: int, thing: Thing) -> dict[str, Any]:
    x0, y0, x1, y1 = thing.box
    return {"image_id": number, "category_id": thing.label, "bbox": [x0, y0, x1 - x0, y1 - y0]}


def outline(thing: Thing) -> dict[str, Any]:
    if thing.runs is None:
        return {}
    return {"segmentation": {"size": list(thing.runs["size"]), "counts": thing.runs["counts"].decode()}}


def test_measures_as_pycocotools(tmp_path: Path) -> None:
    """Two hundred random sets, with crowds and with areas that are not the boxes'."""
    met = 0
    for seed in range(200):
        pictures = drawn(seed)
        if not any(picture.found for picture in pictures):
            continue
        found = Judged.of(pictures, 3, "bbox").figures()
        wanted = reference(pictures, 3, tmp_path)
        for name, value in zip(FIGURES, wanted, strict=True):
            if value == -1:
                assert name not in found
            else:
                assert found[name] == pytest.approx(value, abs=1e-6)
                met += 0 < value < 1
    assert met > 1500, "figures that say nothing compare nothing"


def test_ignored_objects_are_neither_hit_nor_missed() -> None:
    """As VOC's difficult ones: a detection there does not count, a second one is wrong, and none is missed."""
    box = (10.0, 10.0, 50.0, 50.0)
    hard = Thing(0, box, 1600.0, ignore=True)
    plain = Thing(0, (100.0, 10.0, 140.0, 50.0), 1600.0)

    def judged(*found: Thing) -> tuple[float, Any]:
        made = Judged.of([Picture([hard, plain], found)], 1, "bbox")
        return made.figures()["mAP"], _mistakes.verdicts(made)[0]

    right = Thing(0, plain.box, 1600.0, 0.8)
    on_hard, again = Thing(0, box, 1600.0, 0.9), Thing(0, box, 1600.0, 0.85)
    value, verdict = judged(right, on_hard)
    assert value == pytest.approx(1.0)
    assert verdict.kinds == ["right", "ignored"]
    value, verdict = judged(right, on_hard, again)
    assert value == pytest.approx(0.5)
    assert verdict.kinds == ["right", "ignored", "background"]
    crowd = Thing(0, box, 1600.0, crowd=True)
    made = Judged.of([Picture([crowd, plain], [right, on_hard, again])], 1, "bbox")
    assert made.figures()["mAP"] == pytest.approx(1.0), "a crowd takes any number"


def test_resamples_are_what_the_pictures_drawn_again_would_give() -> None:
    pictures = drawn(3, pictures=8, digits=12)  # equal scores would be in another order
    judged = Judged.of(pictures, 3, "bbox")
    draw = np.random.default_rng(0)
    for _ in range(20):
        chosen = draw.integers(0, len(pictures), len(pictures))
        counts = np.bincount(chosen, minlength=len(pictures))[None]
        again = Judged.of([pictures[n] for n in np.sort(chosen)], 3, "bbox")
        for one, other in zip(judged.curves["all"], again.curves["all"], strict=True):
            for overlap in range(10):
                whole = np.ones((1, len(pictures)), dtype=np.intp)
                want = other.precision(whole, overlap)
                np.testing.assert_allclose(one.precision(counts, overlap), want, atol=1e-12)


def test_the_interval_holds_the_mean_of_many_more_pictures() -> None:
    """Nineteen of twenty times; at least fifteen are asked for here."""
    truth = Judged.of(drawn(1000, pictures=600), 3, "bbox").figures()["mAP"]
    held = 0
    for seed in range(20):
        judged = Judged.of(drawn(seed, pictures=40), 3, "bbox")
        low, high = judged.interval(judged.figures()["mAP"])
        held += low <= truth <= high
    assert held >= 15


def test_an_interval_of_two_hundred_pictures_takes_a_second() -> None:
    judged = Judged.of(drawn(5, pictures=200), 3, "bbox")
    began = time.perf_counter()
    judged.interval(judged.figures()["mAP"])
    assert time.perf_counter() - began < 5


def test_each_mistake_is_of_its_kind() -> None:
    def thing(label: int, x: float, side: float = 40.0, score: float = 1.0) -> Thing:
        return Thing(label, (x, 10.0, x + side, 10.0 + side), side * side, score)

    told = [thing(0, 0), thing(0, 100), thing(1, 200), thing(1, 300), thing(0, 400)]
    found = [
        thing(0, 2, score=0.9),  # right
        thing(0, 0, score=0.8),  # the same again
        thing(0, 125, score=0.7),  # a little beside
        thing(0, 200, score=0.6),  # an object of the other class
        thing(0, 325, score=0.5),  # beside one of the other class
        thing(1, 600, score=0.4),  # nothing there
    ]
    judged = Judged.of([Picture(told, found)], 2, "bbox")
    verdict = _mistakes.verdicts(judged)[0]
    assert verdict.kinds == ["right", "doubled", "badly_placed", "wrong_class", "both", "background"]
    assert verdict.targets == [0, -1, 1, 2, -1, -1]
    picture = judged.matcher.pictures[0]
    assert _mistakes.missed(picture, verdict, 0.0) == [3, 4], "not those that were nearly found"
    assert _mistakes.missed(picture, verdict, 0.65) == [2, 3, 4], "what is not said does not count"
    gains = _mistakes.costs(judged, [verdict])
    assert all(gains[kind] >= 0 for kind in gains)
    # by hand: class 0 has 3 objects and finds 1 first; class 1 has 2 and finds none
    base = 34 / 101 / 2
    assert gains["wrong_class"] == pytest.approx((34 / 101 + 51 / 101) / 2 - base)
    assert gains["missed"] == pytest.approx((51 / 101 + 0) / 2 - base)


def test_the_best_threshold_is_that_of_brute_force() -> None:
    for seed in range(30):
        pictures = drawn(seed)
        found = _mistakes.verdicts(Judged.of(pictures, 3, "bbox"))
        best = _mistakes.best_threshold(pictures, found)
        rows = [
            (one.score, kind)
            for picture, verdict in zip(pictures, found, strict=True)
            for one, kind in zip(picture.found, verdict.kinds, strict=True)
            if kind != "ignored"
        ]
        total = sum(not one.ignored for picture in pictures for one in picture.told)

        def f1(least: float, rows: Any = rows, total: int = total) -> float:
            said = [kind for score, kind in rows if score >= least]
            return 2 * said.count("right") / (len(said) + total) if said else 0.0

        if rows and total:
            assert best.f1 == pytest.approx(f1(best.score))
            assert best.f1 == pytest.approx(max(f1(score) for score, _ in rows))
