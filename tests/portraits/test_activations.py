"""Feature maps of every layer: the network's own numbers, the strongest first."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
import torch
from PIL import Image

import shapes
import sitters
from foveal.contracts import Sitting
from foveal.data.views import normalise
from foveal.errors import OptionError
from foveal.portraits import activations
from foveal.portraits.activations import Activations


def run(sitting: Sitting, **options: object) -> Activations:
    (made,) = activations.portray(sitting, **options)  # type: ignore[arg-type]
    return made


def test_maps_are_the_networks_and_sorted() -> None:
    sitting = sitters.shapes_sitting(64)
    made = run(sitting)
    assert [layer.name for layer in made.layers] == [f"features.{n}" for n in (2, 5, 8, 11)] + ["features"]
    assert made.id == "picture 0"
    pixels, _ = shapes.training_pictures()
    value = normalise(pixels[:1], shapes.PRE)
    network = sitting.subject.network
    layers = iter(made.layers)
    with torch.no_grad():
        for n, module in enumerate(network.features):  # type: ignore[arg-type]
            value = module(value)
            if n % 3 != 2:
                continue
            layer = next(layers)
            assert layer.shape == tuple(value.shape[1:])
            strength = value[0].abs().mean((1, 2))
            assert torch.tensor(layer.strength).allclose(strength[list(layer.order)], rtol=1e-5)
            assert list(layer.strength) == sorted(layer.strength, reverse=True)
            assert sorted(layer.order) == list(range(len(strength)))
            assert layer.maps.allclose(value[0][list(layer.order[: activations.MOST])], rtol=1e-4, atol=1e-5)
            assert layer.silent == int((value[0].amax((1, 2)) <= 0).sum())
            assert (layer.low, layer.high) == pytest.approx((float(value.min()), float(value.max())))
    assert [layer.shape[1] for layer in made.layers] == [32, 32, 16, 8, 8], "resolution falls"
    assert [layer.sees for layer in made.layers] == ["5", "9", "13", "21", "37"]


def test_a_picture_and_layers_of_ones_own() -> None:
    sitting = sitters.shapes_sitting(64)
    pixels, _ = shapes.training_pictures()
    made = run(sitting, picture=pixels[7], id="seven", layers=("features.0", "features.7"))
    assert [layer.name for layer in made.layers] == ["features.0", "features.7"]
    assert made.id == "seven"
    assert torch.equal(made.picture, pixels[7])
    assert all(layer.low < 0 < layer.high and layer.silent == 0 for layer in made.layers)
    with pytest.raises(OptionError, match="fc"):
        run(sitting, layers=("fc",))


@pytest.mark.parametrize("kind", sitters.NETWORKS)
def test_every_layer_once(kind: str) -> None:
    """A convolution is not shown beside what its activation function makes of it."""
    sitting = sitters.sitting(sitters.made(kind), sitters.images(4))
    graph = sitting.subject.graph
    made = run(sitting)
    places = [sitting.subject.place_of(layer.name) for layer in made.layers]
    assert len(set(places)) == len(places)
    functions = [graph.operations[place].function for place in places]
    if kind == "functional":
        assert functions == ["relu", "relu", "relu"]
    if kind == "branches":
        assert functions == ["relu", "hardtanh", "cat", "conv2d", "relu", "max_pool2d", "relu"]


def test_the_animation_has_a_frame_a_layer() -> None:
    made = run(sitters.shapes_sitting(64))
    with Image.open(io.BytesIO(made.animation())) as gif:
        assert gif.format == "GIF"
        assert gif.n_frames == len(made.layers) + 1  # type: ignore[attr-defined]
        frames = []
        for n in range(gif.n_frames):  # type: ignore[attr-defined]
            gif.seek(n)
            frames.append(np.asarray(gif.convert("RGB")))
    assert all((a != b).any() for a, b in itertools.pairwise(frames))
