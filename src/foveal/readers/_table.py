"""A CSV or TSV file as rows of cells: encoding, delimiter and header found out, every row with its line."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ..errors import DataError
from ..values import Issue
from ._names import PICTURES

_DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars", " ": "blanks"}
_SHAPE = "One row a picture: its path, then its label, separated by commas, tabs or semicolons; UTF-8."


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """`names` are the header's, or `column 1`, `column 2`... where there is none."""

    file: Path
    names: list[str]
    rows: list[Row]
    delimiter: str
    issues: tuple[Issue, ...] = ()

    def column(self, number: int) -> list[str]:
        return [row.cells[number].strip() for row in self.rows]


def table(file: Path, most: int | None = None) -> Table:
    """The rows of a file, or its first `most`.

    Raises:
        DataError: the file cannot be read as a table; names the line.
    """
    text, issues = _text(file)
    delimiter = _delimiter(file, text)
    rows: list[Row] = []
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, skipinitialspace=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(Row(reader.line_num, cells))
            if most is not None and len(rows) > most:
                break
    except csv.Error as error:
        raise _refusal(file, reader.line_num, f"it cannot be read as a table ({error})") from error
    if not rows:
        raise _refusal(file, 1, "the file is empty")
    width = len(rows[0].cells)
    if width < 2:
        raise _refusal(file, rows[0].line, f"there is only one column, {rows[0].cells[0][:60]!r}")
    for row in rows:
        if len(row.cells) != width:
            raise _refusal(
                file,
                row.line,
                f"there are {len(row.cells)} cells, separated by {_DELIMITERS[delimiter]}, "
                f"where the first row has {width}",
                "Put cells that hold the separator into double quotes.",
            )
    if _is_header(rows[0], file.parent):
        names = [name.strip() for name in rows.pop(0).cells]
    else:
        names = [f"column {number}" for number in range(1, width + 1)]
    if not rows:
        raise _refusal(file, 1, "there is a header, but no row beneath it")
    return Table(file, names, rows, delimiter, issues)


def _text(file: Path) -> tuple[str, tuple[Issue, ...]]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(
            f"{file} cannot be read: {error.strerror}.", "A file that you may read.", "Check its permissions."
        ) from error
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding), ()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        says = f"{file.name} is not UTF-8 (line {line}) and was read as Latin-1; check names with accents."
        return data.decode("latin-1"), (Issue("encoding", "warning", says),)


def _delimiter(file: Path, text: str) -> str:
    """The separator that cuts the first lines into equally many cells."""
    start = text.splitlines(keepends=True)[:50]
    order = [",", "\t", ";", "|"]
    if file.suffix.lower() in (".tsv", ".tab"):
        order = ["\t", ",", ";", "|"]
    if file.suffix.lower() == ".txt":
        order = ["\t", ",", ";", "|", " "]
    best, best_share = order[0], 0.0
    for delimiter in order:
        share = _share(start, delimiter)
        if share > best_share:
            best, best_share = delimiter, share
    return best


def _share(lines: Sequence[str], delimiter: str) -> float:
    """The share of rows with the usual number of cells, 0 where that is one."""
    try:
        widths = [len(c) for c in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if c]
    except csv.Error:
        return 0.0
    if not widths:
        return 0.0
    usual, often = Counter(widths).most_common(1)[0]
    return often / len(widths) if usual > 1 else 0.0


def _is_header(row: Row, folder: Path) -> bool:
    """A first row is a header unless a cell in it is a picture's path."""
    for cell in row.cells:
        try:
            if PurePath(cell.strip()).suffix.lower() in PICTURES or (folder / cell.strip()).is_file():
                return False
        except (OSError, ValueError):
            continue
    return True


def _refusal(file: Path, line: int, what: str, todo: str = "Mend the file, or give another.") -> DataError:
    return DataError(f"{file}, line {line}: {what}.", _SHAPE, todo)
