"""The latent portrait: nearest as brute force finds them, walks as the decoder makes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import sitters
from foveal import catalog
from foveal.architectures.autoencoder import Autoencoder
from foveal.contracts import Sitting
from foveal.data.views import normalise
from foveal.errors import OptionError
from foveal.portraits import latent, space
from foveal.portraits.latent import SHARES, STEPS, Latent
from foveal.structure.subject import Subject
from foveal.tasks import autoencode
from foveal.values import Preprocessing

PRE = Preprocessing(16, 1, (0.0,), (1.0,))


def run(sitting: Sitting, **options: int | str) -> Latent:
    return list(latent.portray(sitting, **options))[-1]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def network() -> Autoencoder:
    torch.manual_seed(0)
    made = catalog.find("architectures", "autoencoder").build(
        "autoencoder", outputs=1, channels=1, size=16, latent=6
    )
    assert isinstance(made, Autoencoder)
    return made.eval()


def sitting_of(network: Autoencoder, loss: str = "mse") -> Sitting:
    pixels = sitters.images(40, channels=1, side=16)
    subject = Subject.of(network, (1, 1, 16, 16))
    return Sitting(
        subject, PRE, sitters.in_batches(pixels), 40, pictured=autoencode.build(loss=loss).pictures
    )


@torch.no_grad()
def encoded(network: Autoencoder) -> torch.Tensor:
    vectors: torch.Tensor = network.encoder(normalise(sitters.images(40, channels=1, side=16), PRE))
    return vectors


def test_the_nearest_are_those_of_the_latent_vectors(network: Autoencoder) -> None:
    found = run(sitting_of(network), near=5, rows=4)
    vectors = encoded(network).double()
    assert found.layer == "encoder"
    assert torch.allclose(found.features.double(), vectors, atol=1e-5)
    for place, near, far in zip(found.asked, found.nearest, found.distances, strict=True):
        apart = np.linalg.norm((vectors - vectors[place]).numpy(), axis=1)
        order = [n for n in np.argsort(apart, kind="stable").tolist() if n != place][:5]
        assert list(near) == order
        assert far == pytest.approx(apart[order], rel=1e-4)


@pytest.mark.parametrize("loss", ["mse", "bce"])
def test_walks_are_what_the_decoder_makes(network: Autoencoder, loss: str) -> None:
    found = run(sitting_of(network, loss))
    vectors = encoded(network)
    task = autoencode.build(loss=loss)
    with torch.no_grad():
        whole = task.pictures(network.decoder(vectors))
        middle = task.pictures(network.decoder(vectors.mean(0, keepdim=True)))
    for walk in found.walks:
        assert torch.allclose(walk[STEPS.index(0.0)], middle[0], atol=1e-4)
    assert found.between.shape[:2] == (len(found.pairs), len(SHARES))
    for (one, other), walk in zip(found.pairs, found.between, strict=True):
        assert torch.allclose(walk[0], whole[one], atol=1e-4)
        assert torch.allclose(walk[-1], whole[other], atol=1e-4)
    assert list(found.shares) == sorted(found.shares, reverse=True)
    assert sum(found.shares) <= 1 + 1e-6
    ways = encoded(network).double()
    centred = ways - ways.mean(0)
    assert found.shares[0] == pytest.approx(
        float(torch.linalg.eigvalsh(centred.T @ centred)[-1] / centred.square().sum()), rel=1e-4
    )


def test_the_map_of_the_data_is_that_of_the_latent_vectors(network: Autoencoder) -> None:
    made = list(space.portray(sitting_of(network)))[-1]
    assert made.layer == "encoder"
    assert made.features.shape == (40, 6)


def test_other_networks_have_nearest_pictures_and_say_that_they_make_none() -> None:
    found = run(sitters.sitting(sitters.made("batch norm"), sitters.images()))
    assert found.nearest
    assert not found.walks.numel()
    assert any("makes no pictures" in said for said in found.says)
    with pytest.raises(OptionError, match="1 pictures"):
        run(sitters.sitting(sitters.made("batch norm"), sitters.images(1)))
    with pytest.raises(OptionError, match="0 nearest"):
        run(sitters.sitting(sitters.made("batch norm"), sitters.images()), near=0)
