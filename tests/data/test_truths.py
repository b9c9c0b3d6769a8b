"""Objects held against their pictures."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.data import truths
from foveal.data.truths import checked
from foveal.errors import DataError
from foveal.values import Issue, Item

SIZE = (100, 80)
RING = [10.0, 10.0, 30.0, 10.0, 20.0, 30.0]


def check(*objects: dict[str, Any], task: str = "detect") -> tuple[list[dict[str, Any]], dict[str, Issue]]:
    """What is left of the objects, beside one that is right, and the issues."""
    right = {"label": "right", "box": [1.0, 1.0, 50.0, 50.0], "polygons": [RING]}
    items, issues = checked(task, [Item("a", "a", [*objects, right])], {"a": SIZE})
    assert items[0].truth[-1] == right
    return items[0].truth[:-1], {issue.kind: issue for issue in issues}


def box(*place: float) -> dict[str, Any]:
    return {"label": "cat", "box": list(place)}


@pytest.mark.parametrize(
    ("told", "left", "kind"),
    [
        ((10, 10, 20, 20), [(10, 10, 20, 20)], None),
        ((-0.5, 0, 100.9, 80), [(0, 0, 100, 80)], None),
        ((-5, 10, 20, 20), [(0, 10, 20, 20)], "box-off-canvas"),
        ((90, 70, 120, 90), [(90, 70, 100, 80)], "box-off-canvas"),
        ((20, 10, 10, 30), [(10, 10, 20, 30)], "box-corners"),
        ((20, 30, 10, 10), [(10, 10, 20, 30)], "box-corners"),
        ((10, 10, 10, 20), [], "box-no-area"),
        ((10, 10, 20, 10), [], "box-no-area"),
        ((100, 10, 120, 20), [], "box-outside"),
        ((10, -20, 20, -5), [], "box-outside"),
        ((10, 10, 10.2, 20), [(10, 10, 10.2, 20)], "object-vanishes"),
        ((10, 10, 10.4, 20), [(10, 10, 10.4, 20)], None),
    ],
)
def test_boxes(told: tuple[float, ...], left: list[tuple[float, ...]], kind: str | None) -> None:
    kept, issues = check(box(*told))
    assert [tuple(one["box"]) for one in kept] == left
    assert set(issues) == ({kind} if kind else set())
    if kind:
        assert issues[kind].paths == ("a",)
        assert issues[kind].says.startswith("1 ")
        assert "cat at" in issues[kind].says


@given(st.lists(st.tuples(*[st.floats(-300, 300)] * 4), min_size=1, max_size=20))
def test_whatever_is_told_lies_on_the_picture_in_the_end_and_stays_so(
    places: list[tuple[float, ...]],
) -> None:
    kept, _ = check(*(box(*place) for place in places))
    for one in kept:
        x0, y0, x1, y1 = one["box"]
        assert 0 <= x0 < x1 <= SIZE[0]
        assert 0 <= y0 < y1 <= SIZE[1]
    again, issues = check(*kept)
    assert again == kept
    assert set(issues) <= {"object-vanishes"}


def test_what_is_told_twice_counts_once() -> None:
    one, two = box(10, 10, 20, 20), {**box(10, 10, 20, 20), "label": "dog"}
    crowd = {**one, "crowd": True}
    kept, issues = check(one, two, dict(one), crowd, dict(one))
    assert kept == [one, two, crowd]
    assert issues["object-twice"].says.startswith("2 objects")


def test_outlines_that_cannot_be_used() -> None:
    boxed = box(10, 10, 30, 30)
    line = {**boxed, "polygons": [[10.0, 10.0, 30.0, 30.0]]}
    partly = {**boxed, "polygons": [RING, [1.0, 2.0]]}
    other = {**boxed, "rle": {"size": [100, 80], "counts": [8000]}}
    torn = {**boxed, "label": "b", "rle": {"size": [80, 100], "counts": [50, 60]}}
    junk = {**boxed, "label": "c", "rle": {"size": [80, 100], "counts": "x"}}
    whole = {**boxed, "rle": {"size": [80, 100], "counts": [10, 20, 7970]}}
    kept, issues = check(line, partly, other, torn, junk, whole, {**boxed, "label": "d"}, task="instances")
    ignored = {**boxed, "ignore": True}
    assert kept == [
        ignored,
        {**boxed, "polygons": [RING]},
        {**ignored, "label": "b"},
        {**ignored, "label": "c"},
        whole,
        {**ignored, "label": "d"},
    ]
    counts = {kind: len(issue.says) and int(issue.says.split()[0]) for kind, issue in issues.items()}
    assert counts == {"polygon-points": 2, "rle-size": 1, "rle-broken": 2, "no-outline": 1, "object-twice": 1}
    kept, issues = check(line, boxed)
    assert (len(kept), set(issues)) == (2, set()), "boxes alone want no outlines"


def test_an_object_that_has_but_a_broken_outline_is_left_out() -> None:
    kept, _ = check({"label": "a", "polygons": [[1.0, 2.0]]}, task="instances")
    assert kept == []


def test_objects_with_a_mask_in_a_file_are_left_alone() -> None:
    one = {"label": "a", "mask": "m.png", "value": 3}
    assert check(one, task="instances") == ([one], {})


def test_sides_that_are_told_otherwise() -> None:
    kept, issues = check({**box(1, 1, 9, 9), "on": [80, 100]}, {**box(2, 2, 9, 9), "on": [80, 100]})
    assert kept == [box(1, 1, 9, 9), box(2, 2, 9, 9)]
    assert issues["told-turned"].says.startswith("1 picture ")
    assert set(check({**box(1, 1, 9, 9), "on": [50, 40]})[1]) == {"told-size"}
    assert check({**box(1, 1, 9, 9), "on": list(SIZE)})[1] == {}


def test_not_one_object_left() -> None:
    items = [Item("a", "a", [box(5, 5, 5, 5)]), Item("b", "b", [])]
    with pytest.raises(DataError, match="Not one of 1 object can be used") as caught:
        checked("detect", items, {"a": SIZE, "b": SIZE})
    assert "1 box of no area, left out: a (cat at 5, 5, 5, 5)." in caught.value.came


@pytest.mark.parametrize(
    ("task", "truth"),
    [("classify", "cat"), ("multilabel", ["a", "b"]), ("multilabel", []), ("segment", {"mask": "m.png"}),
     ("upscale", None), ("detect", [])],
)  # fmt: skip
def test_other_truths_stay(task: str, truth: Any) -> None:
    items = [Item("a", "a", truth)]
    assert checked(task, items, {"a": SIZE}) == (tuple(items), [])


def test_counts_in_words() -> None:
    assert [truths.counted(n, unit) for n, unit in ((1, "box"), (2, "box"), (1200, "class"), (0, "picture"))] == [
        "1 box", "2 boxes", "1,200 classes", "0 pictures",
    ]  # fmt: skip
