"""A whole acquaintance through the terminal: inspect, train, runs, evaluate, predict, and mistakes."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from foveal.terminal.app import main
from typed import spoken

QUICK = ["--network", "resnet9", "--no-pretrained", "--size", "16", "--batch", "16", "--augment", "none"]


def draw(path: Path, kind: str, number: int) -> None:
    """A disc or a square somewhere, in a grey of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", (16, 16), 10 + number)
    x, y, shade = number % 5, number // 5 % 5, 150 + number
    shape = ImageDraw.Draw(image)
    (shape.ellipse if kind == "disc" else shape.rectangle)((x, y, x + 9, y + 9), fill=shade)
    image.save(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to stand in, with 60 pictures of two classes and one that is broken."""
    home = tmp_path_factory.mktemp("journey")
    for kind in ("disc", "square"):
        for number in range(30):
            draw(home / "shapes" / kind / f"{number:02}.png", kind, number)
    (home / "shapes" / "disc" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        yield home


@pytest.fixture(scope="module")
def trained(place: Path) -> Path:
    assert main(["train", "shapes", "--epochs", "2", "--out", "runs/two words", *QUICK]) == 0
    return place / "runs" / "two words"


def test_inspect(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document, _ = spoken(capsys, "inspect", "shapes")
    assert {"task", "reader", "why", "count", "splits", "labels", "issues"} <= set(document)
    assert document["labels"] == ["disc", "square"]
    assert any("broken.png" in path for issue in document["issues"] for path in issue["paths"])
    assert main(["inspect", "shapes"]) == 0
    text = capsys.readouterr().out
    assert "disc" in text
    assert "broken.png" in text


def test_train_says_what_it_chose_and_what_came_of_it(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document, said = spoken(capsys, "train", "shapes", "--epochs", "1", "--runs-dir", "others", *QUICK)
    assert {"run", "model", "headline", "seconds", "first_model_seconds", "choices"} <= set(document)
    assert {"name", "value", "low", "high", "higher_is_better", "split"} <= set(document["headline"])
    assert all({"option", "value", "reason"} <= set(choice) for choice in document["choices"])
    assert Path(document["model"]).is_file()
    assert Path(document["run"]).parent == Path("others")
    assert "broken.png" in said
    assert any(line.startswith("epoch 1/1") for line in said.splitlines())
    for choice in document["choices"]:
        assert choice["reason"].split("\n")[0][:40] in said


def test_what_training_prints_for_people(
    trained: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--resume", str(trained)]) == 0
    said = capsys.readouterr()
    assert "accuracy" in said.out
    assert f'foveal predict "{trained}" picture.jpg' in said.out
    assert "finished already" in said.err


def test_runs(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, _ = spoken(capsys, "runs")
    assert any("two words" in str(row.values()) for row in rows)
    assert main(["runs"]) == 0
    assert "two words" in capsys.readouterr().out


def test_evaluate(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document, _ = spoken(capsys, "evaluate", str(trained), "shapes")
    assert {"headline", "metrics", "count", "per_class"} <= set(document)
    assert document["count"] == 60
    assert main(["evaluate", str(trained), "shapes"]) == 0
    assert "accuracy" in capsys.readouterr().out


def test_predict(trained: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document, _ = spoken(capsys, "predict", str(trained), "shapes", "--csv", "out.csv", "--top", "1")
    assert len(document) == 61
    assert [row["path"] for row in document] == sorted(row["path"] for row in document)
    (broken,) = [row for row in document if "error" in row]
    assert "broken.png" in broken["path"]
    assert all(len(row["predictions"]) == 1 for row in document if "error" not in row)
    with (place / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [row["path"] for row in document]
    assert main(["predict", str(trained), "shapes"]) == 0
    text = capsys.readouterr().out
    assert "1 of 61 pictures could not be read" in text


def test_predicting_only_what_cannot_be_read_is_bad_input(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document, _ = spoken(capsys, "predict", str(trained), "shapes/disc/broken.png", code=2)
    assert "error" in document[0]


@pytest.mark.parametrize(
    ("words", "came"),
    [
        (["train", "nowhere"], "nowhere"),
        (["inspect", "nowhere"], "nowhere"),
        (["train", "shapes", "--network", "resnet10"], "resnet10"),
        (["train", "shapes", "--size", "3"], "--size was given as 3"),
        (["train", "shapes", "--lr", "-1"], "--lr was given as -1"),
        (["train", "shapes", "--lr", "0"], "--lr was given as 0"),
        (["train", "shapes", "--epochs", "1", "--minutes", "1"], "epochs and minutes"),
        (["train", "shapes", "--device", "gpu"], "gpu"),
        (["train", "--resume", "nowhere"], "nowhere"),
        (["train", "shapes", "--resume", "runs/two words"], "--resume"),
        (["train", "shapes", "--out", "runs/two words", *QUICK], "two words"),
        (["evaluate", "nowhere", "shapes"], "nowhere"),
        (["evaluate", "runs/two words", "nowhere"], "nowhere"),
        (["evaluate", "runs/two words", "shapes", "--split", "most"], "most"),
        (["predict", "nowhere", "shapes"], "nowhere"),
        (["predict", "runs/two words"], "No picture"),
        (["predict", "runs/two words", "nowhere.png"], "nowhere.png"),
        (["predict", "shapes/disc/00.png", "shapes"], "00.png"),
    ],
)
def test_mistakes_are_answered_in_three_parts(
    trained: Path, words: list[str], came: str, capsys: pytest.CaptureFixture[str]
) -> None:
    document, said = spoken(capsys, *words, code=2)
    assert came in document["error"]["came"]
    assert all(document["error"].values())
    assert said.startswith("Error: ") or "\nError: " in said


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_saves_and_says_how_to_go_on(place: Path, number: signal.Signals) -> None:
    out = f"runs/stopped-{number.name}"
    command = [sys.executable, "-m", "foveal", "train", "shapes", "--epochs", "5000", "--patience", "5000"]
    with subprocess.Popen(
        [*command, "--out", out, "--json", *QUICK],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stderr is not None
        before = []
        for line in process.stderr:
            before.append(line)
            if line.startswith("epoch 2/"):
                process.send_signal(number)
                break
        document, said = process.communicate(timeout=60)
    assert process.returncode == 130, "".join([*before, said])
    assert f"foveal train --resume {out}" in said
    assert f"foveal train --resume {out}" in json.loads(document)["error"]["todo"]
    assert (place / out / "resume.pt").is_file()
