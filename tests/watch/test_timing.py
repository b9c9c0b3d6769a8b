"""What a step is slower for being looked at is counted once it can be told, and never twice."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.watch.timing import FEWEST, NEIGHBOURS, Slowing

SECONDS = st.floats(1e-4, 10)


@given(st.lists(st.tuples(st.booleans(), SECONDS), max_size=80))
def test_every_look_is_counted_once(steps: list[tuple[bool, float]]) -> None:
    slowing, counted, looks, looked, plain = Slowing(), 0.0, 0, list[float](), list[float]()
    owed = 0
    expected = 0.0
    for is_looked, seconds in steps:
        if is_looked:
            looked, looks, owed = [*looked, seconds][-NEIGHBOURS:], looks + 1, owed + 1
            counted += slowing.add(seconds)
        else:
            plain = [*plain, seconds][-NEIGHBOURS:]
            slowing.plain.append(seconds)
            counted += slowing.due()
        if min(len(looked), len(plain)) >= FEWEST:
            expected += owed * max(0.0, median(looked) - median(plain))
            owed = 0
    assert counted == pytest.approx(expected)
    assert slowing.owed == owed
    assert counted >= 0


def test_a_step_that_was_held_up_changes_nothing() -> None:
    slowing = Slowing()
    for seconds in (0.10, 0.10, 3.0, 0.10):
        slowing.plain.append(seconds)
    assert slowing.add(0.12) == slowing.add(0.12) == 0.0, "too few to tell"
    assert slowing.add(0.12) == pytest.approx(3 * 0.02), "those before are told with it"
    assert slowing.add(9.0) == pytest.approx(0.02)


def test_other_steps_begin() -> None:
    slowing = Slowing()
    slowing.plain.extend([1.0] * 5)
    for _ in range(4):
        slowing.add(1.5)
    slowing.forget()
    assert slowing.add(9.0) == 0.0, "nothing is told by steps of another kind"
    assert slowing.each == pytest.approx(0.5), "but expected still"
