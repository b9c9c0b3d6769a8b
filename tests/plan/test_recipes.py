"""Named recipes: their values arrive, what the user gives comes before them, and sources are shown."""

from __future__ import annotations

import dataclasses
import math

import pytest

from foveal import catalog, plan
from foveal.errors import OptionError, UnknownNameError
from foveal.options import TrainOptions, make
from foveal.plan.recipes import RECIPES
from foveal.values import Dataset, Facts, Item

NAMES = (
    "default", "fine-tune", "linear-probe", "published", "resnet-classic", "scratch-large", "scratch-small", "sprint",
    "strikes-back-a3",
)  # fmt: skip


def pictures(count: int, side: int = 300, common: float = 0.5) -> Dataset:
    """Training pictures of two classes; nothing is opened by a plan."""
    items = tuple(Item(str(n), f"{n}.jpg", "ab"[n >= count * common], "train") for n in range(count))
    val = tuple(Item(f"v{n}", f"v{n}.jpg", "ab"[n % 2], "val") for n in range(10))
    facts = Facts(side, side, side, side, False, 1)
    return Dataset("/", "classify", "folder", "class folders", ("a", "b"), items + val, (), facts, "f")


def planned(count: int = 40_000, **given: object) -> plan.Plan:
    return plan.make(pictures(count), make(TrainOptions, given))


def test_the_recipes_are_those_that_were_promised() -> None:
    assert tuple(sorted(RECIPES)) == NAMES


ALONE = tuple(name for name in NAMES if name != "published")
"""Those that say enough by themselves; `published` is the named network's own (test_published)."""


@pytest.mark.parametrize("name", ALONE)
def test_every_value_of_a_recipe_arrives_with_its_source(name: str) -> None:
    made = planned(recipe=name, precision="fp32")
    told = {c.option: c for c in made.choices}
    assert told["recipe"].reason == RECIPES[name].says
    for option, value in RECIPES[name].values.items():
        if option != "dropout" or value:
            assert getattr(made.options, option) == value, option
            assert told[option].reason == RECIPES[name].source, option
    again = plan.make(pictures(40_000), made.options)
    assert again.fit == made.fit


@pytest.mark.parametrize("name", ALONE)
def test_what_the_user_gives_comes_first(name: str) -> None:
    made = planned(recipe=name, lr=0.0123, schedule="polynomial", augment="none", epochs=3)
    assert made.fit.stages[-1].schedule == "polynomial"
    assert made.options.lr == 0.0123
    assert made.options.augment == "none"


def test_a_rate_goes_with_its_batch() -> None:
    few = planned(1500, recipe="resnet-classic")
    assert few.fit.batch < 256
    assert few.fit.stages[0].lr == pytest.approx(0.1 * few.fit.batch / 256)
    a3 = planned(3000, recipe="strikes-back-a3", batch=512)
    assert a3.fit.stages[0].lr == pytest.approx(8e-3 / 2), "the square root, for an adaptive optimizer"
    assert next(c.reason for c in a3.choices if c.option == "lr").startswith("0.008 for 2048")


def test_the_sprint_is_the_record_s() -> None:
    """airbench94_muon with an epoch more, for gradients that are means: 0.67 and 0.053 a picture, decay 2e-6."""
    made = plan.make(pictures(45_000, side=32), make(TrainOptions, {"recipe": "sprint"}))
    stage = made.fit.stages[0]
    assert (made.start.network, made.preprocessing.size, made.fit.batch, stage.epochs) == (
        "sprintnet",
        32,
        2000,
        9,
    )
    assert (made.fit.optimizer, stage.lr, made.fit.momentum) == ("muon", 0.24, 0.6)
    assert stage.lr * made.fit.weight_decay == pytest.approx(2e-6 * 2000)
    assert made.task.label_smoothing == 0.2  # type: ignore[attr-defined]
    schedule = catalog.find("schedules", stage.schedule)
    steps = 200
    got = [schedule.factor(n / steps, stage.warmup) for n in range(steps)]
    assert got == pytest.approx([1 - n / steps for n in range(steps)])


