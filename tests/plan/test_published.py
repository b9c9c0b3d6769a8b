"""Recipes of the networks' own authors: each resolves, is scaled to the data, and trains a step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from foveal import catalog, plan
from foveal.errors import OptionError
from foveal.loop.fit import descend, set_rate
from foveal.loop.state import State
from foveal.options import TrainOptions, make
from foveal.plan import classics
from foveal.plan.network import built
from foveal.structure.layers import set_training
from foveal.values import Batch, Dataset, Facts, Item

LIGHT = {
    "lenet5": 32, "googlenet": 32, "resnet18": 32, "densenet121": 32, "cifar_resnet20": 32,
    "cifar_resnet110": 32, "resnet9": 32, "sprintnet": 32, "squeezenet1_1": 64, "mobilenet_v2": 64,
    "regnet_y_400mf": 64,
}  # fmt: skip
HEAVY = {
    "alexnet": 32, "vgg11": 32, "vgg11_bn": 32, "inception_v3": 75, "resnext50_32x4d": 64,
    "wide_resnet50_2": 64, "convnext_tiny": 64, "swin_t": 64,
}  # fmt: skip
"""One of each family, and the side of its pictures."""


def pictures(count: int = 4250, side: int = 32) -> Dataset:
    items = tuple(Item(str(n), f"{n}.jpg", "ab"[n % 2], "train") for n in range(count))
    val = tuple(Item(f"v{n}", f"v{n}.jpg", "ab"[n % 2], "val") for n in range(10))
    facts = Facts(side, side, side, side, False, 1)
    return Dataset("/", "classify", "folder", "x", ("a", "b"), items + val, (), facts, "f")


def planned(network: str, count: int = 4250, side: int = 32, **more: object) -> plan.Plan:
    given = {"network": network, "recipe": "published", "precision": "fp32", **more}
    return plan.make(pictures(count, side), make(TrainOptions, given))


def test_every_family_has_one_here() -> None:
    for one in classics.FAMILIES:
        assert any(n.startswith(one.start) and n.endswith(one.ending) for n in (*LIGHT, *HEAVY)), one.start
        assert one.recipe.source


@pytest.mark.parametrize("network", [*LIGHT, *HEAVY])
def test_all_that_a_recipe_says_arrives(network: str) -> None:
    side = (LIGHT | HEAVY)[network]
    recipe = classics.find("published", network, side)
    made = planned(network, 300_000, side)
    told = {choice.option: choice for choice in made.choices}
    assert told["recipe"].reason == recipe.says
    for option, value in recipe.values.items():
        assert getattr(made.options, option) == value, option
        assert told[option].reason == (recipe.source if option != "network" else "given"), option
    assert made.start.state is None, "from scratch"
    catalog.find("schedules", made.fit.stages[0].schedule)
    again = plan.make(pictures(300_000, side), made.options)
    assert again.fit == made.fit


@pytest.mark.parametrize(
    "network", [n for n in (*LIGHT, *HEAVY) if n not in ("lenet5", "resnet9", "sprintnet")]
)
def test_a_smaller_batch_has_a_smaller_rate(network: str) -> None:
    side = (LIGHT | HEAVY)[network]
    own = classics.find("published", network, side).values
    made = planned(network, 4250, side)
    assert made.fit.batch == min(own["batch"], 64), "4,250 pictures in about fifty steps"
    share = made.fit.batch / own["batch"]
    share = share if own["optimizer"] in ("sgd", "momentum") else share**0.5
    assert made.fit.stages[0].lr == pytest.approx(own["lr"] * share, rel=0.01)
    assert planned(network, 300, side).fit.batch == 16


@pytest.mark.parametrize(
    ("network", "lr", "batch", "optimizer", "decay", "schedule", "epochs"),
    [
        ("alexnet", 0.01, 128, "momentum", 5e-4, "plateau", 90),
        ("vgg16", 0.01, 256, "momentum", 5e-4, "plateau", 74),
        ("vgg16_bn", 0.1, 256, "momentum", 5e-4, "step", 90),
        ("resnet50", 0.1, 256, "momentum", 1e-4, "step", 90),
        ("densenet121", 0.1, 256, "sgd", 1e-4, "step", 90),
        ("squeezenet1_0", 0.04, 512, "momentum", 2e-4, "polynomial", 68),
        ("convnext_tiny", 4e-3, 4096, "adamw", 0.05, "cosine", 300),
    ],
)
def test_large_pictures_have_the_papers_settings(
    network: str, lr: float, batch: int, optimizer: str, decay: float, schedule: str, epochs: int
) -> None:
    made = planned(network, 300_000, 224)
    stage = made.fit.stages[0]
    assert (stage.lr, made.fit.batch, made.fit.optimizer) == (lr, batch, optimizer)
    assert (made.fit.weight_decay, stage.schedule, stage.epochs) == (decay, schedule, epochs)


def test_small_pictures_have_the_settings_for_cifar() -> None:
    small, large = (planned("resnet18", 100_000, side).fit for side in (32, 224))
    assert (small.batch, small.stages[0].schedule) == (128, "late_steps")
    assert (large.batch, large.stages[0].schedule) == (256, "step")
    sized = planned("densenet121", 100_000, 224, size=32).fit
    assert (sized.batch, sized.stages[0].epochs) == (64, 300), "by the size that was given"


def test_momentum_is_the_papers_own_kind() -> None:
    """The classical one in all but DenseNet; LeNet has none."""
    for network, momentum, nesterov in (
        ("resnet18", 0.9, False),
        ("densenet121", 0.9, True),
        ("lenet5", 0, False),
    ):
        made = planned(network)
        state = State(torch.nn.Sequential(), made.fit)
        assert made.fit.momentum == momentum
        from foveal.loop import optimizers

        built_ = optimizers.build(
            made.fit.optimizer, [{"params": [torch.nn.Parameter(torch.zeros(1))]}], lr=0.1,
            momentum=made.fit.momentum, weight_decay=0.0, device="cpu",
        )  # fmt: skip
        assert built_.param_groups[0]["nesterov"] is nesterov
        assert state.step == 0


def test_minutes_leave_the_epochs_open_and_keep_the_schedule() -> None:
    made = planned("resnet18", minutes=7)
    assert made.options.epochs is None
    assert made.options.minutes == 7
    assert made.fit.stages[0].schedule == "late_steps"


def test_what_is_given_comes_first() -> None:
    made = planned("alexnet", lr=0.02, schedule="cosine", batch=32)
    assert (made.fit.stages[0].lr, made.fit.stages[0].schedule, made.fit.batch) == (0.02, "cosine", 32)


def test_it_needs_a_network() -> None:
    with pytest.raises(OptionError, match="--network NAME"):
        plan.make(pictures(), make(TrainOptions, {"recipe": "published"}))


def test_a_network_without_one_says_so_and_has_the_default() -> None:
    made, default = planned("shufflenet_v2_x1_0"), make(TrainOptions, {"network": "shufflenet_v2_x1_0"})
    told = next(choice for choice in made.choices if choice.option == "recipe")
    assert "none is kept here for shufflenet_v2_x1_0" in told.reason
    other = plan.make(pictures(), TrainOptions(**{**vars(default), "pretrained": False, "precision": "fp32"}))
    assert made.fit == other.fit


def step_of(network: str, side: int) -> None:
    """One optimizer step at the planned rate on noise: the loss is finite, and every layer moves."""
    made = planned(network, 64, side)
    torch.manual_seed(0)
    module = built({**made.architecture, "outputs": 2}, made.options)
    state = State(module, made.fit)
    state.enter(0)
    set_training(module, made.fit.head, "all", 0)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    images = torch.randn(4, made.preprocessing.channels, side, side)
    set_rate(state, lambda done: 1.0)
    loss = descend(state, made.task, Batch(images, torch.tensor([0, 1, 0, 1]), list("abcd")), made.fit)
    assert torch.isfinite(loss)
    moved = [name for name, p in module.named_parameters() if not torch.equal(p, before[name])]
    assert len(moved) > 0.9 * len(before)


@pytest.mark.parametrize(("network", "side"), LIGHT.items())
def test_a_step_of_each(network: str, side: int) -> None:
    step_of(network, side)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "side"), HEAVY.items())
def test_a_step_of_each_large_one(network: str, side: int) -> None:
    step_of(network, side)


def test_a_recipe_is_kept_and_resolved_again_from_a_run(tmp_path: Path) -> None:
    """What a run keeps of its options resolves to the same plan."""
    made = planned("googlenet")
    kept = {name: value for name, value in vars(made.options).items() if value is not None}
    again = plan.make(pictures(), make(TrainOptions, kept))
    assert again.fit == made.fit
    assert again.architecture == made.architecture
