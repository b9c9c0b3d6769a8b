"""As in scripts: bare names, --quiet, and pictures that have moved since."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import foveal
from foveal.events import Epoch
from foveal.terminal.app import main
from foveal.verbs.diagnose import gone
from pictures import class_folder
from typed import spoken

QUICK: dict[str, Any] = {
    "network": "resnet9", "pretrained": False, "size": 16, "batch": 8, "epochs": 1, "probe": False, "watch": False,
}  # fmt: skip
TYPED = "--network resnet9 --no-pretrained --size 16 --batch 8 --epochs 1 --no-probe --no-watch".split()
RUN = "shapes-resnet9-1"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to stand in, with pictures and a run."""
    home = tmp_path_factory.mktemp("quiet")
    class_folder(home / "shapes", classes=2, each=12, size=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        foveal.train("shapes", **QUICK)
        yield home


def quietly(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> list[str]:
    """The lines of a quiet command's result; of a refused one those of its error."""
    capsys.readouterr()
    assert main([*words, "--quiet"]) == code
    said = capsys.readouterr()
    assert (said.out if code else said.err) == ""
    assert "\x1b" not in said.out + said.err
    assert "\r" not in said.out + said.err
    return (said.err if code else said.out).splitlines()


def test_only_the_result_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = quietly(capsys, "train", "shapes", *TYPED)
    assert line.startswith("accuracy ")
    assert line.endswith(f"  {Path('runs', 'shapes-resnet9-2')}")
    (line,) = quietly(capsys, "inspect", "shapes")
    assert line == "24 pictures to classify, 2 labels; no trouble found"
    (line,) = quietly(capsys, "evaluate", RUN)
    assert line.startswith("accuracy ")
    assert line.endswith(" on test")
    assert quietly(capsys, "compare", RUN, "shapes-resnet9-2")
    lines = quietly(capsys, "predict", RUN, "shapes/circle/000.png", "--top", "1")
    assert lines[0].split()[0] == "picture"
    (line,) = quietly(capsys, "train", "--resume", RUN)
    assert line.endswith(RUN), "it was finished already"


def test_errors_and_json_are_still_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = quietly(capsys, "evaluate", "shapes-resnet9-11", code=2)
    assert lines[0].startswith("Error: There is no model at shapes-resnet9-11, and no run of that name")
    assert str(Path("runs", RUN)) in lines[2]
    document, said = spoken(capsys, "train", "shapes", *TYPED, "--quiet")
    assert document["headline"]["name"] == "accuracy"
    assert said == ""


def test_a_log_has_lines_and_nothing_else(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where stderr is no terminal: no colours, no bars, nothing that is drawn over."""
    capsys.readouterr()
    assert main(["train", "shapes", *TYPED]) == 0
    said = capsys.readouterr()
    assert any(line.startswith("epoch 1/1") for line in said.err.splitlines())
    for char in "\x1b\r\b":
        assert char not in said.err + said.out


def test_bare_names_everywhere(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = "shapes/circle/000.png"
    document, _ = spoken(capsys, "predict", RUN, picture)
    assert document[0]["path"] == picture
    (found,) = foveal.predict(RUN, picture, runs_dir=place / "runs")
    assert found.predictions[0]["label"] == document[0]["predictions"][0]["label"]
    document, _ = spoken(
        capsys, "explain", RUN, picture, "--method", "gradient", "--no-verdict", "--out", "why"
    )
    assert document[0]["path"] == picture
    document, _ = spoken(capsys, "explain", "filters", RUN, "--out", "kernels")
    assert document["kind"] == "filters"
    document, _ = spoken(capsys, "anatomy", RUN, "--no-times")
    assert document["parameters"] > 0
    document, _ = spoken(capsys, "anatomy", f"{RUN}/last.safetensors", "--no-times", "--runs-dir", "runs")
    assert document["parameters"] > 0
    document, _ = spoken(capsys, "train", "shapes", *TYPED[3:], "--weights", RUN)
    choices = {choice["option"]: choice["value"] for choice in document["choices"]}
    assert choices["network"] == "resnet9"


@pytest.fixture
def away(place: Path) -> Iterator[Path]:
    """Where the pictures are now."""
    (place / "shapes").rename(place / "elsewhere")
    yield place / "elsewhere"
    (place / "elsewhere").rename(place / "shapes")
    foveal.evaluate(RUN, data_at=place / "shapes")


def test_pictures_that_have_moved(place: Path, away: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error, _ = spoken(capsys, "evaluate", RUN, code=2)
    assert "--data PLACE" in error["error"]["todo"]
    (said,) = gone(foveal.Run.open(Path("runs", RUN)).dataset)
    assert "with --data" in said
    error, _ = spoken(capsys, "runs", "fork", RUN, code=2)
    assert "are no longer at" in error["error"]["came"]
    error, _ = spoken(capsys, "evaluate", RUN, "--data", str(place), code=2)
    assert f"Did you mean {away}?" in error["error"]["todo"]
    error, _ = spoken(capsys, "evaluate", RUN, "elsewhere", "--data", "elsewhere", code=2)
    assert "together with other pictures" in error["error"]["came"]
    error, _ = spoken(capsys, "diagnose", RUN, "--data", "runs", code=2)
    assert "does not hold" in error["error"]["came"]
    error, _ = spoken(capsys, "train", "elsewhere", "--data", "elsewhere", code=2)
    assert "--resume RUN" in error["error"]["todo"]
    before = json.loads((place / "runs" / RUN / "evaluation.json").read_bytes())
    document, _ = spoken(capsys, "evaluate", RUN, "--data", "elsewhere")
    assert document["metrics"] == before["metrics"]
    document, _ = spoken(capsys, "evaluate", RUN)
    assert document["metrics"] == before["metrics"], "the run knows it now"
    assert gone(foveal.Run.open(Path("runs", RUN)).dataset) == []


@pytest.mark.parametrize("verb", ["explain", "resume"])
def test_other_verbs_are_told_as_well(
    verb: str, place: Path, away: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {
        "explain": ["explain", RUN, "--method", "gradient", "--no-verdict", "--top", "1", "--out", "moved"],
        "resume": ["runs", "resume", RUN],
    }[verb]
    error, _ = spoken(capsys, *words, "--data", "runs", code=2)
    assert "does not hold" in error["error"]["came"]
    document, _ = spoken(capsys, *words, "--data", "elsewhere")
    assert document
    assert foveal.Run.open(Path("runs", RUN)).dataset.root == str(away)


def test_an_interrupted_run_goes_on_from_another_place(place: Path) -> None:
    class_folder(place / "more", classes=2, each=12, size=16, seed=3)

    def stop(message: object) -> None:
        if isinstance(message, Epoch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        foveal.train("more", **{**QUICK, "epochs": 2}, out="runs/stopped", screen=stop)
    (place / "more").rename(place / "moved there")
    with pytest.raises(foveal.FovealError, match="are no longer at"):
        foveal.train(resume="stopped")
    done = foveal.train(resume="stopped", data_at="moved there")
    assert [event.epoch for event in foveal.Run.open(done.run).events() if isinstance(event, Epoch)] == [1, 2]
