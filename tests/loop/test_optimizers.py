"""Optimizers by name: torch's own two, and timm's."""

from __future__ import annotations

import copy

import pytest
import torch

import small
from foveal.errors import OptionError, UnknownNameError
from foveal.loop import optimizers
from foveal.storage import _check_plain
from foveal.structure.layers import parameter_groups


def built(name: str, network: torch.nn.Module) -> torch.optim.Optimizer:
    groups = parameter_groups(network, "fc", lr=1e-3, weight_decay=1e-2, layer_decay=0.9)
    return optimizers.build(name, groups, lr=1e-3, momentum=0.9, weight_decay=1e-2, device="cpu")


def step(network: torch.nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    torch.manual_seed(seed)
    optimizer.zero_grad()
    network(torch.randn(4, 1, 12, 12)).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("name", optimizers.names())
def test_every_optimizer_keeps_its_groups_and_resumes_bit_for_bit(name: str) -> None:
    one = small.tiny()
    first = built(name, one)
    peaks = {(group["peak"], group["weight_decay"]) for group in first.param_groups}
    assert {decay for _, decay in peaks} == {0.0, 1e-2}, "no decay on norms and biases"
    assert len({peak for peak, _ in peaks}) > 1, "each stage its own rate"
    step(one, first, 0), step(one, first, 1)
    _check_plain(first.state_dict(), "state")
    other = small.tiny(seed=3)
    other.load_state_dict(one.state_dict())
    second = built(name, other)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    step(one, first, 2), step(other, second, 2)
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q)


def test_momentum_and_betas_are_the_ones_asked_for() -> None:
    assert built("sgd", small.tiny()).param_groups[0]["nesterov"]
    for name in ("adamw", "lamb", "nadamw"):
        assert tuple(built(name, small.tiny()).param_groups[0]["betas"]) == (0.9, 0.999)


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="'adamw'"):
        optimizers.check("adam_w")
    with pytest.raises(OptionError, match="second derivatives"):
        optimizers.check("adahessian")


def test_families() -> None:
    assert all(map(optimizers.is_like_sgd, ("sgd", "sgdw", "csgdp", "nesterov", "lars")))
    assert not any(map(optimizers.is_like_sgd, ("adamw", "lamb", "lion", "madgrad", "rmsprop")))


def test_usual_rates_hold_the_published_ones() -> None:
    for name, rate in (("sgd", 0.1), ("muon", 0.24), ("adamw", 1e-3), ("lion", 1e-4)):
        low, high = optimizers.usual_rates(name)
        assert low < rate < high
    assert optimizers.usual_rates("adamw")[1] < 0.24
