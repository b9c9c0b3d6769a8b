"""YOLO's text files as people have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foveal.errors import DataError
from foveal.options import ReadOptions
from foveal.readers import claims, read, yolo
from foveal.values import Dataset, Issue
from labelled import SHOWN, draw, labelled, line
from labelled import yolo as write


def got(path: Path, **options: str) -> Dataset:
    return read(str(path), ReadOptions(**options))


def issues(data: Dataset) -> dict[str, Issue]:
    return {issue.kind: issue for issue in data.issues}


def put(root: Path, folders: str, texts: str, part: str = "") -> None:
    """Three pictures in one folder and their labels in another; the third has no label file."""
    draw(root / folders, list(SHOWN))
    (root / texts).mkdir(parents=True, exist_ok=True)
    for name, objects in SHOWN.items():
        if objects:
            lines = [line(int(one["label"] == "dog"), one, (64, 48)) for one in objects]
            (root / texts / name).with_suffix(".txt").write_text("\n".join(lines) + "\n")


def boxes(data: Dataset) -> dict[str, list[tuple[str, list[float]]]]:
    return {Path(item.path).name: [(one["label"], one["box"]) for one in item.truth] for item in data.items}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    data = got(labelled("yolo", tmp_path))
    assert (data.task, data.reader, data.labels) == ("detect", "yolo", ("cat", "dog"))
    assert boxes(data) == {name: [(o["label"], o["box"]) for o in objects] for name, objects in SHOWN.items()}
    assert {item.part for item in data.items} == {"train"}
    (claim,) = claims(tmp_path)
    assert "data.yaml" in claim.why
    assert got(tmp_path / "data.yaml") == data


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yolo")


corner = st.floats(0, 40).map(lambda value: round(value, 2))
length = st.floats(1, 8).map(lambda value: round(value, 2))
ring = st.lists(corner, min_size=6, max_size=10).filter(lambda p: len(p) % 2 == 0)


@given(
    st.lists(
        st.builds(
            lambda label, x, y, w, h: {"label": label, "box": [x, y, x + w, y + h]},
            st.sampled_from(["cat", "dog", "日本"]), corner, corner, length, length,
        ),
        min_size=1, max_size=5,
    ),
    st.lists(ring, min_size=0, max_size=5),
)  # fmt: skip
def test_any_objects_come_back(place: Path, boxed: list[dict[str, Any]], rings: list[list[float]]) -> None:
    outlined = [{"label": "cat", "polygons": [one]} for one in rings]
    write(place, {"1.png": [*boxed, *outlined], "2.png": []})
    data = got(place)
    back = data.items[0].truth
    assert [one["label"] for one in back] == [one["label"] for one in [*boxed, *outlined]]
    assert np.allclose([one["box"] for one in back[: len(boxed)]], [one["box"] for one in boxed], atol=2e-3)
    assert data.task == ("instances" if len(rings) >= len(boxed) else "detect")
    if data.task == "instances":
        for one, two in zip(back[len(boxed) :], rings, strict=True):
            assert np.allclose(one["polygons"][0], two, atol=2e-3)


@pytest.mark.parametrize(
    ("folder", "texts", "part"),
    [
        ("images", "labels", ""),
        ("images/train", "labels/train", "train"),
        ("images/val", "labels/val", "val"),
        ("valid/images", "valid/labels", "val"),
        ("all/images/deep", "all/labels/deep", ""),
        ("test", "test", "test"),
        (".", ".", ""),
    ],
)
def test_places_and_splits_without_a_yaml(tmp_path: Path, folder: str, texts: str, part: str) -> None:
    put(tmp_path, folder, texts)
    assert [claim.reader for claim in claims(tmp_path)] == ["yolo"]
    data = got(tmp_path)
    assert data.labels == ("0", "1")
    seen = boxes(data)
    assert [place for _, place in seen["1.png"]] == [one["box"] for one in SHOWN["1.png"]]
    assert {item.part for item in data.items} == {part}
    if folder != "." and "images" in folder:
        assert seen["3.png"] == []
        assert issues(data)["unlabelled"].paths == (f"{folder}/3.png",)


def test_the_splits_of_a_yaml(tmp_path: Path) -> None:
    for part in ("one", "two", "six"):
        put(tmp_path, f"{part}/images", f"{part}/labels")
    (tmp_path / "list.txt").write_text("./six/images/1.png\nsix/images/2.png\n")
    (tmp_path / "data.yaml").write_text(
        "path: .\ntrain: ../one/images\nval: [two/images]\ntest: list.txt\nnc: 2\nnames:\n  0: katze\n  1: hund\n"
    )
    data = got(tmp_path)
    assert data.labels == ("hund", "katze")
    parts = {item.path: item.part for item in data.items}
    assert parts["one/images/1.png"] == "train"
    assert (parts["two/images/2.png"], parts["six/images/1.png"]) == ("val", "test")


def test_names_beside_the_labels(tmp_path: Path) -> None:
    put(tmp_path, "images", "labels")
    (tmp_path / "labels" / "classes.txt").write_text("cat\ndog\n")
    assert got(tmp_path).labels == ("cat", "dog")


def test_pictures_that_are_stored_turned(tmp_path: Path) -> None:
    put(tmp_path, "images", "labels")
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "images" / "1.png").unlink()
    Image.new("RGB", (64, 48)).save(tmp_path / "images" / "1.jpg", exif=exif)
    (tmp_path / "labels" / "1.txt").write_text("0 0.5 0.5 1 1\n")
    assert boxes(got(tmp_path))["1.jpg"] == [("0", [0, 0, 48, 64])]


@pytest.mark.parametrize(
    "text", ["0 0.5 0.5 0.1", "0 0.5 0.5 0.1 0.1 0.1", "a 0.5 0.5 0.1 0.1", "0.5 0.5 0.5 0.1 0.1",
             "-1 0.5 0.5 0.1 0.1", "0 0.5 nan 0.1 0.1", "0 0.5 0.5 0.1 0.1 x", "0 300 200 20 30"],
)  # fmt: skip
def test_broken_lines_are_named(tmp_path: Path, text: str) -> None:
    put(tmp_path, "images", "labels")
    file = tmp_path / "labels" / "1.txt"
    file.write_text(f"{file.read_text()}\n{text}\n")
    with pytest.raises(DataError, match=r"1\.txt, line 4") as caught:
        got(tmp_path, reader="yolo")
    assert all((caught.value.allowed, caught.value.todo))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("train: images/train\nnc: 2\n", "data.yaml names no classes"),
        ("train: images/train\nnames: two\n", "data.yaml, line 2: the names of classes are no list"),
        ("train: images/train\nnames: [cat\nval: x\n", r"data.yaml, line \d, is no YAML"),
    ],
)
def test_broken_yaml_is_named(tmp_path: Path, text: str, says: str) -> None:
    labelled("yolo", tmp_path)
    (tmp_path / "data.yaml").write_text(text)
    for path in (tmp_path, tmp_path / "data.yaml"):
        with pytest.raises(DataError, match=says):
            got(path)


def test_what_is_odd_is_named(tmp_path: Path) -> None:
    labelled("yolo", tmp_path)
    folder = tmp_path / "labels" / "train"
    (folder / "4.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (folder / "1.txt").write_text("0 0.5 0.5 0.1 0.1\n" * 20 + "7 0.5 0.5 0.1 0.1\n")
    found = issues(got(tmp_path))
    assert found["missing-picture"].paths == ("labels/train/4.txt",)
    assert found["no-such-class"].paths == ("labels/train/1.txt",)
    (folder / "1.txt").write_text("7 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DataError, match="1 of 2 objects have a class that is not among the names"):
        got(tmp_path)


def test_captions_and_other_texts_are_not_claimed(tmp_path: Path) -> None:
    draw(tmp_path, list(SHOWN))
    for name in SHOWN:
        (tmp_path / name).with_suffix(".txt").write_text("a photo of 2 cats\n")
    assert yolo.sniff(tmp_path) is None
    (tmp_path / "config.yaml").write_text("train: yes\nlr: 0.1\n")
    assert yolo.sniff(tmp_path) is None
    assert yolo.sniff(tmp_path / "config.yaml") is None


def test_a_broken_picture_is_left_to_the_examination(tmp_path: Path) -> None:
    put(tmp_path, "images", "labels")
    (tmp_path / "images" / "2.png").write_bytes(b"\x89PNG")
    assert boxes(got(tmp_path))["2.png"] == []
