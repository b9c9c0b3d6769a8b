"""A person's decisions about pictures, as a CSV that training obeys: keep, leave out, give another label."""

from __future__ import annotations

import codecs
import csv
import dataclasses
import io
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import DataError, nearest
from ..values import Dataset, Issue

COLUMNS = ("id", "decision", "why", "suggested")
KEEP, EXCLUDE, LABEL = "keep", "exclude", "label:"
SEPARATORS = (",", ";", "\t")
"""Of columns: a comma as Foveal writes it, the others as spreadsheets save it in some countries."""
_ALLOWED = "keep (or nothing), exclude, or label:NAME with one of the data's labels"


def written(rows: Iterable[Mapping[str, str]]) -> str:
    """The CSV's text, of rows with these columns."""
    file = io.StringIO()
    table = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return file.getvalue()


def text_of(data: bytes) -> str:
    """What a file of decisions says, as editors and spreadsheets save it: UTF-8 with its mark or without, UTF-16 with
    its mark, else Windows' own Western encoding.

    Raises:
        UnicodeDecodeError: it is no text.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252")
    if "\0" in text:
        raise UnicodeDecodeError("utf-8", data, data.index(0), data.index(0) + 1, "a text has no zeros")
    return text


def separator(text: str) -> str:
    """What separates the columns of a table of decisions, by its first line, which names `id` and `decision`; empty
    where the text is none."""
    first = text[:10_000].splitlines()[:1]
    for one in SEPARATORS:
        head = next(csv.reader(first, delimiter=one), [])
        if {"id", "decision"} <= {name.strip().lower() for name in head}:
            return one
    return ""


def applied(dataset: Dataset, text: str, file: str, find: Callable[[str], str | None]) -> Dataset:
    """The data set with the decisions of a table obeyed; what was done stands in its issues.

    Args:
        find: the id of the item that a line's `id` means, None where there is none.

    Raises:
        DataError: a decision or a label that there is not, or not one id is of this data.
    """
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator(text))
    try:
        lines = [(rows.line_num, cells) for cells in rows]
    except csv.Error as error:
        raise DataError(
            f"{file} cannot be read from line {rows.line_num} on: {error}.",
            "A table with one line a picture, as foveal inspect --deep writes it.",
            "Look there for a quotation mark that is not closed.",
        ) from error
    names = [name.strip().lower() for name in lines[0][1]]
    gone: dict[str, None] = {}
    renamed: dict[str, str] = {}
    unknown: list[str] = []
    count = 0
    for number, cells in lines[1:]:
        row = dict(zip(names, cells, strict=False))
        name, decision = row.get("id") or "", (row.get("decision") or "").strip()
        if not name.strip():
            continue
        count += 1
        label = _label(decision, dataset, f"Line {number} of {file}")
        id = find(name)
        if id is None:
            unknown.append(name)
        elif decision.lower() == EXCLUDE:
            gone[id] = None
        elif label is not None:
            renamed[id] = label
    if count and len(unknown) == count:
        raise strangers(dataset, unknown, file)
    return _obeyed(dataset, gone, renamed, unknown, file)


def _label(decision: str, dataset: Dataset, where: str) -> str | None:
    """The label that a decision gives; None where it gives none."""
    if decision.lower() in ("", KEEP, EXCLUDE):
        return None
    if not decision.lower().startswith(LABEL):
        near = nearest(decision, (KEEP, EXCLUDE))
        raise DataError(
            f"{where} decides {decision!r}.",
            f"As a decision: {_ALLOWED}.",
            f"Did you mean {near[0]!r}?" if near else "Correct the line.",
        )
    label = decision[len(LABEL) :].strip()
    if not all(isinstance(item.truth, str) for item in dataset.items):
        raise DataError(
            f"{where} gives a picture the label {label!r}, and pictures of this data do not bear one label each.",
            "Other labels where each picture has one class; for other truths keep or exclude.",
            "Correct the truth itself, or decide exclude.",
        )
    if label not in dataset.labels:
        near = nearest(label, dataset.labels)
        known = ", ".join(dataset.labels[:30]) + (" ..." if len(dataset.labels) > 30 else "")
        raise DataError(
            f"{where} gives a picture the label {label!r}, which this data does not have.",
            f"Its labels: {known}.",
            f"Did you mean {' or '.join(map(repr, near))}?" if near else "Give one of these labels.",
        )
    return label


def strangers(dataset: Dataset, unknown: Sequence[str], file: str) -> DataError:
    """That a list or a table is of other data."""
    near = nearest(unknown[0], [item.id for item in dataset.items[:20_000]], 1)
    meant = f"Did you mean {near[0]!r}? " if near else ""
    return DataError(
        f"None of the {len(unknown)} ids in {file} is of this data; the first is {unknown[0]!r}.",
        f"Ids as foveal inspect gives them, such as {dataset.items[0].id!r}."
        if dataset.items
        else "Ids of it.",
        f"{meant}Check that it was made for this data.",
    )


def _obeyed(
    dataset: Dataset, gone: Mapping[str, None], renamed: Mapping[str, str], unknown: Sequence[str], file: str
) -> Dataset:
    changed = {item.id for item in dataset.items if renamed.get(item.id, item.truth) != item.truth}
    issues = []
    if gone:
        says = f"{counted(len(gone))} left out, as decided in {file}."
        issues.append(Issue("excluded", "note", says, tuple(gone)))
    if changed:
        says = f"{counted(len(changed))} given another label, as decided in {file}."
        issues.append(Issue("relabelled", "note", says, tuple(sorted(changed))))
    if not gone and not changed:
        issues.append(Issue("excluded", "note", f"{file} decides to keep every picture as it is."))
    if unknown:
        issues.append(unknown_in(unknown, file))
    items = tuple(
        dataclasses.replace(item, truth=renamed[item.id]) if item.id in changed else item
        for item in dataset.items
        if item.id not in gone
    )
    return dataclasses.replace(dataset, items=items, issues=(*dataset.issues, *issues))


def unknown_in(lines: Sequence[str], file: str) -> Issue:
    """That some lines name no picture."""
    many = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
    names = "names" if len(lines) == 1 else "name"
    says = f"{many} of {file} {names} no picture of this data: {', '.join(lines[:5])}."
    return Issue("exclude-unknown", "warning", says, tuple(lines))


def counted(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"
