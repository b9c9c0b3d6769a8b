"""foveal runs and its commands through the terminal: forks, differences, folds, and what is removed."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from foveal.terminal.app import GROUPS, main
from pictures import class_folder
from typed import spoken

QUICK = ["--network", "resnet9", "--no-pretrained", "--size", "16", "--batch", "8", "--epochs", "1"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to stand in, with pictures and a run."""
    home = tmp_path_factory.mktemp("manage")
    class_folder(home / "shapes", classes=2, each=12, size=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("FOVEAL_DATA_HOME", str(home / "home"))
        assert main(["train", "shapes", *QUICK]) == 0
        yield home


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_every_command_has_a_help(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--help"]) == 0
    listed = capsys.readouterr().out
    for command in GROUPS["runs"]:
        assert f"│ {command} " in listed
        assert main(["runs", command, "--help"]) == 0
        said = capsys.readouterr().out
        assert f"Usage: foveal runs {command}" in said
        assert "--json" in said
    assert main(["runs", "fork", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--from" in said
    assert "--lr" in said
    assert "--reader" not in said
    assert said.count("[default") == 1, "--from has one; all others are the parent's"


def test_fork_list_and_difference(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document, said = spoken(capsys, "runs", "fork", "shapes-resnet9-1", "--lr", "0.002", "--from", "best")
    assert {"run", "model", "headline", "choices"} <= set(document)
    assert "A fork of runs/shapes-resnet9-1: the same pictures and split" in said.replace("\\", "/")
    fork = Path(document["run"]).name
    rows, _ = spoken(capsys, "runs")
    assert [row["parent"] for row in rows if row["name"] == fork] == ["shapes-resnet9-1"]
    assert main(["runs"]) == 0
    listed = capsys.readouterr().out
    assert "fork of" in listed
    assert "MB of runs in runs" in listed
    assert f"MB of data and caches in {place / 'home'}" in listed

    found, _ = spoken(capsys, "runs", "diff", "shapes-resnet9-1", fork)
    assert {row["what"] for row in found["options"]} == {"lr", "weights"}
    assert found["data"]["same"]
    assert found["paired"]["count"] > 0
    assert main(["runs", "diff", "shapes-resnet9-1", fork]) == 0
    drawn = capsys.readouterr().out
    assert found["says"] in drawn
    assert "0.002  given" in drawn
    assert "The same pictures, labels and split." in drawn

    again, said = spoken(capsys, "runs", "resume", fork)
    assert again["run"] == document["run"]
    assert "finished already" in said


def test_a_report_is_written_anew(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = place / "runs" / "shapes-resnet9-1" / "report.html"
    file.unlink(missing_ok=True)
    document, _ = spoken(capsys, "runs", "report", "shapes-resnet9-1")
    assert Path(document["report"]).resolve() == file.resolve()
    assert "<html" in file.read_text(encoding="utf-8")


def test_folds_and_how_they_go_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "shapes", "--folds", "2", *QUICK]) == 0
    said = capsys.readouterr()
    assert "Fold 1 of 2" in said.err
    assert "Fold 2 of 2" in said.err
    assert said.err.count("schedule ") == 1, "each choice is told once"
    assert "on all folds" in said.out
    assert "mean and standard deviation over 2 folds" in said.out
    document, said_again = spoken(capsys, "train", "--resume", "runs/shapes-folds-1")
    assert len(document["folds"]) == 2
    assert "kept: accuracy" in said_again
    document, _ = spoken(capsys, "runs", "resume", "shapes-folds-1")
    assert document["count"] == 24
    assert main(["predict", document["folds"][0]["run"], "shapes/circle/000.png"]) == 0
    error, _ = spoken(capsys, "runs", "fork", "shapes-folds-1", code=2)
    assert "several folds" in error["error"]["came"]


def test_nothing_goes_without_a_yes(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["runs", "fork", "shapes-resnet9-1", "--out", "doomed"]
    assert main(words) == 0
    doomed = place / "doomed"
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    for command in (["delete", "doomed"], ["clean"]):
        document, said = spoken(capsys, "runs", *command, code=2)
        assert "no terminal to ask on" in document["error"]["came"]
        assert "--yes" in document["error"]["todo"]
        assert "doomed" in said or "resume.pt" in said, "what would go is shown"
    for answer in ("\n", "n\n", "", "yeah\n"):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        document, said = spoken(capsys, "runs", "delete", "doomed")
        assert document == {"removed": [], "would_remove": []}
        assert "Remove this for good? [y/N]" in said
    assert (doomed / "best.safetensors").exists()
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert main(["runs", "delete", "doomed"]) == 0
    assert not doomed.exists()
    said = capsys.readouterr()
    assert "MB removed." in said.out
    assert said.out.count("doomed") == 0, "the list was shown with the question"


def test_clean_shows_asks_and_keeps_results(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = place / "runs" / "shapes-resnet9-1"
    (run / "resume.pt").write_bytes(b"x")
    document, _ = spoken(capsys, "runs", "clean", "--dry-run")
    assert str(Path("runs/shapes-resnet9-1/resume.pt")) in {row["path"] for row in document["would_remove"]}
    assert (run / "resume.pt").exists()
    document, _ = spoken(capsys, "runs", "clean", "--yes")
    assert document["removed"]
    assert not (run / "resume.pt").exists()
    assert main(["evaluate", "runs/shapes-resnet9-1"]) == 0
    assert main(["runs", "clean"]) == 0, "with nothing to remove nothing is asked"
    assert "Nothing was removed." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "came", "todo"),
    [
        ("runs frok x", "no command 'frok' of foveal runs", "foveal runs fork"),
        ("runs shapes-resnet9-1", "no command 'shapes-resnet9-1'", "foveal runs --help"),
        ("runs fork", "RUN is missing", "foveal runs fork --help"),
        ("runs fork shapes-resnet9-2222", "no run at", "shapes-resnet9-1"),
        ("runs fork shapes-resnet9-1 --from top", "--from was given as 'top'", "foveal runs fork --help"),
        ("runs fork shapes-resnet9-1 --reader csv", "--reader was given to a fork", "--reader"),
        ("runs fork shapes-resnet9-1 --size big", "--size was given as 'big'", "--size"),
        ("runs diff shapes-resnet9-1", "B is missing", "foveal runs diff --help"),
        ("runs delete shapes --yes", "shapes holds no run", "foveal runs"),
        ("runs delete shapes-resnet9-1 nope --yes", "nope", "foveal runs"),
        ("runs resume nope", "nope", "foveal runs"),
        ("runs report nope", "nope", "foveal runs"),
        ("runs clean --runs-dir shapes/circle/000.png --yes", "cannot be listed", "--runs-dir"),
    ],
)
def test_mistakes(place: Path, words: str, came: str, todo: str, capsys: pytest.CaptureFixture[str]) -> None:
    document, _ = spoken(capsys, *words.split(), code=2)
    assert came in document["error"]["came"]
    assert todo in document["error"]["todo"]
    assert (place / "runs" / "shapes-resnet9-1" / "best.safetensors").exists()
