"""Predictions as files: the field's formats read back to the same, nothing written over, folders as they were."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco
from pycocotools.coco import COCO
from scipy import ndimage

from foveal.charts.run_lengths import decoded
from foveal.data.objects import region
from foveal.errors import OptionError
from foveal.options import ReadOptions
from foveal.readers import read as reader_of
from foveal.values import Prediction
from foveal.verbs.formats import class_mask, object_mask, outline, voc_xml, yolo_text
from foveal.verbs.told import above, told
from foveal.verbs.written import Writer, drawn, formats_of

LABELS = ("apple", "fig & date", "Nüsse")
SIZE = (200, 120)


def runs(region: np.ndarray) -> dict[str, Any]:
    made = coco.encode(np.asfortranarray(region.astype(np.uint8)))
    return {"size": list(made["size"]), "counts": made["counts"].decode()}


def disc(x: float, y: float, radius: float, size: tuple[int, int] = SIZE) -> np.ndarray:
    rows, columns = np.mgrid[: size[1], : size[0]]
    return np.hypot(columns + 0.5 - x, rows + 0.5 - y) < radius


def box(label: str, x0: float, y0: float, x1: float, y1: float, probability: float = 0.9) -> dict[str, Any]:
    return {"label": label, "probability": probability, "box": [x0, y0, x1, y1]}


BOXES = [
    box("apple", 10.125, 20.5, 60.75, 90.25), box("Nüsse", 100, 0, 200, 120, 0.7),
    box("fig & date", 0, 0, 5.5, 5.5, 0.2),
]  # fmt: skip
MASKED = [
    box("apple", 30, 30, 70, 70) | {"mask": runs(disc(50, 50, 20))},
    box("Nüsse", 50, 40, 90, 80, 0.6) | {"mask": runs(disc(70, 60, 20))},
]
CLASSES = [
    {"label": "Nüsse", "share": 0.8, "mask": runs(~disc(50, 50, 30))},
    {"label": "apple", "share": 0.2, "mask": runs(disc(50, 50, 30))},
]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two folders deep, one name twice, one in a script of its own."""
    draw = np.random.default_rng(0)
    for name in ("a/one.jpg", "a/deep/one.png", "b/one.png", "花 & co.png"):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(60, 200, (SIZE[1], SIZE[0], 3), dtype=np.uint8)).save(path)
    return tmp_path / "pictures"


