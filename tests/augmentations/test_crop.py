"""Random crops: torchvision's in what is drawn, antialiased, the same for tensors as for Pillow's pictures."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from foveal.augmentations._crop import CropAndFlip, RandomCrop
from foveal.machine.device import seeded

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
BILINEAR, BICUBIC = v2.InterpolationMode.BILINEAR, v2.InterpolationMode.BICUBIC


def picture(width: int = 90, height: int = 70, channels: int = 3, seed: int = 0) -> Image.Image:
    """Noise in coarse blocks, its alpha channel as well."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 4), dtype=np.uint8)
    image = Image.fromarray(noise).resize((width, height), Image.Resampling.BILINEAR)
    if channels == 4:
        return image
    return image.convert("RGB").convert(MODES[channels])


def laid(image: Image.Image) -> Tensor:
    """As the cache has it: `CHW`, the bytes channels last."""
    array = np.array(image)
    return torch.from_numpy(array if array.ndim == 3 else array[..., None]).permute(2, 0, 1)


def crop(size: int = 24, least: float = 0.35, interpolation: Any = BILINEAR) -> RandomCrop:
    return RandomCrop(size, (least, 1.0), interpolation)


@pytest.mark.parametrize("interpolation", [BILINEAR, BICUBIC])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tensors_are_seen_as_pillows_pictures_are(channels: int, interpolation: Any) -> None:
    """The same part for the same seed, and all but the last bit of the same pixels; be it smaller than the
    result or much larger, whatever the layout."""
    view = CropAndFlip(crop(interpolation=interpolation), flip=True)
    for seed, (width, height) in enumerate(
        [(90, 70), (31, 300), (300, 31), (24, 24), (10, 12), (400, 300)] * 3
    ):
        image = picture(width, height, channels, seed)
        with seeded(seed):
            pillow = laid(view(image, 7)[0])
        for tensor in (laid(image), laid(image).contiguous()):
            with seeded(seed):
                made, truth = view(tensor, 7)
            assert truth == 7
            assert (made.shape, made.dtype) == ((channels, 24, 24), torch.uint8)
            assert (made.int() - pillow.int()).abs().max() <= 1
        assert torch.equal(laid(image), tensor), "the picture itself stays"


def test_a_batch_draws_the_same_whichever_it_is_of() -> None:
    """One seed a batch: what one picture draws must not move the next one's draws."""
    view = CropAndFlip(crop(), flip=True)
    images = [picture(60 + n, 50, seed=n) for n in range(12)]
    with seeded(5):
        pillow = [laid(view(image, 0)[0]) for image in images]
    with seeded(5):
        tensors = [view(laid(image), 0)[0] for image in images]
    for one, other in zip(pillow, tensors, strict=True):
        assert (one.int() - other.int()).abs().max() <= 1


def test_every_picture_takes_as_many_draws() -> None:
    states = []
    for image in (picture(), picture(10, 900), picture(900, 10)):
        for flip in (0, 1, 2, 3):
            with seeded(flip):
                crop().box(image.height, image.width)
                states.append((flip, torch.get_rng_state().sum().item()))
    assert len(set(states)) == 4


@pytest.mark.parametrize(("least", "width", "height"), [(0.08, 300, 200), (0.35, 90, 90), (0.35, 100, 140)])
def test_parts_are_drawn_as_torchvision_does(least: float, width: int, height: int) -> None:
    """Area, shape and place by their means and extremes over many draws."""
    theirs = v2.RandomResizedCrop(24, scale=(least, 1.0))
    tensor = torch.zeros(3, height, width, dtype=torch.uint8)
    found: list[list[tuple[float, ...]]] = [[], []]
    ours = crop(least=least)
    with seeded(0):
        for _ in range(4000):
            params = theirs.make_params([tensor])
            found[0].append(tuple(params[name] for name in ("top", "left", "height", "width")))
            found[1].append(ours.box(height, width))
    for top, left, high, wide in found[1]:
        assert 0 <= top <= top + high <= height
        assert 0 <= left <= left + wide <= width
    numbers = [np.array(rows, dtype=float) for rows in found]
    areas = [n[:, 2] * n[:, 3] / (width * height) for n in numbers]
    shapes = [np.log(n[:, 3] / n[:, 2]) for n in numbers]
    tops = [n[:, 0] / np.maximum(height - n[:, 2], 1) for n in numbers]
    lefts = [n[:, 1] / np.maximum(width - n[:, 3], 1) for n in numbers]
    assert areas[1].min() > 0.95 * least
    assert np.abs(shapes[1]).max() < math.log(4 / 3) + 0.06  # sides are rounded to pixels
    for theirs_, ours_ in (areas, shapes, tops, lefts):
        spread = theirs_.std() * math.sqrt(2 / len(theirs_))
        assert abs(theirs_.mean() - ours_.mean()) < 4 * spread
        assert ours_.std() == pytest.approx(theirs_.std(), rel=0.1)
        for share in (0.1, 0.5, 0.9):
            assert np.quantile(ours_, share) == pytest.approx(np.quantile(theirs_, share), abs=0.06)
    both = [np.corrcoef([pair[n] for pair in (areas, shapes, tops, lefts)]) for n in (0, 1)]
    assert np.abs(both[0] - both[1]).max() < 0.1, "nor do the four hang together otherwise"


