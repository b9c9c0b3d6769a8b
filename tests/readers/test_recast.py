"""The same pictures for another task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foveal.errors import DataError
from foveal.options import ReadOptions
from foveal.readers import prepare, read
from foveal.readers._recast import recast
from foveal.values import Dataset, Item, labels_of
from pictures import class_folder, shape

BOXED = {"label": "a", "box": [1.0, 2.0, 3.0, 4.0], "area": 3.0}
OUTLINED = {**BOXED, "polygons": [[1.0, 2.0, 3.0, 2.0, 3.0, 4.0]]}
MASK = {"label": "b", "mask": "m.png", "value": 2}


def made(task: str, truths: list[Any], column: str = "") -> Dataset:
    items = tuple(Item(f"{n}.png", f"{n}.png", truth) for n, truth in enumerate(truths))
    labels = tuple(sorted({label for t in truths for label in labels_of(t)}))
    return Dataset("/d", task, "csv", "a table", labels, items, column=column)


@pytest.mark.parametrize(
    ("task", "truths", "wanted", "turned", "labels"),
    [
        ("classify", ["a", "b"], "multilabel", [["a"], ["b"]], ("a", "b")),
        ("classify", ["10", "2", "-1.5"], "regress", [10.0, 2.0, -1.5], ("age",)),
        ("multilabel", [["b"], ["a"]], "classify", ["b", "a"], ("a", "b")),
        ("regress", [3.75, 2.0, 10.0], "classify", ["3.75", "2", "10"], ("2", "3.75", "10")),
        ("instances", [[OUTLINED, MASK], []], "detect", [[BOXED, MASK], []], ("a", "b")),
        ("instances", [[OUTLINED, MASK], []], "segment", [[OUTLINED, MASK], []], ("background", "a", "b")),
        ("instances", [[MASK, OUTLINED, MASK], []], "multilabel", [["a", "b"], []], ("a", "b")),
        ("detect", [[BOXED, BOXED], []], "multilabel", [["a"], []], ("a",)),
        ("detect", [[BOXED, BOXED], [{**BOXED, "label": "c"}]], "classify", ["a", "c"], ("a", "c")),
        ("detect", [[BOXED], []], "upscale", [None, None], ()),
        ("classify", ["a", "b"], "autoencode", [None, None], ()),
        ("segment", [{"mask": "m.png", "legend": {}}], "autoencode", [None], ()),
    ],
)
def test_what_can_be_turned(
    task: str, truths: list[Any], wanted: str, turned: list[Any], labels: tuple[str, ...]
) -> None:
    got = recast(made(task, truths, "age"), wanted)
    assert (got.task, [item.truth for item in got.items], got.labels) == (wanted, turned, labels)
    assert "as asked" in got.why


@pytest.mark.parametrize("wanted", [None, "classify", "a task of somebody's own"])
def test_what_stays_as_it_is(wanted: str | None) -> None:
    data = made("classify", ["a", "b"])
    assert recast(data, wanted) is data


@pytest.mark.parametrize(
    ("task", "truths", "wanted", "came"),
    [
        ("classify", ["1", "two", "nan"], "regress", r"2 of 3 pictures in /d are without a number: 1.png \(two\)"),
        ("multilabel", [["a"], ["a", "b"], []], "classify", r"1.png \(a, b\), 2.png \(none\)"),
        ("multilabel", [["a"]], "regress", "is data to multilabel .a table., where data to regress is wanted"),
        ("segment", ["m.png"], "classify", "is data to segment"),
        ("segment", ["m.png"], "multilabel", "not known before it is opened"),
        ("segment", ["m.png"], "instances", "do not tell one object from the next"),
        ("detect", [[BOXED]], "instances", "boxes do not tell the outlines"),
        ("detect", [[BOXED]], "segment", "boxes do not tell the outlines"),
        ("classify", ["a"], "detect", "do not say where"),
        ("detect", [[BOXED], [], [BOXED, MASK]], "classify", r"1.png \(none\), 2.png \(a, b\)"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(task: str, truths: list[Any], wanted: str, came: str) -> None:
    with pytest.raises(DataError, match=came) as error:
        recast(made(task, truths), wanted)
    assert task in error.value.allowed + error.value.todo


def test_whole_numbers_in_a_table_can_be_measurements(tmp_path: Path) -> None:
    for number in range(40):
        shape(number, 8).save(tmp_path / f"{number}.png")
    lines = [f"{n}.png,{n % 10}" for n in range(40)]
    (tmp_path / "ages.csv").write_text("path,age\n" + "\n".join(lines))
    file, options = str(tmp_path / "ages.csv"), ReadOptions(data_home=str(tmp_path / "home"))
    assert read(file, options).task == "classify"
    got, choices = prepare(file, options, 0, None, "regress")
    assert (got.task, got.labels) == ("regress", ("age",))
    assert {item.id: item.truth for item in got.items}["13.png"] == 3.0
    assert {int(item.truth) for item in got.part("val")} == set(range(10)), "some of every size"
    assert any("stratified by value" in choice.reason for choice in choices)


def test_folders_can_be_labels_that_do_not_exclude_each_other(tmp_path: Path) -> None:
    got = read(str(class_folder(tmp_path, 2, 3, 8)), ReadOptions(), "multilabel")
    assert (got.task, got.items[0].truth, got.labels) == ("multilabel", ["circle"], ("circle", "square"))
