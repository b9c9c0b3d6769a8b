"""A CSV or TSV file of pictures' paths and their label or labels, perhaps with a column of splits."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..errors import DataError
from ..options import ReadOptions
from ..values import Claim, Dataset, Issue, Item
from . import _columns
from ._columns import Columns
from ._names import in_order, is_picture, natural, shown
from ._table import Table, table
from ._tree import scan

SOURCE = "https://www.rfc-editor.org/rfc/rfc4180"
SUFFIXES = (".csv", ".tsv", ".tab")
MISSING = 0.1  # share of rows without their picture above which the paths must be wrong


def sniff(path: Path) -> Claim | None:
    """A claim on a table, or on a folder with exactly one table that names pictures in it."""
    if path.is_file():
        return Claim("csv", f"{path.name} is a table") if path.suffix.lower() in (*SUFFIXES, ".txt") else None
    naming = [file for file in tables(path) if _names_pictures(file)]
    return Claim("csv", f"{naming[0].name} names pictures in this folder") if len(naming) == 1 else None


def read(path: Path, options: ReadOptions) -> Dataset:
    """The data set. Paths count from the table's folder; columns are guessed where not named.

    Raises:
        DataError: naming the file and the line.
    """
    file = path if path.is_file() else _only(path)
    rows = table(file)
    places = Places(file.parent)
    columns = _columns.choose(rows, options, places.has)
    items, issues = _items(rows, columns, places)
    name = rows.names[columns.label].strip()
    truths = [item.truth if isinstance(item.truth, list) else [item.truth] for item in items]
    return Dataset(
        root=places.root,
        task=columns.task,
        reader="csv",
        why=f"{file.name}: {columns.why}",
        labels=in_order(label for truth in truths for label in truth if isinstance(label, str))
        if columns.task != "regress"
        else tuple(filter(None, [name])),
        items=tuple(items),
        issues=(*rows.issues, *issues),
        column=name,
    )


def tables(folder: Path) -> list[Path]:
    """The tables that lie directly in a folder."""
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return []
    return [f for f in found if f.suffix.lower() in SUFFIXES and not f.name.startswith(".") and f.is_file()]


def _names_pictures(file: Path) -> bool:
    try:
        rows = table(file, most=50)
        places = Places(file.parent)
        column = _columns.path_column(rows, places.has)
        return column is not None and any(places.has(row.cells[column]) for row in rows.rows)
    except DataError:
        return False


def _only(folder: Path) -> Path:
    found = tables(folder)
    naming = [file for file in found if _names_pictures(file)] if len(found) > 1 else found
    if len(naming) != 1:
        names = f": {shown([file.name for file in found])}" if found else ""
        raise DataError(
            f"{folder} holds {len(found)} tables{names}; {len(naming)} of them name pictures in it.",
            "One table, a .csv or .tsv, whose paths lead to pictures.",
            f"Give the table itself: {naming[0] if naming else folder / 'labels.csv'}.",
        )
    return naming[0]


class Places:
    """Finds the picture that a cell means: a path from the table's folder, or a bare name beneath it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = os.path.abspath(folder)  # noqa: PTH100 - Path.absolute leaves `..` in
        self._by_name: dict[str, list[str]] | None = None
        self._tried: dict[str, str | None] = {}

    def has(self, cell: str) -> bool:
        """Whether the cell leads to a picture."""
        place = self.find(cell)
        return place is not None and is_picture(os.path.join(self.root, place))

    def find(self, cell: str) -> str | None:
        """The path relative to the root, absolute where it lies outside, or None."""
        cell = cell.strip()
        if cell not in self._tried:
            self._tried[cell] = self._find(cell)
        return self._tried[cell]

    def _find(self, cell: str) -> str | None:
        if not cell or "\0" in cell or len(cell) > 4000:
            return None
        for written in dict.fromkeys((cell, cell.replace("\\", "/"))):
            whole = os.path.normpath(os.path.join(self.root, written))
            if os.path.isfile(whole) or os.path.islink(whole):  # noqa: PTH113, PTH114 - broken links as well
                return self._place(whole)
        return self._beneath(cell.replace("\\", "/"))

    def _place(self, whole: str) -> str:
        inside = whole.startswith(self.root.rstrip(os.sep) + os.sep)
        return (os.path.relpath(whole, self.root) if inside else whole).replace(os.sep, "/")

    def _beneath(self, cell: str) -> str | None:
        """`7.png` or `7` where only pictures/7.png can be meant."""
        if self._by_name is None:
            self._by_name = {}
            for place in scan(self.folder).all_pictures():
                name = place.rpartition("/")[2]
                for known in {name, name.rpartition(".")[0] or name}:
                    self._by_name.setdefault(known, []).append(place)
        found = self._by_name.get(cell, [])
        return found[0] if len(found) == 1 else None


def _items(rows: Table, columns: Columns, places: Places) -> tuple[list[Item], list[Issue]]:
    items: dict[str, Item] = {}
    lines: dict[str, int] = {}
    missing, unlabelled, twice, torn = list[str](), list[str](), list[str](), list[str]()
    for row in rows.rows:
        cell = row.cells[columns.path].strip()
        place = places.find(cell)
        truth = columns.truth(row.cells[columns.label])
        here = f"{cell} (line {row.line})"
        if place is None:
            missing.append(here)
        elif truth is None:
            unlabelled.append(here)
        elif place in items:
            same = items[place].truth == truth
            (twice if same else torn).append(f"{here}, first in line {lines[place]}")
        else:
            part = columns.part(row.cells, rows.names)
            items[place] = Item(id=place, path=place, truth=truth, part=part)
            lines[place] = row.line
    _check_missing(rows, missing, places)
    issues = [
        Issue(
            kind, severity, f"{len(found)} row{'s' * (len(found) != 1)} {says}: {shown(found)}.", tuple(found)
        )
        for kind, severity, says, found in _kinds(missing, unlabelled, twice, torn)
        if found
    ]
    return sorted(items.values(), key=lambda item: natural(item.id)), issues


def _kinds(*found: list[str]) -> list[tuple[str, Literal["note", "warning"], str, list[str]]]:
    missing, unlabelled, twice, torn = found
    return [
        ("missing", "warning", "left out, whose picture is not there", missing),
        ("unlabelled", "warning", "left out, without a label", unlabelled),
        ("listed-twice", "note", "naming a picture again with the same label, left out", twice),
        ("listed-differently", "warning", "naming a picture again with another label, left out", torn),
    ]


def _check_missing(rows: Table, missing: Sequence[str], places: Places) -> None:
    if len(missing) > MISSING * len(rows.rows):
        raise DataError(
            f"{rows.file}: {len(missing)} of {len(rows.rows)} rows name a picture that is not there: "
            f"{shown(missing, 3)}.",
            f"Paths from {places.root} on, or absolute ones; at most a tenth may be missing.",
            "Move the table to where its paths start, or name the right column with --path-column.",
        )
