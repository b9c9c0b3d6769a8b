"""Flags come from the options dataclasses."""

from __future__ import annotations

import dataclasses
import re

import pytest

from foveal.options import ReadOptions, TrainOptions, flag, make, meaning
from foveal.terminal import flags
from foveal.terminal.app import build, main
from foveal.verbs.inspect import InspectOptions


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The help, without frames and line ends."""
    assert main([*words, "--help"]) == 0
    return re.sub(r"[\s│]+", " ", capsys.readouterr().out)


def bound(*words: str) -> dict[str, object]:
    """What a command would be called with."""
    _, arguments, _ = build().parse_args(list(words), print_error=False, exit_on_error=False)
    return arguments.kwargs


@pytest.mark.parametrize(
    ("verb", "kind"), [("train", TrainOptions), ("inspect", InspectOptions), ("evaluate", ReadOptions)]
)
def test_help_shows_every_option_with_its_meaning(
    verb: str, kind: type, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = shown(capsys, verb)
    for field in dataclasses.fields(kind):
        assert flag(field.name) in text
        assert meaning(kind, field.name)
        assert re.sub(r"\s+", " ", meaning(kind, field.name)) in text


@pytest.mark.parametrize("verb", ["inspect", "train", "evaluate", "predict", "runs"])
def test_every_verb_takes_json_and_stands_in_the_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--json" in shown(capsys, verb)
    assert f" {verb} " in shown(capsys)


def test_help_fits_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["train", "--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 40


def test_only_what_was_given_reaches_the_verb() -> None:
    assert bound("train", "flowers") == {}
    assert bound("train", "--seed", "0", "--no-pretrained", "--label-smoothing", "0.1") == {
        "seed": 0,
        "pretrained": False,
        "label_smoothing": 0.1,
    }


def test_what_reaches_the_verb_has_the_type_of_the_option() -> None:
    words = [
        "--lr",
        "3e-2",
        "--channels",
        "1",
        "--minutes",
        "2",
        "--flip",
        "--freeze",
        "first",
        "--network",
        "12",
    ]
    given = bound("train", *words)
    assert given == {
        "lr": 0.03,
        "channels": 1,
        "minutes": 2.0,
        "flip": True,
        "freeze": "first",
        "network": "12",
    }
    assert make(TrainOptions, given).flip is True


def test_negative_numbers_are_values() -> None:
    assert bound("train", "--lr", "-1") == {"lr": -1.0}


def test_no_option_is_without_a_panel() -> None:
    assert {f.name for f in dataclasses.fields(TrainOptions) if flags.panel(f.name).name == "More"} == set()


def test_names_that_look_odd_are_names() -> None:
    _, arguments, _ = build().parse_args(["predict", "m", "--", "-a.jpg", "@b.jpg", "{c}.jpg", "--json"])
    assert arguments.args == ("m", "-a.jpg", "@b.jpg", "{c}.jpg", "--json")
