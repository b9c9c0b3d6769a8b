"""The kernels are tried without a GPU by Triton's interpreter; with one in tests/test_on_gpu.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from torch.nn import functional as F

from foveal.machine.pooling import halved

NAME = "foveal.machine.pooling_kernels"


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    pytest.importorskip("triton")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    from foveal.machine import pooling_kernels

    yield pooling_kernels
    sys.modules.pop(NAME, None)


@pytest.mark.parametrize("shape", [(3, 5, 7, 9), (2, 4, 2, 2), (1, 8, 31, 31), (2, 3, 6, 5)])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_kernels_are_torchs_pooling(
    kernels: ModuleType, shape: tuple[int, ...], precision: torch.dtype
) -> None:
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    x = ((drawn * 2).round() / 2).to(precision).to(memory_format=torch.channels_last)  # with equal pixels
    x.requires_grad_()
    wanted = F.max_pool2d(x, 2)
    gradient = torch.randn_like(wanted)
    wanted.backward(gradient)
    with torch.no_grad():
        made, places = kernels.forward(x.detach())
        back = kernels.backward(gradient, places, x.shape)
    assert torch.equal(made, wanted)
    assert torch.equal(back, x.grad)
    assert made.is_contiguous(memory_format=torch.channels_last)


def test_a_window_with_what_is_no_number_has_none(kernels: ModuleType) -> None:
    x = torch.zeros(1, 1, 2, 4).to(memory_format=torch.channels_last)
    x[0, 0, 1, 1] = torch.nan
    made, _ = kernels.forward(x)
    assert made.isnan().flatten().tolist() == [True, False]


def test_elsewhere_it_is_torchs() -> None:
    x = torch.randn(2, 3, 7, 7, requires_grad=True)
    assert torch.equal(halved(x), F.max_pool2d(x, 2))
