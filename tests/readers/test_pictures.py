"""Plain pictures: read where a task wants nothing else than pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from foveal.errors import DataError
from foveal.options import ReadOptions
from foveal.readers import claims, prepare, read
from pictures import class_folder, shape


def loose(root: Path, count: int = 20, side: int = 16) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        shape(number % 4, side, number).save(root / f"{number}.png")
    return root


def test_only_where_a_task_is_asked_for(tmp_path: Path) -> None:
    root = loose(tmp_path / "d")
    with pytest.raises(DataError, match="holds 20 pictures") as caught:
        read(str(root), ReadOptions())
    assert "folder a class" in caught.value.todo
    assert "--task upscale or --task autoencode" in caught.value.todo
    with pytest.raises(DataError, match="holds 20 pictures"):
        read(str(root), ReadOptions(), "detect")
    assert claims(root) == []
    assert [claim.reader for claim in claims(root, "upscale")] == ["pictures"]


@pytest.mark.parametrize("task", ["upscale", "autoencode"])
def test_pictures_are_their_own_truths(tmp_path: Path, task: str) -> None:
    root = loose(tmp_path / "d")
    data, _ = prepare(str(root), ReadOptions(data_home=str(tmp_path / "home")), 0, None, task)
    assert (data.task, data.labels, data.reader) == (task, (), "pictures")
    assert {item.truth for item in data.items} == {None}
    assert {item.id for item in data.items} == {f"{n}.png" for n in range(20)}
    assert (len(data.part("val")), len(data.part("test"))) == (3, 3)


def test_splits_are_folders_and_classes_are_read_by_another(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        loose(tmp_path / "d" / part / "deep", 3)
    assert read(str(tmp_path / "d"), ReadOptions(reader="pictures")).counts().keys() == {
        "train",
        "val",
        "test",
    }
    root = class_folder(tmp_path / "classes", 2, 3)
    data = read(str(root), ReadOptions(), "autoencode")
    assert (data.reader, data.task, data.items[0].truth) == ("folder", "autoencode", None)
    assert read(str(root), ReadOptions()).task == "classify"


def test_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    for path in (tmp_path, tmp_path / "a.txt"):
        with pytest.raises(DataError, match=path.name):
            read(str(path), ReadOptions(reader="pictures"))


def test_real_ones(test_data) -> None:
    data = read(str(test_data("sr") / "T91"), ReadOptions(), "upscale")
    assert (len(data.items), data.reader) == (91, "pictures")
