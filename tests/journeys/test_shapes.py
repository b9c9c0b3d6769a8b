"""Every task on the built-in shapes, from the command line to its report and its predictions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from foveal import catalog
from foveal.terminal.app import main

TASKS = [name for name in catalog.names("tasks") if name not in ("multilabel", "regress")]
MINUTES = {"instances": "1"}
"""Where half a minute holds no epoch."""


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_train_evaluate_predict(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, run = str(tmp_path / "home"), tmp_path / "run"
    words = ["train", "shapes", "--task", task, "--minutes", MINUTES.get(task, "0.5"), "--out", str(run)]
    assert main([*words, "--data-home", home, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["headline"]["split"] == "test"
    assert told["headline"]["low"] <= told["headline"]["value"] <= told["headline"]["high"]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Worst pictures" in page or "Nothing was mistaken" in page
    assert main(["evaluate", str(run), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["headline"]["value"] == pytest.approx(told["headline"]["value"], abs=1e-3)
    picture = tmp_path / "picture.png"
    Image.new("RGB", (120, 90), (90, 120, 60)).save(picture)
    assert main(["predict", str(run), str(picture), "--out", str(tmp_path / "out"), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert "error" not in row or row["predictions"]
    words = [
        "explain",
        str(run),
        "--method",
        "gradient",
        "--top",
        "1",
        "--no-verdict",
        "--out",
        str(tmp_path / "why"),
    ]
    assert main([*words, "--json"]) == 0
    why = json.loads(capsys.readouterr().out)
    assert why
    assert all("error" not in row and row["why"] for row in why)
