"""Training obeys a table of decisions; what it cannot obey is said with the nearest that there is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from foveal.data.decisions import applied, written
from foveal.errors import DataError
from foveal.options import ReadOptions
from foveal.readers import prepare, read
from pictures import class_folder


def table(path: Path, *rows: tuple[str, str]) -> str:
    path.write_text(
        written(
            {"id": id, "decision": decision, "why": "a, b", "suggested": "keep"} for id, decision in rows
        ),
        encoding="utf-8",
    )
    return str(path)


def test_excluded_and_relabelled(tmp_path: Path) -> None:
    root = str(class_folder(tmp_path / "d", 2, 8))
    decided = table(
        tmp_path / "decisions.csv",
        ("circle/000.png", "exclude"),
        ("circle/001.png", "label:square"),
        ("square/000.png", "keep"),
        ("square/001.png", ""),
        ("square/002.png", "label:square"),
        ("gone.png", "exclude"),
    )
    data, choices = prepare(root, ReadOptions(exclude=decided, data_home=str(tmp_path / "h")), 0)
    truths = {item.id: item.truth for item in data.items}
    assert len(truths) == 15
    assert "circle/000.png" not in truths
    assert truths["circle/001.png"] == "square"
    found = {issue.kind: issue for issue in data.issues}
    assert found["excluded"].paths == ("circle/000.png",)
    assert found["relabelled"].paths == ("circle/001.png",)
    assert found["exclude-unknown"].paths == ("gone.png",)
    decided_ = next(choice for choice in choices if choice.option == "decided")
    assert decided_.value == 2
    assert "1 picture left out" in decided_.reason
    assert not decided_.automatic


def test_a_table_that_keeps_all_changes_nothing(tmp_path: Path) -> None:
    root = str(class_folder(tmp_path / "d", 2, 3))
    decided = table(tmp_path / "decisions.csv", ("circle/000.png", "keep"))
    assert read(root, ReadOptions(exclude=decided)).items == read(root, ReadOptions()).items


@pytest.mark.parametrize(
    ("row", "came", "todo"),
    [
        (("circle/000.png", "label:squares"), "'squares'", "'square'"),
        (("circle/000.png", "exclud"), "'exclud'", "'exclude'"),
        (("circel/000.png", "exclude"), "None of the 1 ids", "circle/000.png"),
    ],
)
def test_what_cannot_be_obeyed(tmp_path: Path, row: tuple[str, str], came: str, todo: str) -> None:
    root = str(class_folder(tmp_path / "d", 2, 3))
    with pytest.raises(DataError) as caught:
        read(root, ReadOptions(exclude=table(tmp_path / "decisions.csv", row)))
    assert came in caught.value.came
    assert todo in caught.value.todo


def test_other_labels_are_for_classes_alone(tmp_path: Path) -> None:
    data = read(str(class_folder(tmp_path / "d", 2, 3)), ReadOptions())
    numbers = dataclasses.replace(
        data, items=tuple(dataclasses.replace(item, truth=float(n)) for n, item in enumerate(data.items))
    )
    with pytest.raises(DataError, match="do not bear one label"):
        applied(numbers, "id,decision\ncircle/000.png,label:square\n", "decisions.csv", lambda name: name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_that_a_spreadsheet_saved(tmp_path: Path, encoding: str, separator: str) -> None:
    root = class_folder(tmp_path / "d", 2, 5)
    (root / "circle" / "000.png").rename(root / "circle" / "grün; zwei.png")
    rows = [("ID", "Decision"), ('"circle/grün; zwei.png"', "exclude"), ("square\\001.png", "label:circle")]
    text = "".join(separator.join(row) + "\r\n" for row in rows)
    (tmp_path / "saved.csv").write_bytes(text.encode(encoding))
    data = read(str(root), ReadOptions(exclude=str(tmp_path / "saved.csv")))
    truths = {item.id: item.truth for item in data.items}
    assert "circle/grün; zwei.png" not in truths
    assert truths["square/001.png"] == "circle"
    assert not [issue for issue in data.issues if issue.kind == "exclude-unknown"]


def test_what_is_no_table_and_what_no_list_of_this_data(tmp_path: Path) -> None:
    root = str(class_folder(tmp_path / "d", 2, 3))
    file = tmp_path / "decisions.csv"
    file.write_text('id,decision\n"' + "x\n" * 70_000)
    with pytest.raises(DataError, match="cannot be read from line"):
        read(root, ReadOptions(exclude=str(file)))
    for text in ("id,decision\nx,exclude\n", "x\n"):
        file.write_text(text)
        with pytest.raises(DataError, match="None of the 1 ids"):
            read(root, ReadOptions(exclude=str(file)))
