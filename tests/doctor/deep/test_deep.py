"""Tests of a run's parts on networks and pictures that are ill in one respect, and beside them on sound ones."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import foveal.loop.state
from foveal import catalog
from foveal.doctor.case import Case
from foveal.doctor.deep import labels_held
from foveal.doctor.examination import KIND, ORDER
from foveal.doctor.rules import (
    augmentation_destroys,
    cannot_fit,
    frozen_by_mistake,
    labels_noisy,
    optimizer_lacks_parameters,
)
from foveal.events import Epoch
from foveal.finding import Finding
from foveal.records.gathered import Gathered
from foveal.structure.layers import is_in, parameter_groups
from foveal.values import Dataset, Item
from patients import posed
from staging import LABELS, Net, block, digits, small

SOUND = ("outputs", "modes", "mixing", "blind", "activity", "moves", "preprocessing")


@functools.cache
def sound() -> Case:
    return posed(*SOUND, epochs=4)


def measured(test: str, **ill: Any) -> dict[str, Any]:
    return dict(posed(test, **{"epochs": 1, **ill}).tests[test])


def test_each_says_what_it_asks() -> None:
    for name in catalog.names(KIND):
        test = catalog.find(KIND, name)
        assert test.__doc__
        assert "\n" not in test.__doc__
        assert test.SOURCE
        assert isinstance(test.QUICK, bool)
        assert name in ORDER


def test_in_a_sound_network_all_moves_and_nothing_is_lost() -> None:
    tests = sound().tests
    assert tests["moves"]["parameters"] == tests["moves"]["with_gradient"] == len(list(small().parameters()))
    assert not tests["moves"]["unmoved"]
    assert not tests["moves"]["not_given"]
    assert not tests["activity"]["same"]
    assert not tests["activity"]["without_gradient"]
    assert tests["activity"]["layers"] == 11
    assert tests["mixing"]["others"] < 1e-6 < tests["mixing"]["own"]
    assert tests["outputs"]["low"] < 0
    assert not tests["outputs"]["rectified"]
    other = tests["preprocessing"]["other"]
    assert other["accuracy"] <= tests["preprocessing"]["own"] + 0.05, other


def test_what_the_optimizer_was_not_given_is_not_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    def head_only(network: nn.Module, head: str, **more: Any) -> list[dict[str, object]]:
        kept = {id(p) for name, p in network.named_parameters() if is_in(name, head)}
        groups = parameter_groups(network, head, **more)
        made = [{**g, "params": [p for p in g["params"] if id(p) in kept]} for g in groups]  # type: ignore[attr-defined]
        return [group for group in made if group["params"]]

    monkeypatch.setattr(foveal.loop.state, "parameter_groups", head_only)
    case = posed("moves", epochs=1)
    found = case.tests["moves"]
    assert "layers.0.weight" in found["unmoved"]
    assert found["unmoved"] == found["not_given"]
    assert not any(name.startswith("head") for name in found["unmoved"])
    said = optimizer_lacks_parameters.examine(Case(case.record, (), case.tests))
    assert isinstance(said, Finding)
    assert f"{len(found['unmoved'])} of {found['parameters']} parameters" in said.says


class Cut(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach()


def test_what_is_cut_off_gets_no_gradient() -> None:
    case = posed("moves", made=lambda: Net(*block(1, 6), Cut(), width=6), epochs=2)
    found = case.tests["moves"]
    assert found["without_gradient"] == ["layers.0.weight", "layers.1.weight", "layers.1.bias"]
    said = frozen_by_mistake.examine(Case(case.record, (), case.tests))
    assert isinstance(said, Finding)
    assert "3 of 5 parameters" in said.says


class Listed(nn.Module):
    """A convolution in a plain list, of which torch does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.rest = [nn.Conv2d(6, 6, 3, padding=1)]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.rest[0](x)
        return out


