"""Rendered shapes: what is told of them is what their pixels show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.charts.run_lengths import decoded
from foveal.data import shapes
from foveal.data.masks import BACKGROUND, painted

PLAIN = shapes.Level((1, 5), (6, 20), 0.4, 0.3, 0.5, 0, 0)
"""Without noise and texture: each background is one colour."""


def different(image: np.ndarray, ground: np.ndarray) -> np.ndarray:
    return (np.abs(image.astype(int) - ground.astype(int)) > 1).any(2)


@given(st.integers(0, 10_000))
def test_masks_are_where_the_picture_differs_from_its_background(seed: int) -> None:
    image, objects = shapes.render(PLAIN, (seed,))
    colours, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
    ground = colours[counts.argmax()] if counts.max() * 2 > counts.sum() else None
    covered = np.sum([one.mask for one in objects], 0)
    assert covered.max() <= 1, "no pixel belongs to two objects"
    if ground is not None:
        changed = different(image, ground)
        assert changed[covered == 1].all()
        beyond = np.argwhere(changed & (covered == 0))
        near = np.argwhere(covered == 1)
        # of a pointed corner two pixels in a row may be covered by less than half
        assert all(np.abs(near - place).max(1).min() <= 2 for place in beyond), "only edges are mixed"


@given(st.integers(0, 10_000), st.sampled_from(sorted(shapes.LEVELS)))
def test_boxes_and_run_lengths_are_those_of_the_masks(seed: int, level: str) -> None:
    image, objects = shapes.render(shapes.LEVELS[level], (seed,), 64)
    assert (image.shape, image.dtype) == ((64, 64, 3), np.uint8)
    assert objects
    told = shapes.truth(objects)
    for one, as_told in zip(objects, told, strict=True):
        rows, columns = np.nonzero(one.mask)
        assert one.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert np.array_equal(decoded(as_told["rle"]), one.mask)
        assert (as_told["label"], as_told["area"]) == (one.label, one.mask.sum())
        assert one.label in shapes.KINDS
    seen = painted(told, (BACKGROUND, *shapes.KINDS), (64, 64), "")
    assert np.array_equal(seen > 0, np.any([one.mask for one in objects], 0))


def test_the_same_seed_gives_the_same_bytes_and_another_others() -> None:
    level = shapes.LEVELS["shapes-hard"]
    first, again, other = (shapes.render(level, (seed,))[0] for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_edges_are_antialiased_and_forms_have_their_areas() -> None:
    lone = shapes.Level((1, 1), (18, 18), 0, 0, 0.6, 0, 0)
    areas = {"disc": np.pi, "ring": np.pi * (1 - shapes.HOLE**2), "square": 2.0, "triangle": 0.75 * 3**0.5}
    met = set()
    for seed in range(40):
        image, (one,) = shapes.render(lone, (seed,))
        assert one.mask.sum() == pytest.approx(areas[one.label] * 18**2, rel=0.03)
        # on a line from the background to the object there are shades between both
        ground, colour = image[0, 0].astype(float), np.median(image[one.mask], 0)
        share = ((image - ground) @ (colour - ground)) / ((colour - ground) @ (colour - ground))
        between = (share > 0.1) & (share < 0.9)
        assert between.sum() > 30
        assert share.sum() == pytest.approx(areas[one.label] * 18**2, rel=0.02), "the coverage is exact"
        met.add(one.label)
    assert met == set(shapes.KINDS)


def test_levels_grow_harder() -> None:
    def figures(name: str) -> tuple[float, float]:
        made = [shapes.render(shapes.LEVELS[name], (seed,))[1] for seed in range(40)]
        return np.mean([len(one) for one in made]), np.mean([one.mask.sum() for some in made for one in some])

    (few, large), (more, middle), (most, small) = map(figures, ("shapes-easy", "shapes", "shapes-hard"))
    assert few < more < most
    assert large > middle > small
    assert all(len(shapes.render(shapes.LEVELS["shapes-one"], (seed,))[1]) == 1 for seed in range(40))
