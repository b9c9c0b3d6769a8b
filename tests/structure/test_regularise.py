"""Dropout and drop-path of networks that have them."""

from __future__ import annotations

import pytest
import torch

from foveal import catalog
from foveal.structure.regularise import set_drop_path, set_dropout

# how many places for dropout and for drop-path, by the papers' own block counts
PLACES = {
    "alexnet": (2, 0),
    "resnet18": (0, 0),
    "convnext_tiny": (0, 18),
    "efficientnet_b0": (1, 16),
    "efficientnet_lite0": (1, 16),
    "timm/resnet10t": (1, 4),
}


@pytest.mark.parametrize("name", PLACES)
def test_every_place_is_set(name: str) -> None:
    torch.manual_seed(0)
    network = catalog.find("architectures", name).build(name, outputs=3, channels=3, size=64)
    names = list(network.state_dict())
    found = set_dropout(network, 0.5), set_drop_path(network, 0.4)
    assert found == PLACES[name]
    assert list(network.state_dict()) == names, "weights keep their names"
    images = torch.randn(4, 3, 64, 64)
    network.eval()
    assert torch.equal(network(images), network(images))
    if any(found):
        network.train()
        torch.manual_seed(0)
        one = network(images)
        set_dropout(network, 0.0), set_drop_path(network, 0.0)
        torch.manual_seed(0)
        assert not torch.equal(one, network(images)), "it drops in training"


def test_drop_path_grows_to_the_last_block() -> None:
    network = catalog.find("architectures", "convnext_tiny").build(
        "convnext_tiny", outputs=3, channels=3, size=64
    )
    set_drop_path(network, 0.18)
    shares = [m.p for m in network.modules() if type(m).__name__ == "StochasticDepth"]
    assert shares == pytest.approx([0.01 * n for n in range(1, 19)])
