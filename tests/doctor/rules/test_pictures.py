"""Rules that hold pictures and labels against each other, on cases made by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import gathered
from foveal.doctor import _folded
from foveal.doctor.case import Case
from foveal.doctor.rules import labels_noisy, labels_swapped, leak, overfitting, shortcut, suspiciously_good
from foveal.finding import Finding
from foveal.values import Item


def ring(*shares: float) -> Case:
    """Classes that are called by the next one's name, each so often."""
    names = [f"c{n}" for n in range(len(shares))]
    rows = [
        {"truth": name, "called": names[(n + 1) % len(names)], "count": 20, "share": share}
        for n, (name, share) in enumerate(zip(names, shares, strict=True))
    ]
    return Case(gathered.made(None), tests={"splits": {"called": rows}})


def test_a_ring_holds_where_most_of_it_is_sure() -> None:
    assert isinstance(labels_swapped.examine(ring(0.9, 0.9, 0.95, 1.0, 0.6)), Finding)
    assert labels_swapped.examine(ring(0.9, 0.6, 0.6, 1.0, 0.6)) is None
    assert labels_swapped.examine(ring(0.9, 0.9, 0.95, 1.0, 0.4)) is None


def twice(label: str, count: int, mirrored: bool = False) -> Case:
    """Training pictures of which some are there again."""
    twins = [
        {"first": f"a{n}", "second": f"b{n}", "distance": 0.0, "mirrored": mirrored, "parts": ["train", "train"],
         "labels": ["one", label]}
        for n in range(count)
    ]  # fmt: skip
    data = {"twins": twins, "counts": {"train": {"one": 200, "two": 200}}}
    return Case(gathered.made(None), data=data)


def test_one_picture_under_two_labels_is_wrong() -> None:
    said = labels_noisy.examine(twice("two", 6))
    assert isinstance(said, Finding)
    assert "6 of 400" in said.says
    assert not isinstance(labels_noisy.examine(twice("one", 6)), Finding)
    assert not isinstance(labels_noisy.examine(twice("two", 3)), Finding)
    assert not isinstance(labels_noisy.examine(twice("two", 6, mirrored=True)), Finding)


def answered(easy: float, hard: float, known: float, count: int = 200) -> Case:
    """Two classes; a third of the easy one's pictures has near duplicates in training, of which so many are known."""
    rows, twins = [], []
    for label, share, first in (("easy", easy, 0), ("hard", hard, count)):
        for n in range(count):
            has = label == "easy" and n % 3 == 0
            right = (n % 100) / 100 < (known if has else share)
            name = f"v{first + n}"
            rows.append({"id": name, "truth": label, "predicted": label if right else "other"})
            if has:
                twins.append({"first": f"t{n}", "second": name, "distance": 0.02, "mirrored": False,
                              "parts": ["train", "val"], "labels": ["easy", "easy"]})  # fmt: skip
    judged = dataclasses.replace(gathered.judged([[2, 0], [0, 2]]), examples=rows)
    ids = [pair["second"] for pair in twins]
    data: dict[str, Any] = {
        "twins": twins, "leaks": {"val": ids}, "count": 2 * count, "counts": {"val": {"easy": count, "hard": count}},
    }  # fmt: skip
    return Case(gathered.made(judged), data=data)


def test_twins_are_held_against_their_own_class() -> None:
    """Near duplicates of an easy class do not help; those that are known better than others of their class do."""
    assert leak.examine(answered(0.95, 0.3, 0.95)) is None
    said = leak.examine(answered(0.4, 0.3, 1.0))
    assert isinstance(said, Finding)
    assert len(said.cure.exclude) == 67


def test_copies_that_change_nothing_stand_behind_what_does() -> None:
    """A third of the easy class is there twice to the last pixel, and known no better than the rest of it."""
    case = answered(0.95, 0.3, 0.95, count=1000)
    same = [{**pair, "distance": 0.0} for pair in case.data["twins"]]
    said = leak.examine(dataclasses.replace(case, data={**case.data, "twins": same}))
    assert isinstance(said, Finding)
    assert said.aside
    assert "as good without them" in said.says
    other = dataclasses.replace(said, rule="rate_too_high", aside=False)
    tight = dataclasses.replace(said, rule="suspiciously_good", aside=False)
    found = _folded({one.rule: one for one in (said, other, tight)})
    assert [one.rule for one in found] == ["suspiciously_good", "rate_too_high", "leak"]
    helped = _folded({one.rule: one for one in (dataclasses.replace(said, aside=False), other, tight)})
    assert [one.rule for one in helped] == ["leak", "rate_too_high"]


