"""COCO JSON as people have it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.errors import DataError
from foveal.options import ReadOptions
from foveal.readers import claims, coco, prepare, read
from foveal.values import Dataset, Issue
from labelled import SHOWN, annotation, draw, labelled
from labelled import coco as write
from pictures import class_folder

TRIANGLE = [10.0, 10.0, 30.0, 10.0, 20.0, 30.0]


def got(path: Path, **options: str) -> Dataset:
    return read(str(path), ReadOptions(**options))


def issues(data: Dataset) -> dict[str, Issue]:
    return {issue.kind: issue for issue in data.issues}


def bare(data: Dataset) -> dict[str, list[dict[str, Any]]]:
    """Objects by the pictures' names, without the sides they were told on."""
    return {
        Path(item.path).name: [{k: v for k, v in one.items() if k != "on"} for one in item.truth]
        for item in data.items
    }


def test_what_is_written_is_read(tmp_path: Path) -> None:
    data = got(labelled("coco", tmp_path))
    assert (data.task, data.reader, data.labels) == ("detect", "coco", ("cat", "dog"))
    assert bare(data) == SHOWN
    assert [item.id for item in data.items] == ["images/1.png", "images/2.png", "images/3.png"]
    assert data.items[0].truth[0]["on"] == [64, 48]
    assert issues(data)["background"].paths == ("images/3.png",)
    (claim,) = claims(tmp_path)
    assert (claim.reader, "labels.json" in claim.why) == ("coco", True)


