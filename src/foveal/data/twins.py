"""Near duplicates: pictures made of one another by saving, scaling, cropping, turning a little, or mirroring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SOURCE = (
    "own: nearest neighbours in few numbers, then each pair laid on one another (Baker & Matthews 2004, Lucas-Kanade "
    "20 Years On: inverse composition with gain and bias) and compared pixel by pixel"
)
Array = NDArray[np.float32]
NEIGHBOURS = 2
"""Candidates that each way of looking for a picture gives."""
MOST = 4
"""Pairs a picture that are compared."""
MANY = 20_000
"""Pictures from which on a crop is looked for in the middle alone."""
NUMBERS = 64
"""Principal components in which neighbours are looked for."""
LEADING = 24
"""The first of these, by which most pairs are seen to be no neighbours."""
ALIKE = 0.8
"""Cosine from which two pictures are compared at all."""
SURELY = 0.9
"""The same, where it has to be quick."""
NEAR = 0.3
"""Largest distance of twins. Measured: 97 % of pairs made by cropping a tenth, turning by 3 degrees, mirroring, saving
at quality 50, or scaling lie within 0.34; of the nearest pictures that are different, one in a thousand does."""
UNLIKE = (0.45, 0.75)
"""What is a fair distance of pictures that are no twins: with less than the first (digits, drawings of trousers)
only the same picture counts as a twin, from the second on `NEAR` holds."""
SAME = 0.02
"""A distance that makes twins in any set."""
_COARSE = 0.2
_GIVEN_UP = 0.7
"""Distance after two fine steps from which a pair is followed no further. Measured on CIFAR-10: 95 % of the pairs are
given up so, and twins are within 0.35 by then."""
_BLOCK = 512
_ROWS, _COLUMNS = 256, 1024
"""Pictures that are held against each other at a time: their cosines stay in the processor's cache."""
_DENSE = 0.02
"""Share of such a block from which all of it is reckoned rather than pair by pair."""
_PAIRS = 1024


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures by their positions, the earlier first; `distance` from 0 (the same) to 1 (nothing in common)."""

    first: int
    second: int
    distance: float
    mirrored: bool = False


def descriptors(
    small: NDArray[np.uint8],
    scale: float = 1.0,
    right: float = 0.0,
    down: float = 0.0,
    mirrored: bool = False,
) -> Array:
    """A row of unit length a picture, from small copies `N, S, S, 3`, or from that part of them: coarse grey and
    coarser colour, without mean, the border weighing less, so that a crop changes little."""
    count, size = len(small), small[:1].size
    many = count > size  # then reckoned once for every pixel by itself, as all of it is linear
    pixels = np.eye(size, dtype=np.float32).reshape(-1, *small.shape[1:]) if many else small
    made = [
        _coarse(seen[:, :, ::-1] if mirrored else seen)
        for start in range(0, len(pixels), _BLOCK)
        for seen in [_part(pixels[start : start + _BLOCK], scale, right, down)]
    ]
    rows = np.concatenate(made) if made else np.empty((0, 8 * 8 + 2 * 16), np.float32)
    if many:
        flat = small.reshape(count, -1)
        blocks = [flat[n : n + _BLOCK].astype(np.float32) @ rows for n in range(0, count, _BLOCK)]
        rows = np.concatenate(blocks)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-6))


def _coarse(block: Array) -> Array:
    """What `descriptors` are before they are made of unit length."""
    count, side = block.shape[:2]
    window = np.sqrt(np.sin(np.pi * (np.arange(side) + 0.5) / side)).astype(np.float32)
    weight = (window[:, None] * window[None])[None, :, :, None]
    block = (block - block.mean((1, 2), keepdims=True)) * weight
    grey = block.mean(3)
    chroma = np.stack([block[..., 0] - grey, block[..., 2] - grey], 3)
    cells = side // 8
    coarse = grey.reshape(count, 8, cells, 8, cells).mean((2, 4)).reshape(count, -1)
    tint = chroma.reshape(count, 4, side // 4, 4, side // 4, 2).mean((2, 4)).reshape(count, -1)
    return np.concatenate([coarse, tint], 1)


def find(
    small: NDArray[np.uint8], progress: Callable[[int, int], None] | None = None, *, quick: bool = False
) -> tuple[list[Pair], float]:
    """The pairs of near duplicates among small copies `N, 32, 32, 3`, nearest first, and the distance within which
    they count as such in this set. Pictures of one colour have no twins.

    `quick` takes a quarter of the time and misses most crops that are not of the middle.
    """
    said = np.flatnonzero(_greys(small).std((1, 2)) > 2)
    if len(said) < 2:
        return [], NEAR
    pairs = _candidates(small[said], progress, quick)
    found: list[tuple[int, int, float, bool]] = []
    for start in range(0, len(pairs), _PAIRS):
        rows = pairs[start : start + _PAIRS]
        one, two = said[[r[0] for r in rows]], said[[r[1] for r in rows]]
        apart, maps = aligned(small[one], small[two], np.stack([r[2] for r in rows]))
        mirrored = np.linalg.det(maps[:, :, :2]) < 0
        found += zip(one.tolist(), two.tolist(), apart.tolist(), mirrored.tolist(), strict=True)
    limit = _limit(small[said])
    twins = [
        Pair(min(one, two), max(one, two), max(0.0, apart), mirrored)
        for one, two, apart, mirrored in found
        if apart < limit
    ]
    return sorted(twins, key=lambda pair: (pair.distance, pair.first, pair.second)), limit


def _limit(small: NDArray[np.uint8]) -> float:
    """The distance of twins in this set: less where pictures that cannot all be twins are alike, too. These are the
    ones at the end of a picture's fiftieth of nearest pictures, twelve at least."""
    rows = descriptors(small)
    count = len(rows)
    some = np.arange(count)[:: max(1, count // 200)]
    place = min(count - 2, max(12, count // 50))
    cosines = rows[some] @ rows.T
    cosines[np.arange(len(some)), some] = -2
    others = np.argpartition(-cosines, place, 1)[:, place]
    start = np.repeat(np.eye(2, 3)[None], len(some), 0)
    apart, _ = aligned(small[some], small[others], start, to_the_end=True)
    low, high = UNLIKE
    return max(SAME, NEAR * float(np.clip((np.quantile(apart, 0.25) - low) / (high - low), 0, 1)))


def _candidates(
    small: NDArray[np.uint8], progress: Callable[[int, int], None] | None, quick: bool
) -> list[tuple[int, int, NDArray[np.float64]]]:
    """Pairs that may be twins, each once, and the map from the first to the second to begin with."""
    whole = descriptors(small)
    count = len(whole)
    axes = _axes(whole)
    asked = _shortened(whole, axes)
    ways = _variants(corners=count <= MANY and not quick)
    alike = SURELY if quick else ALIKE
    best: dict[tuple[int, int], tuple[float, int, int, int]] = {}
    for way, (scale, right, down, mirrored) in enumerate(ways):
        shown = asked if way == 0 else _shortened(descriptors(small, scale, right, down, mirrored), axes)
        bound = _bounded(asked), _bounded(shown)
        for start in range(0, count, _ROWS):
            for one, two, near in _nearest(asked, shown, bound, start, alike):
                key = (min(one, two), max(one, two))
                if key not in best or near > best[key][0]:
                    best[key] = (near, way, one, two)
            if progress is not None:
                progress(way * count + min(count, start + _ROWS), len(ways) * count)
    hopeful = sorted(best.values(), reverse=True)
    taken = np.zeros(count, np.int64)
    kept = []
    for _, way, one, two in hopeful:  # a pair counts where it is among the nearest of one of the two
        if min(taken[one], taken[two]) < MOST:
            kept.append((one, two, _map(*ways[way])))
            taken[[one, two]] += 1
    return kept


def _bounded(rows: Array) -> Array:
    """The leading numbers of rows of unit length, and the length of all others: no cosine of two rows is above the
    product of these (Cauchy-Schwarz)."""
    head = rows[:, :LEADING]
    rest = np.sqrt(np.maximum(0, 1 - (head**2).sum(1, keepdims=True)))
    return np.ascontiguousarray(np.concatenate([head, rest + 1e-4], 1))


def _nearest(
    asked: Array, shown: Array, bound: tuple[Array, Array], start: int, alike: float
) -> list[tuple[int, int, float]]:
    """The nearest `NEIGHBOURS` of each of the next `_ROWS` pictures asked for among those shown, with their cosines,
    of those above `alike`. Only pairs whose cosine may be above that, and above a picture's nearest so far, are
    reckoned."""
    here = asked[start : start + _ROWS]
    floor = np.full((len(here), 1), alike, np.float32)
    row, column = np.empty(0, np.int64), np.empty(0, np.int64)
    near = np.empty(0, np.float32)
    for left in range(0, len(shown), _COLUMNS):
        hopeful = bound[0][start : start + _ROWS] @ bound[1][left : left + _COLUMNS].T > floor
        many = np.count_nonzero(hopeful)
        if not many:
            continue
        if many > _DENSE * hopeful.size:
            exact = here @ shown[left : left + _COLUMNS].T
            new_row, new_column = _true(exact > floor)
            cosines = exact[new_row, new_column]
        else:
            new_row, new_column = _true(hopeful)
            cosines = np.einsum("nd,nd->n", here[new_row], shown[left + new_column])
        new_column += left
        good = (cosines > floor[new_row, 0]) & (new_column != new_row + start)  # itself
        if not good.any():
            continue
        row, column = (np.concatenate(pair) for pair in ((row, new_row[good]), (column, new_column[good])))
        near = np.concatenate([near, cosines[good]])
        order = np.lexsort((column, -near, row))
        row, column, near = row[order], column[order], near[order]
        place = np.arange(len(row)) - np.searchsorted(row, row)
        kept = place < NEIGHBOURS
        full = place == NEIGHBOURS - 1
        floor[row[full], 0] = near[full]
        row, column, near = row[kept], column[kept], near[kept]
    return list(zip((row + start).tolist(), column.tolist(), near.tolist(), strict=True))


def _true(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the few that are true: eight are looked at together first, seven times as fast as numpy."""
    flat = mask.ravel()
    if flat.size % 8:
        places = np.flatnonzero(flat)
    else:
        places = (8 * np.flatnonzero(flat.view(np.uint64))[:, None] + np.arange(8)).ravel()
        places = places[flat[places]]
    return places // mask.shape[1], places % mask.shape[1]


def _axes(rows: Array) -> Array:
    """The leading principal components of rows, from at most 4,000 of them."""
    some = rows[:: max(1, len(rows) // 4000)]
    _, turned = np.linalg.eigh(some.T @ some)
    return np.ascontiguousarray(turned[:, ::-1][:, :NUMBERS])


def _shortened(rows: Array, axes: Array) -> Array:
    made = rows @ axes
    return np.asarray(made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-6))


def _map(scale: float, right: float, down: float, mirrored: bool) -> NDArray[np.float64]:
    """From the places of a picture that was found to those of the picture in whose part it was found."""
    return np.array([[-scale if mirrored else scale, 0.0, right], [0.0, scale, down]])


def _variants(corners: bool) -> list[tuple[float, float, float, bool]]:
    """How a picture is looked for among the others: scale, shift right and down (of half a side), mirrored."""
    parts = [(1.0, 0.0, 0.0), (0.88, 0.0, 0.0)]
    if corners:
        parts += [(0.9, x, y) for x in (-0.1, 0.1) for y in (-0.1, 0.1)]
    return [(*part, mirrored) for mirrored in (False, True) for part in parts]


def _part(small: NDArray[np.uint8] | Array, scale: float, right: float, down: float) -> Array:
    """That part of each picture, as large as the whole."""
    made = small.astype(np.float32)
    if scale == 1.0:
        return made
    side = small.shape[1]
    at = (np.arange(side) + 0.5) / side * 2 - 1
    for axis, shift in ((1, down), (2, right)):
        place = np.clip(((at * scale + shift) + 1) / 2 * side - 0.5, 0, side - 1)
        low = np.floor(place).astype(np.int64).clip(0, side - 2)
        share = (place - low).astype(np.float32).reshape([-1 if n == axis else 1 for n in range(4)])
        made = np.take(made, low, axis) * (1 - share) + np.take(made, low + 1, axis) * share
    return np.asarray(made, np.float32)


def aligned(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    start: NDArray[np.float64],
    *,
    to_the_end: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far the pictures of pairs (`P, S, S, 3` each) are from one another when laid on one another by an affine
    map, and the maps `P, 2, 3` (from the first's places, -1 to 1, to the second's). `start` is where to begin.

    The distance is 1 less the correlation of their fine detail where both are: 0 where the one is the other. Pairs
    that are far apart after two fine steps are left there, unless they are to be followed `to_the_end`.
    """
    one, two = (_greys(s) for s in (first, second))
    small = [_halved(_smooth(grey)) for grey in (one, two)]
    maps = _descend(small[0], small[1], start, 6)
    seen, inside = _warp(small[1], maps)
    hopeful = np.flatnonzero(_apart(small[0], seen, inside & _core(small[0].shape[1])) < _COARSE)
    distance = np.ones(len(one))
    for steps in (2, 4):
        if not len(hopeful):
            break
        a, b = one[hopeful], two[hopeful]
        maps[hopeful] = _descend(_smooth(a), _smooth(b), maps[hopeful], steps)
        distance[hopeful] = _of_detail(a, b, maps[hopeful])
        if not to_the_end:
            hopeful = hopeful[distance[hopeful] < _GIVEN_UP]
    sizes = np.abs(np.linalg.det(maps[:, :, :2]))
    return np.where((sizes > 0.5) & (sizes < 2), distance, 1.0), maps


def _of_detail(one: Array, two: Array, maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 less the correlation of the fine detail of pairs that are laid on one another."""
    seen, inside = _warp(two - _smooth(_smooth(two)), maps)
    return _apart(one - _smooth(_smooth(one)), seen, inside & _core(one.shape[1]))


def _halved(grey: Array) -> Array:
    count, side = grey.shape[:2]
    return np.asarray(grey.reshape(count, side // 2, 2, side // 2, 2).mean((2, 4)))


def _greys(small: NDArray[np.uint8]) -> Array:
    return np.asarray(small.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))


def _smooth(grey: Array) -> Array:
    padded = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return np.asarray((rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 16)


def _core(side: int) -> NDArray[np.bool_]:
    mask = np.zeros((side, side), bool)
    mask[1:-1, 1:-1] = True
    return mask


def _grid(side: int) -> Array:
    """Places of pixels `S * S, 3` from -1 to 1, and 1."""
    at = ((np.arange(side) + 0.5) / side * 2 - 1).astype(np.float32)
    y, x = np.meshgrid(at, at, indexing="ij")
    return np.stack([x.ravel(), y.ravel(), np.ones(side * side, np.float32)], 1)


def _warp(images: Array, maps: NDArray[np.float64]) -> tuple[Array, NDArray[np.bool_]]:
    """Each picture seen through its map, and where that lies on the picture."""
    count, side = images.shape[:2]
    places = maps.astype(np.float32) @ _grid(side).T
    pixel = (places + 1) / 2 * side - 0.5
    inside = (np.abs(places) <= 1).all(1).reshape(count, side, side)
    pixel = np.clip(pixel, 0, side - 1.001)
    low = pixel.astype(np.int32)
    dx, dy = pixel[:, 0] - low[:, 0], pixel[:, 1] - low[:, 1]
    flat = images.reshape(count, -1)
    base = low[:, 1] * side + low[:, 0]
    a = np.take_along_axis(flat, base, 1)
    b = np.take_along_axis(flat, base + 1, 1)
    c = np.take_along_axis(flat, base + side, 1)
    d = np.take_along_axis(flat, base + side + 1, 1)
    top, bottom = a + (b - a) * dx, c + (d - c) * dx
    return np.asarray((top + (bottom - top) * dy).reshape(count, side, side)), inside


def _unit(images: Array, inside: NDArray[np.bool_]) -> Array:
    """Without mean and of unit spread over the places that count; 0 elsewhere."""
    weight = inside.astype(np.float32)
    many = np.maximum(weight.sum((1, 2), keepdims=True), 1)
    made = (images - (images * weight).sum((1, 2), keepdims=True) / many) * weight
    spread = np.sqrt((made**2).sum((1, 2), keepdims=True) / many)
    return np.asarray(made / np.maximum(spread, 1e-3))


def _descend(one: Array, two: Array, maps: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    count, side = one.shape[:2]
    grid = _grid(side)
    weight = _core(side)[None] & np.ones((count, 1, 1), bool)
    template = _unit(one, weight)
    down, right = (g * side / 2 for g in np.gradient(template, axis=(1, 2)))
    right, down = (g.reshape(count, -1, 1) for g in (right, down))
    steep = np.concatenate([right * grid[None], down * grid[None]], 2) * weight.reshape(count, -1, 1)
    turned = np.ascontiguousarray(steep.swapaxes(1, 2))
    square = turned @ steep
    square += (
        np.eye(6, dtype=np.float32) * (1e-3 * np.trace(square, axis1=1, axis2=2) / 6 + 1e-3)[:, None, None]
    )
    solved = np.linalg.inv(square) @ turned
    for _ in range(steps):
        seen, inside = _warp(two, maps)
        inside &= weight
        gap = (_unit(seen, inside) - template) * inside
        change = np.clip((solved @ gap.reshape(count, -1, 1))[:, :, 0], -0.1, 0.1).reshape(count, 2, 3)
        maps = _composed(maps, change)
    return maps


def _composed(maps: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.float64]:
    """The map after the inverse of a small change."""
    last = np.broadcast_to(np.array([[[0.0, 0.0, 1.0]]]), (len(maps), 1, 3))
    small = np.concatenate([np.eye(2, 3)[None] + change, last], 1)
    return np.asarray(np.concatenate([maps, last], 1) @ np.linalg.inv(small))[:, :2]


def _apart(one: Array, two: Array, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """1 less the correlation where both are."""
    a, b = _unit(one, inside), _unit(two, inside)
    many = np.maximum(inside.sum((1, 2)), 1)
    return np.asarray(1 - (a * b).sum((1, 2)) / many, np.float64)
