"""What is chosen where nothing was given, and that what was given stays."""

from __future__ import annotations

from pathlib import Path

import pytest

import small
from foveal import plan
from foveal.errors import OptionError, UnknownNameError
from foveal.options import TrainOptions, make
from foveal.values import Dataset, Facts, Item


def pictures(count: int, side: int, grey: bool = False) -> Dataset:
    """A data set of that many training pictures; nothing is opened by a plan."""
    items = tuple(Item(str(n), f"{n}.jpg", "ab"[n % 2], "train") for n in range(count))
    val = tuple(Item(f"v{n}", f"v{n}.jpg", "ab"[n % 2], "val") for n in range(10))
    facts = Facts(side, side, side, side, grey, 1)
    return Dataset("/", "classify", "folder", "class folders", ("a", "b"), items + val, (), facts, "f")


def chosen(dataset: Dataset, **given: object) -> dict[str, object]:
    made = plan.make(dataset, make(TrainOptions, given))
    return {c.option: c.value for c in made.choices}


@pytest.mark.parametrize(
    ("count", "side", "network"),
    [
        (1257, 8, "resnet9"),
        (45_000, 32, "resnet9"),
        (3000, 300, "efficientnet_lite0"),
        (200, 28, "efficientnet_lite0"),
    ],
)
def test_network(count: int, side: int, network: str) -> None:
    assert chosen(pictures(count, side))["network"] == network


def test_without_pretrained_weights() -> None:
    assert chosen(pictures(300, 300), pretrained=False)["network"] == "resnet18"
    assert chosen(pictures(300, 300), pretrained=False)["freeze"] == "never"


def test_size_is_the_weights_own_unless_pictures_are_smaller() -> None:
    assert chosen(pictures(300, 500))["size"] == 224
    assert chosen(pictures(300, 128))["size"] == 128


@pytest.mark.parametrize(
    ("option", "value"),
    [("lr", 0.123), ("batch", 7), ("epochs", 3), ("optimizer", "adamw"), ("weight_decay", 0.0), ("warmup", 0.0),
     ("schedule", "constant"), ("label_smoothing", 0.0), ("flip", False), ("precision", "fp32"), ("patience", 2),
     ("layer_decay", 1.0), ("channels", 1), ("size", 64), ("workers", 0), ("augment", "none")],
)  # fmt: skip
def test_what_was_given_stays(option: str, value: object) -> None:
    made = plan.make(pictures(300, 300), make(TrainOptions, {option: value}))
    choice = next(c for c in made.choices if c.option == option)
    assert choice.value == value
    assert not choice.automatic
    assert getattr(made.options, option) == value


def test_every_choice_has_a_reason_and_fills_its_field() -> None:
    made = plan.make(pictures(300, 300), TrainOptions())
    for choice in made.choices:
        assert len(choice.reason) > 5, choice
        assert getattr(made.options, choice.option) == choice.value


def test_a_filled_plan_plans_the_same_again() -> None:
    data = pictures(300, 300)
    first = plan.make(data, TrainOptions())
    again = plan.make(data, first.options)
    assert (again.fit, again.preprocessing, again.architecture) == (
        first.fit,
        first.preprocessing,
        first.architecture,
    )


def test_head_first_with_smaller_rates_for_earlier_layers() -> None:
    stages = plan.make(pictures(3000, 300), TrainOptions()).fit.stages
    assert [s.trainable for s in stages] == ["head", "all"]
    assert stages[1].layer_decay < 1
    assert stages[1].lr < stages[0].lr


def test_epochs_are_all_stages_together() -> None:
    for epochs in (1, 2, 3, 10):
        stages = plan.make(pictures(3000, 300), make(TrainOptions, {"epochs": epochs})).fit.stages
        assert sum(s.epochs for s in stages) == epochs


def test_a_single_epoch_is_the_heads() -> None:
    made = plan.make(pictures(3000, 300), make(TrainOptions, {"epochs": 1}))
    assert [s.trainable for s in made.fit.stages] == ["head"]
    assert next(c.value for c in made.choices if c.option == "freeze") == "always"


def test_minutes_leave_epochs_open() -> None:
    made = plan.make(pictures(3000, 300), make(TrainOptions, {"minutes": 5}))
    assert made.options.epochs is None
    assert made.options.minutes == 5


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"batch": 500}, "larger than the data"),
        ({"precision": "fp16", "device": "cpu"}, "fp16"),
        ({"device": "cuda:99"}, "cuda:99"),
        ({"freeze": "always", "pretrained": False}, "freeze"),
    ],
)
def test_what_cannot_be(given: dict[str, object], says: str) -> None:
    with pytest.raises(OptionError) as error:
        chosen(pictures(300, 300), **given)
    assert says in error.value.came
    assert error.value.todo


@pytest.mark.parametrize(
    ("given", "near"),
    [({"network": "resnet81"}, "resnet18"), ({"schedule": "onecyle"}, "onecycle"), ({"augment": "ligth"}, "light"),
     ({"network": "timm/resnett10t"}, "timm/resnet10t"), ({"task": "clasify"}, "classify"),
     ({"weights": "resnet8"}, "resnet18")],
)  # fmt: skip
def test_unknown_names_are_answered_with_the_nearest(given: dict[str, object], near: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        chosen(pictures(300, 300), **given)
    assert near in str(error.value)


def test_absurd_rates_are_warned_of() -> None:
    hot = plan.make(pictures(300, 300), make(TrainOptions, {"lr": 10}))
    cold = plan.make(pictures(300, 300), make(TrainOptions, {"lr": 1e-9}))
    usual = plan.make(pictures(300, 300), TrainOptions())
    assert "10" in hot.warnings[0]
    assert "small" in cold.warnings[0]
    assert not usual.warnings


def test_published_weights_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Left open, training begins from scratch and says why; asked for, it is an error."""
    from foveal.errors import OfflineError

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    made = plan.make(pictures(300, 300), make(TrainOptions, {"network": "resnet18"}))
    assert made.start.state is None
    assert "could not be downloaded" in made.start.reason
    with pytest.raises(OfflineError) as error:
        asked = make(TrainOptions, {"network": "resnet18", "weights": "IMAGENET1K_V1"})
        start = plan.choose(pictures(300, 300), asked)
        assert start.state is not None
        start.state()
    assert "--no-pretrained" in error.value.todo


def test_small_data_still_gets_steps(tmp_path: Path) -> None:
    made = plan.make(small.drawings(tmp_path), TrainOptions())
    assert made.fit.batch <= 8
