"""Every architecture takes 1, 3 and 4 channels and odd sizes, and saves and loads bit-equal."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from foveal import catalog
from foveal.card import Card
from foveal.model import Model
from foveal.structure.layers import is_in, stages
from foveal.tasks import classify
from foveal.values import Preprocessing

# one of each family in the fast suite; the family file says which names there are
FAST = ("resnet9", "sprintnet", "efficientnet_lite0", "resnet18", "timm/resnet10t")
ALL = [n for n in catalog.names("architectures") if not n.endswith("/")]
SLOW = [pytest.param(n, marks=pytest.mark.slow) for n in ALL if n not in FAST]
SMALLEST = {"alexnet": 64, "vgg": 32, "squeezenet": 32, "densenet": 32}


def smallest(name: str) -> int:
    return next((size for start, size in SMALLEST.items() if name.startswith(start)), 32)


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_contract(name: str, tmp_path: Path) -> None:
    family = catalog.find("architectures", name)
    head = family.head(name)
    for channels in (1, 3, 4):
        for size in (smallest(name) + 1, smallest(name) + 13):
            torch.manual_seed(0)
            network = family.build(name, outputs=5, channels=channels, size=size).eval()
            with torch.inference_mode():
                assert network(torch.zeros(2, channels, size, size)).shape == (2, 5)
    owned = [n for n, _ in network.named_parameters() if is_in(n, head)]
    assert network.get_parameter(f"{head}.bias").shape == (5,), "the head gives the outputs"
    assert stages(network, head)[-1][0][0] in owned
    loss = network.train()(torch.randn(2, channels, 64, 64)).square().mean()
    loss.backward()
    moved = [n for n, p in network.named_parameters() if p.grad is not None and p.grad.any()]
    # not all: some start with a residual's last norm at zero, which lets nothing through at first
    assert len(moved) > 0.5 * sum(1 for _ in network.parameters()), "gradients reach the network"
    network.eval()
    task = classify.build(["a", "b", "c", "d", "e"])
    pre = Preprocessing(size, 4, (0.5,) * 4, (0.25,) * 4)
    card = Card(
        task=task.card(),
        architecture={"name": name, "outputs": 5, "channels": 4, "size": size},
        preprocessing=pre,
    )
    Model(network, task, pre, card).save(tmp_path / "m.safetensors")
    again = Model.load(tmp_path / "m.safetensors").network.state_dict()
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, again[key])


@pytest.mark.parametrize("name", ["resnet9", "sprintnet"])
def test_the_smallest_pictures_suit_small_networks(name: str) -> None:
    network = catalog.find("architectures", name).build(name, outputs=2, channels=1, size=8).eval()
    assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 2)


def test_every_stage_is_in_order() -> None:
    """From the stem to the head, each parameter once."""
    for name in FAST:
        family = catalog.find("architectures", name)
        network = family.build(name, outputs=3, channels=3, size=64)
        flat = [p for stage in stages(network, family.head(name)) for p, _ in stage]
        assert sorted(flat) == sorted(n for n, _ in network.named_parameters())
        assert is_in(flat[-1], family.head(name))
        assert not is_in(flat[0], family.head(name))
        assert 4 <= len(stages(network, family.head(name))) <= 20
