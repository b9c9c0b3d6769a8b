"""Repairs: what they change, what they leave, and that a card that names them builds the mended network again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

import foveal
from foveal import catalog
from foveal.errors import UnknownNameError
from foveal.model import Model, mended
from foveal.records.run import Run
from foveal.training.fork import Mended, prepare
from pictures import class_folder


def test_each_says_what_it_is() -> None:
    for name in catalog.names("repairs"):
        module = catalog.find("repairs", name)
        assert module.__doc__
        assert module.SOURCE
    with pytest.raises(UnknownNameError):
        mended(nn.Identity(), ["nothing"])


def test_a_softmax_is_taken_off_the_end_only() -> None:
    inner = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sigmoid(), nn.Flatten(), nn.Linear(8, 3), nn.Softmax(1))
    images = torch.randn(4, 1, 2, 2)
    scores = inner[:-1](images)
    made = mended(inner, ["strip_softmax"])
    torch.testing.assert_close(made(images), scores)
    assert isinstance(made[1], nn.Sigmoid)  # type: ignore[index]
    with pytest.raises(ValueError, match="no softmax"):
        mended(nn.Sequential(nn.Linear(2, 2)), ["strip_softmax"])


def test_weights_drawn_anew_keep_the_size_of_signals() -> None:
    layers: list[nn.Module] = []
    for _ in range(6):
        layers += [nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()]
    network = nn.Sequential(*layers)
    for parameter in network.parameters():
        nn.init.constant_(parameter, 1e-4)
    torch.manual_seed(0)
    images = torch.randn(4, 32, 8, 8)
    with torch.no_grad():
        assert float(network(images).std()) < 1e-3
        out = mended(network, ["redraw"])(images)
    assert 0.1 < float(out.std()) < 3
    assert not any(bool(m.bias.any()) for m in network if isinstance(m, nn.Conv2d) and m.bias is not None)


def test_norms_follow_again() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3, momentum=0.0))
    made = mended(network, ["batchnorm_statistics"]).train()
    made(torch.randn(64, 3, 4, 4) * 5 + 2)
    norm = made[0]  # type: ignore[index]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert float(norm.running_mean.mean()) == pytest.approx(0.2, abs=0.1)


def test_a_mended_run_is_built_again_from_its_card(tmp_path: Path) -> None:
    done = foveal.train(
        class_folder(tmp_path / "data", 2, 16, 16), network="lenet5", pretrained=False, size=16, epochs=1, batch=8,
        augment="none", out=str(tmp_path / "run"),
    )  # fmt: skip
    made = prepare(
        Run.open(done.run), {}, lambda message: None, mended=Mended(repairs=("redraw",), rule="dead_units")
    )
    assert made.planned.architecture["repairs"] == ["redraw"]
    model = Model.load(done.run)
    card = model.card

    mended_card = dataclasses.replace(card, architecture={**card.architecture, "repairs": ["redraw"]})
    file = tmp_path / "mended.safetensors"
    dataclasses.replace(model, card=mended_card).save(file)
    again = Model.load(file)
    for name, tensor in again.network.state_dict().items():
        assert torch.equal(tensor, model.network.state_dict()[name]), "weights are those of the file"


def test_softmaxes_between_layers_become_rectifiers() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.Softmax(1), nn.Conv2d(4, 4, 1), nn.Softmax2d(), nn.Flatten(),
        nn.Linear(16, 3), nn.Softmax(1),
    )  # fmt: skip
    made = mended(network, ["rectify"])
    assert [type(module).__name__ for module in made.children()] == [
        "Conv2d", "ReLU", "Conv2d", "ReLU", "Flatten", "Linear", "Softmax",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no softmax"):
        mended(nn.Sequential(nn.Conv2d(1, 2, 1), nn.Softmax(1)), ["rectify"])


def test_convolutions_get_the_norms_that_they_lack() -> None:
    inner = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU())
    network = nn.Sequential(inner, nn.Conv2d(8, 4, 3), nn.Conv2d(4, 5, 1), nn.Flatten())
    made = mended(network, ["normalise"])
    assert sum(isinstance(one, nn.BatchNorm2d) for one in made.modules()) == 3, "not behind the answer"
    assert isinstance(made[0][0], nn.Conv2d)  # type: ignore[index]
    loud = torch.randn(32, 3, 6, 6) * 1000
    inside = made[:2].train()(loud)  # type: ignore[index]
    assert 0.9 < float(inside.detach().std()) < 1.1
    with pytest.raises(ValueError, match="has a norm already"):
        mended(made, ["normalise"])


@pytest.mark.parametrize("channels", [1, 6, 24, 64])
def test_group_norms_need_no_batch(channels: int) -> None:
    network = nn.Sequential(nn.Conv2d(3, channels, 1), nn.BatchNorm2d(channels), nn.ReLU())
    nn.init.uniform_(network[1].weight)
    scales = network[1].weight.detach().clone()
    made = mended(network, ["group_norms"])
    assert not any(isinstance(one, nn.BatchNorm2d) for one in made.modules())
    torch.testing.assert_close(made[1].weight.detach(), scales)  # type: ignore[index, union-attr]
    images = torch.randn(5, 3, 4, 4)
    together = made.train()(images)
    torch.testing.assert_close(torch.cat([made.eval()(one[None]) for one in images]), together)
    with pytest.raises(ValueError, match="no batch norm"):
        mended(nn.Sequential(nn.Linear(2, 2)), ["group_norms"])
