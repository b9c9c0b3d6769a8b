"""Pictures in pairs by their names."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from foveal.errors import DataError
from foveal.options import ReadOptions
from foveal.readers import claims, prepare, read
from pictures import class_folder, shape


def put(root: Path, place: str, names: list[str], side: int = 12, wide: int | None = None) -> None:
    (root / place).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        shape(number % 4, side, number).resize((wide or side, side)).save(root / place / name)


NAMES = [f"{n}.png" for n in range(1, 13)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("input", "target"), ("noisy", "clean"), ("lr", "hr"), ("LQ", "GT"), ("blur", "sharp"),
        ("train/input", "train/target"), ("input/train", "target/train"), ("train_LR", "train_HR"),
        ("set/degraded", "set/original"), ("trainA", "trainB"),
    ],
)  # fmt: skip
def test_folders_of_either_kind(tmp_path: Path, first: str, second: str) -> None:
    put(tmp_path, first, NAMES)
    put(tmp_path, second, NAMES)
    assert [claim.reader for claim in claims(tmp_path)] == ["pairs"]
    data = read(str(tmp_path), ReadOptions())
    assert (data.task, data.labels, len(data.items)) == ("autoencode", (), 12)
    assert [(item.path, item.truth) for item in data.items] == [
        (f"{first}/{name}", {"picture": f"{second}/{name}"}) for name in NAMES
    ]
    assert {item.part for item in data.items} == {"train" if "train" in first.lower() else ""}


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_larger_targets_are_to_be_upscaled_to(tmp_path: Path, factor: int) -> None:
    put(tmp_path, "lr", [f"{n}x{factor}.png" for n in range(1, 21)], 12, 9)
    put(tmp_path, "hr", [f"{n}.png" for n in range(1, 21)], 12 * factor, 9 * factor)
    data, _ = prepare(str(tmp_path), ReadOptions(data_home=str(tmp_path / "home")), 0)
    assert data.task == "upscale"
    assert f"{factor} times as large" in data.why
    assert data.items[0].truth == {
        "picture": data.items[0].path.replace("lr", "hr").replace(f"x{factor}", "")
    }
    assert len(data.part("test")) == 3


def test_sizes_that_do_not_fit_are_named(tmp_path: Path) -> None:
    put(tmp_path, "lr", NAMES, 12)
    put(tmp_path, "hr", NAMES, 30)
    with pytest.raises(DataError, match=r"12 of 12 pairs .* lr/1.png 12 x 12 and hr/1.png 30 x 30") as caught:
        read(str(tmp_path), ReadOptions())
    assert "--task upscale" in caught.value.todo
    put(tmp_path, "hr", NAMES, 24)
    put(tmp_path, "hr", NAMES[:1], 36)
    with pytest.raises(DataError, match="11 2 times as large, 1 3 times"):
        read(str(tmp_path), ReadOptions())


def test_those_without_a_mate_are_named(tmp_path: Path) -> None:
    put(tmp_path, "input", NAMES)
    put(tmp_path, "target", [*NAMES[:-2], "lost.png"])
    data = read(str(tmp_path), ReadOptions())
    found = {issue.kind: (issue.severity, issue.paths) for issue in data.issues}
    assert found["no-mate"] == ("warning", ("input/11.png", "input/12.png"))
    assert found["no-picture"] == ("warning", ("target/lost.png",))
    assert len(data.items) == 10


def test_upright_sizes_count(tmp_path: Path) -> None:
    put(tmp_path, "input", NAMES, 8, 12)
    (tmp_path / "target").mkdir()
    for name in NAMES:
        exif = Image.Exif()
        exif[0x0112] = 6
        with Image.open(tmp_path / "input" / name) as image:
            turned = image.transpose(Image.Transpose.ROTATE_90)
            turned.save(tmp_path / "target" / name.replace("png", "jpg"), exif=exif)
    assert read(str(tmp_path), ReadOptions()).task == "autoencode"


def test_names_that_classes_have_too_are_classes_unless_asked_for(tmp_path: Path) -> None:
    put(tmp_path, "low", NAMES)
    put(tmp_path, "high", NAMES)
    assert [claim.reader for claim in claims(tmp_path)] == ["folder"]
    assert read(str(tmp_path), ReadOptions(reader="pairs")).task == "autoencode"


def test_classes_are_not_taken_for_pairs(tmp_path: Path) -> None:
    for letter in "abcdefghij":
        put(tmp_path, letter, NAMES[:3])
    assert [claim.reader for claim in claims(tmp_path)] == ["folder"]
    assert claims(class_folder(tmp_path / "x", 3, 3))[0].reader == "folder"


def test_no_pairs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    class_folder(tmp_path / "d", 2, 2)
    for path in (tmp_path / "file", tmp_path / "d"):
        with pytest.raises(DataError, match=path.name):
            read(str(path), ReadOptions(reader="pairs"))
