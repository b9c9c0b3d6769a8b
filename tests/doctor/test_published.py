"""Published results: the table itself, and which runs may be held against it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from foveal import catalog
from foveal.doctor.case import Case
from foveal.doctor.published import table, world
from foveal.doctor.rules import below_published
from foveal.finding import Finding, Unsure
from foveal.records.gathered import Gathered
from foveal.report.world import published
from foveal.values import Facts
from sick.below_published import CIFAR, run

SICK = run(0.71)


def told(g: Gathered) -> Finding | Unsure | None:
    return below_published.examine(Case(g))


def test_the_table_is_whole() -> None:
    known, results = table()
    assert len(results) > 150
    names = catalog.names("architectures")
    for row in results:
        assert row.data in known, row
        assert len(row.source) > 15, row
        assert row.start in ("scratch", "imagenet", ""), row
        if row.metric == "PSNR":
            assert 20 < row.value < 45, row
        else:
            assert 0.1 < row.value < 1, row
        if row.like:
            assert row.like in names or f"{row.like.split('/')[0]}/" in names, row
    assert {row.data for row in results} | {"imagenet"} == set(known)
    assert len({name for one in known.values() for name in one.names}) == sum(
        len(one.names) for one in known.values()
    )


def test_our_own_networks_say_the_same() -> None:
    """The residual networks for CIFAR-10 carry their published errors themselves."""
    errors = catalog.find("architectures", "cifar_resnet20").ERRORS
    ours = {row.like: row.value for row in table()[1] if row.like.startswith("cifar_resnet")}
    assert ours == {f"cifar_resnet{depth}": round(1 - error / 100, 4) for depth, error in errors.items()}


def test_far_below_what_is_published() -> None:
    found = told(SICK)
    assert isinstance(found, Finding)
    assert found.says == (
        "Published 93.0 for this network on CIFAR-10; this run has 71.0 [70.1, 71.9]: look for an error, not for a "
        "better network."
    )
    assert not found.cure.can_be_tried
    page = published(SICK)
    assert page is not None
    assert page.says.endswith("you have 71.0: look for an error, not for a better network.")
    assert any(row.this for row in page.rows)
    assert any(row.own for row in page.rows)


@pytest.mark.parametrize("value", [0.9, 0.92, 0.95])
def test_a_healthy_run_is_left_alone(value: float) -> None:
    assert told(run(value)) is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"train": 8_000, "val": 1_000}, "9,000 of its 50,000 training pictures"),
        ({"epochs": 3}, "trained for 3 epochs, published after 350"),
        ({"test": 2_000}, "judged on 2,000 of its 10,000 test pictures"),
        ({"status": "interrupted"}, "the run has not come to its end"),
    ],
)
def test_another_setting_is_no_match(changes: dict[str, Any], says: str) -> None:
    g = run(0.5, **changes)
    found = told(g)
    assert isinstance(found, Unsure)
    assert says in found.says
    page = published(g)
    assert page is not None
    assert f"Not comparable: {says}" in page.says


def test_a_short_training_must_be_far_off() -> None:
    assert told(run(0.85, epochs=40)) is None, "short and not bad"
    assert isinstance(told(run(0.5, epochs=40)), Finding), "short and hopeless"


def test_other_weights_layers_and_sizes_are_other_settings() -> None:
    for part, value in (("origin", {"name": "x"}), ("architecture", {"name": "resnet18", "size": 32})):
        g = dataclasses.replace(SICK, options={**SICK.options, part: value})
        assert told(g) is None, part
    large = dataclasses.replace(SICK, options={**SICK.options, "preprocessing": {"size": 224}})
    assert told(large) is None
    around = world(large)
    assert around is not None
    assert around.apart == ("nobody has published this network in this setting",)


def test_unknown_data_are_not_spoken_of() -> None:
    assert SICK.dataset is not None
    other = dataclasses.replace(SICK.dataset, labels=(*CIFAR[:9], "lorry"))
    assert world(dataclasses.replace(SICK, dataset=other)) is None
    wide = dataclasses.replace(SICK.dataset, facts=Facts(64, 64, 64, 64, False, 9))
    assert world(dataclasses.replace(SICK, dataset=wide)) is None, "classes of these names, of other pictures"
    named = dataclasses.replace(
        SICK.dataset, labels=tuple("0123456789"), facts=Facts(28, 28, 28, 28, True, 9)
    )
    g = dataclasses.replace(SICK, dataset=named, options={**SICK.options, "data": "mnist"})
    assert (found := world(g)) is not None
    assert (found.benchmark.key, found.why) == ("mnist", "by its name")
    assert world(dataclasses.replace(g, options={**g.options, "data": "my-digits"})) is None
