"""Kernels by name and as they are typed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foveal.errors import OptionError, PictureError
from foveal.structure.kernels import NAMED, from_file, shape_picture, shape_within, typed, varied_picture

SHAPES = st.lists(st.integers(1, 6), min_size=1, max_size=2)


def test_the_named_ones_are_the_textbooks() -> None:
    assert NAMED["edge"]((3, 3)).tolist() == [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]
    assert NAMED["sharpen"]((3, 3)).tolist() == [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
    assert NAMED["emboss"]((3, 3)).tolist() == [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]
    assert NAMED["blur"]((3, 3)).tolist() == [[1 / 9] * 3] * 3
    assert NAMED["edge"]((3,)).tolist() == [-1, 2, -1]
    assert NAMED["sharpen"]((3,)).tolist() == [-1, 3, -1]


@given(SHAPES)
def test_they_are_what_they_say_in_every_size(shape: list[int]) -> None:
    """Over an even area an edge is nothing; blurring and sharpening leave it as it is."""
    for name, total in (("edge", 0), ("blur", 1), ("sharpen", 1)):
        kernel = NAMED[name](shape)
        assert list(kernel.shape) == shape
        assert kernel.sum() == pytest.approx(total)
    odd = [2 * side - 1 for side in shape]
    assert NAMED["emboss"](odd).sum() == pytest.approx(1)


@given(st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), min_size=1, max_size=4))
def test_typed_rows(rows: list[list[int]]) -> None:
    text = ", ".join(" ".join(map(str, row)) for row in rows)
    assert typed(text, 2).tolist() == rows
    assert typed(text.replace(",", ";"), 2).tolist() == rows
    assert typed(text, 1).tolist() == [number for row in rows for number in row]


def test_fractions_and_one_axis() -> None:
    assert typed("1/9 0.5 -2", 1).tolist() == [1 / 9, 0.5, -2]
    assert typed("1,2,1", 1).tolist() == [1, 2, 1]
    assert typed("1,2,1", 2).tolist() == [[1], [2], [1]]


@pytest.mark.parametrize(
    ("text", "said"),
    [("edgy", "Did you mean edge?"), ("1 2, 3", "every row"), ("1 x", "--kernel-values"), ("", "--kernel-values"),
     ("1/0", "--kernel-values"), ("nan", "--kernel-values"), ("1e999999", "--kernel-values"),
     (",,", "--kernel-values")],
)  # fmt: skip
def test_what_is_no_kernel(text: str, said: str) -> None:
    with pytest.raises(OptionError) as caught:
        typed(text, 2)
    assert said in str(caught.value)


@given(SHAPES)
def test_drawn_pictures(shape: list[int]) -> None:
    for draw in (shape_picture, varied_picture):
        picture = draw(shape)
        assert list(picture.shape) == shape
        assert picture.min() >= 0
        assert picture.max() <= 9
        assert picture.tolist() == np.round(picture).tolist()


def test_a_picture_is_shrunk_to_its_mean_grey(tmp_path: Path) -> None:
    grey = np.zeros((40, 80), np.uint8)
    grey[:, 40:] = 200
    Image.fromarray(grey).save(tmp_path / "half.png")
    path = str(tmp_path / "half.png")
    assert shape_within(path, 12, 2) == (6, 12)
    assert shape_within(path, 12, 1) == (12,)
    assert from_file(path, (2, 4)).tolist() == [[0, 0, 200, 200]] * 2
    assert from_file(path, (4,)).tolist() == [0, 0, 200, 200]
    with pytest.raises(PictureError):
        from_file(str(tmp_path / "none.png"), (4, 4))
