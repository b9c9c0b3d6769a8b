from __future__ import annotations

from pathlib import Path

import pytest

import foveal
from foveal.errors import DataError, OptionError
from foveal.records.trained import Trained
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


def test_it_shows_itself_in_a_notebook(done: Trained) -> None:
    shown = foveal.evaluate(done.run)._repr_html_()
    assert "accuracy" in shown
    assert "circle" in shown


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


def test_what_cannot_be_read_is_named(home: Path, done: Trained) -> None:
    data = class_folder(home / "broken", classes=2, each=10, size=16, seed=7)
    (data / "circle" / "none.png").write_bytes(b"")
    judged = foveal.evaluate(done.run, data)
    assert judged.count == 20
    (issue,) = judged.issues
    assert issue.paths == ("circle/none.png",)


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_of_nothing(done: Trained, batch: int) -> None:
    with pytest.raises(OptionError, match="--batch was given as"):
        foveal.evaluate(done.run, batch=batch)


def test_a_split_of_data_without_any_is_not_to_be_chosen_from(home: Path, done: Trained) -> None:
    with pytest.raises(DataError) as error:
        foveal.evaluate(done.run, class_folder(home / "bare", classes=2, each=3, size=16), split="val")
    assert "Choose" not in error.value.todo


def test_the_runs_own_data_has_gone(home: Path, done: Trained) -> None:
    (home / "data").rename(home / "elsewhere")
    try:
        with pytest.raises(DataError, match="is no longer at"):
            foveal.evaluate(done.run)
    finally:
        (home / "elsewhere").rename(home / "data")


def test_it_tells_how_far_it_is(home: Path, done: Trained) -> None:
    data = class_folder(home / "told", classes=3, each=5, size=16, seed=7)
    told: list[tuple[str, int, int]] = []
    judged = foveal.evaluate(done.run, data, batch=4, progress=lambda *said: told.append(said))
    assert [done for what, done, _ in told if what == "evaluating"] == [4, 8, 12, 15]
    assert ("examining", 15, 15) in told
    assert {total for *_, total in told} == {15}
    assert judged.metrics == foveal.evaluate(done.run, data, batch=4).metrics