sides = st.floats(0, 64, allow_nan=False).map(lambda value: round(value, 2))
boxes = st.tuples(sides, sides, sides, sides).map(
    lambda b: [min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]) + 1, max(b[1], b[3]) + 1]
)
polygons = st.lists(
    st.lists(sides, min_size=6, max_size=12).filter(lambda p: len(p) % 2 == 0), min_size=1, max_size=3
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("coco")


@given(
    st.lists(
        st.builds(
            lambda label, box, rings, crowd: {"label": label, "box": box, "polygons": rings, "crowd": crowd},
            st.sampled_from(["cat", "dog", "日本 x"]), boxes, polygons, st.booleans(),
        ),
        min_size=1, max_size=6,
    ),
)  # fmt: skip
def test_any_objects_come_back(place: Path, objects: list[dict[str, Any]]) -> None:
    write(place, {"1.png": objects, "2.png": objects[:1]}, (66, 66))
    back = bare(got(place))
    for name, wanted in (("1.png", objects), ("2.png", objects[:1])):
        assert len(back[name]) == len(wanted)
        for one, two in zip(back[name], wanted, strict=True):
            assert one["label"] == two["label"]
            assert np.allclose(one["box"], two["box"])
            assert bool(one.get("crowd")) == two["crowd"]
            drawn = all(one["crowd"] for one in [*objects, objects[0]])  # crowds alone are no instances
            assert drawn or one["polygons"] == two["polygons"]


def test_outlines_make_instances(tmp_path: Path) -> None:
    one = {"label": "cat", "polygons": [TRIANGLE], "area": 200.0}
    boxed = {"label": "cat", "box": [1.0, 1.0, 5.0, 5.0]}
    data = got(labelled("coco", tmp_path / "a", {"1.png": [one], "2.png": [one]}))
    assert data.task == "instances"
    assert data.items[0].truth[0] | {"on": None} == {**one, "box": [10.0, 10.0, 30.0, 30.0], "on": None}
    data = got(labelled("coco", tmp_path / "b", {"1.png": [one, boxed, boxed], "2.png": []}))
    assert data.task == "detect"
    assert not any("polygons" in one for one in data.items[0].truth)
    assert "1 outline among many more boxes" in issues(data)["outline-left-out"].says


def test_run_lengths(tmp_path: Path) -> None:
    from pycocotools import mask

    region = np.zeros((48, 64), np.uint8)
    region[10:20, 5:9] = 1
    packed = mask.encode(np.asfortranarray(region))
    counts = [5 * 48 + 10, 10, 38, 10, 38, 10, 38, 10, 28 + 55 * 48]
    shown = {
        "1.png": [
            {"label": "a", "rle": {"size": [48, 64], "counts": packed["counts"].decode()}},
            {"label": "b", "rle": {"size": [48, 64], "counts": counts}, "crowd": True},
        ],
        "2.png": [],
    }
    data, _ = prepare(str(labelled("coco", tmp_path, shown)), ReadOptions(data_home=str(tmp_path / "h")), 0)
    found = next(item.truth for item in data.items if item.truth)
    assert [one["box"] for one in found] == [[5.0, 10.0, 9.0, 20.0]] * 2
    assert found[1]["crowd"] is True
    assert "crowd" not in found[0]
    assert data.task == "instances"


@pytest.mark.parametrize(
    ("file", "folder", "part"),
    [
        ("annotations/instances_train2017.json", "train2017", "train"),
        ("annotations/instances_val2017.json", "val2017", "val"),
        ("train/_annotations.coco.json", "train", "train"),
        ("valid/_annotations.coco.json", "valid", "val"),
        ("annotations/instances_default.json", "images", ""),
        ("test.json", "images/test", "test"),
        ("trainval.json", "pics", ""),
    ],
)
def test_places_and_splits(tmp_path: Path, file: str, folder: str, part: str) -> None:
    write(tmp_path, SHOWN, file=file)
    (tmp_path / folder).parent.mkdir(exist_ok=True)
    if folder == "images/test":
        (tmp_path / "images").rename(tmp_path / "x")
        (tmp_path / "images").mkdir()
        (tmp_path / "x").rename(tmp_path / folder)
    else:
        for picture in sorted((tmp_path / "images").iterdir()):
            (tmp_path / folder).mkdir(exist_ok=True)
            picture.rename(tmp_path / folder / picture.name)
    assert [claim.reader for claim in claims(tmp_path)] == ["coco"]
    data = got(tmp_path)
    assert [(item.path, item.part) for item in data.items] == [(f"{folder}/{n}.png", part) for n in (1, 2, 3)]
    alone = got(tmp_path / file)
    assert bare(alone) == SHOWN
    assert {item.part for item in alone.items} == {""}, "a file that is given is all there is"


def test_the_same_name_in_two_splits_is_each_its_own(tmp_path: Path) -> None:
    for part, label in (("train", "cat"), ("valid", "dog")):
        told = write(tmp_path / part, {"1.png": [{"label": label, "box": [1.0, 2.0, 9.0, 9.0]}]})
        (tmp_path / part / "images" / "1.png").rename(tmp_path / part / "1.png")
        (tmp_path / part / "labels.json").rename(tmp_path / part / "_annotations.coco.json")
        assert told["images"][0]["file_name"] == "1.png"
    data = got(tmp_path)
    assert {item.path: (item.part, item.truth[0]["label"]) for item in data.items} == {
        "train/1.png": ("train", "cat"),
        "valid/1.png": ("val", "dog"),
    }


def changed(root: Path, change: Any) -> Path:
    told = write(root, SHOWN)
    change(told)
    (root / "labels.json").write_text(json.dumps(told))
    return root


def test_names_with_folders_and_backslashes(tmp_path: Path) -> None:
    def change(told: dict[str, Any]) -> None:
        told["images"][0]["file_name"] = "images\\1.png"
        told["images"][1]["file_name"] = "/home/somebody/images/2.png"

    assert bare(got(changed(tmp_path, change))) == SHOWN


def test_what_is_odd_is_named(tmp_path: Path) -> None:
    def change(told: dict[str, Any]) -> None:
        told["categories"].append({"id": 77, "name": "unicorn"})
        told["images"].append({"id": 99, "file_name": "gone.png"})
        told["annotations"].append(annotation(1234, 1, {"box": [0, 0, 1, 1]}))
        draw(tmp_path / "images", [*SHOWN, "extra.png"])

    found = issues(got(changed(tmp_path, change)))
    assert "unicorn" in found["unused-class"].says
    assert found["missing-picture"].paths == ("gone.png",)
    assert found["unlisted"].paths == ("images/extra.png",)
    assert found["no-such-picture"].says.startswith("1 object of")


def test_classes_without_a_name(tmp_path: Path) -> None:
    box = {"box": [1.0, 1.0, 9.0, 9.0]}

    def few(told: dict[str, Any]) -> None:
        told["annotations"] += [annotation(3, 1, box)] * 20 + [annotation(3, 500, box)]

    found = issues(got(changed(tmp_path / "few", few)))
    assert found["no-such-class"].says.startswith("1 object of")

    def most(told: dict[str, Any]) -> None:
        for one in told["annotations"]:
            one["category_id"] += 1

    with pytest.raises(DataError, match="3 of 3 objects have a class that is not among the names"):
        got(changed(tmp_path / "most", most))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t["annotations"][0].update(bbox=[1, 2, 3]), r"annotations\[0\]"),
        (lambda t: t["annotations"][1].update(bbox=[1, 2, 3, math.nan]), r"annotations\[1\]"),
        (lambda t: t["annotations"][1].pop("category_id"), r"annotations\[1\]"),
        (lambda t: t["images"][2].pop("file_name"), r"images\[2\]"),
        (lambda t: t["categories"][1].pop("name"), r"categories\[1\]"),
        (lambda t: t.pop("images"), "holds annotations|holds categories"),
        (lambda t: t.update(annotations=[]), "no object on any of them"),
    ],
)
def test_broken_entries_are_named(tmp_path: Path, change: Any, says: str) -> None:
    changed(tmp_path, change)
    with pytest.raises(DataError, match=says) as caught:
        got(tmp_path / "labels.json", reader="coco")
    assert str(tmp_path) in caught.value.came
    assert all((caught.value.allowed, caught.value.todo))


