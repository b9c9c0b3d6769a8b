"""Where things are shown: results on stdout, everything else on stderr."""

from __future__ import annotations

import sys
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .plain import plain

# What is read by a program or a file is not cut to the width of a screen.
UNBOUNDED = 10_000


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """The reader has gone; `main` ends quietly (rich would exit with code 1)."""
        self.quiet = True
        raise BrokenPipeError


def result_console(file: IO[str] | None = None) -> Console:
    """For results: stdout."""
    return _console(file or sys.stdout)


def error_console(file: IO[str] | None = None) -> Console:
    """For all that is not a result: stderr."""
    return _console(file or sys.stderr)


def help_console() -> Console:
    """For the help: stdout, and as wide as a screen even where it is none."""
    return _console(sys.stdout, bounded=True)


def _console(file: IO[str], bounded: bool = False) -> Console:
    # NO_COLOR and TERM=dumb are rich's to respect. Emoji codes and markup stay what was typed.
    def make(width: int | None) -> Console:
        return _Console(file=file, width=width, highlight=False, markup=False, emoji=False)

    console = make(None)
    return console if bounded or console.is_terminal else make(UNBOUNDED)


def text(value: object, style: str = "", keep: str = "") -> Text:
    """Any value as text that steers nothing, in this style."""
    return Text(plain(value, keep), style)


def table(columns: dict[str, str], title: str = "") -> Table:
    """An empty table; `columns` are headings and their alignment (`left`, `right`). Long cells fold."""
    made = Table(title=text(title, "bold") if title else None, title_justify="left", box=None, pad_edge=False)
    made.padding = (0, 2, 0, 0)
    for heading, justify in columns.items():
        made.add_column(
            text(heading),
            justify="right" if justify == "right" else "left",
            overflow="fold",
            no_wrap=justify == "right",
            header_style="dim",
        )
    return made


def row(into: Table, *cells: object, style: str = "") -> None:
    """Add a row; cells that are no rich text yet are made safe."""
    into.add_row(*(cell if isinstance(cell, Text) else text(cell) for cell in cells), style=style)
