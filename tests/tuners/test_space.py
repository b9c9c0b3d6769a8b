"""What is tuned follows the budget; ranges stand around the default."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from torch import nn

from foveal import plan
from foveal.options import TrainOptions, make, tuning_ranges
from foveal.plan.network import built
from foveal.ranges import Range
from foveal.readers import prepare
from foveal.tuners import space
from foveal.values import Dataset
from pictures import class_folder


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = class_folder(tmp_path_factory.mktemp("space") / "shapes", classes=3, each=10, size=32)
    return prepare(str(folder), TrainOptions(), 0)[0]


def chosen(shapes: Dataset, trials: int, **given: Any) -> dict[str, Range]:
    options = make(TrainOptions, {"network": "resnet9", "pretrained": False, "epochs": 20, **given})
    planned = plan.make(shapes, options)
    ranges, why = space.automatic(planned, options, built(planned.architecture, planned.options), trials)
    assert str(trials) in why
    return {one.name: one for one in ranges}


def test_the_more_trials_the_more_is_tuned(shapes: Dataset) -> None:
    assert list(chosen(shapes, 9)) == ["lr"]
    assert list(chosen(shapes, 10)) == ["lr", "weight_decay", "augment"]
    many = chosen(shapes, 25)
    assert {
        "lr",
        "weight_decay",
        "augment",
        "momentum",
        "label_smoothing",
        "warmup",
        "magnitude",
    } == many.keys()
    assert many["magnitude"].when == ("augment", ("randaugment",))
    assert "randaugment" not in chosen(shapes, 10)["augment"].choices, "which has a strength of its own"
    assert {"mixup", "cutmix"} <= chosen(shapes, 25, epochs=60).keys(), "which pay in long trainings"
    assert "dropout" in chosen(shapes, 25, network="alexnet", size=64)


def test_ranges_stand_around_the_default_of_this_training(shapes: Dataset) -> None:
    sgd, adam = chosen(shapes, 12), chosen(shapes, 12, optimizer="adamw")
    for found, rate in ((sgd, 0.1 * 4 / 128), (adam, 1e-3 * (4 / 64) ** 0.5)):
        assert 0.25 < found["lr"].share(rate) < 0.8
        assert found["lr"].scale == "log"
    assert sgd["lr"].high > adam["lr"].low
    assert 0.2 < chosen(shapes, 25)["momentum"].share(0.9) < 0.8
    tunes = tuning_ranges(TrainOptions)
    for name, one in chosen(shapes, 25).items():
        assert one.source
        if not one.choices:
            assert tunes[name].low <= one.low < one.high <= tunes[name].high
            assert (one.least, one.most) == (tunes[name].low, tunes[name].high)


def test_what_the_user_gave_is_fixed(shapes: Dataset) -> None:
    assert "lr" not in chosen(shapes, 12, lr=0.01)
    assert "magnitude" not in chosen(shapes, 30, augment="randaugment", magnitude=5)
    assert "augment" not in chosen(shapes, 30, augment="randaugment", magnitude=5)


def test_the_default_has_a_value_for_all_that_is_tuned(shapes: Dataset) -> None:
    options = make(TrainOptions, {"network": "alexnet", "pretrained": False, "size": 64, "epochs": 60})
    planned = plan.make(shapes, options)
    network = built(planned.architecture, planned.options)
    ranges, _ = space.automatic(planned, options, network, 40)
    values = space.default_values(planned, network)
    for one in ranges:
        if one.when is None:
            assert one.takes(values[one.name])
    first = next(m for m in network.modules() if isinstance(m, nn.Dropout))
    assert values["dropout"] == first.p > 0, "the network's own"
    assert dataclasses.asdict(planned.options)["dropout"] is None


def test_every_field_that_can_be_tuned_says_who_tunes_it_so_or_is_a_tasks_own() -> None:
    unsaid = {name for name, tune in tuning_ranges(TrainOptions).items() if not tune.source}
    assert unsaid <= {"latent", "erase"}