@pytest.mark.parametrize(("width", "height"), [(10, 900), (900, 10), (1, 1), (1, 2000), (2, 3)])
def test_where_no_part_fits_the_middle_is_taken(width: int, height: int) -> None:
    theirs = v2.RandomResizedCrop(24, scale=(0.35, 1.0))
    params = theirs.make_params([torch.zeros(3, height, width)])
    seen = {crop().box(height, width) for _ in range(20)}
    if max(width, height) > 2 * min(width, height):
        assert seen == {(params["top"], params["left"], params["height"], params["width"])}
    image = picture(width, height)
    for tensor in (laid(image), image):
        assert CropAndFlip(crop(), flip=True)(tensor, 0)[0] is not None


@pytest.mark.parametrize("interpolation", [BILINEAR, BICUBIC])
def test_antialiased(interpolation: Any) -> None:
    """A checkerboard of single pixels comes out grey, not as another pattern."""
    y, x = np.mgrid[:240, :240]
    board = Image.fromarray((((x + y) % 2) * 255).astype(np.uint8))
    view = CropAndFlip(crop(24, 0.35, interpolation), flip=False)
    for seed in range(10):
        for image in (laid(board), board):
            with seeded(seed):
                made, _ = view(image, 0)
            made = made if isinstance(made, Tensor) else laid(made)
            inner = made[:, 2:-2, 2:-2].int()
            assert (inner - 127).abs().max() < 25
    plain = F.resize(laid(board)[:, :233, :237], [24, 24], antialias=False)
    assert (plain.int() - 127).abs().max() > 100, "which would not be so otherwise"


def test_hidden_colours_stay_hidden() -> None:
    """Where a picture is transparent its colour does not count: red beside invisible green stays red."""
    array = np.zeros((60, 60, 4), np.uint8)
    array[:, ::2] = (255, 0, 0, 255)
    array[:, 1::2] = (0, 255, 0, 0)
    with seeded(0):
        made = crop(20).of(laid(Image.fromarray(array)))
    assert made[3].float().mean() == pytest.approx(127, abs=8)
    assert made[0].min() > 240
    assert made[1].max() < 15


def test_mirrored_half_of_the_time_or_never() -> None:
    half = np.zeros((40, 40, 1), np.uint8)
    half[:, :20] = 255
    for flip, low, high in ((True, 70, 130), (False, 0, 0)):
        view, mirrored = CropAndFlip(RandomCrop(16, (0.9, 1.0), BILINEAR), flip), 0
        with seeded(0):
            for _ in range(200):
                made, _ = view(torch.from_numpy(half).permute(2, 0, 1), 0)
                mirrored += int(made[0, :, -1].float().mean() > made[0, :, 0].float().mean())
        assert low <= mirrored <= high


@pytest.mark.parametrize("tensor", [False, True])
def test_what_lies_on_the_picture_goes_along(tensor: bool) -> None:
    """A light square, its box and its mask, and a number that stays; also where a tensor comes in."""
    canvas = np.full((60, 48), 20, np.uint8)
    canvas[20:40, 16:36] = 230
    mask = tv_tensors.Mask(torch.from_numpy((canvas > 128).astype(np.uint8)))
    box = tv_tensors.BoundingBoxes([[16, 20, 36, 40]], format="XYXY", canvas_size=(60, 48))
    view, moved = CropAndFlip(crop(48), flip=True), set()
    for seed in range(40):
        image: Any = Image.fromarray(canvas)
        with seeded(seed):
            seen, (there, on_it, number) = view(laid(image) if tensor else image, (box, mask, 5))
        assert number == 5
        assert there.canvas_size == (48, 48)
        left, top, right, bottom = there[0].tolist()
        moved.add((round(left), round(top)))
        light = np.asarray(seen) > 128
        rows, columns = np.nonzero(light)
        assert abs(columns.min() - left) <= 2
        assert abs(columns.max() + 1 - right) <= 2
        assert abs(rows.min() - top) <= 2
        assert abs(rows.max() + 1 - bottom) <= 2
        both = light & (on_it.numpy() > 0)
        assert both.sum() / (light | (on_it.numpy() > 0)).sum() > 0.85
    assert len(moved) > 20


def test_the_draws_are_torchs_and_it_pickles() -> None:
    view = CropAndFlip(crop(), flip=True)
    again = pickle.loads(pickle.dumps(view))
    assert len(pickle.dumps(view)) < 2000
    assert view.tensors
    image = laid(picture())
    for seed in range(5):
        with seeded(seed):
            one = view(image, 0)[0]
        with seeded(seed):
            other = again(image, 0)[0]
        assert torch.equal(one, other)
    with seeded(0):
        assert len({view(image, 0)[0].numpy().tobytes() for _ in range(10)}) == 10