def test_layers_in_a_plain_list_are_found() -> None:
    case = posed("moves", made=lambda: Net(*block(1, 6), Listed(), width=6), epochs=1)
    assert case.tests["moves"]["unknown"] == ["6", "6 x 6 x 3 x 3"]
    said = optimizer_lacks_parameters.examine(Case(case.record, (), case.tests))
    assert isinstance(said, Finding)
    assert said.direct
    assert "2 parameters" in said.says
    assert not sound().tests["moves"]["unknown"]


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 0


def test_the_place_where_a_picture_is_lost_is_named() -> None:
    found = measured("activity", made=lambda: Net(*block(1, 6), Nothing(), *block(6, 6), width=6))
    assert found["first"] == "layers.3"
    assert found["place"] == 3
    assert "layers.0" in found["without_gradient"]
    assert found["same"][-1] == "head"


class Rectified(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = small()

    @property
    def head(self) -> nn.Module:
        return self.inner.head

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x).relu()
        return out


def test_a_rectifier_at_the_end_is_seen() -> None:
    found = measured("outputs", made=Rectified, head="inner.head")
    assert found["rectified"]
    assert found["low"] == 0 < found["zeros"] < 1
    assert not found["probabilities"]


@pytest.mark.parametrize(
    ("wrong", "way"),
    [
        (lambda x: x * 0.25 + 0.5, "normalised once more"),
        (lambda x: (x * 0.25 + 0.5) * 255, "divided by 255 and normalised once more"),
        (lambda x: (x - 0.5) / 0.25, "0 to 1"),
    ],
)
def test_the_preparation_that_is_better_is_found(wrong: Any, way: str) -> None:
    found = measured("preprocessing", seen=lambda images, part, augment: wrong(images), epochs=4)
    assert found["other"]["way"] == way
    assert found["other"]["accuracy"] > found["own"] + 0.3
    assert found["other"]["only_so"] > 3 * found["other"]["only_own"]


