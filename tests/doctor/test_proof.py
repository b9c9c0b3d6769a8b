"""What a proof says of its seeds: the interval, the verdict, the words."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from foveal.doctor.proof import FEWEST, Pair, Proof

SHARES = st.floats(0.05, 0.95)


def proof(*sides: tuple[float | None, float | None], **more: object) -> Proof:
    pairs = tuple(Pair(n, before, after, 1.0) for n, (before, after) in enumerate(sides))
    made: dict[str, object] = {
        "rule": "rate_too_high", "metric": "accuracy", "higher_is_better": True, "count": 1000, "planned": len(pairs),
        "pairs": pairs, "epochs": (8, 8),
    }  # fmt: skip
    return Proof(**{**made, **more})  # type: ignore[arg-type]


@given(st.lists(st.tuples(SHARES, SHARES), min_size=3, max_size=6))
def test_the_interval_is_the_paired_t_tests(sides: list[tuple[float, float]]) -> None:
    made = proof(*sides, count=10**9)
    before, after = zip(*sides, strict=True)
    assert made.gain is not None
    mean, low, high = made.gain
    expected = stats.ttest_rel(after, before) if len({a - b for b, a in sides}) > 1 else None
    assert mean == pytest.approx(sum(a - b for b, a in sides) / len(sides), abs=1e-12)
    assert low <= mean <= high
    if expected is not None and math.isfinite(expected.statistic):
        interval = expected.confidence_interval(0.95)
        assert (low, high) == pytest.approx((interval.low, interval.high), abs=1e-6)


@given(st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=5))
def test_a_metric_where_less_is_better_is_its_mirror(sides: list[tuple[float, float]]) -> None:
    up = proof(*sides, metric="score", higher_is_better=True)
    down = proof(*((b, a) for a, b in sides), metric="score", higher_is_better=False)
    assert up.gain == pytest.approx(down.gain) if up.gain else down.gain is None
    assert up.verdict == down.verdict


@pytest.mark.parametrize(
    ("sides", "verdict", "says"),
    [
        (((0.11, 0.62), (0.1, 0.64), (0.12, 0.63)), "helps", "Restores 52.0 points of accuracy [47.7, 56.3]: 11.0 as"),
        (((0.62, 0.11), (0.64, 0.1), (0.63, 0.12)), "harms", "Makes it worse by 52.0 points of accuracy [47.7, 56.3]"),
        (((0.9, 0.899), (0.91, 0.909), (0.905, 0.901)), "no help", "Did not help (-0.2 points of accuracy ["),
        (((0.5, 0.6), (0.6, 0.5), (0.4, 0.7)), "unclear", "Too noisy to tell: 3 seeds say +10.0 points"),
        (((0.11, 0.62), (0.1, 0.64)), "unclear", "Too noisy to tell: 2 seeds"),
        ((), "not tried", "Not tried"),
    ],
)  # fmt: skip
def test_the_verdict_and_its_words(sides: tuple[tuple[float, float], ...], verdict: str, says: str) -> None:
    made = proof(*sides)
    assert made.verdict == verdict
    assert made.says.startswith(says)


def test_equal_differences_are_no_certainty() -> None:
    """No score is finer than a picture: three times exactly nothing may hide one."""
    made = proof((0.5, 0.5), (0.6, 0.6), (0.7, 0.7), count=50)
    assert made.gain == (0.0, -0.02, 0.02)
    assert made.verdict == "no help"
    just = proof((0.5, 0.52), (0.6, 0.62), (0.7, 0.72), count=50)
    assert just.verdict != "helps"


def test_what_ended_early_or_came_to_nothing_is_said() -> None:
    made = proof(
        (0.1, 0.6), (None, 0.7), (0.1, 0.62), (0.1, 0.63), failed="Interrupted after 4 of 5 seeds.", chance=1
    )
    assert "means of 3 seeds a side" in made.says
    assert "1 training diverged and counts as chance." in made.says
    assert "1 seed is left out" in made.says
    assert made.says.endswith("Interrupted after 4 of 5 seeds.")
    assert len(made.whole_pairs) == FEWEST


def test_a_cure_that_makes_a_score_honest_is_not_called_harmful() -> None:
    made = proof((0.99, 0.8), (0.98, 0.81), (0.99, 0.8), rule="leak")
    assert made.says.startswith("Without what flatters it the score is lower by 18.3 points")


def test_it_comes_back_from_json() -> None:
    made = proof((0.1, 0.6), (None, 0.7), epochs=(8, 16), source="best", whole=False)
    row = json.loads(json.dumps(made.to_json()))
    assert Proof.from_json(row) == made
    assert row["verdict"] == made.verdict
    assert (
        "8 epochs against 16 each, shorter than the run's own, from the best model"
        in proof(*((0.1, 0.6),) * 3, epochs=(8, 16), source="best", whole=False).says
    )


def test_no_share_gains_more_than_the_whole() -> None:
    wild = Proof("exploding", "accuracy", True, 100, 3, (Pair(0, 0.2, 0.96), Pair(1, 0.46, 0.28)))
    assert "[-100.0, +100.0]" in wild.says
