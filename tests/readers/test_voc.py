"""Pascal VOC's XML as people have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.errors import DataError
from foveal.options import ReadOptions
from foveal.readers import claims, prepare, read, voc
from foveal.values import Dataset, Issue
from labelled import SHOWN, draw, labelled, xml
from labelled import voc as write


def got(path: Path, **options: str) -> Dataset:
    return read(str(path), ReadOptions(**options))


def issues(data: Dataset) -> dict[str, Issue]:
    return {issue.kind: issue for issue in data.issues}


def bare(data: Dataset) -> dict[str, list[dict[str, Any]]]:
    return {
        Path(item.path).name: [{k: v for k, v in one.items() if k != "on"} for one in item.truth]
        for item in data.items
    }


def test_what_is_written_is_read(tmp_path: Path) -> None:
    data = got(labelled("voc", tmp_path))
    assert (data.task, data.reader, data.labels) == ("detect", "voc", ("cat", "dog"))
    assert bare(data) == SHOWN
    assert [item.id for item in data.items] == [f"JPEGImages/{n}.png" for n in (1, 2, 3)]
    (claim,) = claims(tmp_path)
    assert "3 files in Annotations/" in claim.why


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("voc")


starts = st.integers(0, 40)


@given(
    st.lists(
        st.builds(
            lambda label, x, y, w, h, hard: {"label": label, "box": [x, y, x + w, y + h], "ignore": hard},
            st.sampled_from(["cat", "<a & b>", "日本"]), starts, starts, st.integers(2, 20), st.integers(2, 8),
            st.booleans(),
        ),
        min_size=1, max_size=6,
    )
)  # fmt: skip
def test_any_boxes_come_back(place: Path, objects: list[dict[str, Any]]) -> None:
    write(place, {"1.png": objects, "2.png": []})
    back = bare(got(place))["1.png"]
    assert [(one["label"], one["box"], one.get("ignore", False)) for one in back] == [
        (one["label"], one["box"], one["ignore"]) for one in objects
    ]


def test_lists_of_splits(tmp_path: Path) -> None:
    base = tmp_path / "VOC2007"
    write(base, {f"{n}.png": SHOWN["1.png"] for n in range(6)})
    draw(base / "SegmentationClass", ["0.png", "9.png"])  # no pictures of the data
    sets = base / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    for name, lines in {
        "train": "0\n1  1\n",
        "val": "2 -1\n",
        "trainval": "0\n1\n2\n3\n",
        "test": "4",
        "cat_train": "5 1",
    }.items():
        (sets / f"{name}.txt").write_text(lines)
    data = got(tmp_path)
    assert {Path(item.path).stem: item.part for item in data.items} == {
        "0": "train", "1": "train", "2": "val", "3": "train", "4": "test",
    }  # fmt: skip
    assert all(item.path.startswith("VOC2007/JPEGImages/") for item in data.items)
    assert issues(data)["unlisted"].paths == ("VOC2007/JPEGImages/5.png",)


@pytest.mark.parametrize(
    ("labels", "pictures"),
    [
        ("train", "train"),
        ("train/Annotations", "train/JPEGImages"),
        ("Annotations/train", "JPEGImages/train"),
    ],
)
def test_folders_of_splits(tmp_path: Path, labels: str, pictures: str) -> None:
    for part, found in (("train", "train"), ("test", "test")):
        here, there = labels.replace("train", part), pictures.replace("train", part)
        draw(tmp_path / there, ["1.png", "2.png"])
        xml(tmp_path / here / "1.xml", "old name.jpg", SHOWN[f"{1 + (part == 'test')}.png"])
        assert found == part
    data = got(tmp_path)
    assert [claim.reader for claim in claims(tmp_path)] == ["voc"]
    place = pictures.replace("train", "{}")
    assert {item.path: (item.part, len(item.truth)) for item in data.items} == {
        f"{place.format('train')}/1.png": ("train", 2),
        f"{place.format('train')}/2.png": ("train", 0),
        f"{place.format('test')}/1.png": ("test", 1),
        f"{place.format('test')}/2.png": ("test", 0),
    }
    assert len(issues(data)["unlabelled"].paths) == 2


def test_renamed_pictures_are_found_by_what_the_file_says(tmp_path: Path) -> None:
    draw(tmp_path, ["picture.png"])
    xml(tmp_path / "0001.xml", "picture.png", SHOWN["1.png"])
    assert got(tmp_path).items[0].path == "picture.png"


BOX = "<bndbox><xmin>5</xmin><ymin>6</ymin><xmax>20</xmax><ymax>30</ymax></bndbox>"


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (lambda t: t[: len(t) // 2], r"\d+, column \d+", "no XML"),
        (lambda t: t.replace("<name>dog</name>", "<name> </name>"), "6", "object 2 has no <name>"),
        (lambda t: t.replace("<xmax>20</xmax>", ""), "4", "object 1 lacks <xmax>"),
        (lambda t: t.replace("<xmax>20</xmax>", "<xmax>wide</xmax>"), "4", "has 'wide' for <xmax>"),
        (lambda t: t.replace("<xmax>20</xmax>", "<xmax>nan</xmax>"), "4", "has 'nan' for <xmax>"),
    ],
)
def test_broken_files_are_named_with_their_line(tmp_path: Path, change: Any, line: str, says: str) -> None:
    labelled("voc", tmp_path)
    file = tmp_path / "Annotations" / "1.xml"
    file.write_text(change(file.read_text()))
    with pytest.raises(DataError, match=rf"1\.xml, line {line}: .*{says}") as caught:
        got(tmp_path)
    assert all((caught.value.allowed, caught.value.todo))


def test_what_is_odd_is_named(tmp_path: Path) -> None:
    write(tmp_path, SHOWN)
    xml(tmp_path / "Annotations" / "4.xml", "4.png", SHOWN["1.png"])
    second = tmp_path / "Annotations" / "2.xml"
    told = second.read_text().replace("<width>64</width>", "<width>0</width>")
    second.write_text(told.replace("</annotation>", "<object><name>x</name></object></annotation>"))
    (tmp_path / "Annotations" / "other.xml").write_text("<svg/>")
    found = issues(got(tmp_path))
    assert found["missing-picture"].paths == ("Annotations/4.xml",)
    assert found["size-untold"].paths == ("Annotations/2.xml",)
    assert found["no-place"].paths == ("JPEGImages/2.png",)


def test_corners_in_the_wrong_order_clicks_and_boxes_from_0(tmp_path: Path) -> None:
    write(tmp_path, {"1.png": [{"label": "a", "box": [4.0, 6.0, 20.0, 30.0]}], "2.png": []})
    file = tmp_path / "Annotations" / "1.xml"
    whole = file.read_text()
    odd = whole.replace("<xmin>5</xmin>", "<xmin>20</xmin>").replace("<xmax>20</xmax>", "<xmax>5</xmax>")
    click = "<object><name>a</name>" + BOX.replace("20", "5").replace("30", "6") + "</object>"
    zero = "<object><name>a</name>" + BOX.replace("5", "0", 1) + "</object>"
    file.write_text(odd.replace("</annotation>", click + zero + "</annotation>"))
    data, _ = prepare(str(tmp_path), ReadOptions(data_home=str(tmp_path / "h")), 0)
    truth = next(item.truth for item in data.items if item.truth)
    assert [one["box"] for one in truth] == [[4.0, 6.0, 20.0, 30.0], [0, 5.0, 20.0, 30.0]]
    kinds = issues(data)
    assert kinds["box-corners"].paths == kinds["box-no-area"].paths == ("JPEGImages/1.png",)
    assert "box-off-canvas" not in kinds, "a pixel more or less is how one counts"


def test_other_xml_is_not_claimed(tmp_path: Path) -> None:
    draw(tmp_path, ["1.png"])
    (tmp_path / "1.xml").write_text("<svg/>")
    assert voc.sniff(tmp_path) is None
    with pytest.raises(DataError, match="holds no XML file of annotations"):
        got(tmp_path, reader="voc")


def test_no_object_at_all(tmp_path: Path) -> None:
    write(tmp_path, {"1.png": [], "2.png": []})
    with pytest.raises(DataError, match="2 pictures, and no object on any of them"):
        got(tmp_path)


def test_blood_cells(test_data, tmp_path: Path) -> None:
    data, _ = prepare(str(test_data("bccd")), ReadOptions(data_home=str(tmp_path)), 0)
    assert (data.task, data.labels) == ("detect", ("Platelets", "RBC", "WBC"))
    assert {part: len(data.part(part)) for part in ("train", "val", "test")} == {
        "train": 205,
        "val": 87,
        "test": 72,
    }
    assert sum(len(item.truth) for item in data.items) == 4888 - 2
    assert len(issues(data)["box-no-area"].paths) == 2


def test_fruits(test_data, tmp_path: Path) -> None:
    data, _ = prepare(str(test_data("fruits")), ReadOptions(data_home=str(tmp_path)), 0)
    assert (len(data.items), data.labels) == (160, ("apple", "banana", "orange"))
    assert sum(len(item.truth) for item in data.items) == 302
    assert len(data.part("test")) == 60
    assert len(issues(data)["size-untold"].paths) == 19
