"""Tiles blend into what the whole picture gives."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from foveal.structure import tiles

sides = st.integers(1, 70)


@settings(deadline=None, max_examples=60)
@given(sides, sides, st.integers(2, 40), st.data(), st.integers(1, 3))
def test_a_pointwise_network_is_exact(
    height: int, width: int, tile: int, data: st.DataObject, factor: int
) -> None:
    overlap = data.draw(st.integers(0, tile - 1))
    images = torch.rand(2, 3, height, width)

    def forward(some: Tensor) -> Tensor:
        assert max(some.shape[2:]) <= tile
        assert len(some) <= tiles.AT_ONCE
        large = nn.functional.interpolate(some, scale_factor=factor, mode="nearest")
        return torch.cat([large[:, :1] * 2 - 1, large.square()], 1)

    found = tiles.run(forward, images, tile, overlap, factor)
    torch.testing.assert_close(found, forward_all(forward, images), rtol=0, atol=1e-6)


def forward_all(forward: object, images: Tensor) -> Tensor:
    """The same at once, whatever `forward` asks of its tiles."""
    rows = [[forward(images[n : n + 1, :, y : y + 1, x : x + 1]) for x in range(images.shape[3])]  # type: ignore[operator]
            for n in range(len(images)) for y in range(images.shape[2])]  # fmt: skip
    lines = [torch.cat(row, 3) for row in rows]
    height = images.shape[2]
    return torch.cat([torch.cat(lines[n * height : (n + 1) * height], 2) for n in range(len(images))])


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(2, 90), st.data(), st.integers(1, 4))
def test_tiles_cover_every_pixel_and_their_weights_add_up(
    side: int, tile: int, data: st.DataObject, factor: int
) -> None:
    overlap = data.draw(st.integers(0, tile - 1))
    tile = min(tile, side)
    begins = tiles.starts(side, tile, overlap)
    assert begins[0] == 0
    assert begins[-1] == max(0, side - tile)
    gaps = [b - a for a, b in pairwise(begins)]
    assert all(0 < gap <= tile - min(overlap, tile - 1) for gap in gaps)
    total = torch.zeros(side * factor)
    for begin, one in zip(begins, tiles.weights(begins, tile, factor), strict=True):
        assert (one >= 0).all()
        total[begin * factor : (begin + tile) * factor] += one
    torch.testing.assert_close(total, torch.ones(side * factor))


def test_a_network_that_looks_no_further_than_a_quarter_of_the_overlap_is_exact() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 2, 5, padding=2)
    )  # looks 4 far
    images = torch.rand(2, 3, 100, 83)
    with torch.inference_mode():
        torch.testing.assert_close(tiles.run(network, images, 40, 16), network(images), rtol=0, atol=1e-6)
        near = tiles.run(network, images, 40, 8)
        assert (near - network(images)).abs().max() > 1e-5  # half as much overlap shows the seams
        one = tiles.run(network, images[:1], 40, 16)
    torch.testing.assert_close(one, network(images[:1]), rtol=0, atol=1e-6)


def test_a_picture_that_fits_goes_whole() -> None:
    seen = []

    def forward(some: Tensor) -> Tensor:
        seen.append(tuple(some.shape))
        return some

    images = torch.rand(3, 1, 20, 31)
    assert torch.equal(tiles.run(forward, images, 31, 8), images)
    assert seen == [(3, 1, 20, 31)]


@pytest.mark.parametrize(("tile", "overlap"), [(8, 8), (8, 9), (8, -1), (0, 0)])
def test_an_overlap_that_leaves_nothing_is_refused(tile: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="cannot overlap"):
        tiles.run(lambda x: x, torch.rand(1, 1, 9, 9), tile, overlap)


@pytest.mark.parametrize(("overlap", "factor"), [(0, 1), (16, 1), (30, 2)])
def test_bands_are_the_map_in_pieces_from_the_top(overlap: int, factor: int) -> None:
    images = torch.rand(2, 3, 131, 50, generator=torch.Generator().manual_seed(0))

    def forward(some: Tensor) -> Tensor:
        return nn.functional.interpolate(some, scale_factor=factor, mode="nearest") if factor > 1 else some

    told = list(tiles.bands(forward, images, 40, overlap, factor))
    tops = [top for top, _ in told]
    assert tops == [0, *accumulate(band.shape[-2] for _, band in told)][:-1]
    assert max(band.shape[-2] for _, band in told) <= 40 * factor
    whole = torch.cat([band for _, band in told], 2)
    torch.testing.assert_close(whole, forward(images), rtol=0, atol=1e-6)
    assert torch.equal(whole, tiles.run(forward, images, 40, overlap, factor))
