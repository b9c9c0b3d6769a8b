"""How results are drawn."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from foveal.terminal import show, show_runs
from foveal.terminal.console import result_console
from foveal.values import Evaluation, Prediction, Score
from foveal.verbs.predict import Predictions
from foveal.verbs.runs import RunList, RunRow

SCORE = Score("accuracy", 0.75, 0.5, 0.9, True, "test")
EVIL = "\x1b[31m[red]花.jpg"


def drawn(draw: Callable[[Console, Any], None], value: Any, width: int | None = None) -> str:
    file = io.StringIO()
    draw(Console(file=file, width=width, highlight=False) if width else result_console(file), value)
    assert "\x1b" not in file.getvalue()
    return file.getvalue()


def test_evaluation() -> None:
    examples = [
        {
            "id": f"{n}-{EVIL}",
            "truth": "a",
            "predicted": "b" if n else "a",
            "probability": 0.5,
            "loss": float(n),
        }
        for n in range(15)
    ]
    rows = [{"label": "a", "count": 15, "precision": 1.0, "recall": 0.25, "f1": 0.4}]
    value = Evaluation(SCORE, {"accuracy": 0.75, "loss": 0.5}, 15, rows, [], examples)
    lines = drawn(show.evaluation, value.to_json()).splitlines()
    assert lines[0] == "accuracy 0.7500 [0.5000, 0.9000] on test"
    assert any(line.split() == ["a", "15", "1.0000", "0.2500", "0.4000"] for line in lines)
    assert "The 10 worst mistakes of 14" in lines
    worst = [line for line in lines if "花" in line]
    assert [line.split("-")[0] for line in worst] == [str(n) for n in range(14, 4, -1)]


def test_predictions() -> None:
    guesses = [{"label": "rose", "probability": 0.875}, {"label": "tulip", "probability": 0.125}]
    value = Predictions([Prediction("a.jpg", guesses), Prediction(EVIL, error="It is empty.")])
    lines = [line.split() for line in drawn(show.predictions, value.to_json()).splitlines()]
    assert lines[1] == ["a.jpg", "rose", "0.8750"]
    assert lines[2] == ["tulip", "0.1250"]
    assert lines[3][:3] == ["1", "of", "2"]
    assert lines[4][-3:] == ["It", "is", "empty."]


def test_a_long_name_is_never_cut() -> None:
    name = "/".join(["a folder with a long name"] * 30)
    value = [{"path": name, "predictions": [{"label": "rose", "probability": 1.0}]}]
    assert name in drawn(show.predictions, value)
    narrow = drawn(show.predictions, value, width=40)
    assert "".join(line[:15].strip() for line in narrow.splitlines()[1:]).replace(" ", "")[:9] == "afolderwi"
    assert narrow.count("long") + narrow.count("lon\n") <= 60


@pytest.mark.parametrize(
    "splits", [{"train": {"a": 3, "b": 1}, "": {"a": 1}}, {"train": 4, "": 1}], ids=["by class", "counts"]
)
def test_inspection(splits: dict[str, Any]) -> None:
    value = {
        "task": "classify", "reader": "folder", "why": "class folders", "count": 5, "splits": splits,
        "labels": ["a", "b"],
        "facts": {"width": 8, "height": 9, "min_side": 8, "max_side": 10, "grey": True, "bytes": 99},
        "issues": [{"kind": "empty", "severity": "warning", "says": "1 is empty", "paths": [EVIL]}],
    }  # fmt: skip
    text = drawn(show.inspection, value)
    assert "5 pictures to classify, folder layout" in text
    assert "undecided" in text
    assert "warning: 1 is empty" in text
    assert "grey, 8 x 9" in text
    assert "No trouble" not in text
    assert "No trouble" in drawn(show.inspection, {**value, "issues": [], "facts": None})


def test_training() -> None:
    value = {"run": "my runs/a-1", "model": "my runs/a-1/best.safetensors", "seconds": 75.0}
    score = {"name": "accuracy", "value": 0.75, "low": 0.5, "high": 0.9, "split": "test"}
    text = drawn(show.training, {**value, "headline": score, "first_model_seconds": 9.0, "choices": []})
    assert "accuracy 0.7500 [0.5000, 0.9000] on test" in text
    assert "1 min 15 s (a first usable model after 9.0 s)" in text
    assert 'foveal predict "my runs/a-1" picture.jpg' in text
    assert "my runs/a-1" in drawn(show.training, {**value, "headline": None, "first_model_seconds": None})


def test_runs() -> None:
    assert "No runs here yet" in drawn(show_runs.runs, [])
    score = Score("accuracy", 0.75, 0.5, 0.9, True, "val")
    rows = (
        RunRow(
            "a-1", "finished", "a", "resnet9", score, 75.0, 3, 2_500_000, "2025-01-02T03:04:05Z", "runs/a-1"
        ),
        RunRow("b-1", "damaged", path="runs/b-1", says="no line can be read " + EVIL),
    )
    lines = drawn(show_runs.runs, RunList("runs", rows).to_json()).splitlines()
    assert lines[1].split() == [
        *("runs/a-1", "finished", "a", "resnet9", "accuracy", "0.7500", "[0.5000,", "0.9000]", "on", "val"),
        *("3", "1", "min", "15", "s", "2.5", "2025-01-02T03:04:05Z"),
    ]
    assert lines[2].split() == ["runs/b-1", "damaged", "0", "0.0"]
    assert "fork of" not in lines[0]
    assert lines[3].startswith("runs/b-1: no line can be read")


def test_evaluation_of_several_labels() -> None:
    rows = [
        {"label": "sky", "count": 9, "threshold": 0.25, "average_precision": 0.875},
        {"label": "sea", "count": 0, "threshold": 0.5, "average_precision": None},
    ]
    examples = [
        {"id": "a", "truth": ["sky", "sea"], "predicted": [], "probability": 0.5, "loss": 1.0},
        {"id": "b", "truth": [], "predicted": [], "probability": 0.5, "loss": 2.0},
    ]
    value = Evaluation(SCORE, {"mAP": 0.75}, 2, rows, [], examples)
    lines = drawn(show.evaluation, value.to_json()).splitlines()
    assert "The one mistake" in lines
    assert lines[-1].split() == ["a", "sky,", "sea", "none", "0.5000", "1.0000"]
    assert any(line.split() == ["sea", "0", "0.5000"] for line in lines)
    head = next(line for line in lines if "threshold" in line)
    sky = next(line for line in lines if line.startswith("sky"))
    assert len(head.rstrip()) == len(sky.rstrip()), "numbers stand to the right, whatever the first row has"


def test_evaluation_of_numbers() -> None:
    score = Score("mae", 1234.5, 1000.0, 1500.0, False, "test")
    examples = [{"id": f"{n}", "truth": 1.0 * n, "predicted": 2.0 * n, "loss": 0.1 * n} for n in range(15)]
    value = Evaluation(score, {"mae": 1234.5, "r2": 0.5}, 15, [], examples=examples, quantity="grams")
    lines = drawn(show.evaluation, value.to_json()).splitlines()
    assert lines[0] == "mae 1234.5 [1000.0, 1500.0] on test"
    assert lines[1] == "15 pictures, errors in grams"
    assert "The 10 largest errors of 14" in lines


def test_predictions_of_several_labels_and_of_numbers() -> None:
    guesses = [{"label": "sky", "probability": 0.4, "present": True}]
    lines = [
        line.split()
        for line in drawn(show.predictions, [{"path": "a.jpg", "predictions": guesses}]).splitlines()
    ]
    assert lines == [["picture", "label", "probability", "present"], ["a.jpg", "sky", "0.4000", "yes"]]
    number = [{"value": 34.25, "low": 30.0, "high": 38.5}]
    lines = [
        line.split()
        for line in drawn(show.predictions, [{"path": "a.jpg", "predictions": number}]).splitlines()
    ]
    assert lines == [["picture", "value", "low", "high"], ["a.jpg", "34.2500", "30.0000", "38.5000"]]


def test_inspection_of_several_labels_and_of_numbers() -> None:
    value: dict[str, Any] = {"reader": "csv", "why": "", "count": 5, "issues": []}
    many = {
        "task": "multilabel",
        "labels": ["a", "b"],
        "splits": {"train": {"a": 3, "b": 2}},
        "pictures": {"train": 4},
    }
    lines = [line.split() for line in drawn(show.inspection, value | many).splitlines()]
    assert ["labels", "in", "all", "5"] in lines
    assert ["pictures", "4"] in lines
    one = {**many, "task": "classify", "pictures": {"train": 5}}
    lines = [line.split() for line in drawn(show.inspection, value | one).splitlines()]
    assert ["all", "5"] in lines
    assert not any("pictures" in line[:1] for line in lines)
    numbers = {
        "task": "regress",
        "labels": ["age"],
        "splits": {"train": {"count": 4, "min": 1.5, "max": 9.0}},
    }
    lines = [line.split() for line in drawn(show.inspection, value | numbers).splitlines()]
    assert ["age", "count", "min", "max"] in lines
    assert ["train", "4", "1.5000", "9.0000"] in lines
