"""Nothing that is printed steers the terminal."""

from __future__ import annotations

import json
import math
import shlex
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.terminal.plain import plain, quoted, to_json


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Blüte 花.jpg", "Blüte 花.jpg"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("latin-\udce9", "latin-\\xe9"),
        ("half \ud800", "half \\ud800"),
        ("[bold]not markup[/]", "[bold]not markup[/]"),
        ("👩\u200d🌾", "👩\u200d🌾"),
        ("a\u2028b\u0085c", "a\\u2028b\\x85c"),
        (Path("a") / "b", str(Path("a") / "b")),
        (3, "3"),
    ],
)
def test_shown(name: object, shown: str) -> None:
    assert plain(name) == shown


def test_line_ends_are_kept_where_asked() -> None:
    assert plain("a\nb\x07", keep="\n") == "a\nb\\x07"


@given(st.text(st.characters()))
def test_nothing_steers(text: str) -> None:
    shown = plain(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cs", "Zl", "Zp"}
    shown.encode("utf-8")


def test_json_is_strict_and_ascii() -> None:
    made = to_json({"b": [math.nan, math.inf, 0.1], "a": Path("x"), "name": "花\udce9", 1: (True, None)})
    assert made.isascii()
    read = json.loads(made, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert read == {"b": [None, None, 0.1], "a": "x", "name": "花\udce9", "1": [True, None]}
    assert list(read) == ["b", "a", "name", "1"]


@pytest.mark.parametrize(
    "path", ["runs/a-1", "läufe/a b-1", "runs/this&that", "a'b", 'a"b', "a$HOME", "a!b`c`", "(1);2"]
)
def test_a_quoted_path_is_one_word_to_a_shell(path: str) -> None:
    assert shlex.split(quoted(path)) == [path]
    assert (quoted(path) == path) == (path == "runs/a-1")
    if any(char in path for char in '"$`!'):
        assert quoted(path).startswith("'")
