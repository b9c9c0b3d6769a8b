"""foveal inspect, as the Python function."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import foveal
from foveal.errors import DataError, OptionError, UnknownNameError
from foveal.verbs.inspect import Inspection, described, inspect
from pictures import class_folder, shape, unreadable

KEYS = {"task", "reader", "why", "count", "splits", "labels", "issues"}


def test_what_is_told(tmp_path: Path) -> None:
    root = class_folder(tmp_path / "d", 3, 40, 12)
    kinds = unreadable(root / "circle")
    told: list[tuple[int, int]] = []
    got = inspect(root, data_home=str(tmp_path / "h"), progress=lambda *pair: told.append(pair))
    said = json.loads(json.dumps(got.to_json(), allow_nan=False))
    assert set(said) >= KEYS
    assert (said["task"], said["reader"], said["count"]) == ("classify", "folder", 120)
    assert said["labels"] == ["circle", "square", "triangle"]
    assert list(said["splits"]) == ["train", "val", "test"]
    assert {part: sum(row.values()) for part, row in said["splits"].items()} == {
        "train": 84,
        "val": 18,
        "test": 18,
    }
    assert all(set(issue) == {"kind", "severity", "says", "paths"} for issue in said["issues"])
    assert {path for issue in said["issues"] for path in issue["paths"]} == {
        f"circle/{name}" for name in kinds
    }
    assert said["facts"]["width"] == 12
    assert said["choices"][0]["reason"]
    assert told[-1][0] == told[-1][1]


def test_no_data_is_the_digits(tmp_path: Path) -> None:
    got = foveal.inspect(data_home=str(tmp_path))
    assert isinstance(got, Inspection)
    assert got.to_json()["count"] == 1797


def test_it_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    root = class_folder(tmp_path / "d", 2, 5)
    (root / "circle").rename(root / "<b>&")
    (root / "square" / "x.txt").write_text("x")
    html = inspect(root, data_home=str(tmp_path / "h"))._repr_html_()
    assert "&lt;b&gt;&amp;" in html
    assert "<b>&<" not in html
    assert "<th>train</th><th>val</th><th>test</th>" in html
    assert "x.txt" in html


def test_the_split_seed_counts(tmp_path: Path) -> None:
    root = class_folder(tmp_path / "d", 2, 30, 8)
    home = str(tmp_path / "h")
    first, again, other = (inspect(root, data_home=home, split_seed=seed).dataset for seed in (0, 0, 1))
    assert first == again
    assert first.part("val") != other.part("val")
    assert first.fingerprint == other.fingerprint


def test_wrong_options_and_data(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--raeder") as caught:
        inspect(tmp_path, raeder="csv")
    assert "--reader" in caught.value.todo
    for seed in (-1, "x", 2**32):
        with pytest.raises(OptionError, match="--split-seed"):
            inspect(tmp_path, split_seed=seed)
    with pytest.raises(DataError):
        inspect(tmp_path)


def table(folder: Path, header: str, cells: list[str]) -> Path:
    for number, _ in enumerate(cells):
        shape(number, 8, number).save(folder / f"{number}.png")
    lines = [f'{number}.png,"{cell}"' for number, cell in enumerate(cells)]
    (folder / "table.csv").write_text(f"path,{header}\n" + "\n".join(lines))
    return folder / "table.csv"


def test_numbers_are_described(tmp_path: Path) -> None:
    file = table(tmp_path, "weight", [f"{n / 4}" for n in range(101)])
    got = inspect(file, data_home=str(tmp_path / "h"))
    said = got.to_json()
    assert (said["task"], said["labels"]) == ("regress", ["weight"])
    assert said["pictures"] == {"train": 71, "val": 15, "test": 15}
    train = said["splits"]["train"]
    assert list(train) == ["count", "min", "quarter", "median", "three_quarters", "max", "mean", "sd"]
    assert train["count"] == 71
    assert 0 <= train["min"] < train["quarter"] < train["median"] < train["max"] <= 25
    assert "<th>median</th>" in got._repr_html_()
    assert described([1.0, 2.0, 3.0, 4.0, 5.0])["quarter"] == 2
    assert described([7.0])["three_quarters"] == 7


def test_pictures_with_several_labels_and_none(tmp_path: Path) -> None:
    file = table(tmp_path, "tags", ["sky|sea", "sky", "", "sea|sky", "sea"] * 8)
    said = inspect(file, data_home=str(tmp_path / "h")).to_json()
    assert said["task"] == "multilabel"
    assert sum(said["pictures"].values()) == 40
    assert sum(sum(row.values()) for row in said["splits"].values()) == 48


def test_the_task_that_is_wanted(tmp_path: Path) -> None:
    file, home = table(tmp_path, "stars", [f"{n % 5}" for n in range(40)]), str(tmp_path / "h")
    assert inspect(file, data_home=home).dataset.task == "classify"
    assert inspect(file, data_home=home, task="regress").dataset.labels == ("stars",)
    with pytest.raises(UnknownNameError, match="regres"):
        inspect(file, data_home=home, task="regres")
