"""Which first layers a network gets: published, or small ones for small pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import foveal
import small
from foveal import catalog, plan
from foveal.errors import ModelError, OptionError
from foveal.model import Model
from foveal.options import TrainOptions, make
from foveal.plan import Plan
from foveal.plan.network import built, seeded_network
from foveal.values import Dataset, Facts, Item
from pictures import class_folder


def pictures(side: int, grey: bool = False) -> Dataset:
    items = tuple(Item(str(n), f"{n}.jpg", "ab"[n % 2], "train") for n in range(300))
    val = tuple(Item(f"v{n}", f"v{n}.jpg", "ab"[n % 2], "val") for n in range(10))
    facts = Facts(side, side, side, side, grey, 1)
    return Dataset("/", "classify", "folder", "class folders", ("a", "b"), items + val, (), facts, "f")


def planned(side: int, **given: Any) -> Plan:
    return plan.make(pictures(side), make(TrainOptions, {"pretrained": False, **given}))


def reason(made: Plan) -> str | None:
    return next((c.reason for c in made.choices if c.option == "stem"), None)


@pytest.mark.parametrize(
    ("network", "side", "size", "stem"),
    [
        ("resnet18", 32, 32, "small"),
        ("resnet18", 28, 32, "small"),
        ("resnet18", 63, 63, "small"),
        ("resnet18", 64, 64, "published"),
        ("alexnet", 40, 40, "small"),
        ("densenet121", 32, 32, "small"),
        ("googlenet", 32, 32, "small"),
        ("inception_v3", 70, 70, "small"),
        ("inception_v3", 75, 75, "published"),
        ("convnext_tiny", 32, 32, "small"),
        ("resnet18", 400, 224, "published"),
    ],
)
def test_small_pictures_from_scratch_get_a_small_stem(network: str, side: int, size: int, stem: str) -> None:
    made = planned(side, network=network)
    assert made.architecture["size"] == size
    assert made.architecture.get("stem", "published") == stem
    assert made.options.stem == stem
    assert reason(made)


@pytest.mark.parametrize(
    ("network", "side", "size"),
    [
        ("vgg11", 32, 64),
        ("resnet9", 32, 32),
        ("lenet5", 28, 32),
        ("lenet5", 100, 32),
        ("cifar_resnet20", 32, 32),
        ("timm/resnet10t", 32, 64),
    ],
)
def test_where_there_is_none_nothing_is_chosen(network: str, side: int, size: int) -> None:
    made = planned(side, network=network)
    assert made.architecture["size"] == size
    assert "stem" not in made.architecture
    assert reason(made) is None


def test_what_was_given_stays() -> None:
    assert "stem" not in planned(32, network="resnet18", stem="published").architecture
    assert planned(200, network="resnet18", stem="small").architecture["stem"] == "small"


@pytest.mark.parametrize("network", ["resnet9", "vgg11", "timm/resnet10t", "efficientnet_lite0"])
def test_a_network_without_one_is_refused_with_those_that_have_one(network: str) -> None:
    with pytest.raises(OptionError, match="densenet") as error:
        planned(32, network=network, stem="small")
    assert network in error.value.came
    if not network.startswith(("timm", "resnet9", "eff")):
        with pytest.raises(ModelError):
            catalog.find("architectures", network).build(
                network, outputs=2, channels=3, size=32, stem="small"
            )


def saved(tmp_path: Path, stem: str) -> Path:
    """The weights of a ResNet-18 for two classes, as another program saves them."""
    torch.manual_seed(0)
    family = catalog.find("architectures", "resnet18")
    torch.save(
        family.build("resnet18", outputs=2, channels=3, size=32, stem=stem).state_dict(), tmp_path / "w.pth"
    )
    return tmp_path / "w.pth"


def test_weights_have_the_published_stem_unless_it_is_said(tmp_path: Path) -> None:
    given = {"network": "resnet18", "pretrained": None, "size": 32, "channels": 3}
    made = planned(32, **given, weights=str(saved(tmp_path, "published")))
    assert "stem" not in made.architecture
    assert reason(made) == "the weights' own"
    seeded_network(made, lambda message: None)
    made = planned(32, **given, weights=str(saved(tmp_path, "small")), stem="small")
    network = seeded_network(made, lambda message: None)
    assert network.get_submodule("conv1").weight.shape == (64, 3, 3, 3)


@pytest.mark.parametrize(("has", "given"), [("published", "small"), ("small", "published")])
def test_weights_of_the_other_stem_are_refused(tmp_path: Path, has: str, given: str) -> None:
    made = planned(
        32, network="resnet18", pretrained=None, channels=3, weights=str(saved(tmp_path, has)), stem=given
    )
    with pytest.raises(OptionError) as error:
        seeded_network(made, lambda message: None)
    assert f"--stem {has}" in error.value.todo


def test_a_run_keeps_it_through_saving_resuming_and_fine_tuning(tmp_path: Path) -> None:
    """And a card that says nothing is of a network as published."""
    data = class_folder(tmp_path / "data", classes=2, each=8, size=16)
    done = foveal.train(
        data, network="shufflenet_v2_x0_5", pretrained=False, size=16, epochs=1, batch=4, augment="none",
        out=str(tmp_path / "run"),
    )  # fmt: skip
    model = Model.load(done.model)
    assert model.card.architecture["stem"] == "small"
    assert model.network.get_submodule("conv1.0").stride == (1, 1)
    from foveal.records.run import Run

    kept = Run.open(tmp_path / "run").options
    assert small.equal(
        [
            tuple(t.shape)
            for t in built(kept["architecture"], make(TrainOptions, kept["train"])).state_dict().values()
        ],
        [tuple(t.shape) for t in model.network.state_dict().values()],
    )
    again = plan.make(pictures(300), make(TrainOptions, {"weights": str(tmp_path / "run")}))
    assert again.architecture["stem"] == "small"
    seeded_network(again, lambda message: None)


def test_the_card_says_how_channels_were_adapted(tmp_path: Path) -> None:
    for grey, channels, words in ((True, 1, "summed over 3"), (False, 4, "3 channels to 4, times 3/4")):
        made = plan.make(pictures(300, grey), make(TrainOptions, {"channels": channels}))
        assert made.start.origin is not None
        assert words in made.start.origin["adapted"]
    same = plan.make(pictures(300), make(TrainOptions, {}))
    assert same.start.origin is not None
    assert "adapted" not in same.start.origin
