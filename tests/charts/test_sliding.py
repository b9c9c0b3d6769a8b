"""A sliding window drawn: every number in its place, small files, still where motion is not wanted."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foveal.charts.kinds import TONES
from foveal.charts.sliding import Sliding, frames, in_ascii, layout, number, seconds, weight
from foveal.charts.sliding_gif import MOST_BYTES, sliding_gif
from foveal.charts.sliding_svg import sliding_svg
from foveal.report.convolution import sliding
from foveal.verbs.convolution import convolution

SVG = "{http://www.w3.org/2000/svg}"
MOVING = "@media screen and (prefers-reduced-motion:no-preference){"
CASES: dict[str, dict[str, Any]] = {
    "stride": {"input": 5, "stride": 2, "padding": 1},
    "transposed": {"input": 3, "stride": 2, "padding": 1, "transposed": True, "output_padding": 1},
    "cut": {"input": 8, "padding": 3, "transposed": True},
    "dilated": {"input": 9, "dilation": 2},
    "max": {"input": 6, "pool": "max", "padding": 1},
    "average": {"input": "4x7", "pool": "average", "kernel": "2x3"},
    "line": {"dims": 1, "input": 9, "padding": "same"},
    "wide": {"input": "2x36", "kernel": "1x5", "kernel_values": "blur"},
    "widest": {"input": 38, "padding": 1, "kernel_values": "emboss"},
    "many": {"input": 12, "kernel_values": "blur", "padding": 1},
    "dot": {"input": 1, "kernel": 1},
    "apart": {"input": 4, "stride": 2, "padding": "0+1x2+1"},
    "up": {"input": 6, "pool": "average", "kernel": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    "groups": {"channels": 6, "filters": 12, "groups": 3},
    "depthwise": {"input": "1x9", "kernel": "1x3", "groups": 64},
    "deep": {"input": 4, "kernel": 2, "groups": 20},
}


def drawn(name: str) -> Sliding:
    done = convolution(**CASES[name])
    assert done.numbers is not None
    return sliding(done.setting, done.numbers, done.word, done.at)


@pytest.mark.parametrize("name", CASES)
def test_svg_is_well_formed_and_small(name: str) -> None:
    scene = drawn(name)
    text = sliding_svg(scene)
    assert len(text.encode()) <= MOST_BYTES
    root = ET.fromstring(text)
    assert root.get("role") == "img"
    assert scene.title in (root.get("aria-label") or "")
    assert "<script" not in text
    assert re.findall(r"(?:href|src|url)\s*[=(]", text) == []
    wide, high = (float(n) for n in (root.get("viewBox") or "").split()[2:])
    for element in root.iter():
        for key, most in (("x", wide), ("y", high)):
            assert 0 <= float(element.get(key, 0)) <= most
    where = layout(scene)
    for placed in where.placed:
        assert placed.x + placed.width <= wide
        assert placed.y + placed.height < where.says


def test_each_number_is_written_where_its_cell_is() -> None:
    scene = drawn("stride")
    root = ET.fromstring(sliding_svg(scene))
    texts = {(float(t.get("x", 0)), t.text) for t in root.iter(f"{SVG}text")}
    for placed in layout(scene).placed:
        for row in range(placed.grid.size[0]):
            for column in range(placed.grid.size[1]):
                x = placed.corner(row, column)[0] + placed.cell / 2
                assert (x, placed.grid.text(row, column)) in texts


@pytest.mark.parametrize("name", CASES)
def test_nothing_moves_unless_motion_is_welcome(name: str) -> None:
    """Without the styles that move, the output is whole and the resting sum is the one that is seen."""
    scene = drawn(name)
    text = sliding_svg(scene)
    style = text[text.index("<style>") : text.index("</style>")]
    assert style.count("animation:") == style[style.index(MOVING) :].count("animation:") == 4
    assert text.count("animation:") == 4, "elsewhere only names and delays"
    assert "@media screen and (prefers-color-scheme:dark){" in style, "paper is white"
    assert style.count("@media") == 2
    shown = len(frames(scene, 240))
    assert len(re.findall(r"@keyframes \w+o\d+\{", style)) == shown - 1
    assert style.count("{transform:") == 2 * shown
    sums = [t for t in ET.fromstring(text).iter(f"{SVG}text") if "sum" in (t.get("class") or "")]
    resting = [t for t in sums if "rest" in (t.get("class") or "").split()]
    row, column = scene.resting
    assert len(resting) == bool(sums)
    assert [span.text for t in resting for span in t] == list(scene.says[row][column])


def test_two_drawings_on_a_page_do_not_steer_each_other() -> None:
    names = [set(re.findall(r"@keyframes (\w+)", sliding_svg(drawn(name)))) for name in ("stride", "dilated")]
    assert names[0] & names[1] == set()


@pytest.mark.parametrize("name", CASES)
def test_gif_has_a_frame_a_cell_and_is_small(name: str) -> None:
    scene = drawn(name)
    data = sliding_gif(scene)
    assert len(data) <= MOST_BYTES
    cells = scene.output.size[0] * scene.output.size[1]
    with Image.open(io.BytesIO(data)) as image:
        shown = getattr(image, "n_frames", 1)
        assert shown == cells or 40 <= shown <= 100
        if cells > 1:
            assert image.info["loop"] == 0
            assert image.info["duration"] == pytest.approx(1000 * seconds(shown), abs=10)


def test_gif_fills_the_output_and_moves_the_window() -> None:
    scene = drawn("stride")
    where = layout(scene)
    with Image.open(io.BytesIO(sliding_gif(scene))) as image:
        pictures = []
        for n in range(9):
            image.seek(n)
            pictures.append(np.asarray(image.convert("RGB")).astype(int))
    scale = pictures[0].shape[1] // where.width
    plum = [int(TONES["plum"][n : n + 2], 16) for n in (1, 3, 5)]

    def at(picture: np.ndarray, x: float, y: float) -> np.ndarray:
        return picture[int(y * scale), int(x * scale)]

    for n in range(9):
        for cell in range(9):
            x, y = where.output.corner(cell // 3, cell % 3)
            inside = at(pictures[n], x + where.output.cell * 0.2, y + where.output.cell * 0.2)
            white = (inside >= 250).all()
            assert white == (cell > n or abs(scene.output.level(cell // 3, cell % 3)) < 0.02), (n, cell)
        x, y = where.input.corner(scene.rows[n // 3][0], scene.columns[n % 3][0])
        assert np.abs(at(pictures[n], x + 1, y + 1) - plum).max() < 24


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 300))
def test_frames_fill_each_cell_once(rows: int, columns: int, most: int) -> None:
    scene = drawn("dot")
    output = type(scene.output)("output", ((0.0,) * columns,) * rows, "grey", 1.0)
    shown = frames(type(scene)(**{**vars(scene), "output": output}), most)
    assert len(shown) == min(most, rows * columns)
    assert [cell for frame in shown for cell in frame.filled] == [
        (r, c) for r in range(rows) for c in range(columns)
    ]
    assert all(frame.at == frame.filled[-1] for frame in shown)


def test_numbers_in_cells() -> None:
    assert [number(v) for v in (3.0, -2.0, 2.666, -0.25, 127.4, -np.inf)] == [
        "3",
        "−2",
        "2.67",
        "−.25",
        "127",
        "−∞",
    ]
    assert [weight(v) for v in (1 / 9, -1 / 25, 0.5, 4.0, np.pi)] == ["1/9", "−1/25", "1/2", "4", "3.14"]
    assert in_ascii("⌊(5 − 2·1) / 2⌋ × ∞") == "floor((5 - 2*1) / 2) x inf"


def test_channels_in_groups_are_drawn_where_filters_see_them() -> None:
    grid = drawn("groups").channels
    assert grid is not None
    layer = torch.nn.Conv2d(6, 12, 1, groups=3, bias=False)
    seen = [(layer(torch.eye(6)[:, :, None, None])[:, f, 0, 0] != 0).tolist() for f in range(12)]
    assert [[value == 1 for value in row] for row in grid.values] == seen
    coarse, none = drawn("depthwise").channels, drawn("stride").channels
    assert none is coarse is None, "more than can be seen, and no groups"
    deep = drawn("deep").channels
    assert deep is not None
    assert deep.size == (20, 20)
    where = layout(drawn("groups"))
    assert where.channels is not None
    svg = sliding_svg(drawn("groups"))
    assert svg.count(f">{where.channels.grid.name}<") == 1


def test_what_lies_beyond_the_end_is_dotted_and_has_no_number() -> None:
    scene = drawn("up")
    rows, columns = scene.input.size
    beyond = [(r, c) for r in range(rows) for c in range(columns) if scene.input.look(r, c) == "beyond"]
    assert beyond == [(r, c) for r in range(9) for c in range(9) if 8 in (r, c)]
    where = layout(scene).input
    centres = {where.corner(*cell)[0] + where.cell / 2 for cell in beyond if cell[0] == 0}
    root = ET.fromstring(sliding_svg(scene))
    written = {float(t.get("x", 0)) for t in root.iter(f"{SVG}text") if t.text}
    assert not centres & written
    assert "stroke-dasharray" in sliding_svg(scene)
