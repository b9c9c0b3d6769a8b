"""Which column of a table holds paths, labels and splits: as named, or guessed from names and contents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from ..errors import DataError, OptionError, nearest
from ..options import ReadOptions
from ._names import PICTURES, label_of, part_of, shown
from ._table import Table

FEW_VALUES = 20  # that many different numbers may well be the numbers of classes
_SAMPLE = 200  # rows looked at for a guess
_PATHS = (
    "path", "filepath", "file_path", "file", "filename", "file_name", "image", "image_path", "img",
    "img_path", "picture", "photo", "image_name", "image_id", "id", "name",
)  # fmt: skip
_LABELS = (
    "label", "labels", "class", "classes", "class_name", "classname", "category", "categories", "target",
    "targets", "tag", "tags", "truth", "ground_truth", "y", "species", "breed", "diagnosis", "kind", "type",
    "class_index", "class_id", "label_id",
)  # fmt: skip
_MANY = ("labels", "tags", "classes", "categories", "targets")
_SPLITS = ("split", "part", "set", "subset", "partition", "phase", "fold", "usage", "dataset")
_TRUE = {"true": "val", "1": "val", "yes": "val", "false": "train", "0": "train", "no": "train"}

Has = Callable[[str], bool]
"""Whether a cell leads to a picture."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Numbers of the columns; how a label cell is read; and all of it in words."""

    path: int
    label: int
    split: int | None
    separator: str | None
    numeric: bool
    why: str

    @property
    def task(self) -> str:
        return "multilabel" if self.separator else "regress" if self.numeric else "classify"

    def truth(self, cell: str) -> str | list[str] | float | None:
        """What a label cell says; None where it says nothing."""
        cell = cell.strip()
        if self.separator:
            return list(dict.fromkeys(label_of(p.strip()) for p in cell.split(self.separator) if p.strip()))
        if not cell:
            return None
        return float(cell) if self.numeric else label_of(cell)

    def part(self, cells: list[str], names: list[str]) -> str:
        """The split that a row names; empty where it names none."""
        return "" if self.split is None else _part(names[self.split], cells[self.split]) or ""


def choose(rows: Table, options: ReadOptions, has: Has) -> Columns:
    """The columns, with the reason in words.

    Raises:
        OptionError: a column that was named is not there.
        DataError: a column cannot be guessed.
    """
    named_path = _named(rows, "path_column", options.path_column)
    named_label = _named(rows, "label_column", options.label_column)
    path = named_path if named_path is not None else path_column(rows, has, named_label)
    if path is None:
        raise DataError(
            f"{rows.file} has the columns {_list(rows)}, and in none of them a picture's path.",
            f"A column with paths of pictures, from the folder {rows.file.parent} on.",
            "Name it with --path-column, or put the table where its paths start.",
        )
    split = _split_column(rows, {path, named_label})
    label = named_label if named_label is not None else _label_column(rows, {path, split})
    separator = _separator(rows, label)
    numeric = separator is None and _is_numeric(rows.column(label))
    said = [
        _said(rows, "paths", path, named_path is not None),
        _said(rows, "labels", label, named_label is not None)
        + (f", several separated by {separator!r}" if separator else ""),
    ]
    said += [_said(rows, "splits", split, False)] if split is not None else []
    values = {cell for cell in rows.column(label) if cell}
    if not numeric and len(values) > FEW_VALUES and all(map(_is_number, values)):
        said.append("whole numbers are taken for classes; for numbers that measure, give --task regress")
    return Columns(path, label, split, separator, numeric, "; ".join(said))


