"""Networks that make pictures, explained: where the detail of a place comes from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import foveal
from foveal import catalog
from foveal.card import Card
from foveal.data.seen import seen_square
from foveal.data.views import normalise, to_input
from foveal.errors import OptionError, UnknownNameError
from foveal.model import Model
from foveal.tasks import autoencode, segment, upscale
from foveal.tasks._pictures import brightness
from foveal.values import Preprocessing

SIDE = 32


def model_of(task: Any, name: str, **told: Any) -> Model:
    torch.manual_seed(0)
    network = catalog.find("architectures", name).build(name, channels=3, size=SIDE, **told).eval()
    pre = Preprocessing(SIDE, mean=(0.0,) * 3, std=(1.0,) * 3)
    architecture = {"name": name, "channels": 3, "size": SIDE, **told}
    return Model(network, task, pre, Card(task=task.card(), architecture=architecture, preprocessing=pre))


@pytest.fixture(scope="module")
def larger() -> Model:
    return model_of(upscale.build((), scale=2), "espcn", outputs=1, factor=2)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 255, (40, 50, 3), dtype=np.uint8))


def made(model: Model, image: Image.Image) -> torch.Tensor:
    seen = to_input(image, model.task.view(model.preprocessing))
    with torch.no_grad():
        found: torch.Tensor = model.network(normalise(seen[None], model.preprocessing))
    return found


def test_detail_of_a_place_comes_from_what_its_pixels_see(larger: Model, picture: Image.Image) -> None:
    (why,) = foveal.explain(larger, picture, method="gradient", at=(20, 12, 24, 16), verdict=False)
    assert str(why.target) == "detail at 20, 12, 24, 16"
    assert why.verdict.word == "grey levels"
    x0, y0, x1, y1 = seen_square(50, 40, SIDE, (20, 12, 24, 16)).box
    assert (x0, y0, x1, y1) == (6, 0, 38, 32)
    light = brightness(made(larger, picture.crop((6, 0, 38, 32))))[0]
    rows, columns = slice(24, 32), slice(28, 36)  # of twice as many pixels
    right = (light[rows, 29:37] - light[rows, columns]).abs()
    below = (light[25:33, columns] - light[rows, columns]).abs()
    assert why.score == pytest.approx(float((right + below).mean()), rel=1e-4)
    assert why.map is not None
    assert why.map.shape == (40, 50)
    near = np.zeros((40, 50), bool)
    near[12 - 6 : 16 + 7, 20 - 6 : 24 + 7] = True  # three convolutions of 5, 3 and 3 see 4 pixels each way
    assert np.abs(why.map[near]).max() > 0
    assert np.abs(why.map[~near]).max() == 0


def test_brightness_is_another_target(larger: Model, picture: Image.Image) -> None:
    (why,) = foveal.explain(larger, picture, method="occlusion", target="brightness", verdict=False)
    seen = picture.crop(tuple(map(int, seen_square(50, 40, SIDE).box)))  # type: ignore[arg-type]
    assert why.score == pytest.approx(float(brightness(made(larger, seen)).mean()), rel=1e-4)
    with pytest.raises(UnknownNameError, match="brightness, detail"):
        foveal.explain(larger, picture, target="cat")
    with pytest.raises(OptionError, match="--against"):
        foveal.explain(larger, picture, target="detail", against="brightness")


@pytest.mark.parametrize("loss", ["mse", "bce"])
def test_an_autoencoder_sees_the_middle_square(loss: str, picture: Image.Image) -> None:
    model = model_of(autoencode.build(loss=loss, latent=8), "autoencoder", outputs=1, latent=8)
    whole = foveal.explain(model, picture, method="gradcam,gradient", verdict=True)
    assert [row.method for row in whole] == ["gradcam", "gradient"]
    for row in whole:
        assert row.map is not None
        assert row.map.shape == (40, 50)
        assert np.abs(row.map[:, :4]).max() == 0, "beside the middle square nothing was seen"
    (corner,) = foveal.explain(model, picture, method="gradient", at=(10, 5), verdict=False)
    assert corner.target.label == "detail"


def test_a_segmentation_at_the_pictures_own_scale(picture: Image.Image) -> None:
    told = {"outputs": 2}
    model = model_of(segment.build(("background", "ball")), "unet/timm/resnet10t", **told)
    tiled = replace(model, task=replace(model.task, tiled=True))  # type: ignore[type-var]
    (why,) = foveal.explain(tiled, picture, method="gradient", target="ball", at=(45, 35), verdict=False)
    x0, y0, x1, y1 = seen_square(50, 40, SIDE, (45, 35, 46, 36)).box
    assert (x0, y0, x1, y1) == (18, 8, 50, 40)
    logits = made(tiled, picture.crop((18, 8, 50, 40)))[0]
    assert why.score == pytest.approx(float(logits[1, 35 - 8, 45 - 18]), rel=1e-3, abs=1e-5)


def test_squares_of_small_pictures_reach_beyond_them() -> None:
    assert seen_square(20, 50, 32).box == (-6, 9, 26, 41)
    assert seen_square(20, 50, 32, (0, 49, 1, 50)).box == (-6, 18, 26, 50)
