"""The verdict's statistics: when a gain is shown, that chance rarely shows one, and that it is kept whole."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from foveal.intervals import bootstrap, crossed
from foveal.outcomes import Outcomes
from foveal.records.contest import FEWEST, Side, Verdict, apart, gained, on_pictures

POINTS = st.floats(-1, 1, allow_nan=False).map(lambda value: round(value, 3))


def verdict(*sides: list[float], **changes: object) -> Verdict:
    made = tuple(
        Side(
            n,
            f"--lr {n}",
            0.99,
            dict(enumerate(values)),
            {seed: f"verdict/{n}{seed}" for seed in range(len(values))},
        )
        for n, values in enumerate(sides)
    )
    values: dict[str, object] = {
        "seeds": tuple(range(len(sides[0]))),
        "validation": 500,
        "judged": 9,
        **changes,
    }
    return Verdict("accuracy", True, made, **values)  # type: ignore[arg-type]


@given(st.lists(POINTS, min_size=2, max_size=8))
def test_a_paired_gain_is_students(gains: list[float]) -> None:
    mean, low, high, p = gained(gains)
    assert low <= mean <= high
    if np.std(gains) > 1e-9:
        known = ttest_1samp(gains, 0.0)
        assert p == pytest.approx(known.pvalue, abs=1e-9)
        interval = known.confidence_interval(0.95)
        assert (low, high) == pytest.approx((interval.low, interval.high), abs=1e-9)
        assert (p < 0.05) == (low > 0 or high < 0) or p == pytest.approx(0.05)


@given(st.lists(POINTS, min_size=3, max_size=6), st.lists(POINTS, min_size=3, max_size=6))
def test_turned_around_a_gain_is_a_loss(default: list[float], other: list[float]) -> None:
    count = min(len(default), len(other))
    one = verdict(default[:count], other[:count]).gains[0]
    turned = verdict(other[:count], default[:count]).gains[0]
    assert (one.mean, one.low, one.high) == pytest.approx((-turned.mean, -turned.high, -turned.low))
    assert (one.turned.one, one.turned.other) == (0, 1)
    assert (one.turned.mean, one.turned.low, one.turned.high) == (-one.mean, -one.high, -one.low)
    assert not (one.shown and turned.shown)


def test_equal_gains_of_one_picture_are_no_certainty() -> None:
    one = verdict([0.9] * 3, [0.902] * 3)
    assert one.chosen is not None
    assert one.chosen.number == 0, "three times one picture of 500"
    assert verdict([0.9] * 3, [0.92] * 3).leader is not None, "ten pictures each time are more than rounding"


def test_of_equal_settings_the_default_is_kept() -> None:
    dice, left = np.random.default_rng(0), 0
    for _ in range(300):
        rows = dice.normal(0.9, 0.01, (4, 5))
        left += verdict(*rows.tolist()).leader is not None
    assert left <= 0.05 * 300, "Holm: of equals at most 5 in 100 are called different"


def test_a_clear_winner_is_taken_and_the_best_of_them() -> None:
    found = verdict([0.90, 0.91, 0.89, 0.9], [0.94, 0.95, 0.94, 0.93], [0.96, 0.97, 0.955, 0.96])
    assert found.leader is not None
    assert found.leader.number == 2
    assert found.model == "verdict/21", "its best run on validation"
    assert "Take trial 2" in found.says
    assert "looks better than it is" in " ".join(found.lines)
    refuted = verdict([0.90, 0.91, 0.89], [0.96, 0.97, 0.955], on_test=(-0.05, -0.07, -0.03), test=100)
    assert refuted.chosen is refuted.sides[0]
    assert refuted.says.startswith("Keep your default")
    assert "worse by 5.0 points" in refuted.says


def test_too_few_seeds_are_no_verdict() -> None:
    short = verdict([0.9, 0.91], [0.99, 0.995], lacking="2 of 5 seeds were trained for every setting")
    assert FEWEST > 2
    assert short.chosen is None
    assert short.model == ""
    assert short.says == "No verdict: 2 of 5 seeds were trained for every setting."
    alone = Verdict("accuracy", True, (Side(0, "the default recipe", 0.9, {}, {0: "trials/000"}),))
    assert alone.chosen is alone.sides[0]
    assert alone.model == "trials/000"


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=4))
def test_it_is_kept_whole(sides: list[list[float]]) -> None:
    made = verdict(*sides, on_test=(0.1, 0.0, 0.2), test=40)
    assert Verdict.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_lower_errors_are_gains_too() -> None:
    sides = (Side(0, "d", None, {1: 3.0, 2: 3.1, 3: 2.9}), Side(1, "o", None, {1: 2.0, 2: 2.1, 3: 1.95}))
    (gain,) = Verdict("mae", False, sides, (1, 2, 3)).gains
    assert gain.shown
    assert gain.mean > 0.9


def test_trainings_and_pictures_both_widen_an_interval() -> None:
    dice = np.random.default_rng(1)
    table = (dice.random((5, 400)) < dice.normal(0.8, 0.05, (5, 1))).astype(float)
    both, pictures = crossed(table), bootstrap(table.mean(axis=0))
    assert both[0] < pictures[0] < table.mean() < pictures[1] < both[1]
    assert crossed(np.ones((3, 9))) == pytest.approx((1.0, 1.0))


def test_on_test_the_difference_is_of_pairs() -> None:
    dice = np.random.default_rng(2)
    default, other = [], []
    for _ in range(3):
        right = dice.random(300) < 0.8
        better = right | (dice.random(300) < 0.3)
        default.append(Outcomes("accuracy", True, {str(n): float(v) for n, v in enumerate(right)}))
        other.append(Outcomes("accuracy", True, {str(n): float(v) for n, v in enumerate(better)}))
    found = apart(default, other)
    assert found is not None
    assert found[1] > 0
    values = on_pictures([default, other])
    assert values[1][0] - values[0][0] == pytest.approx(found[0])
    same = apart(default, default)
    assert same is not None
    assert same[0] == 0
    assert same[1] < 0 < same[2], "as many pictures can still hide a difference"
