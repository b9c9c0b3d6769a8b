"""Pruned networks: the smallest go, what goes is counted, and the original stays whole."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from foveal.structure.graph import trace
from foveal.structure.prune import by_channel, by_magnitude, share_gone

SHAPE = (3, 12, 12)


class Small(nn.Module):
    """Two convolutions with normalisation, a shortcut around the second, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.two = nn.Conv2d(8, 8, 3, padding=1)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.one(x)))
        x = x + self.two(x)
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


@pytest.fixture
def net() -> Small:
    torch.manual_seed(0)
    made = Small()
    nn.init.normal_(made.norm.bias)
    nn.init.normal_(made.norm.running_mean)
    return made.eval()


def weights(net: nn.Module) -> Tensor:
    return torch.cat([m.weight.flatten() for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_the_smallest_weights_of_all_layers_go(net, share):
    graph = trace(net, (1, *SHAPE))
    before, after = weights(net), weights(by_magnitude(net, graph, share))
    kept = after != 0
    assert int((~kept).sum()) == round(share * len(before))
    assert torch.equal(after[kept], before[kept])
    if share:
        assert before[~kept].abs().max() <= before[kept].abs().min()
    assert torch.equal(weights(net), before)


def test_channels_go_with_their_normalisation_and_nothing_comes_of_them(net):
    less = by_channel(net, trace(net, (1, *SHAPE)), 0.5)
    sums = net.one.weight.abs().sum((1, 2, 3))
    gone = sums.argsort()[:4]
    with torch.no_grad():
        maps = less.norm(less.one(torch.randn(2, *SHAPE)))
    assert (maps[:, gone] == 0).all()
    assert (maps[:, sums.argsort()[4:]] != 0).any()
    assert torch.equal(less.fc.weight, net.fc.weight), "outputs stay whole"
    assert int((less.two.bias == 0).sum()) == 4


def test_what_meets_only_dead_channels_is_gone_too(net):
    graph = trace(net, (1, *SHAPE))
    whole = sum(p.numel() for p in net.parameters())
    assert share_gone(net, SHAPE) == 0
    less = by_channel(net, graph, 0.5)
    filters = 4 * 27 + 4 * 2 + 4 * (72 + 1)  # of one, of norm, of two
    meeting = 4 * 4 * 9  # weights of the filters left of two that only see dead channels
    dead = {int(n) for n in net.one.weight.abs().sum((1, 2, 3)).argsort()[:4]}
    dead &= {int(n) for n in net.two.weight.abs().sum((1, 2, 3)).argsort()[:4]}
    assert share_gone(less, SHAPE) == pytest.approx((filters + meeting + 4 * len(dead)) / whole)


def test_one_filter_of_each_layer_is_left(net):
    less = by_channel(net, trace(net, (1, *SHAPE)), 1.0)
    assert [(m.weight.flatten(1) != 0).any(1).sum().item() for m in (less.one, less.two)] == [1, 1]
