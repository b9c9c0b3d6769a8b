"""How soon searches come to a level: all repeats count, those that never come as well."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from foveal.tuners.soon import how_soon


def test_the_mean_counts_the_repeats_that_never_come() -> None:
    quick = [(1.0, 0.5), (10.0, 0.9)]
    slow = [(1.0, 0.5), (90.0, 0.85)]
    found = how_soon([quick, quick, quick, slow, slow], [0.9] * 5)
    assert found.each == (10, 10, 10, math.inf, math.inf)
    assert found.come == 3
    assert math.isinf(found.epochs), "a median of those that came would say 10"
    assert found.says == "never [10, never], in 3 of 5 repeats"
    assert how_soon([quick] * 4, [0.9, 0.9, 0.7, 0.7]).epochs == 10


def test_the_mean_curve_is_the_mean_of_the_best_so_far() -> None:
    rise, jump = [(1.0, 0.1), (2.0, 0.2), (3.0, 0.3), (4.0, 0.4)], [(2.0, 0.6)]
    found = how_soon([rise, jump], [0.4, 0.4])
    assert found.epochs == 2  # (0.2 + 0.6) / 2; before, one of them has nothing yet
    assert math.isnan(found.low), "two repeats say nothing of the spread"
    assert found.says == "after 2 epochs, in 2 of 2 repeats"
    assert how_soon([rise], [0.3]).says == "after 3 epochs, in 1 of 1 repeat"


def test_a_search_without_any_result_never_comes() -> None:
    found = how_soon([[], [(1.0, 0.9)], [(1.0, 0.9)]], [0.5, 0.5, 0.5])
    assert math.isinf(found.epochs)
    assert found.come == 2
    assert how_soon([[(1.0, 0.9)], [(5.0, 0.9)]], [math.nan, 0.5]).epochs == 5, (
        "no level there to compare with"
    )
    assert how_soon([], []).says == ""


COURSES = some.lists(
    some.lists(some.tuples(some.integers(1, 200), some.floats(0, 1)), min_size=1, max_size=8),
    min_size=1,
    max_size=6,
)


def climbing(rows: list[tuple[int, float]]) -> list[tuple[float, float]]:
    best, course = -1.0, []
    for at, value in sorted(dict(rows).items()):
        if value > best:
            best = value
            course.append((float(at), value))
    return course


@settings(max_examples=60, deadline=None)
@given(COURSES, some.floats(-0.2, 0.2))
def test_less_is_never_later_and_the_other_way_round_is_the_same(
    rows: list[list[tuple[int, float]]], less: float
) -> None:
    courses = [climbing(one) for one in rows]
    ends = [course[-1][1] for course in courses]
    own = how_soon(courses, ends)
    assert own.epochs <= max(at for course in courses for at, _ in course), "to its own end each mean comes"
    lower = how_soon(courses, [end - abs(less) for end in ends])
    assert lower.epochs <= own.epochs
    mirrored = how_soon([[(at, -value) for at, value in one] for one in courses], [-e for e in ends], False)
    assert mirrored == own or math.isnan(own.low)
    assert mirrored.epochs == own.epochs


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    dice = np.random.default_rng(0)

    def courses(count: int) -> list[list[tuple[float, float]]]:
        # each rises by the same curve, up to where its luck lets it
        lucks = dice.normal(0, 0.05, count)
        return [[(float(at), 1 - 0.97**at + luck) for at in range(1, 121)] for luck in lucks]

    level = 0.85
    truth = next(at for at in range(1, 121) if 1 - 0.97**at >= level)
    held = 0
    for _ in range(40):
        found = how_soon(courses(10), list(level + dice.normal(0, 0.02, 10)))
        held += found.low <= truth <= found.high
    assert 0.8 <= held / 40 <= 1.0


@pytest.mark.parametrize("higher", [True, False])
def test_ends_that_are_equal_to_rounding_are_reached(higher: bool) -> None:
    values = [0.1 + 0.2, 0.3, 0.3]
    sign = 1 if higher else -1
    found = how_soon([[(7.0, sign * v)] for v in values], [sign * 0.3] * 3, higher)
    assert found.epochs == 7
