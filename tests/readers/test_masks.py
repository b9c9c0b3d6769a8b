"""Pictures with masks: every usual layout and kind of mask."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from foveal.data.masks import indices, moving, open_mask
from foveal.data.objects import region
from foveal.errors import DataError, PictureError
from foveal.options import ReadOptions
from foveal.readers import claims, prepare, read
from foveal.values import Issue
from pictures import class_folder, shape

SIDE = 16


def put(
    root: Path, place: str, values: np.ndarray | None = None, count: int = 6, suffix: str = ".png"
) -> None:
    """Pictures, or masks of these values, all the same."""
    (root / place).mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        image = shape(number % 4, SIDE, number)
        if values is not None:
            image = Image.fromarray(values)
        image.save(root / place / f"{number}{suffix}")


def blocks(*values: int) -> np.ndarray:
    """A mask of as many stripes, of any of these values."""
    dtype = np.uint8 if max(values) < 256 else np.uint16
    return np.repeat(np.array(values, dtype), -(-SIDE // len(values)))[None, :SIDE].repeat(SIDE, 0)


def kinds(issues: tuple[Issue, ...]) -> dict[str, Issue]:
    return {issue.kind: issue for issue in issues}


@pytest.mark.parametrize(
    ("pictures", "masks"),
    [
        ("images", "masks"), ("JPEGImages", "SegmentationClass"), ("train", "trainannot"), ("imgs", "masks"),
        ("train/image", "train/label"), ("images/train", "labels/train"), ("train_images", "train_masks"),
        ("train", "train_masks"), ("images", "annotations/trimaps"), ("set/images", "set/masks"), ("input", "masks"),
        (".", "masks"),
    ],
)  # fmt: skip
def test_folders_side_by_side(tmp_path: Path, pictures: str, masks: str) -> None:
    put(tmp_path, pictures)
    put(tmp_path, masks, blocks(0, 1, 2))
    assert [claim.reader for claim in claims(tmp_path)] == ["masks"]
    data = read(str(tmp_path), ReadOptions())
    assert (data.task, data.labels) == ("segment", ("class 0", "class 1", "class 2"))
    assert len(data.items) == 6
    for item in data.items:
        assert Path(item.truth["mask"]) == Path(masks) / Path(item.path).name
    assert {item.part for item in data.items} == {"train" if "train" in pictures else ""}


@pytest.mark.parametrize(
    ("picture", "mask"),
    [("{}.png", "{}_mask.png"), ("{}.jpg", "{}_seg.png"), ("{}.jpg", "{}.mask.png"), ("{}.png", "{}_GT.png")],
)
def test_a_mask_beside_its_picture(tmp_path: Path, picture: str, mask: str) -> None:
    for number in range(4):
        shape(number, SIDE).save(tmp_path / picture.format(number))
        Image.fromarray(blocks(0, 255)).save(tmp_path / mask.format(number))
    assert [claim.reader for claim in claims(tmp_path)] == ["masks"]
    data = read(str(tmp_path), ReadOptions())
    assert [(i.path, i.truth["mask"]) for i in data.items] == [
        (picture.format(n), mask.format(n)) for n in range(4)
    ]
    assert data.labels == ("background", "foreground")


@pytest.mark.parametrize(
    ("values", "labels", "ignored"),
    [
        ((0, 255), ("background", "foreground"), set()),
        ((0, 1), ("background", "foreground"), set()),
        ((0, 1, 255), ("background", "foreground"), {"255"}),
        ((0, 1, 2, 255), ("class 0", "class 1", "class 2"), {"255"}),
        ((0, 128, 255), ("class 0", "class 128", "class 255"), set()),
        ((0, 85, 170, 255), ("class 0", "class 85", "class 170", "class 255"), set()),
        ((7, 300), ("class 7", "class 300"), set()),
    ],
)
def test_greys_and_indices(
    tmp_path: Path, values: tuple[int, ...], labels: tuple[str, ...], ignored: set[str]
) -> None:
    put(tmp_path, "images")
    put(tmp_path, "masks", blocks(*values))
    data = read(str(tmp_path), ReadOptions())
    legend = data.items[0].truth["legend"]
    assert data.labels == labels
    assert {value for value, label in legend.items() if label is None} == ignored
    assert set(legend) == set(map(str, values))
    assert data.issues == ()


def test_palettes_are_indices(tmp_path: Path) -> None:
    put(tmp_path, "images")
    (tmp_path / "masks").mkdir()
    for number in range(1, 7):
        image = Image.fromarray(blocks(0, 1, 2))
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
        image.save(tmp_path / "masks" / f"{number}.png")
    data = read(str(tmp_path), ReadOptions())
    assert data.labels == ("class 0", "class 1", "class 2")


def test_blurred_masks_are_not_made_sharp_in_silence(tmp_path: Path) -> None:
    put(tmp_path, "images")
    soft = np.full((SIDE * 4, SIDE * 4), 0, np.uint8)
    soft[:, 20:] = 255
    soft[0, 15:20] = (20, 60, 130, 190, 240)
    (tmp_path / "masks").mkdir()
    for number in range(1, 7):
        shape(0, SIDE * 4).save(tmp_path / "images" / f"{number}.png")
        Image.fromarray(soft).save(tmp_path / "masks" / f"{number}.png")
    data = read(str(tmp_path), ReadOptions())
    assert data.labels == ("background", "foreground")
    issue = kinds(data.issues)["mask-values"]
    assert issue.severity == "warning"
    assert "20, 60, 130, 190, 240" in issue.says
    assert "0.12% of the pixels, in 6 masks" in issue.says
    mask = moving(data.items[0].truth, data.labels, (SIDE * 4, SIDE * 4), data.root)
    assert (mask == 255).sum() == 5, "they do not count"


@pytest.mark.parametrize("blur", [0.0, 1.0, 4.0])
def test_soft_edges_are_no_classes(tmp_path: Path, blur: float) -> None:
    """Strays of nearly black and nearly white, and discs blurred more and more."""
    put(tmp_path, "images")
    (tmp_path / "masks").mkdir()
    for number in range(1, 7):
        disc = Image.new("L", (64, 64))
        ImageDraw.Draw(disc).ellipse((12, 10, 50, 48 - number), fill=255)
        if blur:
            disc = disc.filter(ImageFilter.GaussianBlur(blur))
        else:
            disc.putpixel((0, 0), 1)
            disc.putpixel((30, 30), 254)
        disc.save(tmp_path / "masks" / f"{number}.png")
        shape(0, 64).save(tmp_path / "images" / f"{number}.png")
    if blur == 4:  # more greys than black and white: no mask any more
        with pytest.raises(DataError, match="different values"):
            read(str(tmp_path), ReadOptions())
        return
    data = read(str(tmp_path), ReadOptions())
    assert data.labels == ("background", "foreground")
    assert "mask-values" in kinds(data.issues)


COLOURS = np.array([(128, 0, 0), (0, 128, 64), (0, 0, 0)], np.uint8)
CODED = COLOURS[blocks(0, 1, 2)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("class_dict.csv", "name,r,g,b\nroad,128,0,0\ncar,0,128,64\nvoid,0,0,0\n"),
        ("label_colors.txt", "128 0 0 road\n0 128 64 car\n0 0 0 Void\n"),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nroad:128,0,0::\ncar:0,128,64::\nunlabelled:0,0,0::\n"),
        ("classes.json", json.dumps({"road": [128, 0, 0], "car": "#008040", "ignore": [0, 0, 0]})),
        ("classes.json", json.dumps([{"name": "road", "color": [128, 0, 0]}, {"name": "car", "color": [0, 128, 64]},
                                     {"name": "void", "color": [0, 0, 0]}])),
    ],
)  # fmt: skip
def test_colours_with_a_file_of_classes(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path, "images")
    put(tmp_path, "masks", CODED)
    (tmp_path / name).write_text(text)
    data = read(str(tmp_path), ReadOptions())
    assert data.items[0].truth["legend"] == {"#800000": "road", "#008040": "car", "#000000": None}
    assert data.labels == ("road", "car")
    assert name in data.why


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("codes.txt", "sky\nroad surface\nvoid\ntram\n"),
        ("classes.txt", "0 sky\n1 road surface\n2 void\n3 tram\n"),
        ("labels.csv", "id,name\n0,sky\n1,road surface\n2,void\n3,tram\n"),
        ("labels.json", json.dumps({"0": "sky", "1": "road surface", "2": "void", "3": "tram"})),
        ("labels.json", json.dumps({"sky": 0, "road surface": 1, "void": 2, "tram": 3})),
    ],
)
def test_indices_with_a_file_of_classes(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path, "images")
    put(tmp_path, "masks", blocks(0, 1, 2, 9))
    (tmp_path / name).write_text(text)
    data = read(str(tmp_path), ReadOptions(reader="masks"))
    assert data.labels == ("sky", "road surface")
    assert data.items[0].truth["legend"]["2"] is None
    found = kinds(data.issues)
    assert "1 value that" in found["mask-values"].says
    assert "(9)" in found["mask-values"].says
    assert found["mask-values"].paths == tuple(f"masks/{n}.png" for n in range(1, 7))
    assert "tram" in found["unused-class"].says


def test_colours_without_one_are_named_after_themselves(tmp_path: Path) -> None:
    put(tmp_path, "images")
    put(tmp_path, "masks", CODED)
    Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "masks" / "6.png")  # black alone is read as a grey
    data = read(str(tmp_path), ReadOptions())
    assert set(data.labels) == {"#800000", "#008040", "#000000"}
    last = moving(data.items[-1].truth, data.labels, (SIDE, SIDE), data.root)
    assert set(last.unique().tolist()) == {data.labels.index("#000000")}
    assert "6.png" in kinds(data.issues)["one-value"].says


def test_a_file_for_every_object(tmp_path: Path) -> None:
    for name in "abc":
        put(tmp_path, f"{name}/images", count=1)
        (tmp_path / name / "masks").mkdir()
        for number in range(3):
            values = np.zeros((SIDE, SIDE), np.uint8)
            values[number : number + 4, 5:7] = 255
            Image.fromarray(values).save(tmp_path / name / "masks" / f"object{number}.png")
    Image.new("L", (SIDE, SIDE)).save(tmp_path / "c" / "masks" / "none.png")
    assert [claim.reader for claim in claims(tmp_path)] == ["masks"]
    data = read(str(tmp_path), ReadOptions())
    assert (data.task, data.labels, len(data.items)) == ("instances", ("object",), 3)
    one = data.items[0].truth[2]
    assert (one["box"], one["area"], one["mask"]) == ([5, 2, 7, 6], 8, "a/masks/object2.png")
    assert kinds(data.issues)["mask-empty"].paths == ("c/masks/none.png",)
    boxes = read(str(tmp_path), ReadOptions(), "detect")
    assert boxes.items[0].truth[2]["box"] == [5, 2, 7, 6]
    seen = moving(data.items[0].truth, ("background", "object"), (SIDE, SIDE), data.root)
    assert seen.sum() == 12


@pytest.mark.parametrize("folder", ["instances", "ids", "SegmentationObject"])
def test_numbers_of_objects(tmp_path: Path, folder: str) -> None:
    put(tmp_path, "images")
    put(tmp_path, folder, blocks(0, 1, 2, 300))
    assert [claim.reader for claim in claims(tmp_path)] == ["masks"]
    data = read(str(tmp_path), ReadOptions())
    assert data.task == "instances"
    assert [one["value"] for one in data.items[0].truth] == [1, 2, 300]
    assert data.items[0].truth[2]["box"] == [12, 0, 16, 16]
    assert region(data.items[0].truth[1], (SIDE, SIDE), data.root).sum() == 64


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    put(tmp_path, "images", count=24)
    put(tmp_path, "masks", blocks(0, 1), count=22)
    Image.fromarray(blocks(0, 1)[:8]).save(tmp_path / "masks" / "3.png")
    (tmp_path / "masks" / "4.png").write_bytes((tmp_path / "masks" / "4.png").read_bytes()[:40])
    Image.fromarray(blocks(0, 1)).save(tmp_path / "masks" / "lost.png")
    data = read(str(tmp_path), ReadOptions())
    found = kinds(data.issues)
    assert "masks/3.png is 16 x 8 pixels, its picture 16 x 16" in found["mask-size"].says
    assert found["mask-size"].paths == ("images/3.png",)
    assert found["mask-broken"].paths == ("images/4.png",)
    assert found["no-mate"].paths == ("images/23.png", "images/24.png")
    assert found["no-picture"].paths == ("masks/lost.png",)
    assert len(data.items) == 20
    for number in (5, 6, 7):
        Image.fromarray(blocks(0, 1)[:8]).save(tmp_path / "masks" / f"{number}.png")
    with pytest.raises(DataError, match=r"4 of 22 masks .* are of another size") as caught:
        read(str(tmp_path), ReadOptions())
    assert "masks/5.png is 16 x 8" in caught.value.came


def test_splits_and_what_is_in_one_only(tmp_path: Path) -> None:
    for part, values in (("train", (0, 1, 3)), ("val", (0, 1)), ("test", (0, 1, 2))):
        put(tmp_path, f"{part}/imgs")
        put(tmp_path, f"{part}/masks", blocks(*values))
    data, _ = prepare(str(tmp_path), ReadOptions(data_home=str(tmp_path / "home")), 0)
    assert {part: len(data.part(part)) for part in ("train", "val", "test")} == dict.fromkeys(
        ("train", "val", "test"), 6
    )
    found = kinds(data.issues)
    assert "'class 2' is in test but not in train" in found["class-not-in-train"].says
    assert "class 3" in found["class-only-in-train"].says


def test_lists_of_splits(tmp_path: Path) -> None:
    put(tmp_path, "images")
    put(tmp_path, "annotations/trimaps", blocks(1, 2, 3))
    (tmp_path / "annotations" / "trainval.txt").write_text("1 1 1 1\n2 1 1 1\n3 2 1 1\n")
    (tmp_path / "annotations" / "test.txt").write_text("4 1 1 1\n5 1 1 1\n6 1 1 1\n")
    data = read(str(tmp_path), ReadOptions())
    assert [item.part for item in data.items] == ["train"] * 3 + ["test"] * 3
    assert data.items[0].truth["legend"] == {"1": "foreground", "2": "background", "3": None}


def test_what_is_no_mask_of_classes(tmp_path: Path) -> None:
    put(tmp_path, "images")
    put(tmp_path, "masks", 3 * np.arange(256, dtype=np.uint16).reshape(16, 16))
    with pytest.raises(DataError, match="256 different values") as caught:
        read(str(tmp_path), ReadOptions())
    assert "instances/ or ids/" in caught.value.allowed


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_a_file_of_classes_that_is_damaged(tmp_path: Path, text: str) -> None:
    put(tmp_path, "images")
    put(tmp_path, "masks", blocks(0, 1))
    (tmp_path / "classes.json").write_text(text)
    with pytest.raises(DataError, match=r"classes\.json cannot be read"):
        read(str(tmp_path), ReadOptions(reader="masks"))


def test_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    class_folder(tmp_path / "d", 2, 2)
    assert [claim.reader for claim in claims(tmp_path / "d")] == ["folder"]
    for path in (tmp_path / "file", tmp_path / "d", tmp_path / "gone"):
        with pytest.raises(DataError, match=path.name):
            read(str(path), ReadOptions(reader="masks")) if path.exists() else read(str(path), ReadOptions())
    with pytest.raises(PictureError, match="cannot be read"):
        open_mask(tmp_path / "file")


@given(st.lists(st.integers(0, 255), min_size=1, max_size=9), st.data())
def test_indices_are_what_the_legend_says(values: list[int], data: st.DataObject) -> None:
    means = st.sampled_from(["a", "b", "unknown", None])
    legend = {str(value): data.draw(means) for value in values}
    pixels = np.array(values, np.uint8)[None]
    for told in (pixels, pixels.astype(np.int32)):  # by a table, and one by one
        found = indices(told, legend, ("a", "b"))[0]
        assert found.tolist() == [{"a": 0, "b": 1}.get(legend[str(v)] or "", 255) for v in values]


def test_real_street_scenes(test_data) -> None:
    data = read(str(test_data("CamVid")), ReadOptions())
    assert (data.task, len(data.labels), data.labels[0]) == ("segment", 11, "sky")
    assert data.items[0].truth["legend"]["11"] is None
    assert {part: len(data.part(part)) for part in ("train", "val", "test")} == {
        "train": 17,
        "val": 10,
        "test": 10,
    }


def test_real_membranes_and_nuclei(test_data) -> None:
    data = read(str(test_data("isbi_membrane")), ReadOptions())
    assert (data.task, data.labels, len(data.items)) == ("segment", ("background", "foreground"), 30)
    data = read(str(test_data("nuclei")), ReadOptions())
    assert (data.task, len(data.items)) == ("instances", 75)
    assert sum(len(item.truth) for item in data.items) == 2600
