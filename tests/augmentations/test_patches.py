"""Patches: pixels of the picture itself, and the same ones of what belongs to it."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from foveal.augmentations.patches import Patches
from foveal.machine.device import seeded


def numbered(width: int, height: int) -> Image.Image:
    """Every pixel has a colour of its own: its column, its row."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([columns, rows, 0 * rows], -1).astype(np.uint8))


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 40), st.integers(4, 40), st.integers(2, 24), st.integers(0, 1000))
def test_a_patch_is_a_piece_turned_or_mirrored_or_both(width: int, height: int, side: int, seed: int) -> None:
    with seeded(seed):
        patch, _ = Patches(side, turns=True)(numbered(width, height), None)
    values = np.asarray(patch).astype(int)
    assert values.shape == (side, side, 3)
    if side > min(width, height):
        return
    for axis in (0, 1):
        apart = np.diff(values[..., :2], axis=axis)
        # one step along a side is one step of a column or of a row, everywhere the same
        assert np.abs(apart).sum(-1).max() == np.abs(apart).sum(-1).min() == 1
        assert (apart == apart[0, 0]).all()


def test_all_eight_ways_and_all_places_come() -> None:
    """A patch as large as the picture comes in its eight ways, one of two pixels everywhere."""
    whole, ways, places = Patches(12, turns=True), set(), set()
    small = Patches(2, turns=False)
    for seed in range(200):
        with seeded(seed):
            ways.add(whole(numbered(12, 12), None)[0].tobytes())
            places.add(small(numbered(5, 4), None)[0].getpixel((0, 0)))
    assert len(ways) == 8
    assert places == {(x, y, 0) for x in range(4) for y in range(3)}


def test_small_pictures_are_continued_by_their_mirror_images() -> None:
    patch, _ = Patches(7, turns=False)(numbered(3, 9), None)
    assert [patch.getpixel((x, 0))[0] for x in range(7)] == [0, 1, 2, 2, 1, 0, 0]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 4), st.integers(3, 20), st.integers(3, 20), st.integers(0, 1000))
def test_pairs_keep_to_each_other(factor: int, width: int, height: int, seed: int) -> None:
    """Each pixel of the small picture lies on its own ones of the large picture, wherever the patch is."""
    small = numbered(width, height)
    pixels = torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)
    large = tv_tensors.Image(pixels.repeat_interleave(factor, -1).repeat_interleave(factor, -2))
    with seeded(seed):
        patch, target = Patches(12, turns=True)(small, large)
    assert patch.size == (12 // factor, 12 // factor)
    assert isinstance(target, tv_tensors.Image)
    again = torch.from_numpy(np.asarray(patch).copy()).permute(2, 0, 1)
    again = again.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    assert torch.equal(target.as_subclass(Tensor), again)