class Faint(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 1e-12


def test_steps_that_rounding_swallows_are_no_ones_fault() -> None:
    case = posed("moves", made=lambda: Net(*block(1, 6, norm=False), Faint(), width=6), epochs=1)
    found = case.tests["moves"]
    assert found["with_gradient"] == found["parameters"] == 4
    assert not found["unmoved"]


def test_sound_pictures_are_not_blamed() -> None:
    case = posed("augmentation", "splits", epochs=1, said={"augment": "light"})
    found = case.tests["augmentation"]
    assert abs(found["taught_val"] - found["taught_varied_val"]) < 0.15
    ill = {**found, "val": 0.1}  # a run that is bad for another reason
    assert (
        augmentation_destroys.examine(
            Case(case.record, (), {"splits": case.tests["splits"], "augmentation": ill})
        )
        is None
    )


def longer(record: Gathered) -> Gathered:
    """As if it had made a thousand steps."""
    events = (dataclasses.replace(e, step=1000) if isinstance(e, Epoch) else e for e in record.events)
    return dataclasses.replace(record, events=tuple(events))


def noise(images: Tensor, part: str, augment: bool) -> Tensor:
    return torch.randn_like(images) if augment else images


def test_pictures_that_become_noise_are_blamed_where_the_run_lacks_as_much() -> None:
    case = posed("augmentation", "splits", seen=noise, epochs=1, said={"augment": "randaugment"})
    found, splits = case.tests["augmentation"], case.tests["splits"]
    assert found["whole"]
    assert found["taught_val"] > found["taught_varied_val"] + 0.2
    assert found["taught_varied"] < 0.3
    assert found["taught_bare"] < 0.3, "this noise is no option's"
    learned = {**found, "taught_plain": 1.0, "val": 0.1, "taught_varied_val": 0.1, "taught_bare": 0.95}
    nothing = {**splits, "varied": 0.1, "train": 0.1}
    assert (
        augmentation_destroys.examine(Case(case.record, (), {"splits": nothing, "augmentation": learned}))
        is None
    )
    case = Case(longer(case.record))
    said = augmentation_destroys.examine(Case(case.record, (), {"splits": nothing, "augmentation": learned}))
    assert isinstance(said, Finding)
    assert said.cure.changes == {"augment": "light"}
    learned["taught_bare"] = found["taught_bare"]
    said = augmentation_destroys.examine(Case(case.record, (), {"splits": nothing, "augmentation": learned}))
    assert isinstance(said, Finding)
    assert not said.cure.can_be_tried, "no option takes it away"
    assert "RandomRotation" in said.cure.says
    known = {**learned, "taught_varied": 1.0}
    assert (
        augmentation_destroys.examine(Case(case.record, (), {"splits": nothing, "augmentation": known}))
        is None
    )


def test_some_of_each_class_are_learned_by_heart_or_not() -> None:
    found = measured("subset")
    assert found["count"] >= 64
    assert found["classes"] == 10
    assert found["whole"]
    assert found["accuracy"] > 0.9
    case = posed("subset", made=lambda: Net(*block(1, 1), width=1), epochs=1)
    assert case.tests["subset"]["accuracy"] < 0.6
    fits = {"accuracy": 1.0, "steps": 120}
    tests = {**case.tests, "one_batch": {"plain": fits, "own": fits}}
    said = cannot_fit.examine(Case(case.record, (), tests))
    assert isinstance(said, Finding)
    assert said.severity == "warning"


def mislabelled(share: float) -> Dataset:
    """The digits, of whose training labels so many are drawn by chance."""
    draw, data = np.random.default_rng(0), digits()
    items = tuple(
        dataclasses.replace(item, truth=str(draw.choice(LABELS)))
        if item.part == "train" and draw.random() < share
        else item
        for item in data.items
    )
    return dataclasses.replace(data, items=items)


def test_training_labels_that_mean_less_than_validations_are_seen() -> None:
    case = posed("labels_held", data=mislabelled(0.5), epochs=4)
    found, known = case.tests["labels_held"], {item.id: item.truth for item in digits().items}
    assert found["held"] > found["train"] + 0.25
    given = {item.id: item.truth for item in mislabelled(0.5).items}
    truly = [known[name] != given[name] for name in found["doubted"]]
    assert sum(truly) > 0.8 * len(truly) > 50
    said = labels_noisy.examine(case)
    assert isinstance(said, Finding)
    assert set(said.cure.exclude) == set(found["doubted"])
    fine = posed("labels_held", epochs=4)
    assert fine.tests["labels_held"]["held"] < fine.tests["labels_held"]["train"] + 0.06
    assert not isinstance(labels_noisy.examine(fine), Finding)


def slipped(late: float) -> Dataset:
    """The digits, whose last training rows bear the label of the row after them."""
    data = digits()
    train = [n for n, item in enumerate(data.items) if item.part == "train"]
    items = list(data.items)
    for place, after in itertools.pairwise(train[round(len(train) * (1 - late)) :]):
        items[place] = dataclasses.replace(items[place], truth=data.items[after].truth)
    return dataclasses.replace(data, items=tuple(items))


def test_rows_that_slipped_are_found_by_the_neighbours_label() -> None:
    found = posed("labels_held", data=slipped(0.4), epochs=4)
    told = found.tests["labels_held"]["slipped"]
    assert told["by"] == -1
    assert told["share"] > told["others"] + 0.15
    assert told["typical"] > told["others"] + 0.1  # in every class
    said = labels_noisy.examine(found)
    assert isinstance(said, Finding)
    assert "1 row further up" in said.says
    sound = posed("labels_held", epochs=4).tests["labels_held"]["slipped"]
    assert abs(sound["share"] - sound["others"]) < 0.06


def test_classes_in_turns_that_look_alike_have_not_slipped() -> None:
    items = tuple(Item(str(n), f"{n}.png", str(n % 10), "train") for n in range(400))
    patient: Any = SimpleNamespace(dataset=Dataset("", "classify", "folder", "", (), items))
    likeness = {item.id: "5" if item.truth == "3" else str(item.truth) for item in items}
    told = labels_held._slipped(patient, likeness)
    assert (told["by"], told["others"], told["typical"]) == (2, 0.0, 0.0)
    assert told["share"] > 0.09
