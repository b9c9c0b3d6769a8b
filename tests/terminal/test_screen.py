"""What is seen while a verb works."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from foveal.events import Epoch, Noticed, Started, Step, Stopped
from foveal.terminal.console import error_console
from foveal.terminal.screen import Screen, headline
from foveal.values import Choice, Issue, span

SCORE = {
    "name": "accuracy",
    "value": 0.9,
    "low": 0.85,
    "high": 0.94,
    "higher_is_better": True,
    "split": "val",
}
MESSAGES = (
    ("examining", 50, 100),
    ("examining", 100, 100),
    Choice("network", "resnet9", "the pictures are tiny and plentiful"),
    Choice("lr", 0.025, "given", automatic=False),
    Choice("out", "runs/digits resnet9-1", "the first free number"),
    Issue("truncated", "warning", "7 pictures are cut off", tuple(f"a/{n}.jpg" for n in range(7))),
    Started(epochs=4, steps_per_epoch=23, stages=("head", "all")),
    Step(
        step=5,
        epoch=1,
        stage="head",
        loss=1.25,
        lr=0.001,
        progress=0.1,
        images_per_second=812.4,
        seconds_left=75,
    ),
    Epoch(step=23, epoch=1, stage="head", train_loss=0.75, headline=SCORE, best=True, seconds=12),
    Step(
        step=30, epoch=2, stage="all", loss=0.5, lr=0.02, progress=0.4, images_per_second=800, seconds_left=50
    ),
    Noticed(what="memory", says="out of memory: the batch is halved"),
    Stopped(step=92, why="interrupted", says=""),
)


def shown(*messages: object, **console: Any) -> str:
    file = io.StringIO()
    made = Console(file=file, highlight=False, **console) if console else error_console(file)
    with Screen(made) as screen:
        for message in messages:
            screen(message)
    return file.getvalue()


def test_without_a_terminal_there_are_lines_and_no_bar() -> None:
    lines = shown(*MESSAGES).splitlines()
    text = "\n".join(lines)
    assert "\x1b" not in text
    assert "\r" not in text
    assert "812" not in text
    (network,) = [line for line in lines if "resnet9 " in line and "tiny" in line]
    assert network.split() == "network resnet9 the pictures are tiny and plentiful".split()
    (epoch,) = [line for line in lines if line.startswith("epoch")]
    assert epoch.split() == "epoch 1/4 head loss 0.7500 accuracy 0.9000 [0.8500, 0.9400] 12 s best".split()
    assert "warning: 7 pictures are cut off" in lines
    assert "    ... and 2 more" in lines
    assert "! out of memory: the batch is halved" in lines


@pytest.mark.parametrize("width", [30, 80, 200])
def test_a_terminal_has_a_bar_with_loss_metric_rate_speed_and_time_left(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foveal.terminal.screen.REFRESH_SECONDS", -1.0)
    text = shown(*MESSAGES, force_terminal=True, width=width, color_system=None, legacy_windows=False)
    assert "examining" in text
    if width == 80:
        assert "epoch 1  loss 1.2500  rate 0.001  812 pictures/s  1 min 15 s left" in text
    if width == 30:
        assert "epoch 2  loss 0.5000" in text
        assert "pictures/s" not in text.partition("Training")[2]
    if width == 200:
        assert "epoch 1  loss 1.2500  rate 0.001  812 pictures/s  1 min 15 s left" in text
        assert "epoch 2  loss 0.5000  accuracy 0.9000  rate 0.02  800 pictures/s  50 s left" in text


def test_interruption_is_known_and_others_are_none() -> None:
    screen = Screen(error_console(io.StringIO()))
    assert screen.how_to_resume() == ""
    screen(Stopped(why="early"))
    assert not screen.interrupted
    screen(("run", "runs/a-1"))
    assert screen.how_to_resume().endswith("foveal train --resume runs/a-1")
    screen(("run", "my runs/a-1"))
    assert screen.how_to_resume().endswith('foveal train --resume "my runs/a-1"')
    screen(Stopped(why="interrupted", says="saved; see runs/b-2"))
    assert screen.interrupted
    assert screen.how_to_resume() == "saved; see runs/b-2"


def test_names_steer_nothing() -> None:
    evil = "\x1b]0;owned\x07[red]x\n"
    text = shown(
        Issue("empty", "error", evil, (evil,)),
        Choice("network", evil, evil),
        Noticed(says=evil),
        Stopped(says=evil),
    )
    assert "\x1b" not in text
    assert "\x07" not in text
    assert text.count("[red]x") == 6


class Gone(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise OSError


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_that_goes_away_does_not_end_the_work(terminal: bool) -> None:
    console = error_console(io.StringIO())
    console = type(console)(file=Gone(), force_terminal=terminal, width=80)
    with Screen(console) as screen:
        for message in MESSAGES:
            screen(message)
    assert screen.interrupted


def test_what_is_not_known_is_passed_over() -> None:
    assert shown(object(), ("odd",), None, 3) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.96, "10.0 s"),
        (45.4, "45 s"),
        (59.7, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_span(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_headline_without_what_it_needs() -> None:
    assert headline({}) == ""
    assert headline({"name": "accuracy", "value": None}) == "accuracy ?"


def test_why_it_stopped_is_a_sentence() -> None:
    assert shown(Stopped(why="time", says="the planned time is used")) == "The planned time is used.\n"
    assert shown(Stopped(why="early")) == "Stopped early: no epoch was better for a while.\n"
    assert shown(Stopped(why="finished")) == ""
