"""Contact sheets and clouds: scales are true, everything is on the paper, odd words do no harm."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from foveal.charts.cloud import Cloud, apart, cloud_figure, cloud_picture, palette
from foveal.charts.lettering import cut, width, wrapped
from foveal.charts.sheet_of_maps import Row, Sheet, Tile, fitted, shaded, sheet_gif, sheet_picture

RED = np.full((4, 4, 3), (200, 10, 10), np.uint8)


def test_shades() -> None:
    values = np.array([[0.0, 1.0, 2.0]])
    assert shaded(values, 0, 2)[0, :, 0].tolist() == [0, 128, 255]
    signed = shaded(np.array([[-2.0, 0.0, 2.0, 1.0]]), -2, 1)
    assert signed[0, 1].tolist() == [255, 255, 255]
    assert signed[0, 0, 0] > signed[0, 0, 2], "below 0 is rust"
    assert signed[0, 2, 2] > signed[0, 2, 0], "above 0 is blue"
    assert np.abs(signed[0, 3].astype(int) - (signed[0, 2].astype(int) + 255) / 2).max() <= 1
    assert shaded(np.zeros((2, 2)), 0, 0).max() == 0
    assert shaded(np.zeros((2, 2)), -1, -1).min() == 255


def test_every_tile_is_on_the_sheet() -> None:
    rows = tuple(Row(f"row {n}", (), tuple(Tile(RED) for _ in range(n))) for n in (1, 5, 23))
    image = sheet_picture(Sheet("title", ("a note",), rows, side=40, columns=10))
    red = (np.asarray(image) == (200, 10, 10)).all(2).sum()
    assert red >= 29 * 38 * 38
    assert image.width < 1400


@pytest.mark.parametrize(
    "words",
    ["", "x" * 500, "a word " * 60, "語" * 40, "<b>&amp;</b>", "ÄÖÜ ß \u0301\u200d", "\n\t two\nlines"],
)
def test_any_words(words: str) -> None:
    row = Row(words, (words,), (Tile(RED, (words,)),), (-1e-9, 1e12))
    image = sheet_picture(Sheet(words, (words,), (row, Row("empty", (), ())), side=40))
    assert image.height > 100
    frames = sheet_gif(Sheet(words, (), (row, row)))
    with Image.open(io.BytesIO(frames)) as gif:
        assert gif.size[0] >= 320
    points = np.array([[0.0, 0.0], [1.0, 1.0]])
    cloud = Cloud(words, (words,), points, (RED, RED), (words, "b"), (words or "?", "b"))
    assert cloud_picture(cloud, 300).size[0] > 300
    assert cloud_figure(cloud)["data"]


@settings(max_examples=80)
@given(st.text(max_size=60), st.integers(20, 200))
def test_cut_and_wrapped_keep_inside(text: str, most: int) -> None:
    assert cut(text, 12, most) == text or width(cut(text, 12, most), 12) <= max(most, width("...", 12))
    for line in wrapped(text, 12, most):
        assert width(line, 12) <= max(most, width("...", 12))


def test_fitted_keeps_proportions() -> None:
    assert fitted(np.zeros((10, 20), np.uint8), 60).size == (60, 30)
    assert fitted(np.zeros((300, 100, 3), np.uint8), 60).size == (20, 60)
    small = fitted(np.array([[0, 255]], np.uint8), 40)
    assert set(np.unique(np.asarray(small))) == {0, 255}, "enlarged pixels stay pixels"


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500)), max_size=60))
def test_thumbnails_do_not_hide_each_other(places: list[tuple[float, float]]) -> None:
    drawn = apart(places, 40)
    assert not places or 0 in drawn
    for n, a in enumerate(drawn):
        for b in drawn[:n]:
            x, y = (max(0.0, 40 - abs(places[a][k] - places[b][k])) for k in (0, 1))
            assert x * y <= 800
    for n in set(range(len(places))) - set(drawn):
        covers = [
            max(0.0, 40 - abs(places[n][0] - places[m][0])) * max(0.0, 40 - abs(places[n][1] - places[m][1]))
            for m in drawn
        ]
        assert max(covers) > 800, "only what would hide another is left out"


def test_colours_of_kinds_differ() -> None:
    for count in (1, 6, 7, 40):
        made = palette(tuple(f"kind {n:02d}" for n in range(count)) * 2)
        assert len(set(made.values())) == len(made) == count


def test_cloud_lies_as_its_points_do() -> None:
    """The second axis points upwards, and both have one scale."""
    colours = [np.full((6, 6, 3), c, np.uint8) for c in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    points = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0]])
    image = np.asarray(cloud_picture(Cloud("", (), points, tuple(colours), ("a", "b", "c")), 400, 20))
    middles = []
    for channel in range(3):
        wanted = [0, 0, 0]
        wanted[channel] = 250
        rows, columns = np.nonzero((image == wanted).all(2))
        middles.append((columns.mean(), rows.mean()))
    (ax, ay), (bx, by), (cx, cy) = middles
    assert bx - ax == pytest.approx(380, abs=2)
    assert ay - cy == pytest.approx(190, abs=2)
    assert abs(by - ay) < 1
    assert abs(cx - ax) < 1
