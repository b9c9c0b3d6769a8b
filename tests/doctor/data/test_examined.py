"""What a data set shows: twins across splits, odd pictures, shortcuts; and a page and a table to go through it."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foveal.data.sketches import sketch
from foveal.doctor.data import examined, leaks
from foveal.doctor.data.odd import odd
from foveal.doctor.data.told import issues, rows
from foveal.options import ReadOptions
from foveal.readers import prepare
from foveal.report.findings import page
from foveal.values import Dataset
from pictures import class_folder


def scene(seed: int, width: int = 80, height: int = 64) -> Image.Image:
    draws = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for grain in (3, 6, 12, 24):
        noise = Image.fromarray(draws.integers(0, 256, (grain, grain, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC), float) / grain**0.6
    total += draws.normal(0, 3, total.shape)
    total -= total.min()
    return Image.fromarray((total / total.max() * 255).astype(np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes in two splits, with one of each thing that may be odd."""
    root = tmp_path_factory.mktemp("odd")
    for part, count in (("train", 30), ("test", 12)):
        for kind, label in enumerate("ab"):
            (root / part / label).mkdir(parents=True)
            for n in range(count):
                seed = 1000 * kind + n + (500 if part == "test" else 0)
                scene(seed).save(root / part / label / f"{n:02}.png")
    train = root / "train" / "a"
    Image.open(train / "03.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(
        root / "test" / "a" / "00.png"
    )
    Image.open(train / "05.png").save(root / "train" / "b" / "05.jpg", quality=50)
    Image.fromarray(np.asarray(scene(9001)) // 16).save(train / "dark.png")
    Image.fromarray(245 + np.asarray(scene(9002)) // 32).save(train / "light.png")
    scene(9003, 8, 6).resize((80, 64), Image.Resampling.BICUBIC).save(train / "blurred.png")
    Image.new("RGB", (80, 64), (120, 130, 90)).save(train / "empty.png")
    scene(9005, 480, 400).save(train / "large.png")
    scene(9006, 400, 40).save(train / "long.png")
    scene(9007).convert("L").save(train / "grey.png")
    return root


@pytest.fixture(scope="module")
def data(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return prepare(str(folder), ReadOptions(data_home=str(tmp_path_factory.mktemp("home"))), 0)[0]


def test_odd_pictures_are_named_and_others_are_not(data: Dataset) -> None:
    sketches = sketch(data)
    named = {
        kind: {sketches.items[n].path.split("/")[-1] for n in ids} for kind, ids in odd(sketches).items()
    }
    assert named["dark"] == {"dark.png"}
    assert named["blown-out"] == {"light.png"}
    assert named["blurred"] == {"blurred.png"}
    assert "empty.png" in named["empty"]
    assert named["odd-size"] == {"large.png"}
    assert named["odd-shape"] == {"long.png"}
    assert named["grey"] == {"grey.png"}


def test_twins_across_splits_and_under_two_labels(data: Dataset) -> None:
    found = examined(data, task="classify", deep=False)
    pairs = {(pair["first"], pair["second"]): pair for pair in found["twins"]}
    assert len(pairs) == 2
    assert found["leaks"] == {"test": ["test/a/00.png"]}
    torn = pairs["train/a/05.png", "train/b/05.jpg"]
    assert torn["labels"] == ["a", "b"]
    assert pairs["test/a/00.png", "train/a/03.png"]["mirrored"]
    kinds = {issue.kind for issue in issues(found)}
    assert {"near-duplicate-splits", "near-duplicate-labels", "dark"} <= kinds
    assert json.loads(json.dumps(found))["count"] == len(data.items)


def test_a_page_and_a_table_to_go_through(data: Dataset) -> None:
    found = examined(data, task="classify")
    doubts = rows(found)
    leak = next(row for row in doubts if row.kind == "leak")
    assert (leak.id, leak.suggested, leak.beside) == ("train/a/03.png", "exclude", ("test/a/00.png",))
    assert len({row.id for row in doubts}) == len(doubts)
    html = page(data, doubts, issues(found), "odd <b>")
    assert html.count('class="card"') == len(doubts)
    assert "odd &lt;b&gt;" in html
    assert html.count("data:image/webp") >= len(doubts)
    assert "train/a/03.png · train · <b>a</b>" in html, "what a leak is seen beside bears its label, too"
    assert len(page(data, doubts, cap=60_000)) < 60_000


def test_leaks_of_no_twins() -> None:
    assert leaks([]) == {}


def test_the_table_is_read_back(data: Dataset, tmp_path: Path) -> None:
    from foveal.data.decisions import written

    doubts = rows(examined(data, task="classify"))
    read = list(csv.DictReader(written(row.to_csv() for row in doubts).splitlines()))
    assert [row["id"] for row in read] == [row.id for row in doubts]
    assert {row["decision"] for row in read} == {"keep"}


def test_ways_around_the_picture_are_told(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for name, size, edge in (("sized", {"a": 32, "b": 48}, {}), ("framed", {}, {"a": 255, "b": 0})):
        for label in "ab":
            (tmp_path / name / label).mkdir(parents=True)
            for n in range(60):
                pixels = draw.integers(0, 256, (32, size.get(label, 32), 3), dtype=np.uint8)
                if edge:
                    frame = np.full_like(pixels, edge[label])
                    frame[4:-4, 4:-4] = pixels[4:-4, 4:-4]
                    pixels = frame
                Image.fromarray(pixels).save(tmp_path / name / label / f"{n}.png")
        data, _ = prepare(str(tmp_path / name), ReadOptions(data_home=str(tmp_path / "home")), 0)
        says = [one.says for one in issues(examined(data, task="classify")) if one.kind == "shortcut"]
        assert len(says) == 1
        what = "the picture's width and height" if name == "sized" else "the outermost pixels"
        assert f"told from {what} alone, for 100.0% [96.9%, 100.0%]" in says[0]


def test_labels_for_which_there_was_no_time_are_counted(tmp_path: Path) -> None:
    data, _ = prepare(str(class_folder(tmp_path / "d", 2, 60)), ReadOptions(data_home=str(tmp_path)), 0)
    found = examined(data, task="classify", deep=True, seconds=1e-6)
    assert found["left"]["labels"].startswith("88 of 120 labels, for want of time")
    assert found["labels"]["count"] == 32


@pytest.mark.parametrize(
    ("name", "task", "what"),
    [
        ("bccd", "detect", "boxes"),
        ("nuclei", "instances", "masks of objects"),
        ("CamVid", "segment", "masks"),
    ],
)
def test_what_is_not_told_of_boxes_and_masks_is_said(name: str, task: str, what: str, tmp_path: Path) -> None:
    home = os.environ.get("FOVEAL_TEST_DATA")
    if not home:
        pytest.skip("FOVEAL_TEST_DATA names no folder of test data")
    whole, _ = prepare(str(Path(home, name)), ReadOptions(data_home=str(tmp_path)), 0)
    few = dataclasses.replace(whole, items=whole.items[:30])
    found = examined(few, task=whole.task, deep=True, data_home=str(tmp_path))
    assert (whole.task, "labels" in found) == (task, False)
    assert f"whether {what} are right" in found["left"]["labels"]
    assert f"of {len(few.items)} " in page(few, rows(found)) or not rows(found)
