"""Depthwise convolutions in 16 bits: gradients beside those in double precision."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from foveal.machine.depthwise import _Depthwise, fast_depthwise
from foveal.machine.device import autocast

ROUNDING = 0.02
"""Of the largest value; bfloat16 tells 8 bits."""


def gradients(x, weight, bias, stride, padding, draw):
    """By the input, the weights and the bias."""
    made = F.conv2d(x, weight, bias, stride, padding, 1, x.shape[1])
    return made, torch.autograd.grad(made, (x, weight, bias), draw.to(made.dtype))


@given(
    side=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    kernel=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    channels=st.integers(2, 5),
)
def test_gradients_are_right_whatever_kernel_stride_and_padding(side, kernel, stride, padding, channels):
    assume(all(n + 2 * p >= k for n, p, k in zip(side, padding, kernel, strict=True)))
    draw = torch.Generator().manual_seed(0)
    shapes = ((2, channels, *side), (channels, 1, *kernel), (channels,))
    rough = [torch.randn(shape, generator=draw).bfloat16() for shape in shapes]
    fine = [one.double().requires_grad_() for one in rough]
    rough = [one.requires_grad_() for one in rough]
    with torch.no_grad():
        given_ = torch.randn(F.conv2d(*fine, stride, padding, 1, channels).shape, generator=draw).bfloat16()
    want, wanted = gradients(*fine, stride, padding, given_)
    with fast_depthwise("cpu"):
        got, found = gradients(*rough, stride, padding, given_)
    for one, true in zip((got, *found), (want, *wanted), strict=True):
        assert one.shape == true.shape
        assert one.dtype == torch.bfloat16
        assert (one.double() - true).abs().max() <= ROUNDING * true.abs().max().clamp_min(1)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 5, 2, 2, groups=8), nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, 2, 1, groups=8, bias=False), nn.BatchNorm2d(8), nn.Flatten(), nn.LazyLinear(3),
    )  # fmt: skip


def test_training_takes_it_where_it_is_faster_and_nowhere_else(monkeypatch: pytest.MonkeyPatch):
    calls: list[tuple[int, ...]] = []
    own = _Depthwise.apply
    monkeypatch.setattr(_Depthwise, "apply", lambda *a: calls.append(tuple(a[1].shape)) or own(*a))
    one, images = net(), torch.randn(4, 3, 16, 16)
    for precision, expected in (("bf16", [(8, 1, 5, 5), (8, 1, 3, 3)]), ("fp32", [])):
        calls.clear()
        with autocast("cpu", precision):
            one(images).sum().backward()
        assert calls == expected
    calls.clear()
    with torch.no_grad(), autocast("cpu", "bf16"):
        one(images)
    assert calls == []
    one(images)  # after leaving nothing is left
    assert calls == []


def test_a_networks_gradients_are_those_of_torchs_own_kernels():
    images = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    found = []
    for ours in (True, False):
        one = net()
        one(images)
        with torch.autocast("cpu", torch.bfloat16):
            if ours:
                with fast_depthwise("cpu"):
                    loss = one(images).square().mean()
            else:
                loss = one(images).square().mean()
        loss.backward()
        found.append(torch.cat([p.grad.flatten() for p in one.parameters()]))
    assert F.cosine_similarity(*found, dim=0) > 0.999
