"""Named points: every one is drawn, and no name lies on another."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.charts.scatter import Point, Scatter, _around, _scales, labels, scatter_svg

SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def charts(draw: st.DrawFn) -> Scatter:
    """Up to nine networks, some of them alike in what they cost and came to."""
    count = draw(st.integers(1, 9))
    points = []
    for n in range(count):
        y = draw(st.floats(0.1, 0.9))
        half = draw(st.floats(0.005, 0.08))
        x = draw(st.sampled_from([1e4, 6e4, 5e6, 5.7e6, 1.1e7, 5.7e7, 1.3e8]))
        points.append(
            Point(
                draw(st.sampled_from(["vit", "resnet18", "densenet121"])) + str(n), x, y, y - half, y + half
            )
        )
    return Scatter("t", "parameters", "accuracy", tuple(points), percent=True)


@settings(deadline=None, max_examples=60)
@given(charts())
def test_names_do_not_meet(chart: Scatter) -> None:
    x, y = _scales(chart.points, chart)
    boxes = labels(chart.points, x, y)
    assert len(boxes) == len(chart.points)
    for one, other in itertools.combinations(boxes, 2):
        assert not one.meets(other)
    for box in boxes:
        assert box.left >= 0
        assert box.right <= 440
        for point in chart.points:
            assert not box.meets(_around(x.at(point.x), y.at(point.y), 3))


@settings(deadline=None, max_examples=20)
@given(charts())
def test_every_point_is_drawn_and_told(chart: Scatter) -> None:
    root = ElementTree.fromstring(scatter_svg(chart))
    dots = [e for e in root.iter(f"{SVG}circle") if e.get("class") == "c-point"]
    assert len(dots) == len(chart.points)
    assert len([e for e in root.iter(f"{SVG}path") if e.get("class") == "c-bar"]) == len(chart.points)
    written = [e.text for e in root.iter(f"{SVG}text")]
    for point in chart.points:
        assert point.name in written
        assert point.name in (root.get("aria-label") or "")
    for dot in dots:
        assert 0 <= float(dot.get("cx") or -1) <= 440


def test_names_are_escaped_and_tones_are_the_pages() -> None:
    made = scatter_svg(Scatter("<t>", "x", "y", (Point("<b>&", 10.0, 0.5, 0.4, 0.6),)))
    ElementTree.fromstring(made)
    assert "<b>" not in made
    assert re.search(r"var\(--tone-accent,#[0-9a-f]{6}\)", made)


def test_what_has_no_place_on_the_axis_is_left_out() -> None:
    points = (Point("a", 0.0, 0.5, 0.4, 0.6), Point("b", 10.0, 0.5, 0.4, 0.6))
    assert scatter_svg(Scatter("t", "x", "y", points)).count("c-point") == 1
