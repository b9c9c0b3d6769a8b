"""Runs whose pictures have moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from foveal.data.examine import examine
from foveal.errors import DataError
from foveal.options import ReadOptions
from foveal.readers import read
from foveal.records.moved import moved
from foveal.records.run import DATA, FOLDS, Run
from foveal.storage import write_json
from foveal.values import Dataset, Item
from pictures import class_folder, shape


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run on pictures at `shapes`, which are at `new/shapes` by now."""
    dataset = examine(read(str(class_folder(tmp_path / "shapes", 2, 4, 16)), ReadOptions(), None))
    made = Run.create(tmp_path / "runs", "shapes")
    made.write_dataset(dataset)
    (tmp_path / "new").mkdir()
    (tmp_path / "shapes").rename(tmp_path / "new" / "shapes")
    return made


def test_the_root_is_changed_and_nothing_else(run: Run, tmp_path: Path) -> None:
    before = {file.name: file.read_bytes() for file in run.folder.iterdir()}
    told: list[tuple[int, int]] = []
    found = moved(run.folder, tmp_path / "new" / "shapes", progress=lambda *said: told.append(said))
    assert found == run.dataset
    assert told[-1] == (8, 8)
    after = {file.name: file.read_bytes() for file in run.folder.iterdir()}
    assert {name for name in after if after[name] != before.get(name)} == {DATA}
    was, now = json.loads(before[DATA]), json.loads(after[DATA])
    assert now.pop("root") == str(tmp_path / "new" / "shapes")
    assert was.pop("root") == str(tmp_path / "shapes")
    assert now == was
    moved(run.folder, tmp_path / "new" / "shapes")
    assert (run.folder / DATA).read_bytes() == after[DATA]


def test_pictures_that_are_not_there(run: Run, tmp_path: Path) -> None:
    before = (run.folder / DATA).read_bytes()
    with pytest.raises(
        DataError, match=r"does not hold the 8 pictures of .*: 8 files are not there"
    ) as error:
        moved(run.folder, tmp_path / "new")
    assert error.value.todo == f"Did you mean {tmp_path / 'new' / 'shapes'}?"
    with pytest.raises(DataError) as error:
        moved(run.folder, tmp_path / "nowhere")
    assert "Give the folder in which" in error.value.todo
    (tmp_path / "new" / "shapes" / "circle" / "000.png").unlink()
    with pytest.raises(DataError, match=r": 1 files are not there \(circle/000\.png\)"):
        moved(run.folder, tmp_path / "new" / "shapes")
    assert (run.folder / DATA).read_bytes() == before


def test_other_pictures_of_the_same_names(run: Run, tmp_path: Path) -> None:
    shape(3, 16, seed=9).save(tmp_path / "new" / "shapes" / "square" / "001.png")
    with pytest.raises(DataError, match="1 of 8 pictures have the same name and another content") as error:
        moved(run.folder, tmp_path / "new" / "shapes")
    assert "square/001.png" in error.value.came
    assert f"foveal evaluate {run.folder} DATA" in error.value.todo


def test_folds_learn_it_all(run: Run, tmp_path: Path) -> None:
    folds = tmp_path / "runs" / "shapes-folds-1"
    folds.mkdir()
    write_json(folds / FOLDS, {})
    Run(folds).write_dataset(run.dataset)
    for name in ("fold-1", "fold-2"):
        shutil.copytree(run.folder, folds / name)
    moved(folds, tmp_path / "new" / "shapes")
    roots = {Run(folder).dataset.root for folder in (folds, folds / "fold-1", folds / "fold-2")}
    assert roots == {str(tmp_path / "new" / "shapes")}


@pytest.mark.parametrize(
    "truth",
    [
        {"picture": "large/a.png"},
        {"mask": "large/a.png", "legend": {"0": "a"}},
        [{"label": "a", "mask": "large/a.png"}],
    ],
)
def test_truths_that_are_files_must_be_there(truth: object, tmp_path: Path) -> None:
    for folder in ("old/small", "new/small"):
        (tmp_path / folder).mkdir(parents=True)
        shape(0, 16).save(tmp_path / folder / "a.png")
    run = Run.create(tmp_path / "runs", "pairs")
    items = (Item("a", "small/a.png", truth),)
    run.write_dataset(Dataset(str(tmp_path / "old"), "upscale", "pairs", "", (), items))
    with pytest.raises(DataError, match=r"1 files are not there \(large/a\.png\)"):
        moved(run.folder, tmp_path / "new")
