"""From a path or a name to one reader; every way to be wrong about it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from foveal.errors import DataError, FovealError, UnknownNameError
from foveal.options import ReadOptions
from foveal.readers import claims, known_names, prepare, read
from pictures import class_folder, split_folder, unreadable


def refusal(data: str, **options: str) -> FovealError:
    with pytest.raises(FovealError) as caught:
        read(data, ReadOptions(**options))
    assert all((caught.value.came, caught.value.allowed, caught.value.todo))
    assert caught.value.exit_code == 2
    return caught.value


def test_names() -> None:
    assert {"digits", "cifar10", "cifar100", "mnist", "fashion-mnist", "kmnist", "svhn", "flowers102"} <= set(
        known_names()
    )
    assert {"oxford-pets", "food101", "stl10", "eurosat"} <= set(known_names())
    for name in known_names():
        (claim,) = claims(Path(name))
        assert name in claim.why


def test_a_path_that_does_not_exist_is_answered_with_its_neighbours(tmp_path: Path) -> None:
    class_folder(tmp_path / "flowers")
    error = refusal(str(tmp_path / "flwers"))
    assert isinstance(error, DataError)
    assert "there is no 'flwers' in" in error.came
    assert repr(str(tmp_path / "flowers")) in error.todo
    assert "there is no 'Flowers2'" in refusal(str(tmp_path / "Flowers2" / "train" / "x")).came
    assert "Check the path" in refusal(str(tmp_path / "zzzzzzzzzzzz")).todo


def test_a_name_that_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifar10x").mkdir()
    error = refusal("cifar10y")
    assert "nor is it a known name" in error.came
    assert "cifar10" in error.todo
    assert "cifar10x" in error.todo
    assert "oxford-pets" in error.allowed
    assert "'digits'" in refusal("digts").todo


@pytest.mark.parametrize("reader", [None, "folder", "csv", "idx"])
def test_nothing_there(tmp_path: Path, reader: str | None) -> None:
    options = {"reader": reader} if reader else {}
    assert "does not exist" in refusal(str(tmp_path / "gone"), **options).came
    (tmp_path / "empty").mkdir()
    refusal(str(tmp_path / "empty"), **options)


def test_what_was_found_is_said(tmp_path: Path) -> None:
    assert "holds nothing" in refusal(str(tmp_path)).came
    (tmp_path / ".hidden").write_text("x")
    assert "nothing but hidden files" in refusal(str(tmp_path)).came
    for number in range(12):
        (tmp_path / f"{number}.txt").write_text("x")
    assert "12 files, none a picture" in refusal(str(tmp_path)).came


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    root = class_folder(tmp_path / "d", 2, 2)
    picture = root / "circle" / "000.png"
    error = refusal(str(picture))
    assert "is a file that no reader knows" in error.came
    assert str(picture.parent) in error.todo
    assert "is a file" in refusal(str(picture), reader="folder").came


def test_a_run_in_place_of_data(tmp_path: Path) -> None:
    run = class_folder(tmp_path / "run" / "pictures", 1, 2).parent
    for name in ("events.jsonl", "options.json"):
        (run / name).write_text("{}")
    error = refusal(str(run))
    assert "is the folder of a run" in error.came
    assert f"foveal train --resume {run}" in error.todo


@pytest.mark.parametrize("name", ["flowers.zip", "Flowers.TAR.GZ", "a b.7z"])
def test_an_archive_is_to_be_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    error = refusal(str(tmp_path / name))
    assert "is an archive" in error.came
    assert error.todo.startswith("Unpack it")


def test_class_folder_given_in_place_of_the_data(tmp_path: Path) -> None:
    root = class_folder(tmp_path / "d", 2, 2)
    assert "no class folders" in refusal(str(root / "circle"), reader="folder").came
    assert "holds 2 pictures" in refusal(str(root / "circle")).came


@pytest.mark.parametrize("data", ["", "  ", "a\0b"])
def test_no_path_at_all(data: str) -> None:
    assert "is no path" in refusal(data).came


def test_odd_paths(tmp_path: Path) -> None:
    assert "on the network" in refusal("https://example.org/data.zip").came
    assert "cannot be opened" in refusal("x" * 5000).came
    if os.name != "nt":
        (tmp_path / "round").symlink_to(tmp_path / "round")
        assert "cannot be opened" in refusal(str(tmp_path / "round")).came
        assert "cannot be opened" in refusal("~nobody-of-this-name/data").came


def test_an_unknown_reader(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no reader called 'foldr'") as caught:
        read(str(tmp_path), ReadOptions(reader="foldr"))
    assert "'folder'" in caught.value.todo


def test_exclude(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = class_folder(tmp_path / "d", 2, 5)
    monkeypatch.chdir(root)
    lines = ["circle/000.png", str(root / "circle" / "001.png"), "square/000.png  ", "", "gone.png"]
    (tmp_path / "out.txt").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    data = read(str(root), ReadOptions(exclude=str(tmp_path / "out.txt")))
    assert len(data.items) == 7
    found = {issue.kind: issue for issue in data.issues}
    assert set(found["excluded"].paths) == {"circle/000.png", "circle/001.png", "square/000.png"}
    assert (found["exclude-unknown"].severity, found["exclude-unknown"].paths) == ("warning", ("gone.png",))
    digits = (
        read("digits", ReadOptions(exclude=str(tmp_path / "ids.txt"), data_home=str(tmp_path)))
        if ((tmp_path / "ids.txt").write_text("digits/0003\n"))
        else None
    )
    assert digits is not None
    assert len(digits.items) == 1796


def test_exclude_lists_that_cannot_be_read(tmp_path: Path) -> None:
    root = str(class_folder(tmp_path / "d", 2, 2))
    assert "cannot be read" in refusal(root, exclude=str(tmp_path / "gone.txt")).came
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\xff")
    assert "it is no text" in refusal(root, exclude=str(tmp_path / "bad.txt")).came
    names = [p.relative_to(root).as_posix() for p in Path(root).rglob("*.png")]
    (tmp_path / "all.txt").write_text("\n".join(names))
    with pytest.raises(DataError, match="holds no pictures"):
        prepare(root, ReadOptions(exclude=str(tmp_path / "all.txt"), data_home=str(tmp_path / "h")), 0)


def test_prepare_reads_examines_and_splits(tmp_path: Path) -> None:
    root = split_folder(tmp_path / "d", 3, 60, 4, 4, 8)
    kinds = unreadable(root / "train" / "circle")
    told: list[tuple[int, int]] = []
    data, choices = prepare(
        str(root), ReadOptions(data_home=str(tmp_path / "h")), 0, lambda *pair: told.append(pair)
    )
    assert told[-1] == (3 * 68 + len(kinds), 3 * 68 + len(kinds))
    assert {part: len(data.part(part)) for part in ("train", "val", "test")} == {
        "train": 180,
        "val": 12,
        "test": 12,
    }
    assert {issue.kind for issue in data.issues} == set(kinds.values())
    assert [choice.option for choice in choices] == ["split"]
    assert data.fingerprint
    assert data.facts is not None


def test_real_flowers(test_data, tmp_path: Path) -> None:
    """The photographs' known quirks: exact duplicates, some of them under two labels."""
    data, _ = prepare(str(test_data("flowers5_small")), ReadOptions(data_home=str(tmp_path)), 0)
    found = {issue.kind: issue for issue in data.issues}
    assert len(data.items) == 4317
    assert len(found["duplicate-labels"].paths) == 8
    assert len(found["duplicates"].paths) == 4
    assert len(data.part("val")) == len(data.part("test")) == 648
