"""A person's decisions about pictures, as a CSV that training obeys: keep, leave out, give another label."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import DataError, nearest
from ..values import Dataset, Issue

COLUMNS = ("id", "decision", "why", "suggested")
KEEP, EXCLUDE, LABEL = "keep", "exclude", "label:"
_ALLOWED = "keep (or nothing), exclude, or label:NAME with one of the data's labels"


def written(rows: Iterable[Mapping[str, str]]) -> str:
    """The CSV's text, of rows with these columns."""
    file = io.StringIO()
    table = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return file.getvalue()


def is_table(lines: Sequence[str]) -> bool:
    """Whether a text is a table of decisions: its first line names `id` and `decision`."""
    head = next(csv.reader(lines[:1]), [])
    return {"id", "decision"} <= {name.strip().lower() for name in head}


def applied(dataset: Dataset, lines: Sequence[str], file: str, find: Callable[[str], str | None]) -> Dataset:
    """The data set with the decisions of a table obeyed; what was done stands in its issues.

    Args:
        find: the id of the item that a line's `id` means, None where there is none.

    Raises:
        DataError: a decision or a label that there is not, or not one id is of this data.
    """
    table = csv.DictReader([_head(lines[0]), *lines[1:]])
    gone: dict[str, None] = {}
    renamed: dict[str, str] = {}
    unknown: list[str] = []
    count = 0
    for number, row in enumerate(table, 2):
        name, decision = (row.get("id") or "").strip(), (row.get("decision") or "").strip()
        if not name:
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
        raise _strangers(dataset, unknown, file)
    return _obeyed(dataset, gone, renamed, unknown, file)


def _head(line: str) -> str:
    return ",".join(f'"{name.strip().lower()}"' for name in next(csv.reader([line])))


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


def _strangers(dataset: Dataset, unknown: Sequence[str], file: str) -> DataError:
    near = nearest(unknown[0], [item.id for item in dataset.items[:20_000]], 1)
    return DataError(
        f"None of the {len(unknown)} ids in {file} is of this data; the first is {unknown[0]!r}.",
        f"Ids as foveal inspect gives them, such as {dataset.items[0].id!r}."
        if dataset.items
        else "Ids of it.",
        f"Did you mean {near[0]!r}? " * bool(near) + "Check that the table was made for this data.",
    )


def _obeyed(
    dataset: Dataset, gone: Mapping[str, None], renamed: Mapping[str, str], unknown: Sequence[str], file: str
) -> Dataset:
    changed = {item.id for item in dataset.items if renamed.get(item.id, item.truth) != item.truth}
    issues = []
    if gone:
        says = f"{_pictures(len(gone))} left out, as decided in {file}."
        issues.append(Issue("excluded", "note", says, tuple(gone)))
    if changed:
        says = f"{_pictures(len(changed))} given another label, as decided in {file}."
        issues.append(Issue("relabelled", "note", says, tuple(sorted(changed))))
    if not gone and not changed:
        issues.append(Issue("excluded", "note", f"{file} decides to keep every picture as it is."))
    if unknown:
        says = f"{len(unknown)} lines of {file} name no picture of this data: {', '.join(unknown[:5])}."
        issues.append(Issue("exclude-unknown", "warning", says, tuple(unknown)))
    items = tuple(
        dataclasses.replace(item, truth=renamed[item.id]) if item.id in changed else item
        for item in dataset.items
        if item.id not in gone
    )
    return dataclasses.replace(dataset, items=items, issues=(*dataset.issues, *issues))


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"
