from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import small
from foveal.structure.layers import (
    Tempo,
    parameter_groups,
    set_channels,
    set_trainable,
    set_training,
)


def test_no_decay_on_norms_and_biases() -> None:
    network = small.tiny()
    groups = parameter_groups(network, "fc", lr=0.1, weight_decay=0.01, layer_decay=0.5)
    decay = {id(p): g["weight_decay"] for g in groups for p in g["params"]}  # type: ignore[attr-defined]
    for name, p in network.named_parameters():
        assert decay[id(p)] == (0.01 if p.dim() > 1 else 0.0), name


def test_earlier_stages_get_smaller_rates() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    groups = parameter_groups(network, "2", lr=0.1, weight_decay=0.0, layer_decay=0.5)
    peak = {id(p): g["peak"] for g in groups for p in g["params"]}  # type: ignore[attr-defined]
    assert [peak[id(layer.weight)] for layer in network] == [0.025, 0.05, 0.1]  # type: ignore[union-attr]


def test_a_module_s_own_tempo() -> None:
    """A rate of its own, the same decay a step also for what is one-dimensional, and none when frozen."""
    network = small.tiny()
    network.norm.tempo = Tempo(64.0, until=0.25)  # type: ignore[assignment]
    plain = parameter_groups(small.tiny(), "fc", lr=0.1, weight_decay=0.01, layer_decay=0.5)
    groups = parameter_groups(copy.deepcopy(network), "fc", lr=0.1, weight_decay=0.01, layer_decay=0.5)
    own = [g for g in groups if "until" in g]
    assert len(own) == 1
    assert len(own[0]["params"]) == 2  # type: ignore[arg-type]
    peak = next(g["peak"] for g in plain if any(p.shape == (8,) for p in g["params"]))  # type: ignore[attr-defined]
    assert (own[0]["peak"], own[0]["until"]) == (64 * peak, 0.25)  # type: ignore[operator]
    assert own[0]["peak"] * own[0]["weight_decay"] == pytest.approx(peak * 0.01)  # type: ignore[operator]
    assert sum(len(g["params"]) for g in groups) == len(list(network.parameters()))  # type: ignore[arg-type]
    set_trainable(network, "fc", "head")
    groups = parameter_groups(network, "fc", lr=0.1, weight_decay=0.01, layer_decay=0.5)
    assert not [g for g in groups if "until" in g]


def test_frozen_parameters_are_in_no_group() -> None:
    network = small.tiny()
    set_trainable(network, "fc", "head")
    groups = parameter_groups(network, "fc", lr=0.1, weight_decay=0.0, layer_decay=1.0)
    assert {id(p) for g in groups for p in g["params"]} == {  # type: ignore[attr-defined]
        id(network.fc.weight), id(network.fc.bias),
    }  # fmt: skip
    set_training(network, "fc", "head")
    assert not network.norm.training
    assert not network.drop.training
    assert network.fc.training
    set_trainable(network, "fc", "all")
    set_training(network, "fc", "all")
    assert network.norm.training
    assert all(p.requires_grad for p in network.parameters())


def test_set_channels_keeps_all_else() -> None:
    network = nn.Sequential(nn.Sequential(nn.Conv2d(3, 6, (3, 5), 2, 1, bias=False)), nn.ReLU())
    want = network(torch.zeros(1, 3, 20, 20)).shape
    set_channels(network, 4)
    assert network(torch.zeros(1, 4, 20, 20)).shape == want
    assert network[0][0].bias is None
