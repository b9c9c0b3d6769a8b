"""Autoencoders: shapes, the length of the vector between, and chequerboards."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from foveal.architectures import autoencoder
from foveal.far import watched
from foveal.structure.layers import is_in, parameter_count, stages


def built(name: str, channels: int = 1, size: int = 28, latent: int = 16) -> nn.Module:
    torch.manual_seed(0)
    return autoencoder.build(name, outputs=1, channels=channels, size=size, latent=latent)


@pytest.mark.parametrize("name", autoencoder.NAMES)
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 28), (4, 33), (3, 50), (1, 128)])
def test_gives_pictures_of_the_size_it_was_built_for(name: str, channels: int, size: int) -> None:
    network = built(name, channels, size, 7).eval()
    images = torch.rand(2, channels, size, size)
    with torch.inference_mode():
        made, vectors = network(images), network.get_submodule("encoder")(images)
    assert made.shape == images.shape
    assert vectors.shape == (2, 7)


@pytest.mark.parametrize("name", autoencoder.NAMES)
def test_its_head_is_the_decoder_whose_input_is_the_vector(name: str) -> None:
    network = built(name).eval()
    head = autoencoder.head(name)
    parts = stages(network, head)
    assert sorted(p for part in parts for p, _ in part) == sorted(n for n, _ in network.named_parameters())
    assert all(is_in(n, head) for n, _ in parts[-1])
    images = torch.rand(3, 1, 28, 28)
    with torch.inference_mode(), watched(network, head) as seen:
        network(images)
        assert torch.equal(seen[0], network.get_submodule("encoder")(images))


def test_sides_are_halved_down_to_four() -> None:
    assert autoencoder.halved(28) == [28, 14, 7, 4]
    assert autoencoder.halved(128) == [128, 64, 32, 16, 8, 4]
    assert autoencoder.halved(8) == [8, 4]


def ripple(layer: nn.Module) -> float:
    """How much the places of a map differ that a layer enlarges out of a constant one: nothing, were there no
    chequerboard."""
    with torch.inference_mode():
        made: Tensor = layer(torch.ones(1, 8, 16, 16))[0, :, 8:-8, 8:-8]
    return float(made.std((1, 2)).mean())


def test_only_resizing_leaves_a_constant_map_constant() -> None:
    """Odena et al. 2016: what a transposed convolution's weights add up to differs from place to place, until it has
    learned otherwise; kernels that do not divide by the step differ even in how many weights there are."""
    torch.manual_seed(0)
    resize = nn.Sequential(*list(autoencoder.Up(8, 4, 32, resize=True))[:2])
    transposed = next(iter(autoencoder.Up(8, 4, 32, resize=False)))
    assert ripple(resize) < 1e-6
    assert ripple(transposed) > 0.01

    def evenly(kernel: int) -> nn.Module:
        layer = nn.ConvTranspose2d(8, 4, kernel, 2, padding=1, bias=False)
        nn.init.constant_(layer.weight, 0.1)
        return layer

    assert ripple(evenly(4)) < 1e-6 < 0.1 < ripple(evenly(3))


@pytest.mark.parametrize("name", autoencoder.NAMES)
def test_says_what_it_is(name: str) -> None:
    told = autoencoder.about(name)
    assert told.parameters == parameter_count(lambda: built(name, 3, 32, 64))
    assert "chequerboard" in told.note
    assert autoencoder.tasks(name) == ("autoencode",)
