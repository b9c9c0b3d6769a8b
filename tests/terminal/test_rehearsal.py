"""A dry run and a range test as they are drawn, in braille and in plain ASCII."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
from rich.console import Console

from foveal.schedules import onecycle
from foveal.schedules import step as steps
from foveal.terminal.plot import BRAILLE, curve, has_braille
from foveal.terminal.rehearsal import rehearsal

STAGES = [
    {"name": "head", "trainable": "head", "epochs": 1, "steps": 10, "schedule": "constant", "warmup": 0.0,
     "lr": 0.04, "seconds": 4.0},
    {"name": "all", "trainable": "all", "epochs": 5, "steps": 50, "schedule": "cosine", "warmup": 0.1,
     "lr": 0.02, "seconds": 100.0},
]  # fmt: skip
DOC: dict[str, Any] = {
    "choices": [],
    "stages": STAGES,
    "schedule": {"steps": list(range(1, 61)), "rates": [0.04] * 10 + [0.02 * (1 - n / 50) for n in range(50)]},
    "groups": [
        {"stage": "head", "layers": "conv", "trainable": 0, "frozen": 72, "rate": None, "weight_decay": None},
        {"stage": "all", "layers": "fc", "trainable": 2570, "frozen": 0, "rate": 0.02, "weight_decay": 5e-4},
    ],
    "parameters": {"total": 1_234_567, "trainable": 2570},
    "seconds": {"prepare": 3.0, "train": 104.0, "judge": 8.0, "total": 115.0, "epoch": 20.0, "check": 2.0, "save": 0.1},
    "memory": {"weights": 14.0, "average": 0.0, "activations": 800.0, "batch": 19.0, "gradients": 14.0,
               "optimizer": 28.0, "peak": 875.0, "machine": 1000.0, "pieces": 2},
    "find_lr": {"rates": [1e-6, 1e-4, 1e-2, 1.0], "losses": [2.3, 2.2, 1.0, None], "smoothed": [2.3, 2.2, 1.1, None],
                "suggestion": 0.001, "reason": "range test: lowest there"},
}  # fmt: skip


class Bytes(io.TextIOWrapper):
    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="")

    def written(self) -> str:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


def shown(encoding: str, width: int = 80, **environment: str) -> str:
    file = Bytes(encoding)
    rehearsal(
        Console(file=file, width=width, force_terminal=True, color_system=None, _environ=environment), DOC
    )
    return file.written()


def test_all_of_it_is_said() -> None:
    text = shown("utf-8")
    for said in ("head", "cosine, warm-up 10%", "1,234,567", "2,570", "0.0005", "875 MB of 1,000 MB", "2 pieces",
                 "close to all", "1 min 55 s", "lowest there", "↑ 0.001", "Nothing was trained"):  # fmt: skip
        assert said in text, said
    assert any(BRAILLE < ord(char) < BRAILLE + 256 for char in text)


@pytest.mark.parametrize(
    ("encoding", "environment"), [("ascii", {}), ("cp1252", {}), ("utf-8", {"TERM": "dumb"})]
)
def test_plain_ascii_where_dots_would_not_be_seen(encoding: str, environment: dict[str, str]) -> None:
    text = shown(encoding, **environment)
    assert text.isascii()
    assert "*" in text
    assert "^ 0.001" in text


@pytest.mark.parametrize("width", [50, 80, 200])
def test_charts_fit_the_screen(width: int) -> None:
    assert max(len(line) for line in shown("utf-8", width).splitlines()) <= width
    for dots in (True, False):
        lines = curve([1, 400], [0.0, 1.0], width=width, x="step", y="rate", dots=dots)
        assert max(map(len, lines)) <= width
        assert lines[-1].endswith("step")


def column(lines: list[str], at: int) -> int:
    """The row of the one star in a column of the canvas."""
    rows = [n for n, line in enumerate(lines) if at < len(line) and line[at] == "*"]
    assert rows, f"nothing is drawn in column {at}"
    return rows[0]


def test_the_curve_is_where_it_belongs() -> None:
    """High is up, early is left, the peak of a warm-up stands where it ends, and a drop is a drop."""
    n = 400
    lines = curve(
        range(n), [onecycle.factor(k / n, 0.25) for k in range(n)], width=66, x="step", y="rate", dots=False
    )
    left, columns = lines[1].index("|") + 1, len(lines[-2]) - lines[-2].index("+") - 1
    peak, end = left + columns // 4, left + columns - 1
    assert column(lines, peak) == 1
    assert column(lines, left) > 6
    assert column(lines, end) == 8
    lines = curve(
        range(n), [steps.factor(k / n, 0.0) for k in range(n)], width=66, x="step", y="rate", dots=False
    )
    assert column(lines, left + columns // 3 - 2) == 1
    assert column(lines, left + columns // 3 + 2) >= 7


def test_a_logarithmic_axis_has_a_decade_in_the_same_room() -> None:
    lines = curve(
        [1e-4, 1e-2, 1.0], [0.0, 0.0, 1.0], width=70, x="rate", y="loss", log_x=True, dots=False, mark=0.01
    )
    pointer = next(line for line in lines if "^" in line)
    axis = next(line for line in lines if "+" in line)
    left, columns = axis.index("+") + 1, axis.count("-")
    assert abs(pointer.index("^") - (left + columns / 2)) <= 1


def test_what_is_not_finite_is_left_out() -> None:
    assert curve([1, 2, 3], [math.nan, 1.0, math.inf], width=40, x="step", y="rate")
    assert curve([], [], width=40, x="step", y="rate") == ["rate: nothing to draw"]
    assert not has_braille(Console(file=Bytes("cp437")))
