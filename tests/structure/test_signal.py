"""The signal at initialisation: vanishing, exploding, and held by normalisation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from foveal.structure.signal import AS_BUILT, BARE, SMALL_BARE, SMALL_WEIGHTS, signals


def deep(norm: bool, gain: float = 2.0, depth: int = 12, width: int = 32) -> nn.Sequential:
    """Convolutions whose weights have the variance `gain` / fan-in."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for n in range(depth):
        layer = nn.Conv2d(width if n else 3, width, 3, padding=1, bias=False, padding_mode="circular")
        nn.init.normal_(layer.weight, std=math.sqrt(gain / (9 * layer.in_channels)))
        layers += [layer, *([nn.BatchNorm2d(width)] if norm else []), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 5))


def test_hes_variance_keeps_the_signal_and_half_of_it_halves_its_square_in_each_layer():
    for gain, factor in ((2.0, 1.0), (1.0, 0.5)):
        levels = signals(deep(False, gain), (3, 16, 16), 5)[AS_BUILT][
            1:-1
        ]  # after the first, before the head
        squares = [level.spread**2 + level.mean**2 for level in levels]
        measured = (squares[-1] / squares[0]) ** (1 / (len(squares) - 1))
        assert measured == pytest.approx(factor, rel=0.2)


def test_normalisation_holds_what_small_weights_let_vanish():
    found = signals(deep(True), (3, 16, 16), 5)
    assert list(found) == [AS_BUILT, BARE, SMALL_WEIGHTS, SMALL_BARE]
    bare, held = ([level.spread for level in found[name][:-1]] for name in (SMALL_BARE, SMALL_WEIGHTS))
    assert bare[-1] < 1e-6 * bare[0]
    assert held[-1] > 0.1 * held[0]
    gradients = [level.gradient for level in found[SMALL_BARE][:-1]]
    assert gradients[0] < 1e-6 * gradients[-1]


def test_a_layer_tells_what_left_it_before_what_works_in_place():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 64, 3))
    picture = torch.randn((16, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    level = signals(net, (3, 8, 8), 3)[AS_BUILT][0]
    with torch.no_grad():
        out = net[0](picture)
    assert level.mean == pytest.approx(float(out.mean()), abs=1e-6)
    assert level.spread == pytest.approx(float(out.std()), rel=1e-5)
    assert level.gradient > 0


def test_the_network_is_left_as_it_was():
    net = deep(True, depth=2).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    random = torch.get_rng_state()
    signals(net, (3, 8, 8), 5)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert not net.training
    assert all(p.grad is None for p in net.parameters())
