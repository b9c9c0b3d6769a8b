"""Which pictures are meant, and how predictions are given back."""

from __future__ import annotations

import csv
import io
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from foveal.errors import DataError, DiskError, ModelError, OptionError
from foveal.values import Prediction
from foveal.verbs.predict import Predictions, _best, find_pictures, predict


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b/z.JPG", "b/10.png", "b/2.png", "a/花.webp", "c.tiff", ".hidden.jpg", "__MACOSX/x.jpg"):
        Path(name).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 4)).save(name)
    Path("b/notes.txt").write_text("no picture")
    Path("empty").mkdir()
    return tmp_path


def test_folders_are_walked_in_order_and_nothing_counts_twice(folder: Path) -> None:
    inside = [
        os.path.join(".", "c.tiff"),
        *(os.path.join(".", *p) for p in (("a", "花.webp"), ("b", "10.png"))),
    ]
    assert find_pictures(["."])[:3] == inside
    assert find_pictures(["b", os.path.join("b", "2.png"), "b"]) == [
        os.path.join("b", name) for name in ("10.png", "2.png", "z.JPG")
    ]


def test_files_that_are_named_are_taken_whatever_they_are_called(folder: Path) -> None:
    assert find_pictures(["b/notes.txt", "c.tiff", ".hidden.jpg"]) == ["b/notes.txt", "c.tiff", ".hidden.jpg"]


def test_a_pattern_that_no_shell_expanded(folder: Path) -> None:
    assert find_pictures(["b/*.png"]) == [os.path.join("b", "10.png"), os.path.join("b", "2.png")]
    Path("d[1].png").write_bytes(b"")
    assert find_pictures(["d[1].png"]) == ["d[1].png"]


@pytest.mark.parametrize(
    ("names", "came", "todo"),
    [
        ([], "No picture was given", "foveal predict"),
        (["empty"], "No picture was found in empty", "Give another folder"),
        (["c.tiff", "nowhere.jpg"], "no picture and no folder at nowhere.jpg", "See what is there"),
        (["*.nothing"], "no picture and no folder at *.nothing", "See what is there"),
        (["bad\0name"], "no picture and no folder at", "See what is there"),
    ],
)
def test_what_cannot_be_found(folder: Path, names: list[str], came: str, todo: str) -> None:
    with pytest.raises(DataError) as caught:
        find_pictures(names)
    assert came in caught.value.came
    assert todo in caught.value.todo


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_named(folder: Path) -> None:
    (folder / "a").chmod(0)
    try:
        with pytest.raises(DataError, match="cannot be read"):
            find_pictures(["."])
    finally:
        (folder / "a").chmod(0o700)


@pytest.mark.parametrize("bad", [{"top": 0}, {"batch": -1}])
def test_numbers_are_checked_before_anything_is_loaded(folder: Path, bad: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="whole number from 1"):
        predict("no-model", ["c.tiff"], **bad)


PREDICTIONS = Predictions(
    [
        Prediction(
            'a, "b"\n.jpg', [{"label": "rosé", "probability": 0.75}, {"label": "<b>", "probability": 0.25}]
        ),
        Prediction("odd-\udce9.jpg", error="It is empty."),
    ]
)


def test_json() -> None:
    first, second = PREDICTIONS.to_json()
    assert first["predictions"][0] == {"label": "rosé", "probability": 0.75}
    assert second == {"path": "odd-\udce9.jpg", "error": "It is empty."}


def test_csv_reads_back(tmp_path: Path) -> None:
    PREDICTIONS.to_csv(tmp_path / "out.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text("utf-8"), newline="")))
    assert [(r["path"], r["rank"], r["label"], r["probability"]) for r in rows[:2]] == [
        ('a, "b"\n.jpg', "1", "rosé", "0.75"),
        ('a, "b"\n.jpg', "2", "<b>", "0.25"),
    ]
    assert rows[2]["error"] == "It is empty."
    assert rows[2]["path"] == "odd-\\udce9.jpg"


def test_csv_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DiskError):
        PREDICTIONS.to_csv(tmp_path / "file" / "out.csv")


