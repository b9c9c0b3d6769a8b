"""The evaluation view is the one the weights' publishers use."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms as T

from foveal import catalog
from foveal.data.views import evaluation_view, normalise, to_input
from foveal.values import Facts, Preprocessing


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (224, 224), (100, 37), (1000, 40)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_equals_the_classic_script(size: tuple[int, int], interpolation: str) -> None:
    pre = Preprocessing(224, 3, (0.4, 0.5, 0.6), (0.2, 0.3, 0.1), interpolation, 0.875)  # type: ignore[arg-type]
    script = T.Compose(
        [
            T.Resize(256, interpolation=T.InterpolationMode(interpolation)),
            T.CenterCrop(224),
            T.ToTensor(),
            T.Normalize(pre.mean, pre.std),
        ]
    )
    image = noise(*size)
    assert torch.allclose(
        normalise(to_input(image, evaluation_view(pre))[None], pre)[0], script(image), atol=1e-6
    )


def test_boxes_go_along() -> None:
    """What a later task needs: the view moves boxes with the picture."""
    from torchvision import tv_tensors

    box = tv_tensors.BoundingBoxes([[10, 20, 30, 40]], format="XYXY", canvas_size=(100, 200))  # type: ignore[call-overload]
    image, moved = evaluation_view(Preprocessing(50))(noise(200, 100), box)
    assert image.size == (50, 50)
    assert tuple(moved.canvas_size) == (50, 50)
    assert moved.tolist()[0][1::2] == [10, 20]


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 2), (9, 80)])
def test_slender_pictures_take_no_more_memory_than_others(size: tuple[int, int]) -> None:
    pre = Preprocessing(64)
    assert to_input(noise(*size), evaluation_view(pre)).shape == (3, 64, 64)
    light = catalog.find("augmentations", "light").build(
        pre, Facts(30, 30, 1, 30_000, False, 1), flip=True, scratch=True
    )
    assert to_input(noise(*size), light).shape == (3, 64, 64)


def test_the_middle_of_a_slender_picture_is_what_is_seen() -> None:
    """As without the first cut, which only saves work."""
    image = noise(40, 800)
    pre = Preprocessing(32)
    script = T.Compose([T.Resize(32), T.CenterCrop(32), T.PILToTensor()])
    difference = to_input(image, evaluation_view(pre)).float() - script(image).float()
    assert difference.abs().mean() < 3