def written(
    pictures: Path, rows: list[dict[str, Any]], asked: str | None = None, out: str = "out", **more: Any
) -> tuple[Path, list[Prediction], Writer]:
    """The folder that these predictions of each picture are written to."""
    folder = pictures.parent / out
    paths = sorted(p for p in pictures.rglob("*") if p.is_file())
    bases = {str(p): str(p.relative_to(pictures)) for p in paths}
    writer = Writer(
        lambda: folder, LABELS, formats_of(asked), default=True, bases=bases, title="What x says", **more
    )
    kept = [writer.keep(Prediction(str(p), [dict(row) for row in rows])) for p in paths]
    writer.finish()
    return folder, kept, writer


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def read_coco(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_drawn_pictures_lie_as_the_pictures_do(pictures: Path) -> None:
    folder, kept, writer = written(pictures, BOXES)
    there = ["drawn/a/deep/one.png", "drawn/a/one.jpg", "drawn/b/one.png", "drawn/花 & co.png", "index.html"]
    assert files(folder) == there
    assert [Path(one.files["drawn"]).relative_to(folder).as_posix() for one in kept] == there[:4]
    assert writer.page == folder / "index.html"
    with Image.open(folder / there[0]) as image:
        assert image.width == 600, "three times as large, to be drawn on"
        assert not image.getexif()


def test_nothing_is_written_over(pictures: Path) -> None:
    (pictures.parent / "out/drawn/a").mkdir(parents=True)
    (pictures.parent / "out/drawn/a/one.jpg").write_text("mine")
    (pictures.parent / "out/coco.json").write_text("mine")
    folder, kept, _ = written(pictures, BOXES, "drawn,coco")
    assert kept[0].files["coco"] == str(folder / "coco-2.json")
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    assert before["drawn/a/one.jpg"] == before["coco.json"] == b"mine"
    assert {"drawn/a/one-2.jpg", "coco-2.json", "index.html"} <= set(before)
    written(pictures, BOXES, "drawn,coco")
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert {"drawn/a/one-3.jpg", "coco-3.json", "index-2.html", "drawn/b/one-2.png"} <= set(files(folder))
    written(pictures, BOXES, "voc")
    assert "voc/b/one.xml" in files(folder), "labels are called as their pictures"


def test_one_name_twice_gets_a_number(pictures: Path) -> None:
    paths = [pictures / "a/one.jpg", pictures / "b/one.png", pictures / "a/deep/one.png"]
    writer = Writer(lambda: pictures.parent / "flat", LABELS, ("voc",), default=True)
    for path in paths:
        writer.keep(Prediction(str(path), BOXES))
    writer.finish()
    assert files(pictures.parent / "flat") == ["voc/one-2.xml", "voc/one-3.xml", "voc/one.xml"]


def test_coco_is_read_by_coco_s_own_programs(pictures: Path) -> None:
    folder, kept, _ = written(pictures, BOXES, "coco")
    read = read_coco(folder / "coco.json")
    assert {c["name"]: c["id"] for c in read.cats.values()} == {label: n for n, label in enumerate(LABELS, 1)}
    for image, one in zip(read.imgs.values(), kept, strict=True):
        assert (image["width"], image["height"]) == SIZE
        assert (folder / image["file_name"]).resolve() == Path(one.path).resolve()
        found = read.loadAnns(read.getAnnIds(image["id"]))
        assert len(found) == len(BOXES), "the improbable too: the file tells how probable"
        for annotation, row in zip(found, BOXES, strict=True):
            x, y, w, h = annotation["bbox"]
            assert [x, y, x + w, y + h] == pytest.approx(row["box"], abs=0.01)
            assert annotation["score"] == row["probability"]
            assert annotation["area"] == pytest.approx(w * h, abs=0.1)


def test_coco_has_masks(pictures: Path) -> None:
    folder, _, _ = written(pictures, MASKED, "coco")
    read = read_coco(folder / "coco.json")
    for annotation, row in zip(read.loadAnns(read.getAnnIds(1)), MASKED, strict=True):
        region = decoded(row["mask"])
        assert (decoded(read.annToRLE(annotation)) == region).all()
        assert annotation["area"] == region.sum()


def test_voc_counts_from_one_and_yolo_in_shares(pictures: Path) -> None:
    folder, _, _ = written(pictures, BOXES, "voc,yolo")
    top = ElementTree.parse(folder / "voc/花 & co.xml").getroot()
    assert top.findtext("filename") == "花 & co.png"
    assert (top.findtext("size/width"), top.findtext("size/height")) == ("200", "120")
    told_ = [
        [one.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
        for one in top.iter("object")
    ]
    assert told_ == [["11.125", "21.5", "60.75", "90.25"], ["101", "1", "200", "120"]], "only from 50 %"
    assert [one.findtext("name") for one in top.iter("object")] == ["apple", "Nüsse"]
    lines = (folder / "yolo/labels/a/one.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["0", "2"]
    x, y, w, h = (float(value) for value in lines[0].split()[1:])
    corners = [(x - w / 2) * 200, (y - h / 2) * 120, (x + w / 2) * 200, (y + h / 2) * 120]
    assert corners == pytest.approx(BOXES[0]["box"], abs=200e-6)
    assert yaml.safe_load((folder / "yolo/data.yaml").read_text("utf-8"))["names"] == dict(enumerate(LABELS))


@pytest.mark.parametrize(("asked", "close"), [("coco", 0.01), ("voc", 0.01), ("yolo", 200e-6)])
def test_our_readers_read_the_same_boxes_back(pictures: Path, asked: str, close: float) -> None:
    """With the pictures where each format has them: beside COCO's and VOC's files, in `images/` beside `labels/`."""
    folder, _, _ = written(pictures, BOXES, asked, least=0.0)
    below = {"coco": "", "voc": "voc", "yolo": "yolo/images"}[asked]
    shutil.copytree(pictures, folder / below, dirs_exist_ok=True)
    read = reader_of(str(folder / below.split("/")[0]), ReadOptions(reader=asked))
    assert (read.task, read.reader, len(read.items)) == ("detect", asked, 4)
    for item in read.items:
        for one, row in zip(item.truth, BOXES, strict=True):
            assert one["label"] == row["label"]
            assert one["box"] == pytest.approx(row["box"], abs=close)


def test_our_reader_reads_the_same_masks_back(pictures: Path) -> None:
    folder, _, _ = written(pictures, MASKED, "coco")
    shutil.copytree(pictures, folder, dirs_exist_ok=True)
    read = reader_of(str(folder), ReadOptions(reader="coco"))
    assert read.task == "instances"
    for item in read.items:
        for one, row in zip(item.truth, MASKED, strict=True):
            assert (region(one, SIZE, read.root) == decoded(row["mask"])).all()


@given(st.tuples(*[st.floats(0, 500)] * 2, *[st.floats(0.5, 400)] * 2))
@settings(max_examples=60, deadline=None)
def test_boxes_come_back_from_every_format(given_: tuple[float, float, float, float]) -> None:
    x0, y0, wide, high = given_
    row = {"label": "a", "box": [x0, y0, x0 + wide, y0 + high]}
    top = ElementTree.fromstring(voc_xml("p.png", (900, 900), [row]))
    a, b, c, d = (
        float(top.findtext(f"object/bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    assert [a - 1, b - 1, c, d] == pytest.approx(row["box"], abs=0.01)
    number, x, y, w, h = yolo_text([row], (900, 900), ["a"]).split()
    back = [900 * (float(m) + s * float(e) / 2) for s in (-1, 1) for m, e in ((x, w), (y, h))]
    assert number == "0"
    assert back == pytest.approx(row["box"], abs=0.001)


@given(st.integers(0, 2**31), st.floats(0.2, 0.9))
@settings(max_examples=80, deadline=None)
def test_an_outline_goes_round_the_largest_part(seed: int, share: float) -> None:
    draw = np.random.default_rng(seed)
    region = draw.random((int(draw.integers(1, 14)), int(draw.integers(1, 14)))) < share
    points = outline(region)
    parts, count = ndimage.label(region)
    if not count:
        assert points == []
        return
    largest = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    x, y = np.array(points).T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    assert area == ndimage.binary_fill_holes(largest, np.ones((3, 3))).sum()
    rows, columns = np.nonzero(largest)
    ends = (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1)
    assert (x.min(), x.max(), y.min(), y.max()) == ends


def test_yolo_outlines_masks(pictures: Path) -> None:
    line = yolo_text(MASKED[:1], SIZE, LABELS).split()
    points = np.array(line[1:], float).reshape(-1, 2) * SIZE
    drawn_ = coco.frPyObjects([points.ravel().tolist()], SIZE[1], SIZE[0])[0]
    region = decoded(MASKED[0]["mask"])
    overlap = (decoded(drawn_) & region).sum() / (decoded(drawn_) | region).sum()
    assert line[0] == "0"
    assert overlap > 0.97


def test_masks_of_classes_are_indices_with_a_palette(pictures: Path) -> None:
    folder, _, _ = written(pictures, CLASSES, "masks")
    assert (folder / "masks/classes.txt").read_text("utf-8").splitlines() == list(LABELS)
    with Image.open(folder / "masks/a/one.png") as image:
        assert (image.mode, image.size) == ("P", SIZE)
        values = np.asarray(image)
    assert (values == np.where(disc(50, 50, 30), 0, 2)).all()
    assert np.asarray(class_mask(CLASSES[:1], LABELS, SIZE))[50, 50] == 255, "of no class"


def test_masks_of_objects_are_their_numbers(pictures: Path) -> None:
    folder, _, _ = written(pictures, MASKED, "masks")
    with Image.open(folder / "masks/b/one.png") as image:
        values = np.asarray(image)
    first, second = (decoded(row["mask"]) for row in MASKED)
    assert (values == np.where(first, 1, np.where(second, 2, 0))).all(), "the surest lies above"
    listed = json.loads((folder / "masks/objects.json").read_text())
    assert listed["b/one.png"][1] == {"id": 2, "label": "Nüsse", "probability": 0.6}
    many, told_ = object_mask(
        [{"label": "a", "mask": runs(disc(3 * n % 200, n % 120, 3))} for n in range(300)], SIZE
    )
    assert np.asarray(many).max() > 255
    assert len(told_) == 300


def test_pictures_that_were_made_are_always_written(pictures: Path) -> None:
    made = Image.new("RGB", (400, 240), (10, 200, 30))
    folder, kept, _ = written(pictures, [{"picture": made, "error": 0.25}])
    there = ["index.html", "pictures/a/deep/one.png", "pictures/a/one.png", "pictures/b/one.png"]
    assert files(folder) == [*there, "pictures/花 & co.png"]
    (row,) = kept[0].to_json()["predictions"]
    assert row == {"error": 0.25, "output": str(folder / "pictures/a/deep/one.png")}
    with Image.open(row["output"]) as image:
        assert image.getpixel((5, 5)) == (10, 200, 30)
    page = (folder / "index.html").read_text("utf-8")
    assert page.count('type="range"') == page.count('class="slider"') == 4
    assert page.count("data:image/webp") == 8
    folder, kept, _ = written(pictures, [{"picture": made}], "drawn", out="both")
    assert {"drawn/a/one.jpg", "pictures/a/one.png"} <= set(files(folder))


def test_the_page_holds_what_it_shows_and_links_to_what_is_there(pictures: Path) -> None:
    folder, _, _ = written(pictures, [*BOXES, box("fig & date", 1, 1, 9, 9)])
    page = (folder / "index.html").read_text("utf-8")
    assert "fig &amp; date" in page
    assert "fig & date" not in page
    assert not re.search(r'(src|href)="(?!data:|drawn/)', page)
    from urllib.parse import unquote

    for link in re.findall(r'href="([^"]+)"', page):
        assert (folder / unquote(link)).is_file()


def test_a_page_does_not_grow_for_ever(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foveal.verbs.written.BUDGET", 1)
    folder, _, _ = written(pictures, BOXES)
    page = (folder / "index.html").read_text("utf-8")
    assert page.count("data:image/webp") == 1
    assert "3 more, as links" in page


def test_what_does_not_fit_is_refused(pictures: Path) -> None:
    for rows, asked, words in (
        (BOXES, "masks", "have no mask"),
        ([{"label": "apple", "probability": 0.5}], "coco", "no box and no mask"),
        (CLASSES, "drawn,voc", "have no box"),
    ):
        with pytest.raises(OptionError, match=words) as caught:
            written(pictures, rows, asked, out=f"refused-{asked}")
        assert "drawn" in caught.value.allowed
        assert not (pictures.parent / f"refused-{asked}").exists()
    for words in ("", "png", "coco,,pascal"):
        with pytest.raises(OptionError, match="--format was given") as caught:
            formats_of(words)
        assert "yolo" in caught.value.allowed
    assert formats_of(" COCO, voc,coco") == ("coco", "voc")
    assert formats_of(["drawn"]) == ("drawn",)


def test_pictures_of_nothing_are_in_every_format(pictures: Path) -> None:
    folder, _, _ = written(pictures, [], "drawn,coco,voc,yolo,masks")
    assert len(read_coco(folder / "coco.json").imgs) == 4
    assert (folder / "yolo/labels/a/one.txt").read_text() == ""
    assert ElementTree.parse(folder / "voc/a/one.xml").getroot().find("object") is None
    with Image.open(folder / "masks/a/one.png") as image:
        assert not np.asarray(image).any()


def test_a_picture_that_cannot_be_read_is_passed_by(pictures: Path) -> None:
    writer = Writer(lambda: pictures.parent / "out", LABELS, ("coco",), default=True)
    bad = Prediction("gone.png", error="It is not there.")
    assert writer.keep(bad) is bad
    gone = writer.keep(Prediction(str(pictures / "gone.png"), BOXES))
    assert "no such file" in str(gone.error)
    writer.finish()
    assert files(pictures.parent / "out") == ["coco.json"]


def test_least_probability(pictures: Path) -> None:
    assert [row["label"] for row in above(BOXES, 0.5)] == ["apple", "Nüsse"]
    assert above([{"label": "a"}], 0.5) == [{"label": "a"}]
    folder, _, _ = written(pictures, BOXES, "yolo", least=0.1)
    assert len((folder / "yolo/labels/a/one.txt").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (BOXES * 2, "2 apple, 2 Nüsse"),
        (BOXES[2:], "none of 50 % or more; the surest is fig & date 20 %"),
        (CLASSES, "Nüsse 80 %, apple 20 %"),
        ([{"label": "rose", "probability": 0.93}, {"label": "x", "probability": 0.07}], "rose 93 %"),
        ([{"label": "age", "value": 34.25, "low": 30.0}], "age, value 34.2500, low 30.0000"),
        ([{"output": "x.png", "error": 0.5, "anomaly": True}], "error 0.5000, anomaly yes"),
        ([{"picture": Image.new("L", (1, 1))}], "a picture"),
        ([], "nothing found"),
        ([box(f"{n}", 0, 0, 1, 1) for n in range(6)], "1 0, 1 1, 1 2, 1 3 and 2 more"),
    ],
)
def test_in_a_few_words(rows: list[dict[str, Any]], words: str) -> None:
    assert told(rows) == words


@pytest.mark.parametrize("rows", [BOXES, MASKED, CLASSES, [{"label": "rose", "probability": 0.9}], []])
def test_whatever_is_said_can_be_drawn(rows: list[dict[str, Any]]) -> None:
    image = Image.new("RGB", SIZE, (90, 90, 90))
    made = drawn(image, rows, LABELS)
    assert made.width >= 480
    assert image.getcolors() == [(SIZE[0] * SIZE[1], (90, 90, 90))], "the picture itself is untouched"
    assert len(np.unique(np.asarray(made).reshape(-1, 3), axis=0)) > 3