def test_a_notebook_shows_a_table() -> None:
    page = PREDICTIONS._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert page.count("<tr>") == 4
    page.encode("utf-8")
    many = Predictions([Prediction(f"{n}.jpg", [{"label": "x", "probability": 1.0}]) for n in range(500)])
    assert "500 pictures in all" in many._repr_html_()


def test_model_and_picture_the_wrong_way_round(folder: Path) -> None:
    with pytest.raises(ModelError, match="is a picture, where the model belongs"):
        predict("c.tiff", ["b"])


MANY = Predictions(
    [
        Prediction("a.jpg", [{"label": "sky", "probability": 0.75, "present": True}]),
        Prediction("b.jpg", [{"label": "sky", "probability": 0.25, "present": False}]),
        Prediction("c.jpg", error="It is empty."),
    ]
)
NUMBERS = Predictions([Prediction("a.jpg", [{"label": "age", "value": 34.25, "low": 30.0, "high": 38.5}])])


def test_csv_has_the_columns_that_the_task_says(tmp_path: Path) -> None:
    for predictions, lines in (
        (MANY, ["path,rank,label,probability,present,error", "a.jpg,1,sky,0.75,True,"]),
        (NUMBERS, ["path,rank,label,value,low,high,error", "a.jpg,1,age,34.25,30.0,38.5,"]),
        (Predictions([MANY[2]]), ["path,rank,label,probability,error", "c.jpg,,,,It is empty."]),
    ):
        predictions.to_csv(tmp_path / "out.csv")
        assert (tmp_path / "out.csv").read_text("utf-8").splitlines()[:2] == lines


def test_a_notebook_shows_what_the_task_says() -> None:
    assert "<th>present</th>" in MANY._repr_html_()
    assert "<td>yes</td>" in MANY._repr_html_()
    assert "<td>38.5000</td>" in NUMBERS._repr_html_()
    assert "probability" not in NUMBERS._repr_html_()


def test_whatever_is_present_is_kept() -> None:
    guesses = [{"label": f"{n}", "present": n in (0, 3)} for n in range(5)]
    assert [guess["label"] for guess in _best(guesses, 2)] == ["0", "1", "3"]
    assert _best([{"label": "a"}, {"label": "b"}], 1) == [{"label": "a"}]


def test_what_lies_on_pictures_has_columns_and_no_masks(tmp_path: Path) -> None:
    thing = {
        "label": "x",
        "probability": 0.5,
        "box": [1, 2, 3, 4.5],
        "mask": {"size": [1, 1], "counts": "01"},
    }
    made = {"output": "b-2.png", "error": 0.25, "anomaly": True}
    found = Predictions([Prediction("a.jpg", [thing]), Prediction("b.jpg", [made])])
    found.to_csv(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text("utf-8").splitlines() == [
        "path,rank,label,probability,x0,y0,x1,y1,output,squared_error,anomaly,error",
        "a.jpg,1,x,0.5,1,2,3,4.5,,,,",
        "b.jpg,1,,,,,,,b-2.png,0.25,True,",
    ]
    assert found.to_json()[0]["predictions"] == [thing]
    assert Prediction("c.jpg", [{"picture": Image.new("L", (1, 1))}]).to_json()["predictions"] == [{}]


def test_all_objects_and_classes_are_kept_whatever_the_top() -> None:
    objects = [{"label": "x", "probability": 0.9 - 0.1 * n, "box": [0, 0, 1, 1]} for n in range(8)]
    assert _best(objects, 2) == objects
    assert _best(objects, 2, 0.55) == objects[:4]
    classes = [{"label": f"{n}", "share": 0.1, "probability": 0.2} for n in range(8)]
    assert _best(classes, 2, 0.5) == classes