@pytest.mark.parametrize(("told", "aside"), [(0.3, True), (0.6, False)])
def test_a_way_around_that_is_not_taken_stands_last(told: float, aside: bool) -> None:
    border = {"what": "border", "accuracy": 0.65, "low": 0.6, "high": 0.7, "count": 200, "chance": 0.2}
    own = {"accuracy": told, "low": told - 0.05, "high": told + 0.05, "count": 200}
    said = shortcut.examine(Case(gathered.made(None), data={"shortcuts": [border], "judged": {"all": own}}))
    assert isinstance(said, Finding)
    assert said.aside == aside


def small_set(each: int, train: float, val: float) -> Case:
    """So many training pictures of each of four classes, and how many of either split are known."""
    items = tuple(
        Item(f"{part}{label}{n}", "x.png", label, part)
        for part, count in (("train", each), ("val", 60))
        for label in "abcd"
        for n in range(count)
    )
    base = gathered.made(None, tuple(gathered.epoch(n, val, 0.1, 0.9) for n in (1, 2)))
    assert base.dataset is not None
    record = dataclasses.replace(
        base, dataset=dataclasses.replace(base.dataset, items=items, labels=tuple("abcd"))
    )
    return Case(record, tests={"splits": {"train": train, "val": val, "count": 128}})


@pytest.mark.parametrize(
    ("each", "train", "val", "ill"),
    [(8, 1.0, 0.5, True), (8, 1.0, 0.95, False), (60, 1.0, 0.5, False), (8, 0.6, 0.5, False)],
)
def test_a_handful_of_pictures_is_too_few_where_others_are_not_known(
    each: int, train: float, val: float, ill: bool
) -> None:
    assert (overfitting._few(small_set(each, train, val)) is not None) == ill


@pytest.mark.parametrize(("val", "test", "ill"), [(0.99, 0.5, True), (0.9, 0.85, False), (0.5, 0.9, False)])
def test_a_validation_score_that_test_pictures_do_not_hold(val: float, test: float, ill: bool) -> None:
    right = round(100 * test)
    judged = gathered.judged([[right, 100 - right], [100 - right, right]])
    items = tuple(Item(f"v{n}", "x.png", "a", "val") for n in range(200))
    base = gathered.made(judged, (gathered.epoch(1, val, 0.1, 0.1),))
    assert base.dataset is not None
    case = Case(dataclasses.replace(base, dataset=dataclasses.replace(base.dataset, items=items)))
    assert isinstance(suspiciously_good.examine(case), Finding) == ill


@pytest.mark.parametrize(("copies", "low", "ill"), [(6, 0.2, True), (6, 0.9, True), (30, 0.2, False)])
def test_few_copies_are_not_what_a_poor_run_lacks(
    monkeypatch: pytest.MonkeyPatch, copies: int, low: float, ill: bool
) -> None:
    monkeypatch.setattr(leak, "poor", lambda case: low < 0.5)
    twins = [{"first": f"t{n}", "second": f"v{n}", "distance": 0.0, "mirrored": False, "parts": ["train", "test"],
              "labels": None} for n in range(copies)]  # fmt: skip
    judged = {
        "all": {"count": 100, "accuracy": 0.5, "low": low, "high": 0.6},
        "without": {"count": 100 - copies, "accuracy": 0.45, "low": low, "high": 0.6},
    }
    data = {"twins": twins, "leaks": {"test": [f"v{n}" for n in range(copies)]}, "count": 300,
            "counts": {"test": {"a": 100}}, "judged": judged}  # fmt: skip
    found = leak.examine(Case(gathered.made(None), data=data))
    assert isinstance(found, Finding)
    assert found.aside == ill