def path_column(rows: Table, has: Has, taken: int | None = None) -> int | None:
    """The column whose cells lead to pictures, or at least look so."""
    sample = rows.rows[:: max(1, len(rows.rows) // _SAMPLE)]
    best: tuple[tuple[float, float, bool, int, int], int] | None = None
    for number, name in enumerate(rows.names):
        cells = [row.cells[number].strip() for row in sample]
        found = sum(map(has, cells)) / len(cells)
        looks = sum(PurePath(cell).suffix.lower() in PICTURES for cell in cells) / len(cells)
        # Bare numbers are found as 7.png where they only count something, so the name must say more.
        bare = not looks and _key(name) not in _PATHS and all(map(_is_number, filter(None, cells)))
        if number != taken and (found or looks) and not bare:
            key = (round(found, 2), round(looks, 2), _key(name) in _PATHS, len(set(cells)), -number)
            if best is None or key > best[0]:
                best = (key, number)
    return best[1] if best else None


def _label_column(rows: Table, taken: set[int | None]) -> int:
    free = [number for number in range(len(rows.names)) if number not in taken]
    for hint in _LABELS:
        for number in free:
            if _key(rows.names[number]) == hint:
                return number
    if not free:
        raise _unclear(rows, "none is left for labels")
    if len(free) == 1:
        return free[0]
    distinct = {number: len({cell for cell in rows.column(number) if cell}) for number in free}
    flags = [number for number in free if set(rows.column(number)) <= {"0", "1", "0.0", "1.0"}]
    if len(flags) > 2:
        raise _unclear(rows, f"{len(flags)} hold only 0 and 1, as if there were one for each class")
    repeating = [number for number in free if 1 < distinct[number] < len(rows.rows)]
    words = [number for number in repeating if not all(map(_is_number, rows.column(number)))]
    for some in (words, repeating):
        if some:
            return min(some, key=lambda number: (distinct[number], number))
    raise _unclear(rows, "none of them looks like labels, which repeat from row to row")


def _split_column(rows: Table, taken: set[int | None]) -> int | None:
    for number, name in enumerate(rows.names):
        cells = {cell for cell in rows.column(number) if cell}
        known = _key(name) in _SPLITS or _key(name) in ("is_valid", "is_val", "is_test")
        if number not in taken and known and cells and all(_part(name, cell) for cell in cells):
            return number
    return None


def _part(name: str, cell: str) -> str | None:
    if _key(name) in ("is_valid", "is_val", "is_test"):
        part = _TRUE.get(cell.strip().lower())
        return "test" if part == "val" and _key(name) == "is_test" else part
    return part_of(cell)


def _separator(rows: Table, label: int) -> str | None:
    """The sign between several labels in a cell, where there clearly are several."""
    cells = {cell for cell in rows.column(label) if cell}
    for sign in ("|", ";", ","):
        several = [cell for cell in cells if sign in cell]
        if not several or (sign == "," and any(" " in cell for cell in several)):
            continue
        pieces = {piece.strip() for cell in cells for piece in cell.split(sign)}
        if _key(rows.names[label]) in _MANY or len(pieces) < len(cells):
            return sign
    return None


def _is_numeric(cells: list[str]) -> bool:
    """Measurements rather than classes: numbers of many values, with fractions or few of them equal."""
    filled = [cell for cell in cells if cell]
    values = set(filled)
    if len(values) <= FEW_VALUES or not all(map(_is_number, filled)):
        return False
    return len(values) > len(filled) // 2 or any(not float(cell).is_integer() for cell in values)


def _is_number(cell: str) -> bool:
    try:
        return float(cell) - float(cell) == 0  # neither infinite nor NaN
    except ValueError:
        return False


def _named(rows: Table, option: str, name: str | None) -> int | None:
    if name is None:
        return None
    if name in rows.names:
        return rows.names.index(name)
    keys = [_key(known) for known in rows.names]
    if keys.count(_key(name)) == 1:
        return keys.index(_key(name))
    near = nearest(name, rows.names)
    raise OptionError(
        f"{rows.file} has no column {name!r}.",
        f"Its columns: {_list(rows)}.",
        f"Did you mean --{option.replace('_', '-')} {near[0]!r}?" if near else "Name one of these.",
    )


def _unclear(rows: Table, why: str) -> DataError:
    return DataError(
        f"{rows.file} has the columns {_list(rows)}; {why}.",
        "One column with the class of each picture.",
        "Name it with --label-column, or add one.",
    )


def _key(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _list(rows: Table) -> str:
    return shown([repr(name) for name in rows.names], 20)


def _said(rows: Table, what: str, number: int, named: bool) -> str:
    return f"{what} in column {rows.names[number]!r} ({'named' if named else 'guessed'})"
