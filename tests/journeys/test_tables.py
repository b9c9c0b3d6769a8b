"""A table of pictures in, a model out: several labels a picture, and a number a picture."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import foveal
from foveal.errors import DataError
from foveal.model import Model
from foveal.records.trained import Trained
from foveal.terminal.app import main
from pictures import SHAPES, shape

QUICK = {"network": "resnet9", "pretrained": False, "size": 16, "batch": 16, "augment": "none", "flip": False}


def spoken(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """The one JSON document."""
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def table(file: Path, column: str, cells: dict[str, str]) -> Path:
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", column), *cells.items()])
    return file


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="module")
def tagged(home: Path) -> Trained:
    """Two of three shapes side by side, one, or none."""
    draw, cells = np.random.default_rng(0), {}
    (home / "pairs").mkdir()
    for number in range(160):
        there = draw.random(2) < 0.7
        kinds = draw.permutation(3)[:2]
        image = shape(3, 32, number).point(lambda value: value // 3)  # a ground that bears none
        for side, kind in enumerate(kinds[there]):
            image.paste(shape(int(kind), 16, number), (16 * side, 8))
        image.save(home / "pairs" / f"{number}.png")
        cells[f"pairs/{number}.png"] = "|".join(SHAPES[kind] for kind in kinds[there])
    return foveal.train(table(home / "tags.csv", "tags", cells), epochs=8, out=str(home / "tagged"), **QUICK)


@pytest.fixture(scope="module")
def measured(home: Path) -> Trained:
    """How bright a picture is, in percent."""
    cells = {}
    (home / "lights").mkdir()
    for number in range(160):
        image = shape(number % 3, 16, number).point(lambda value, k=number: value * (20 + k % 80) // 100)
        image.save(home / "lights" / f"{number}.png")
        cells[f"lights/{number}.png"] = f"{np.asarray(image).mean() / 2.55:.2f}"
    file = table(home / "lights.csv", "percent", cells)
    return foveal.train(file, epochs=8, out=str(home / "measured"), **QUICK)


def test_several_labels_are_learned(home: Path, tagged: Trained) -> None:
    model = Model.load(tagged.run)
    assert (model.task.name, model.labels) == ("multilabel", ("circle", "square", "triangle"))
    assert model.task.chance is not None
    assert tagged.headline.name == "mAP"
    assert tagged.headline.low > model.task.chance + 0.2
    assert {choice.option for choice in tagged.choices} >= {"loss", "label_smoothing"}


def test_numbers_are_learned(home: Path, measured: Trained) -> None:
    model = Model.load(measured.run)
    assert (model.task.name, model.labels) == ("regress", ("percent",))
    card = model.task.card()
    assert 10 < card["mean"] < 40, "of the training pictures"
    assert model.task.chance == card["baseline"]
    assert measured.headline.name == "mae"
    assert measured.headline.high < 0.5 * card["baseline"]


@pytest.mark.parametrize("kind", ["tagged", "measured"])
def test_evaluate_repeats_the_figure(
    kind: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    done: Trained = request.getfixturevalue(kind)
    judged, kept = foveal.evaluate(done.run), json.loads((done.run / "evaluation.json").read_text())
    # kernels for another memory layout add up in another order, which measured numbers show far behind the point
    assert judged.headline.value == pytest.approx(done.headline.value, rel=1e-5)
    assert judged.metrics == pytest.approx(kept["metrics"], rel=1e-4)
    said = spoken(capsys, "evaluate", str(done.model))
    assert said == json.loads(json.dumps(judged.to_json()))
    assert main(["evaluate", str(done.run)]) == 0
    assert done.headline.name in capsys.readouterr().out


def test_other_tables_are_read_for_the_models_task(home: Path, tagged: Trained, measured: Trained) -> None:
    """A few rows are too few to see what the column is; the model knows."""
    few = {f"lights/{n}.png": f"{10 + n % 3}" for n in range(12)}
    judged = foveal.evaluate(measured.run, table(home / "few.csv", "percent", few))
    assert (judged.count, judged.headline.split, judged.quantity) == (12, "all", "percent")
    one = {f"pairs/{n}.png": ["circle", "square", "unheard of"][n % 3] for n in range(12)}
    judged = foveal.evaluate(tagged.run, table(home / "one.csv", "tags", one))
    assert judged.count == 8
    (issue,) = judged.issues
    assert "unheard of" in issue.says
    with pytest.raises(DataError, match="without a number"):
        foveal.evaluate(measured.run, home / "one.csv")


def test_predict_several_labels(home: Path, tagged: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    said = spoken(capsys, "predict", str(tagged.run), str(home / "pairs"), "--csv", str(home / "said.csv"))
    assert len(said) == 160
    for found in said:
        assert {guess["label"] for guess in found["predictions"]} == {"circle", "square", "triangle"}
        order = [guess["probability"] for guess in found["predictions"]]
        assert order == sorted(order, reverse=True)
    with (home / "said.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert (len(rows), {row["present"] for row in rows}) == (480, {"True", "False"})
    assert main(["predict", str(tagged.run), str(home / "pairs" / "0.png")]) == 0
    assert "present" in capsys.readouterr().out


def test_predict_numbers(home: Path, measured: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    said = spoken(capsys, "predict", str(measured.run), str(home / "lights"))
    with (home / "lights.csv").open(newline="") as stream:
        truths = {row["path"]: float(row["percent"]) for row in csv.DictReader(stream)}
    values = {f"lights/{Path(found['path']).name}": found["predictions"][0]["value"] for found in said}
    assert values.keys() == truths.keys()
    errors = [abs(values[path] - truths[path]) for path in truths]
    baseline = Model.load(measured.run).task.chance
    assert baseline is not None
    assert np.mean(errors) < 0.5 * baseline
    assert main(["predict", str(measured.run), str(home / "lights" / "0.png")]) == 0
    assert "percent" in capsys.readouterr().out


def test_inspect(home: Path, tagged: Trained, measured: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    assert spoken(capsys, "inspect", str(home / "tags.csv"))["task"] == "multilabel"
    said = spoken(capsys, "inspect", str(home / "lights.csv"))
    assert (said["task"], said["labels"]) == ("regress", ["percent"])
    assert main(["inspect", str(home / "lights.csv")]) == 0
    assert "median" in capsys.readouterr().out
