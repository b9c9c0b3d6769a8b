"""A network over a picture larger than it can take at once: in overlapping tiles, blended where they meet."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

AT_ONCE = 4
"""Tiles that the network takes at a time."""


def run(
    forward: Callable[[Tensor], Tensor],
    images: Tensor,
    tile: int,
    overlap: int,
    factor: int = 1,
    at_once: int = AT_ONCE,
) -> Tensor:
    """What `forward` makes of pictures `BCHW`, as one map `B, C', H * factor, W * factor`, float, on the device of
    `images`.

    See `bands`, which takes less memory.

    Raises:
        ValueError: the overlap is not less than the tile, or either is negative.
    """
    height = images.shape[-2] * factor
    found: Tensor | None = None
    for top, band in bands(forward, images, tile, overlap, factor, at_once):
        if found is None:
            found = band.new_zeros(*band.shape[:2], height, band.shape[-1])
        found[:, :, top : top + band.shape[-2]] = band
    assert found is not None, "there is a picture"
    return found


def bands(
    forward: Callable[[Tensor], Tensor],
    images: Tensor,
    tile: int,
    overlap: int,
    factor: int = 1,
    at_once: int = AT_ONCE,
) -> Iterator[tuple[int, Tensor]]:
    """The map that `run` gives, from the top in bands as they are done: the first row of each, and the band
    `B, C', rows, W * factor`.

    The pictures are cut into tiles of `tile` pixels (less where a side is less) that overlap by at least `overlap`,
    and `forward` makes of each batch of them maps of `factor` times their sides. Where tiles overlap, a quarter of
    the overlap at each tile's edge is left out, as the network saw least of what lies round it, and in the half
    between them one passes into the other as a raised cosine. So the map is that of the whole picture wherever the
    network looks no further than that quarter, and it takes the memory of a few tiles and of one row of them. A
    network that looks further has the last word on how alike they are.

    Raises:
        ValueError: the overlap is not less than the tile, or either is negative.
    """
    if not 0 <= overlap < tile:
        raise ValueError(f"tiles of {tile} pixels cannot overlap by {overlap}")
    count, _, height, width = images.shape
    tall, wide = min(tile, height), min(tile, width)
    rows, columns = starts(height, tall, overlap), starts(width, wide, overlap)
    down, across = (
        one.to(images.device) for one in (weights(rows, tall, factor), weights(columns, wide, factor))
    )
    places = [(n, x) for n in range(count) for x in range(len(columns))]
    before: Tensor | None = None
    for y, row in enumerate(rows):
        strip: Tensor | None = None
        for first in range(0, len(places), at_once):
            some = places[first : first + at_once]
            cut = [images[n, :, row : row + tall, columns[x] : columns[x] + wide] for n, x in some]
            made = forward(torch.stack(cut)).to(images.device, torch.float32)
            if strip is None:
                strip = made.new_zeros(count, made.shape[1], tall * factor, width * factor)
            for one, (n, x) in zip(made, some, strict=True):
                left = columns[x] * factor
                strip[n, :, :, left : left + wide * factor] += one * (down[y][:, None] * across[x])
        assert strip is not None, "there is a picture"
        if before is not None:
            strip[:, :, : before.shape[-2]] += before
        done = (rows[y + 1] - row if y + 1 < len(rows) else tall) * factor
        yield row * factor, strip[:, :, :done]
        before = strip[:, :, done:]


def starts(side: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin that cover `side` pixels, evenly spread and overlapping by at least `overlap`."""
    if side <= tile:
        return [0]
    gaps = math.ceil((side - tile) / (tile - min(overlap, tile - 1)))
    return [round(n * (side - tile) / gaps) for n in range(gaps + 1)]


def weights(begins: list[int], tile: int, factor: int) -> Tensor:
    """How much each tile counts at each of its pixels, `N, tile * factor`; at every place they add up to 1."""
    length = tile * factor
    at = torch.arange(length, dtype=torch.float64) + 0.5
    share = torch.ones(len(begins), length, dtype=torch.float64)
    for n in range(len(begins) - 1):
        shared = (begins[n] + tile - begins[n + 1]) * factor
        if shared:
            rise = torch.sin(((at - shared / 4) / (shared / 2)).clamp(0, 1) * (math.pi / 2)) ** 2
            share[n + 1] *= rise
            share[n] *= rise.flip(0)
    total = torch.zeros((begins[-1] + tile) * factor, dtype=torch.float64)
    for begin, one in zip(begins, share, strict=True):
        total[begin * factor : begin * factor + length] += one
    for begin, one in zip(begins, share, strict=True):
        one /= total[begin * factor : begin * factor + length]
    return share.float()
