"""Whole batches varied at once, against one picture at a time by NumPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import Tensor

from foveal.data.together import Together, _coins


def pictures(count: int = 40, channels: int = 3, height: int = 9, width: int = 12, seed: int = 0) -> Tensor:
    """Noise, so that every shift and mirror image of a picture is told from every other."""
    dice = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=dice)


def found(image: Tensor, seen: Tensor, shift: int) -> tuple[int, int, bool]:
    """How `seen` comes from `image`: down, right, mirrored; by trying all, each by NumPy's own padding."""
    plain = image.numpy()
    for mirrored in (False, True):
        wide = np.pad(
            plain[..., ::-1] if mirrored else plain, ((0, 0), (shift, shift), (shift, shift)), "reflect"
        )
        for down in range(-shift, shift + 1):
            for right in range(-shift, shift + 1):
                top, left = shift + down, shift + right
                if (wide[:, top : top + plain.shape[1], left : left + plain.shape[2]] == seen.numpy()).all():
                    return down, -right if mirrored else right, mirrored
    raise AssertionError("no shift and mirror image of the picture")


def how(
    vary: Together, images: Tensor, positions: Tensor, epoch: int, place: int = 0
) -> list[tuple[int, int, bool]]:
    out = vary(images, positions, epoch, place)
    assert (out.shape, out.dtype) == (images.shape, torch.uint8)
    return [found(image, seen, vary.shift) for image, seen in zip(images, out, strict=True)]


@pytest.mark.parametrize("flip", ["none", "random", "alternating"])
@pytest.mark.parametrize("shift", [0, 1, 2, 4])
def test_each_picture_is_shifted_and_mirrored_as_if_alone(shift: int, flip: str) -> None:
    images, positions = pictures(150), torch.arange(150)
    seen = how(Together(shift, flip, 3), images, positions, 0)  # type: ignore[arg-type]
    for way in (0, 1):
        assert {where[way] for where in seen} == set(range(-shift, shift + 1)), "every shift both ways"
    assert {mirrored for *_, mirrored in seen} == ({False} if flip == "none" else {False, True})


def test_alternating_shows_both_sides_in_two_epochs() -> None:
    images, positions = pictures(64), torch.randperm(1000, generator=torch.Generator().manual_seed(0))[:64]
    vary = Together(1, "alternating", 7)
    epochs = [[mirrored for *_, mirrored in how(vary, images, positions, epoch)] for epoch in range(4)]
    assert epochs[0] == epochs[2]
    assert epochs[1] == epochs[3]
    assert all(one != two for one, two in zip(epochs[0], epochs[1], strict=True))
    assert 16 < sum(epochs[0]) < 48
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    again = [mirrored for *_, mirrored in how(vary, images[order], positions[order], 0, place=5)]
    assert again == [epochs[0][n] for n in order], "the picture's coin, wherever it stands"


def test_random_flips_are_drawn_anew() -> None:
    images, positions = pictures(64), torch.arange(64)
    vary = Together(0, "random", 7)
    epochs = [tuple(mirrored for *_, mirrored in how(vary, images, positions, epoch)) for epoch in range(3)]
    assert len(set(epochs)) == 3


def test_coins_are_fair_and_independent() -> None:
    """Of positions next to each other, and of seeds next to each other."""
    positions = torch.arange(50_000)
    heads = torch.stack([_coins(seed, positions) for seed in range(6)]).float()
    assert (heads.mean(1) - 0.5).abs().max() < 0.01  # 4.5 standard errors
    signs = 2 * heads - 1
    for lag in (1, 2, 3, 7, 10, 64, 100):
        assert (signs[:, :-lag] * signs[:, lag:]).mean(1).abs().max() < 0.02, lag
    among = signs @ signs.T / len(positions)
    assert (among - torch.eye(6)).abs().max() < 0.02


def test_it_depends_on_seed_epoch_and_place_only() -> None:
    images, positions = pictures(), torch.arange(40)
    vary = Together(2, "alternating", 1)
    before = torch.get_rng_state()
    one = vary(images, positions, 3, 2)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    again: Together = pickle.loads(pickle.dumps(vary))
    assert again == vary
    assert torch.equal(one, again(images, positions, 3, 2)), "as a resumed run sees it"
    assert torch.equal(images, pictures()), "the pictures stay"
    for other in (
        vary(images, positions, 5, 2),
        vary(images, positions, 3, 1),
        Together(2, "alternating", 2)(images, positions, 3, 2),
    ):
        assert not torch.equal(one, other)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_memory_format_stays(layout: torch.memory_format) -> None:
    images = pictures().contiguous(memory_format=layout)
    out = Together(2, "random")(images, torch.arange(40), 0, 0)
    assert out.stride() == images.stride()
    assert torch.equal(out, Together(2, "random")(pictures(), torch.arange(40), 0, 0))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (2, 3)])
def test_pictures_smaller_than_the_shift(height: int, width: int) -> None:
    images = pictures(12, 1, height, width)
    out = Together(3, "random")(images, torch.arange(12), 0, 0)
    assert out.shape == images.shape
    for image, seen in zip(images, out, strict=True):
        assert set(seen.flatten().tolist()) <= set(image.flatten().tolist())
