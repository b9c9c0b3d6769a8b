"""Charts: the same values in SVG and for Plotly."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.charts import Band, Bars, Chart, Curve, Heat, Lines, Mark, Strip, plotly, svg
from foveal.charts.scales import Scale, log_ticks, short, thinned, ticks

NASTY = "<script>alert(\"x\")</script> & 'so' 日本"
SVG = "{http://www.w3.org/2000/svg}"
CURVES = (
    Curve("training", (1.0, 2.0, 3.0), (1.0, 0.5, 0.4), "warm", dots=True),
    Curve(
        NASTY,
        (1.0, 2.0, 3.0),
        (1.2, math.nan, 0.6),
        dots=True,
        low=(1.0, math.nan, 0.5),
        high=(1.4, math.nan, 0.7),
    ),
)
LINES = Lines(
    "Loss", "epoch", "loss", CURVES, (Mark(3.0, 0.4, "best"),), (Band(0, 1, "head"), Band(1, 3, "all"))
)
SCATTER = Lines(
    "Sure", "how sure", "right",
    (Curve("", (0.1, 0.9), (0.2, 1.0), line=False, dots=True, low=(0, 0.8), high=(0.5, 1)),),
    percent=True, span=(0, 1), x_span=(0, 1), diagonal=True,
)  # fmt: skip
LOG = Lines(
    "Range", "rate", "loss", (Curve("", (1e-6, 1e-3, 1.0), (2.0, 1.0, 90.0)),), log_x=True, log_y=True
)
BARS = Bars("Counts", "bin", "pictures", ("a", NASTY, "c"), (1.0, 0.0, 5.0))
HEAT = Heat("Confusion", "predicted", "true", ("a", "b"), ("a", "b"), ((3, 1), (0, 4)))
STRIP = Strip("Time", (("training", 90.0, "90 s"), (NASTY, 10.0, "10 s")))
ALL = [LINES, SCATTER, LOG, BARS, HEAT, STRIP]


def parsed(chart: Chart) -> ET.Element:
    return ET.fromstring(svg(chart))


def count(root: ET.Element, kind: str) -> int:
    return sum(1 for e in root.iter() if e.get("class") == kind)


@pytest.mark.parametrize("chart", ALL, ids=lambda c: c.title)
def test_svg_is_well_formed_and_keeps_to_itself(chart: Chart) -> None:
    root = parsed(chart)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert chart.title in (root.get("aria-label") or "")
    text = svg(chart)
    assert "<script" not in text
    assert re.findall(r"(?:href|src|url)\s*[=(]", text) == []
    numbers = re.findall(r'\b(?:x|y|cx|cy|width|height)="([^"]*)"', text)
    assert numbers
    assert all(math.isfinite(float(n)) for n in numbers)


def test_the_right_number_of_points() -> None:
    assert count(parsed(LINES), "c-dot") == 5, "three and three, less the one that is no number"
    assert count(parsed(LINES), "c-mark") == 1
    assert count(parsed(LINES), "c-band") == 2
    assert count(parsed(SCATTER), "c-dot") == 2
    assert count(parsed(SCATTER), "c-line") == 0
    assert count(parsed(BARS), "c-bar") == 3
    assert count(parsed(HEAT), "c-cell") == 3, "zero is the ground"
    assert count(parsed(STRIP), "c-part") == 2


def test_places_are_those_of_the_values() -> None:
    dots = [e for e in parsed(SCATTER).iter() if e.get("class") == "c-dot"]
    (x0, y0), (x1, y1) = ((float(d.get("cx", "")), float(d.get("cy", ""))) for d in dots)
    assert x1 - x0 == pytest.approx(0.8 * (440 - 50 - 14), abs=0.2)
    assert y0 - y1 == pytest.approx(0.8 * (264 - 30 - 42), abs=0.2)
    bars = [float(e.get("height", "")) for e in parsed(BARS).iter() if e.get("class") == "c-bar"]
    assert bars[0] / bars[2] == pytest.approx(0.2, abs=0.01)
    parts = [float(e.get("width", "")) for e in parsed(STRIP).iter() if e.get("class") == "c-part"]
    assert parts[0] == pytest.approx(0.9 * 440, abs=2)


def test_a_gap_is_a_gap() -> None:
    curve = Curve("", tuple(map(float, range(6))), (1.0, 2.0, math.nan, 2.0, 1.0, 0.0))
    (line,) = [e for e in parsed(Lines("", "x", "y", (curve,))).iter() if e.get("class") == "c-line"]
    assert (line.get("d") or "").count("M") == 2


@pytest.mark.parametrize("chart", ALL, ids=lambda c: c.title)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_plotly_takes_the_figure(chart: Chart) -> None:
    import plotly.graph_objects as go

    made = plotly(chart)
    json.dumps(made, allow_nan=False)
    figure = go.Figure(made)  # refuses every key and value that Plotly does not know
    assert len(figure.data) >= 1
    assert "<script" not in json.dumps(made)


def test_plotly_has_the_same_points() -> None:
    data = plotly(LINES)["data"]
    drawn = [t for t in data if t.get("mode") == "lines+markers"]
    assert [t["y"] for t in drawn] == [[1.0, 0.5, 0.4], [1.2, None, 0.6]]
    assert plotly(HEAT)["data"][0]["customdata"] == [[3, 1], [0, 4]]
    assert plotly(BARS)["data"][0]["y"] == [1.0, 0.0, 5.0]


@pytest.mark.parametrize(
    "chart",
    [
        Lines("", "x", "y", ()),
        Lines("", "x", "y", (Curve("", (), ()),)),
        Lines("", "x", "y", (Curve("", (1.0,), (2.0,)),)),
        Lines("", "x", "y", (Curve("", (1.0, 1.0), (2.0, 2.0)),), log_x=True, log_y=True),
        Lines("", "epoch", "y", (Curve("", (1.0, 2.0), (math.nan, math.inf)),)),
        Bars("", "x", "y", (), ()),
        Bars("", "x", "y", ("a",), (0.0,)),
        Heat("", "x", "y", (), (), ()),
        Strip("", ()),
    ],
)
def test_nothing_and_little_can_be_drawn(chart: Chart) -> None:
    parsed(chart)
    json.dumps(plotly(chart), allow_nan=False)


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_inside_and_few(low: float, width: float) -> None:
    high = low + width
    if high <= low * (1 + 1e-9):
        return
    found = ticks(low, high)
    assert 2 <= len(found) <= 12
    slack = 1e-6 * max(abs(low), abs(high), width)
    assert all(low - slack <= t <= high + slack for t in found)
    assert found == sorted(set(found))


def test_log_ticks_are_powers_of_ten() -> None:
    assert log_ticks(1e-6, 1.0) == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert Scale(1e-4, 1.0, 0, 100, log=True).at(1e-2) == pytest.approx(50)


@pytest.mark.parametrize(
    ("value", "percent", "said"),
    [
        (0.05, False, "0.05"),
        (1e-5, False, "1e-5"),
        (12345.0, False, "12,345"),
        (0.5, True, "50%"),
        (0.725, True, "72.5%"),
    ],
)
def test_numbers_are_short(value: float, percent: bool, said: str) -> None:
    assert short(value, percent) == said


def test_thinning_keeps_every_peak() -> None:
    xs = [float(n) for n in range(10_000)]
    ys = [0.0] * 10_000
    ys[4321] = 9.0
    ys[77] = -9.0
    fewer_x, fewer_y = thinned(xs, ys, 600)
    assert len(fewer_x) <= 600
    assert max(fewer_y) == 9.0
    assert min(fewer_y) == -9.0
    assert list(fewer_x) == sorted(fewer_x)