def test_a_recipe_s_batch_leaves_few_pictures_out() -> None:
    made = plan.make(pictures(49_500, side=32), make(TrainOptions, {"recipe": "sprint"}))
    assert made.fit.batch == 1980, (
        "25 batches, where 24 of 2,000 would leave 1,500 pictures out of each epoch"
    )
    told = {c.option: c.reason for c in made.choices}
    assert "1,500 of 49,500" in told["batch"]
    assert made.fit.stages[0].lr == pytest.approx(0.24 * math.sqrt(0.99), rel=1e-3)
    given = plan.make(pictures(49_500, side=32), make(TrainOptions, {"recipe": "sprint", "batch": 2000}))
    assert given.fit.batch == 2000


def test_the_sprint_keeps_its_last_epoch() -> None:
    assert planned(recipe="sprint").fit.keep == "last"
    assert planned().fit.keep == "best"


def test_a_graph_is_recorded_on_a_gpu_only() -> None:
    assert not planned(recipe="sprint", device="cpu").fit.cuda_graph
    with pytest.raises(OptionError, match="CUDA GPUs"):
        planned(cuda_graph=True, device="cpu")


def test_a_large_batch_is_cut_on_a_processor() -> None:
    made = planned(recipe="strikes-back-a3", device="cpu")
    assert made.fit.batch == 2048
    assert made.fit.batch / made.fit.pieces <= 128
    assert planned(accumulate=4, device="cpu").fit.pieces == 4


def test_ones_own_weights_decide_the_network_before_a_recipe_does() -> None:
    made = planned(recipe="strikes-back-a3", weights="efficientnet_lite0")
    assert made.start.network == "efficientnet_lite0"
    assert made.options.network == "efficientnet_lite0"


def test_a_probe_needs_something_to_probe() -> None:
    with pytest.raises(OptionError, match="always"):
        planned(recipe="linear-probe", pretrained=False)


def test_an_unknown_recipe() -> None:
    with pytest.raises(UnknownNameError, match="strikes-back-a3"):
        planned(recipe="strikes-back")


def test_rare_classes_weigh_more() -> None:
    data = pictures(400, common=0.75)
    made = plan.make(data, make(TrainOptions, {"balance": "weights"}))
    a, b = made.task.class_weights  # type: ignore[attr-defined]
    assert b == pytest.approx(3 * a)
    assert 0.75 * a + 0.25 * b == pytest.approx(1), "the mean over the training pictures"
    assert made.task.card()["class_weights"] == [a, b]
    with pytest.raises(OptionError, match="without classes"):
        plan.make(dataclasses.replace(data, labels=()), make(TrainOptions, {"balance": "weights"}))


def test_stages_can_be_frozen_by_number() -> None:
    stages = planned(3000, freeze=2).fit.stages
    assert [(s.trainable, s.frozen) for s in stages] == [("head", 0), ("all", 2)]
    with pytest.raises(OptionError, match="--freeze 2"):
        planned(3000, freeze=2, pretrained=False)


@pytest.mark.parametrize("name", ["lamb", "lion", "nadamw"])
def test_timms_optimizers_are_planned(name: str) -> None:
    made = planned(optimizer=name)
    assert made.fit.optimizer == name
    assert made.fit.stages[0].lr < 0.01


@pytest.mark.parametrize("given", [{"recipe": "linear-probe"}, {"recipe": "fine-tune"}, {"freeze": "always"}])
def test_freezing_asks_for_a_network_that_has_learned(given: dict[str, object]) -> None:
    """Also on tiny plentiful pictures, for which a small network from scratch would be chosen."""
    tiny = pictures(3000, side=32)
    assert plan.make(tiny, TrainOptions()).start.state is None
    assert plan.make(tiny, make(TrainOptions, given)).start.state is not None
