"""What the evaluation view shows of a picture, and maps put back: held against the view itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from foveal.data.seen import Seen, put_back, seen_of, seen_whole
from foveal.data.views import evaluation_view, whole_view
from foveal.values import Preprocessing

SIDES = st.integers(8, 400)


@settings(max_examples=60, deadline=None)
@given(width=SIDES, height=SIDES, size=st.sampled_from((8, 27, 64)), crop=st.sampled_from((1.0, 0.95, 0.875)))
def test_the_box_is_where_the_view_looks(width: int, height: int, size: int, crop: float) -> None:
    """Pictures whose values are places: what the view makes of them are the places it looked at."""
    pre = Preprocessing(size, 1, (0.5,), (0.5,), crop=crop)
    x0, y0, x1, y1 = seen_of(width, height, pre).box
    for axis, (first, last) in enumerate(((x0, x1), (y0, y1))):
        centres = np.arange((width, height)[axis]) + 0.5
        ramp = np.broadcast_to(centres[None] if axis == 0 else centres[:, None], (height, width))
        viewed, _ = evaluation_view(pre)(Image.fromarray(ramp.astype(np.float32)), None)
        seen = np.asarray(viewed).mean(axis)
        places = first + (np.arange(size) + 0.5) * (last - first) / size
        step = (last - first) / size
        edge = 1.5 * step + 1
        inner = (places > edge) & (places < centres[-1] + 0.5 - edge)
        wrong = (seen - places)[inner]  # Pillow's means of ramps are a little off themselves, both ways
        assert np.abs(wrong).max(initial=0) < 0.1 * max(1, step)
        assert abs(wrong.mean() if wrong.size else 0) < 0.03 * max(1, step)


def test_a_very_long_picture_is_seen_in_its_middle() -> None:
    seen = seen_of(2000, 20, Preprocessing(64, crop=0.875))
    x0, y0, x1, y1 = seen.box
    assert 0.5 * (x0 + x1) == pytest.approx(1000, abs=1)
    assert x1 - x0 == pytest.approx(y1 - y0, abs=0.2)
    assert seen.cropped


@pytest.mark.parametrize(
    ("width", "height", "cropped"), [(64, 64, False), (64, 48, True), (65, 64, True), (129, 128, False)]
)
def test_whether_something_was_not_seen(width: int, height: int, cropped: bool) -> None:
    assert seen_of(width, height, Preprocessing(64)).cropped is cropped


def test_a_map_of_the_whole_picture_in_its_size_stays() -> None:
    shown = np.random.default_rng(0).normal(size=(13, 17)).astype(np.float32)
    assert np.allclose(put_back(shown, Seen.whole(17, 13), 17, 13), shown, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(width=SIDES, height=SIDES, size=st.integers(2, 60), share=st.floats(0.1, 1.0))
def test_values_stand_where_they_belong(width: int, height: int, size: int, share: float) -> None:
    """A map of its own places, put back on a picture drawn at any size, tells them; outside of the box is 0."""
    x0, y0 = (1 - share) * width / 2, (1 - share) * height / 2
    seen = Seen(width, height, (x0, y0, width - x0, height - y0))
    for axis, (side, first) in enumerate(((width, x0), (height, y0))):
        places = first + (np.arange(size) + 0.5) * (side - 2 * first) / size
        shown = np.broadcast_to(places[None] if axis == 0 else places[:, None], (size, size))
        drawn = put_back(shown.astype(np.float32) + 1, seen, width, height)
        centres = np.arange(side) + 0.5
        line = drawn[height // 2] if axis == 0 else drawn[:, width // 2]
        if not line.any():
            continue  # the box is thinner than a pixel
        inside = (centres >= first) & (centres <= side - first)
        assert (line[~inside] == 0).all()
        step = (side - 2 * first) / size
        inner = inside & (centres > places[0] + max(1, step)) & (centres < places[-1] - max(1, step))
        wrong = (line - 1 - centres)[inner]
        assert np.abs(wrong).max(initial=0) < 0.1, "of a pixel"
        assert abs(wrong.mean() if wrong.size else 0) < 0.02


def test_a_smaller_picture_shows_means() -> None:
    shown = np.zeros((64, 64), np.float32)
    shown[10, 20] = 16.0
    small = put_back(shown, Seen.whole(64, 64), 16, 16)
    assert small.sum() == pytest.approx(1, rel=0.1)
    assert np.unravel_index(small.argmax(), small.shape) == (2, 5)


@settings(max_examples=60, deadline=None)
@given(width=SIDES, height=SIDES, size=st.sampled_from((32, 64)))
def test_the_whole_view_shows_all_and_its_fill(width: int, height: int, size: int) -> None:
    """A light picture on a dark fill: light in the view where the picture is told to lie."""
    pre = Preprocessing(size, 1, (0.0,), (1.0,))
    x0, y0, x1, y1 = seen_whole(width, height, pre).box
    assert (x0, y0) == (0.0, 0.0)
    viewed, _ = whole_view(pre)(Image.new("L", (width, height), 255), None)
    light = np.asarray(viewed) > 127
    for axis, (side, last) in enumerate(((width, x1), (height, y1))):
        told = size * side / last
        assert abs(light.any(axis).sum() - told) <= 1e-6
