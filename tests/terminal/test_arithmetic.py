"""foveal anatomy conv as it is typed, and what is shown."""

from __future__ import annotations

import io
import json
import re

import pytest
from cyclopts import App
from rich.console import Console

from foveal.errors import OptionError
from foveal.terminal.arithmetic import conv
from foveal.terminal.show_convolution import draw
from foveal.verbs.convolution import convolution


@pytest.fixture
def app() -> App:
    made = App(name="anatomy", result_action="return_value")
    made.command(conv)
    return made


def spoken(app: App, capsys: pytest.CaptureFixture[str], words: str, *more: str) -> str:
    assert app(["conv", *words.split(), *more], exit_on_error=False, print_error=False) == 0
    return capsys.readouterr().out


def shown(width: int = 100, colour: bool = False, **options: object) -> str:
    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=colour, color_system="standard" if colour else None
    )
    draw(console, convolution(**options).to_json())
    return file.getvalue()


def test_the_issues_example(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    said = spoken(app, capsys, "--input 5 --kernel 3 --stride 2 --padding 1")
    assert "= floor((5 + 2*1 - 1*(3 - 1) - 1) / 2) + 1" in said
    assert "= 2 + 1 = 3" in said
    assert re.search(r"^ +\. +1 +1 +1 +1 +1 +\. +-1 +8 +-1 +-15 +0 +-15 *$", said, re.MULTILINE)


def test_every_option_is_typed(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    doc = json.loads(
        spoken(
            app, capsys, "--json --input 3x4 --kernel 2 --stride 2x1 --padding 1x0 --dilation 1 --transposed "
            "--output-padding 1x0 --channels 2 --filters 3 --at 1x1",
        )
    )  # fmt: skip
    assert doc["kind"] == "transposed"
    assert doc["output_shape"] == [5, 5]
    assert doc["torch"].startswith(
        "torch.nn.ConvTranspose2d(2, 3, kernel_size=2, stride=(2, 1), padding=(1, 0)"
    )
    doc = json.loads(spoken(app, capsys, "--json --groups 2 --channels 4 --padding 0+1x1+2"))
    assert doc["padding"] == [[0, 1], [1, 2]]
    assert (doc["channels"], doc["filters"], doc["groups"]) == (4, 2, 2)
    doc = json.loads(spoken(app, capsys, "--json --pool max --ceil-mode --input 5"))
    assert doc["output_shape"] == [3, 3]
    doc = json.loads(spoken(app, capsys, "--json --dims 1 --kernel-values", "-1 0 1"))
    assert doc["numbers"]["kernel"] == [-1, 0, 1], "a minus at the beginning is no option"
    doc = json.loads(spoken(app, capsys, "--json --pool max --input 4"))
    assert doc["output_shape"] == [2, 2]


def test_it_has_a_help(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    app(["conv", "--help"], exit_on_error=False)
    said = capsys.readouterr().out
    for option in ("--input", "--kernel-values", "--output-padding", "--pool", "--svg", "--gif", "--json"):
        assert option in said


def test_a_refusal_comes_through(app: App) -> None:
    with pytest.raises(OptionError, match="does not fit an input of 5"):
        app(["conv", "--kernel", "7"], exit_on_error=False, print_error=False)


def test_grids_are_left_out_where_they_do_not_fit() -> None:
    assert "kernel   " in shown(input=9)
    assert "kernel   " not in shown(width=50, input=9)
    assert "kernel   " not in shown(input=30)
    assert re.search(r"^  input +1 1 7 7 7 7 1 1$", shown(dims=1, input=8), re.MULTILINE)


def test_the_window_is_in_colour_where_there_is_one() -> None:
    assert "\x1b[1;35m" in shown(colour=True)
    assert "\x1b[" not in shown()


def test_padding_is_told_from_the_input() -> None:
    assert "input, padded: . is 0" in shown(padding=1)
    assert "input, padded: . is -inf" in shown(pool="max", padding=1)
    assert "input, stretched and padded: . is 0" in shown(input=3, transposed=True, stride=2)
    assert ". is" not in shown()
    assert "input, x is beyond the end" in shown(pool="max", ceil_mode=True, input=5)
    assert "input, padded: . is 0, x is beyond the end" in shown(
        pool="average", ceil_mode=True, kernel=3, padding=1, stride=2, input=6
    )
    assert re.search(r"^groups +2: each filter sees", shown(groups=2), re.MULTILINE)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_nothing_is_wider_than_the_screen(width: int) -> None:
    for options in ({}, {"input": "5x7", "transposed": True, "stride": 3}, {"dims": 1, "input": 16}):
        assert max(map(len, shown(width=width, **options).splitlines())) <= width
