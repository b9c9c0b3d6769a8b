"""Ranges: shares and values belong together on every scale."""

from __future__ import annotations

import itertools
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.ranges import Range

RATE = Range("lr", 1e-4, 1e-1, "log")
MOMENTUM = Range("momentum", 0.8, 0.99, "rest")
SMOOTHING = Range("label_smoothing", 0.0, 0.2)
MAGNITUDE = Range("magnitude", 2, 18, whole=True, when=("augment", ("randaugment",)))
AUGMENT = Range("augment", choices=("none", "light", "randaugment"))
ALL = (RATE, MOMENTUM, SMOOTHING, MAGNITUDE, AUGMENT)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
@given(share=st.floats(0, 1))
def test_values_lie_inside_and_say_where(one: Range, share: float) -> None:
    value = one.value(share)
    assert one.takes(value)
    if one.choices:
        assert one.value(one.share(value)) == value
    else:
        assert one.low <= value <= one.high
        width = 1 / (one.high - one.low) if one.whole else 0.01
        assert one.share(value) == pytest.approx(share, abs=width)
        assert isinstance(value, int) == one.whole


def test_scales_are_even_where_they_should_be() -> None:
    assert RATE.even(4) == (1e-4, 1e-3, 1e-2, 1e-1)
    assert Range("momentum", 0.9, 0.999, "rest").even(3) == (0.9, 0.99, 0.999)
    assert SMOOTHING.even(3) == (0.0, 0.1, 0.2)
    assert Range("magnitude", 0, 2, whole=True).even(9) == (0, 1, 2)
    assert AUGMENT.even(7) == AUGMENT.choices
    assert SMOOTHING.even(1) == (0.1,)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted))
def test_a_larger_share_is_never_a_smaller_value(shares: list[float]) -> None:
    for one in (RATE, MOMENTUM, SMOOTHING, MAGNITUDE):
        first, second = (one.value(share) for share in shares)
        assert first <= second


@pytest.mark.parametrize("one", [*ALL, Range("lr", 1e-3, 1e-1, "log", least=1e-6, most=2.0)], ids=repr)
def test_a_range_comes_back_from_json(one: Range) -> None:
    assert Range.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert math.isinf(one.least) or one.least == 1e-6


def test_a_condition_holds_beside_its_value_only() -> None:
    assert MAGNITUDE.is_on({"augment": "randaugment"})
    assert not MAGNITUDE.is_on({"augment": "light"})
    assert not MAGNITUDE.is_on({})
    assert all(one.is_on({}) for one in ALL if one.when is None)


def test_what_has_no_place_is_refused() -> None:
    refused = [
        (RATE, 0.0),
        (RATE, "x"),
        (MOMENTUM, 1.0),
        (AUGMENT, "mosaic"),
        (SMOOTHING, None),
        (RATE, math.nan),
    ]
    assert not any(one.takes(value) for one, value in refused)
    assert RATE.takes(10.0)
    assert RATE.share(10.0) == pytest.approx(5 / 3), "outside"
    assert len({one.says for one in ALL}) == len(list(itertools.chain(ALL)))
