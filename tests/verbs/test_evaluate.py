from __future__ import annotations

from pathlib import Path

import pytest

import foveal
from foveal.errors import DataError, OptionError
from foveal.trained import Trained
from pictures import class_folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evaluate")


@pytest.fixture(scope="module")
def done(home: Path) -> Trained:
    data = class_folder(home / "data", classes=3, each=14, size=16)
    return foveal.train(
        data, epochs=2, network="resnet9", pretrained=False, size=16, batch=8, out=str(home / "run")
    )


def test_other_data_with_names_in_another_order(home: Path, done: Trained) -> None:
    """Class names travel by name: data with fewer classes is judged against the right ones."""
    data = class_folder(home / "two", classes=2, each=6, size=16, seed=5)
    judged = foveal.evaluate(done.run, data)
    assert judged.count == 12
    assert {row["truth"] for row in judged.examples} == {p.name for p in data.iterdir()}
    assert len(judged.confusion) == 3
    assert judged.headline.split == "all"


def test_a_class_the_model_does_not_know_is_left_out_and_named(home: Path, done: Trained) -> None:
    data = class_folder(home / "four", classes=4, each=5, size=16, seed=6)
    judged = foveal.evaluate(done.run, data)
    assert judged.count == 15
    (issue,) = judged.issues
    assert len(issue.paths) == 5
    assert "no class" in issue.says


def test_nothing_in_common(home: Path, done: Trained) -> None:
    data = class_folder(home / "strange", classes=2, each=4, size=16)
    for n, folder in enumerate(sorted(data.iterdir())):
        folder.rename(data / f"unheard of {n}")
    with pytest.raises(DataError) as error:
        foveal.evaluate(done.run, data)
    assert "unheard of" in error.value.came
    assert "circle" in error.value.allowed


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_every_split_of_the_runs_own_data(done: Trained, split: str) -> None:
    assert foveal.evaluate(done.run, split=split).headline.split == split


def test_wrong_splits(home: Path, done: Trained) -> None:
    with pytest.raises(OptionError):
        foveal.evaluate(done.run, split="tset")
    with pytest.raises(DataError) as error:
        foveal.evaluate(done.run, class_folder(home / "plain", classes=2, each=3, size=16), split="val")
    assert "val" in error.value.came
