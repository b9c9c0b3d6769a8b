"""Every way a command can end: exit code, three parts, one JSON document."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from foveal.errors import DivergedError, FovealError
from foveal.terminal import app
from foveal.terminal.app import main


@pytest.mark.parametrize(
    ("words", "came", "allowed", "todo"),
    [
        ("train --epocs 3", "no option --epocs", "--epochs", "Did you mean --epochs"),
        ("train --label_smothing 0.1", "no option --label_smothing", "--lr", "--label-smoothing"),
        ("train --rate 3", "no option --rate", "--lr", "Did you mean --lr?"),
        ("train --cv 5", "no option --cv", "--folds", "Did you mean --folds?"),
        ("tune --n_trials 5", "no option --n_trials", "--trials", "Did you mean --trials?"),
        ("evaluate m --batch_size 3", "no option --batch_size", "--batch", "Did you mean --batch?"),
        ("train -e 3", "no option -e", "--epochs", "or --epochs or"),
        ("train --size big", "--size was given as 'big'", "whole number|valid integer", "leave --size out"),
        ("train --channels 2", "--channels was given as '2'", "1, 3 or 4|3 or 4", "leave --channels out"),
        ("train --optimizer adm", "no optimizer called 'adm'", "adamw", "'adam'"),
        ("train --flip=maybe", "--flip was given as 'maybe'", "Mirror", "leave --flip out"),
        ("train --size", "--size was given without a value", "--size VALUE", "foveal train --help"),
        ("train --epochs 3 --epochs 4", "--epochs was given more than once", "one value", "once"),
        ("train a b", "nothing that 'b' could mean", "DATA", "quotes"),
        ("predict", "MODEL is missing", "MODEL PICTURES", "foveal predict --help"),
        ("predict m p --top many", "--top was given as 'many'", "whole number", "foveal predict --help"),
        ("trian flowers", "no verb 'trian'", "inspect, train", "foveal train"),
        ("no_such_thing", "no verb 'no_such_thing'", "inspect, train", "foveal --help"),
        ("fit flowers", "no verb 'fit'", "inspect, train", "Did you mean foveal train?"),
        ("resume runs/a-1", "no verb 'resume'", "inspect, train", "Did you mean foveal runs resume?"),
        ("conv --input 5", "no verb 'conv'", "inspect, train", "Did you mean foveal anatomy conv?"),
        ("help", "no verb 'help'", "inspect, train", "Did you mean foveal --help?"),
        ("--jsno train", "no option --jsno", "foveal VERB", "foveal --help"),
        ("runs --runs-dri x", "no option --runs-dri", "--runs-dir", "--runs-dir"),
    ],
)
def test_bad_words(
    words: str, came: str, allowed: str, todo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert said.err.startswith("Error: ")
    first, second, third = said.err.splitlines()
    assert came in first
    assert any(one in second for one in allowed.split("|"))
    assert todo in third

    assert main([*words.split(), "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["error"]
    assert list(document["error"]) == ["came", "allowed", "todo"]
    assert came in document["error"]["came"]


def test_a_folder_without_a_verb_is_pointed_at_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zinnias").mkdir()
    assert main(["zinnias"]) == 2
    assert "foveal inspect zinnias" in capsys.readouterr().err


def ends_with(error: BaseException, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    def run(_: list[str]) -> int:
        raise error

    monkeypatch.setattr(app, "_run", run)
    return main(words)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FovealError("came \x1b[2J", "allowed", "todo"), 2),
        (DivergedError("came \x1b[2J", "allowed", "todo"), 1),
    ],
)
def test_errors_for_people(
    error: FovealError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with(error, monkeypatch, "runs", "--json") == code
    said = capsys.readouterr()
    assert said.err == "Error: came \\x1b[2J\n  allowed\n  todo\n"
    assert json.loads(said.out)["error"]["todo"] == "todo"


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        ends_with(KeyboardInterrupt("foveal train --resume runs/a-1"), monkeypatch, "train", "--json") == 130
    )
    said = capsys.readouterr()
    assert (
        said.err
        == "Interrupted.\n  Every file that had been written is whole.\n  foveal train --resume runs/a-1\n"
    )
    assert "--resume runs/a-1" in json.loads(said.out)["error"]["todo"]


def test_a_bug_shows_where_and_asks_for_a_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with(ZeroDivisionError("by nought"), monkeypatch, "train") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" in said.err
    assert "ZeroDivisionError: by nought" in said.err
    assert "report it" in said.err


def test_a_reader_that_goes_away_is_met_quietly() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "foveal", "train", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as stderr:
        assert stderr.read() == b""
    assert process.wait() == 0


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_any_name_can_be_printed_on_any_terminal(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    ran = subprocess.run(
        [sys.executable, "-m", "foveal", "花☃", "--json"], env=environment, capture_output=True, check=False
    )
    assert ran.returncode == 2
    assert "花☃" in json.loads(ran.stdout)["error"]["came"]
    assert b"Traceback" not in ran.stderr
    assert b"There is no verb" in ran.stderr


def test_no_colour_without_a_terminal_or_where_none_is_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    main(["trian"])
    assert "\x1b[31m" not in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("foveal ")
    assert rest[0].startswith("torch 2.")


def test_being_told_to_end_is_answered_like_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(app, "_run", lambda words: signal.raise_signal(signal.SIGTERM))
    assert main(["inspect", "--json"]) == 130
    said = capsys.readouterr()
    assert said.err.startswith("Interrupted.")
    assert json.loads(said.out)["error"]["came"] == "Interrupted."
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("own", [None, "ACTIVE"])
def test_threads_wait_without_spinning(own: str | None) -> None:
    """Said before torch is loaded, and only where the person has not said otherwise."""
    program = (
        "import os, sys; sys.argv = ['foveal', '--version']; from foveal.terminal.app import main; main(); "
        "print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    env = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"} | (
        {"OMP_WAIT_POLICY": own} if own else {}
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-2:] == [own or "PASSIVE", "False"]
