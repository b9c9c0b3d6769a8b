"""Receptive fields: the published ones, and those that gradients show."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models import get_model

from foveal.structure.anatomy import Anatomy, anatomy_of
from foveal.structure.graph import trace
from foveal.structure.receptive import Field, fields

SIDE = 96


class Around(nn.Module):
    """A path around some layers."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.inner(x)
        return out


def taken_apart(net: nn.Module, side: int = SIDE, channels: int = 3) -> Anatomy:
    return anatomy_of(net, trace(net, (1, channels, side, side)))


# Araujo, Norris & Sim 2019, table of receptive fields (tf-slim's networks)
@pytest.mark.parametrize(
    ("name", "last", "size", "jump"),
    [
        ("alexnet", "features.12", 195, 32),
        ("vgg16", "features.30", 212, 32),
        # torchvision strides in the 3x3 convolution of a block, the table's in its last 1x1: 427 to 483
        ("resnet50", "layer4.2.relu", 427, 32),
        ("resnet18", "layer4.1.relu", 435, 32),
        ("inception_v3", "Mixed_7c.cat", 1311, 32),
    ],
)
def test_published_fields(name, last, size, jump):
    net = get_model(name, weights=None, **({"init_weights": False} if name == "inception_v3" else {}))
    found = taken_apart(net, 299 if name == "inception_v3" else 224)
    layer = [layer for layer in found.layers if layer.name == last][-1]
    assert layer.receptive_field == (size, size)
    assert layer.jump == (jump, jump)
    assert not layer.whole


def test_a_block_that_strides_in_its_last_convolution_has_the_tables_field():
    """ResNet-50 v1 as tf-slim has it: the stride of a stage in its last block's 3x3, the shortcut pooled."""
    size, jump = Fraction(7), 2
    size, jump = size + 2 * jump, 4  # 3x3 pooling
    for blocks, last_stride in ((3, 2), (4, 2), (6, 2), (3, 1)):
        for n in range(blocks):
            size += 2 * jump
            jump *= last_stride if n == blocks - 1 else 1
    assert (size, jump) == (483, 32)
    convolutions: list[nn.Module] = [nn.Conv2d(1, 1, 7, 2, 3), nn.MaxPool2d(3, 2, 1)]
    for blocks, last_stride in ((3, 2), (4, 2), (6, 2), (3, 1)):
        convolutions += [nn.Conv2d(1, 1, 3, last_stride if n == blocks - 1 else 1, 1) for n in range(blocks)]
    found = taken_apart(nn.Sequential(*convolutions), 128, 1)
    assert found.layers[-1].receptive_field == (483, 483)
    assert found.layers[-1].jump == (32, 32)


window = st.fixed_dictionaries(
    {
        "kernel": st.integers(1, 5), "stride": st.integers(1, 3), "padding": st.integers(0, 2),
        "dilation": st.integers(1, 2), "kind": st.sampled_from(["conv", "pool", "around", "transposed"]),
    }
)  # fmt: skip


def built(windows: list[dict]) -> nn.Sequential:
    """Layers whose kernels are positive, so that no gradient cancels."""
    layers: list[nn.Module] = []
    for w in windows:
        kernel, stride, padding, dilation = w["kernel"], w["stride"], w["padding"], w["dilation"]
        if w["kind"] == "pool":
            layers.append(nn.AvgPool2d(kernel, stride, min(padding, kernel // 2)))
        elif w["kind"] == "around":
            same = 2 * (kernel // 2) + 1
            layers.append(Around(nn.Conv2d(1, 1, same, padding=dilation * (same // 2), dilation=dilation)))
        elif w["kind"] == "transposed":
            layers.append(
                nn.ConvTranspose2d(
                    1, 1, kernel, stride, min(padding, dilation * (kernel - 1)), 0, 1, True, dilation
                )
            )
        else:
            layers.append(nn.Conv2d(1, 1, kernel, stride, padding, dilation))
    net = nn.Sequential(*layers)
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    return net.double()


@given(st.lists(window, min_size=1, max_size=4), st.data())
def test_gradients_reach_what_is_said_and_no_more(windows, data):
    net = built(windows)
    try:
        found = trace(net.float(), (1, 1, SIDE, SIDE))
    except RuntimeError:
        return  # nothing left of the picture
    field = fields(found)[-1]
    assert isinstance(field, Field)
    picture = torch.ones(1, 1, SIDE, SIDE, dtype=torch.float64, requires_grad=True)
    maps = net.double()(picture)
    row, column = (data.draw(st.integers(0, n - 1)) for n in maps.shape[2:])
    (gradient,) = torch.autograd.grad(maps[0, 0, row, column], picture)
    reached = gradient[0, 0] != 0
    exact = all(w["kind"] != "transposed" for w in windows)
    for axis, unit, seen in zip(field.axes, (row, column), (reached.any(1), reached.any(0)), strict=True):
        pixels = torch.nonzero(seen).flatten().tolist()
        low = max(0, math.ceil(unit * axis.jump + axis.low))
        high = min(SIDE - 1, math.floor(unit * axis.jump + axis.high))
        if not pixels:
            assert not exact or low > high or any(w["kind"] == "pool" for w in windows)
            continue
        assert low <= pixels[0]
        assert pixels[-1] <= high
        dense = all(w["dilation"] == 1 and w["stride"] <= w["kernel"] for w in windows)
        if exact and dense and not axis.whole:
            inside = low > 0 and high < SIDE - 1
            assert (pixels[0], pixels[-1]) == (low, high) or not inside


@pytest.mark.parametrize(
    ("layers", "size", "whole"),
    [
        ([nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1)], None, True),
        ([nn.Conv2d(3, 4, (1, 5)), nn.BatchNorm2d(4), nn.ReLU()], (1, 5), False),
        ([nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)], (3, 3), True),
        ([nn.Conv2d(3, 4, 3), nn.Upsample(scale_factor=2)], (3, 3), False),
        ([nn.ZeroPad2d(2), nn.Conv2d(3, 4, 3), nn.Dropout(0.5), nn.PixelShuffle(2)], None, False),
        ([nn.Conv2d(3, 4, 3, dilation=4, padding="same")], (9, 9), False),
    ],
)
def test_other_layers(layers, size, whole):
    last = taken_apart(nn.Sequential(*layers), 32).layers[-1]
    if size is not None:
        assert last.receptive_field == size
        assert last.whole == whole
    elif not whole:
        assert last.receptive_field is None  # not known is not guessed


def test_squeeze_and_excitation_sees_all_through_its_gate_and_is_local_else():
    from torchvision.ops import SqueezeExcitation

    found = taken_apart(nn.Sequential(nn.Conv2d(3, 8, 3), SqueezeExcitation(8, 2), nn.Conv2d(8, 8, 3)), 32)
    assert found.layers[-1].receptive_field == (5, 5)
    assert found.layers[-1].whole
