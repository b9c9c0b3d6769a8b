"""Connections in lanes: nothing is lost, nothing crosses a layer's own lane."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from foveal.structure.lanes import lanes, text


@st.composite
def graphs(draw):
    """Inputs of layers, each of some before it; -1 is the picture."""
    count = draw(st.integers(1, 14))
    return [draw(st.lists(st.integers(-1, n - 1), min_size=1, max_size=3, unique=True)) for n in range(count)]


@given(graphs())
def test_following_the_lines_finds_the_inputs_of_every_layer(inputs):
    needed = {one for taken in inputs for one in taken}
    carried = {0: -1} if -1 in needed else {}
    for n, place in enumerate(lanes(inputs)):
        mine = [] if place.new else [place.lane]
        feeding = {carried[lane] for lane in (*mine, *place.ending, *place.going)}
        assert feeding == set(inputs[n])
        assert set(carried) == {*mine, *place.ending, *place.going, *place.passing}
        for lane in (*mine, *place.ending):
            del carried[lane]
        assert place.lane not in carried
        if n in needed:
            carried[place.lane] = n
    assert not carried


def test_a_shortcut_and_a_branch():
    places = lanes([(-1,), (0,), (0, 1), (2,)], outputs=(3,))
    assert [text(place, 2) for place in places] == ["●   ", "├─● ", "●─╯ ", "●   "]


def test_what_is_passed_by_is_crossed():
    places = lanes([(-1,), (0,), (0,), (0, 1, 2)])
    assert [text(place, 3) for place in places] == ["●     ", "├─●   ", "├─┼─● ", "●─┴─╯ "]
