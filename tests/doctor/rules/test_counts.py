"""Labels and classes counted: what training lacks beside the other splits, and what one class takes from others."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import gathered
from foveal.doctor.case import Case
from foveal.doctor.deep._heads import ranked, scaled
from foveal.doctor.deep.inputs import _mismatched
from foveal.doctor.rules import imbalance, labels_noisy, labels_shuffled
from foveal.doctor.rules._tags import missing, number
from foveal.finding import Finding
from foveal.tasks import multilabel
from foveal.values import Batch, Dataset, Item

TAGS = ("ring", "disc", "bar")


def tagged(train: list[list[str]], val: list[list[str]]) -> Case:
    rows = [("train", tags) for tags in train] + [("val", tags) for tags in val]
    items = tuple(Item(f"{n}", "x.png", tags, part) for n, (part, tags) in enumerate(rows))
    data = Dataset("/data", "multilabel", "table", "", TAGS, items)
    record = gathered.made(None, dataset=data)
    options = {**record.options, "task": {"name": "multilabel", "labels": list(TAGS)}}
    return Case(dataclasses.replace(record, options=options))


BOTH = [["ring", "disc"], ["disc", "bar"], ["ring", "bar"], ["ring"]]


@pytest.mark.parametrize(
    ("change", "fewer", "gone"),
    [
        (lambda tags: tags, False, set()),
        (lambda tags: tags[:1], True, set()),  # the first of several
        (lambda tags: [tag for tag in tags if tag != "disc"], True, {"disc"}),
    ],
)
def test_labels_that_training_lacks(change: Any, fewer: bool, gone: set[str]) -> None:
    case = tagged([change(tags) for tags in BOTH * 50], BOTH * 40)
    assert (number(case) is not None) == fewer
    assert gone <= set(missing(case))
    assert fewer or not missing(case)


def test_labels_that_training_lacks_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_noisy, "poor", lambda case, share: True)
    found = labels_noisy.examine(tagged([tags[:1] for tags in BOTH * 50], BOTH * 15))
    assert isinstance(found, Finding)
    assert "1.00 labels each, and those of the other splits 1.75" in found.says
    assert labels_noisy.examine(tagged(BOTH * 50, BOTH * 15)) is None


@pytest.mark.parametrize(
    ("cats", "called", "ill"),
    [
        (200, 0.9, True),  # nearly all is called a cat
        (200, 0.3, False),  # and yet the others are known
        (10, 0.9, False),  # cats are not common: something else is wrong
    ],
)
def test_one_class_takes_the_others(
    monkeypatch: pytest.MonkeyPatch, cats: int, called: float, ill: bool
) -> None:
    monkeypatch.setattr(imbalance, "poor", lambda case, share: True)
    counts = {"cat": cats, "dog": 10, "owl": 10}
    items = tuple(Item(f"{k}{n}", "x.png", k, "train") for k, count in counts.items() for n in range(count))
    record = gathered.made(None)
    assert record.dataset is not None
    record = dataclasses.replace(record, dataset=dataclasses.replace(record.dataset, items=items))
    share = max(called, 0.5)
    names = {k: "cat" if called > 0.5 else k for k in counts}
    rows = [{"truth": k, "called": names[k], "count": 30, "share": share} for k in counts]
    found = imbalance.examine(Case(record, data={"confused": rows}))
    assert isinstance(found, Finding) == ill


@pytest.mark.parametrize(("weights", "ill"), [((0.2, 1.4, 1.4), False), ((2.6, 0.2, 0.2), True), ((), False)])
def test_weights_go_down_with_the_number_of_pictures(
    monkeypatch: pytest.MonkeyPatch, weights: tuple[float, ...], ill: bool
) -> None:
    monkeypatch.setattr(imbalance, "poor", lambda case, share: True)
    counts = {"cat": 100, "dog": 10, "owl": 10}
    items = tuple(Item(f"{k}{n}", "x.png", k, "train") for k, count in counts.items() for n in range(count))
    record = gathered.made(None)
    assert record.dataset is not None
    options = {
        **record.options,
        "task": {"name": "classify", "labels": list(counts), "class_weights": weights},
    }
    record = dataclasses.replace(
        record, dataset=dataclasses.replace(record.dataset, items=items), options=options
    )
    found = imbalance.examine(Case(record))
    assert isinstance(found, Finding) == ill
    assert not ill or "weighs common classes more" in found.says  # type: ignore[union-attr]


def test_labels_are_held_against_the_data_where_there_are_several() -> None:
    tags = [["ring", "disc"], [], ["bar"], ["disc"]]
    items = tuple(Item(f"{n}", "x.png", own, "train") for n, own in enumerate(tags))
    patient: Any = SimpleNamespace(
        dataset=Dataset("/data", "multilabel", "table", "", TAGS, items), task=multilabel.build(TAGS)
    )
    truths = patient.task.collate([[TAGS.index(name) for name in own] for own in tags])
    batch = Batch(torch.zeros(4, 1, 2, 2), truths, [item.id for item in items])
    assert _mismatched(patient, batch) == 0
    moved = dataclasses.replace(batch, truths=truths.roll(1, 0))
    assert _mismatched(patient, moved) == 1


@pytest.mark.parametrize(("alike", "ill"), [(True, False), (False, True)])
def test_of_two_classes_half_is_not_most(monkeypatch: pytest.MonkeyPatch, alike: bool, ill: bool) -> None:
    monkeypatch.setattr(imbalance, "poor", lambda case, share: True)
    counts = {"none": 150, "some": 149 if alike else 30}
    items = tuple(Item(f"{k}{n}", "x.png", k, "train") for k, count in counts.items() for n in range(count))
    record = gathered.made(None)
    assert record.dataset is not None
    record = dataclasses.replace(record, dataset=dataclasses.replace(record.dataset, items=items))
    rows = [{"truth": k, "called": "none", "count": 30, "share": 1.0} for k in counts]
    assert isinstance(imbalance.examine(Case(record, data={"confused": rows})), Finding) == ill


def test_labels_are_ranked_by_what_pictures_show() -> None:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(200, 12))
    borne = (rows[:, :3] + 0.5 * draw.normal(size=(200, 3)) > 0.5).astype(np.float64)
    borne = np.c_[borne, np.zeros(200)]  # nobody bears the last one
    own = scaled(rows.astype(np.float32), rows.astype(np.float32))
    known, moved = ranked(own, borne), ranked(own, np.roll(borne, 1, 0))
    assert known is not None
    assert moved is not None
    assert known[0] > 0.9
    assert abs(moved[0] - 0.5) < 4 * moved[1]
    assert ranked(own, borne[:, 3:]) is None


@pytest.mark.parametrize(
    ("train", "held", "ill"), [(0.51, 0.85, True), (0.8, 0.85, False), (0.5, 0.55, False)]
)
def test_labels_of_other_pictures(
    monkeypatch: pytest.MonkeyPatch, train: float, held: float, ill: bool
) -> None:
    monkeypatch.setattr(labels_shuffled, "poor", lambda case, share: True)
    test = {"several": True, "train": train, "held": held, "count": 120, "spread": [0.03, 0.03]}
    case = dataclasses.replace(tagged(BOTH * 50, BOTH * 40), tests={"labels_held": test})
    assert isinstance(labels_shuffled.examine(case), Finding) == ill
