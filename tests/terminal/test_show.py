"""How results are drawn."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from foveal.terminal import show
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
    assert "No runs here yet" in drawn(show.runs, [])
    score = Score("accuracy", 0.75, 0.5, 0.9, True, "val")
    rows = (
        RunRow(
            "a-1", "finished", "a", "resnet9", score, 75.0, 3, 2_500_000, "2025-01-02T03:04:05Z", "runs/a-1"
        ),
        RunRow("b-1", "damaged", path="runs/b-1", says="no line can be read " + EVIL),
    )
    lines = drawn(show.runs, RunList("runs", rows).to_json()).splitlines()
    assert lines[1].split() == [
        *("runs/a-1", "finished", "a", "resnet9", "accuracy", "0.7500", "[0.5000,", "0.9000]", "on", "val"),
        *("3", "1", "min", "15", "s", "2.5", "2025-01-02T03:04:05Z"),
    ]
    assert lines[2].split() == ["runs/b-1", "damaged", "0", "0.0"]
    assert lines[3].startswith("runs/b-1: no line can be read")
