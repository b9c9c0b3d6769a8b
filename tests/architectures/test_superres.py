"""Networks that enlarge pictures: any size and number of channels, near bicubic interpolation at first."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from foveal.architectures import superres
from foveal.architectures.superres import NAMES
from foveal.structure.layers import is_in, stages


def built(name: str, factor: int = 2, channels: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return superres.build(name, outputs=1, channels=channels, size=96, factor=factor).eval()


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_any_size_become_so_much_larger(name: str, factor: int) -> None:
    for channels, size in ((1, (7, 12)), (3, (16, 9)), (4, (8, 8))):
        with torch.inference_mode():
            made = built(name, factor, channels)(torch.rand(2, channels, *size))
        assert made.shape == (2, channels, size[0] * factor, size[1] * factor)


@pytest.mark.parametrize("name", NAMES)
def test_training_begins_near_the_bicubic_picture(name: str) -> None:
    images = F.interpolate(torch.rand(2, 3, 4, 4), 16, mode="bicubic").clamp(0, 1)
    with torch.inference_mode():
        made = built(name)(images)
    plain = F.interpolate(images, 32, mode="bicubic", antialias=True)
    apart = (made - plain).abs().mean()
    assert 0 < apart < 0.01


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_from_its_first_to_its_last_layer(name: str) -> None:
    network = built(name).train()
    loss = (network(torch.rand(2, 3, 12, 12)) - torch.rand(2, 3, 24, 24)).abs().mean()
    loss.backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        if not parameter_name.endswith("bias"):
            assert parameter.grad.abs().max() > 0, parameter_name


@pytest.mark.parametrize("factor", [2, 3])
def test_pixel_shuffle_begins_without_a_pattern(factor: int) -> None:
    """All pixels made of one are alike at first (Aitken et al. 2017)."""
    torch.manual_seed(0)
    layer = superres._shuffled(5, 4, factor)
    with torch.inference_mode():
        made = F.pixel_shuffle(layer(torch.randn(1, 5, 6, 7)), factor)
    assert torch.equal(
        made, made[..., ::factor, ::factor].repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    )


def test_espcn_works_on_the_small_picture_and_has_the_papers_layers() -> None:
    kernels = [m.weight.shape for m in built("espcn", 3, 1).modules() if isinstance(m, nn.Conv2d)]
    assert kernels == [(64, 1, 5, 5), (32, 64, 3, 3), (9, 32, 3, 3)]


def test_edsr_has_as_many_parameters_as_published() -> None:
    """Lim et al. 2017, table 1: the baseline has 1.5 M, here for x4."""
    assert sum(p.numel() for p in built("edsr", 4).parameters()) == 1_517_571


@pytest.mark.parametrize("name", NAMES)
def test_its_stages_end_in_its_head(name: str) -> None:
    network, head = built(name), superres.head(name)
    parts = stages(network, head)
    assert len(parts) >= 3
    assert is_in(parts[-1][0][0], head)
    assert superres.weights(name, None) is None