def test_a_file_that_was_cut_off(tmp_path: Path) -> None:
    write(tmp_path, SHOWN)
    file = tmp_path / "labels.json"
    told = json.dumps(json.loads(file.read_text()), indent=1)
    file.write_text(told[: len(told) // 2])
    assert coco.sniff(tmp_path) is not None
    with pytest.raises(DataError, match=r"labels.json is no JSON: .* in line \d\d"):
        got(tmp_path)


def test_most_pictures_are_missing(tmp_path: Path) -> None:
    write(tmp_path, SHOWN)
    for name in ("1.png", "2.png"):
        (tmp_path / "images" / name).unlink()
    with pytest.raises(DataError, match="of 3 pictures that have labels 2 are not there"):
        got(tmp_path)


def test_other_json_is_not_claimed(tmp_path: Path) -> None:
    class_folder(tmp_path, 2, 2)
    (tmp_path / "classes.json").write_text('{"circle": 0}')
    (tmp_path / "labels.json").write_text('[{"file_name": "1.png", "annotations": []}]')
    assert [claim.reader for claim in claims(tmp_path)] == ["folder"]


def test_two_readers_claim(tmp_path: Path) -> None:
    labelled("yolo", tmp_path)
    write(tmp_path, SHOWN)
    with pytest.raises(DataError, match="can be read in 2 ways") as caught:
        got(tmp_path)
    assert "--reader coco or --reader yolo" in caught.value.todo
    assert got(tmp_path, reader="coco").reader == "coco"


def test_sides_that_are_wrong_are_said_and_mended_boxes_fit(tmp_path: Path) -> None:
    shown = {"1.png": [{"label": "a", "box": [-5.0, 4.0, 20.0, 60.0]}], "2.png": []}
    write(tmp_path, shown)
    told = json.loads((tmp_path / "labels.json").read_text())
    told["images"][0].update(width=48, height=64)
    (tmp_path / "labels.json").write_text(json.dumps(told))
    data, _ = prepare(str(tmp_path), ReadOptions(data_home=str(tmp_path / "h")), 0)
    assert next(item.truth for item in data.items if item.truth) == [
        {"label": "a", "box": [0, 4.0, 20.0, 48]}
    ]
    assert "48 x 64, not 64 x 48" in issues(data)["told-turned"].says
    assert issues(data)["box-off-canvas"].paths == ("images/1.png",)


def test_fruits_and_nuts(test_data, tmp_path: Path) -> None:
    data, _ = prepare(str(test_data("fruits_nuts")), ReadOptions(data_home=str(tmp_path)), 0)
    assert (data.task, data.labels) == ("instances", ("date", "fig", "hazelnut"))
    assert (len(data.items), sum(len(item.truth) for item in data.items)) == (18, 165)
    assert data.issues == ()
    assert set(data.counts()["train"]) == set(data.labels)
