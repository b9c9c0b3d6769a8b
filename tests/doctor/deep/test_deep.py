"""Tests of a run's parts on networks and pictures that are ill in one respect, and beside them on sound ones."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from torch import Tensor, nn

import foveal.state
from foveal import catalog
from foveal.doctor.case import Case
from foveal.doctor.examination import KIND, ORDER
from foveal.doctor.rules import (
    augmentation_destroys,
    frozen_by_mistake,
    optimizer_lacks_parameters,
)
from foveal.finding import Finding
from foveal.structure.layers import is_in, parameter_groups
from patients import posed
from staging import Net, block, small

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

    monkeypatch.setattr(foveal.state, "parameter_groups", head_only)
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


class Rounded(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x * 1e-4).round()


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
