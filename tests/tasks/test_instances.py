"""Instance segmentation: figures against pycocotools on files, masks against known ones, truths from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from foveal.tasks import instances
from foveal.tasks._coco import FIGURES, Judged, Picture, Thing
from foveal.tasks._objects import pasted, run_lengths
from foveal.values import Item, Preprocessing

from .test_detect import SIDES, reference


def blob(draw: np.random.Generator) -> NDArray[np.bool_]:
    """An ellipse somewhere on the picture, perhaps cut by its border."""
    rows, columns = np.mgrid[: SIDES[1], : SIDES[0]]
    y, x = draw.random(2) * SIDES[::-1]
    a, b = np.exp(draw.uniform(np.log(4), np.log(70), 2))
    seen: NDArray[np.bool_] = ((rows - y) / a) ** 2 + ((columns - x) / b) ** 2 < 1
    return seen


def thing(label: int, mask: NDArray[np.bool_], score: float = 1.0, crowd: bool = False) -> Thing:
    runs = run_lengths(mask)
    x, y, w, h = coco.toBbox(runs).tolist()
    return Thing(label, (x, y, x + w, y + h), float(coco.area(runs)), score, crowd, runs=runs)


def drawn(seed: int) -> list[Picture]:
    draw = np.random.default_rng(seed)
    made = []
    for _ in range(4):
        told, found = [], []
        for _ in range(draw.integers(0, 6)):
            mask, label = blob(draw), int(draw.integers(2))
            if not mask.any():
                continue
            told.append(thing(label, mask, crowd=bool(draw.random() < 0.2)))
            for _ in range(draw.integers(0, 3)):
                moved = np.roll(mask, tuple(draw.integers(-8, 9, 2)), (0, 1))
                found.append(thing(label, moved, round(float(draw.random()), 1)))
        for _ in range(draw.integers(0, 4)):
            mask = blob(draw)
            if mask.any():
                found.append(thing(int(draw.integers(2)), mask, round(float(draw.random()), 1)))
        made.append(Picture(told, found))
    return made


def test_measures_as_pycocotools_does_of_masks(tmp_path: Path) -> None:
    met = 0
    for seed in range(40):
        pictures = drawn(seed)
        if not any(picture.found for picture in pictures):
            continue
        found = Judged.of(pictures, 2, "segm").figures()
        for name, value in zip(FIGURES, reference(pictures, 2, tmp_path, "segm"), strict=True):
            if value == -1:
                assert name not in found
            else:
                assert found[name] == pytest.approx(value, abs=1e-6)
                met += 0 < value < 1
    assert met > 200


def test_a_mask_is_put_where_its_box_is() -> None:
    """A disc drawn in 28 x 28 cells, in boxes of any place and size."""
    rows, columns = np.mgrid[:28, :28] + 0.5
    disc = 1 / (1 + np.exp(4 * (np.hypot(rows - 14, columns - 14) - 12)))
    for box in ([10.3, 20.7, 90.1, 70.2], [0.0, 0.0, 320.0, 240.0], [300.5, 230.2, 320.0, 240.0]):
        x0, y0, x1, y1 = box
        seen = pasted(disc, np.array(box), SIDES)
        assert seen.shape == SIDES[::-1]
        y, x = np.mgrid[: SIDES[1], : SIDES[0]] + 0.5
        across = np.hypot((y - y0) / (y1 - y0) * 28 - 14, (x - x0) / (x1 - x0) * 28 - 14)
        np.testing.assert_array_equal(seen[across < 11.7], 1)
        np.testing.assert_array_equal(seen[across > 12.3], 0)


def test_truths_of_polygons_masks_and_run_lengths_are_the_same(tmp_path: Path) -> None:
    seen = np.zeros((40, 60), dtype=np.uint8)
    seen[10:30, 20:50] = 255
    Image.fromarray(seen).save(tmp_path / "mask.png")
    runs = coco.encode(np.asfortranarray(seen > 0))
    ways = (
        {"label": "a", "mask": "mask.png"},
        {"label": "a", "box": [20, 10, 50, 30], "rle": {**runs, "counts": runs["counts"].decode()}},
        {"label": "a", "box": [20, 10, 50, 30], "polygons": [[20, 10, 50, 10, 50, 30, 20, 30]]},
        {"label": "a", "box": [20, 10, 50, 30]},
    )
    task = instances.build(("a",))
    for one in ways:
        assert task.knows([one])
        picture = Image.new("RGB", (60, 40))
        truth = task.truth(Item("1", "1.png", [one], "train"), picture, str(tmp_path))
        known = truth["known"].things[0]
        assert known.box == (20, 10, 50, 30)
        assert known.area == 600
        assert known.runs is not None
        assert known.runs["counts"] == runs["counts"]
        view = task.view(Preprocessing(30, 3, (0.5,) * 3, (0.25,) * 3))
        row = task.collate([view(picture, truth)[1]])[0]
        assert row["boxes"].tolist() == [[10, 5, 25, 15]]
        assert row["masks"].sum() == 150
        assert row["masks"][0, 5:15, 10:25].all()
