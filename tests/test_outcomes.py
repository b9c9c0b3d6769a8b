"""Several differences judged together: how often chance alone would name one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from foveal.outcomes import SURE, Outcomes, holm, mcnemar, paired, probability

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(SHARES)
def test_holm_rejects_what_the_procedure_as_published_rejects(ps: list[float]) -> None:
    """Holm 1979: smallest first, the k-th of m against alpha / (m - k + 1); the first that fails ends it."""
    adjusted = holm(ps)
    for alpha in (0.01, 0.05, 0.2):
        rejected: set[int] = set()
        for rank, n in enumerate(sorted(range(len(ps)), key=lambda n: ps[n])):
            if ps[n] * (len(ps) - rank) > alpha:
                break
            rejected.add(n)
        assert {n for n, p in enumerate(adjusted) if p <= alpha} == rejected


@given(SHARES)
def test_holm_lies_between_the_tests_alone_and_bonferroni(ps: list[float]) -> None:
    for p, together in zip(ps, holm(ps), strict=True):
        assert p <= together <= min(1.0, p * len(ps)) + 1e-12
    assert holm(list(reversed(ps))) == list(reversed(holm(ps)))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_equal_networks_are_seldom_told_apart() -> None:
    """Five networks as good as each other on 300 pictures, some of which are harder for all: in no more than 5
    of 100 comparisons is any of the ten pairs named (600 draws; 0.08 is more than three deviations above)."""
    draw, wrongly, draws = np.random.default_rng(0), 0, 600
    for _ in range(draws):
        hard = draw.beta(2, 2, 300)
        right = draw.random((5, 300)) < hard
        ps = [mcnemar(int((a & ~b).sum()), int((b & ~a).sum())) for a, b in itertools.combinations(right, 2)]
        wrongly += min(holm(ps)) < SURE
    assert wrongly / draws < 0.08


def test_without_it_they_often_would_be() -> None:
    """The same draws, each pair by itself: the correction is not for show."""
    draw, wrongly = np.random.default_rng(0), 0
    for _ in range(300):
        hard = draw.beta(2, 2, 300)
        right = draw.random((5, 300)) < hard
        wrongly += any(
            mcnemar(int((a & ~b).sum()), int((b & ~a).sum())) < SURE
            for a, b in itertools.combinations(right, 2)
        )
    assert wrongly / 300 > 0.12


def numbers(values: np.ndarray) -> Outcomes:
    return Outcomes("mae", False, {str(n): float(v) for n, v in enumerate(values)})


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_errors_are_tested_as_scipy_does(shift: float) -> None:
    draw = np.random.default_rng(1)
    first = draw.gamma(2, 1, 80)
    second = first + shift + draw.normal(0, 1, 80)
    a, b = numbers(first), numbers(second)
    both = paired(a, b)
    assert both is not None
    assert both.p is None
    assert probability(a, b, both) == pytest.approx(stats.ttest_rel(first, second).pvalue, rel=1e-9)


def test_right_and_wrong_are_tested_by_mcnemar() -> None:
    a = Outcomes("accuracy", True, {str(n): float(n < 30) for n in range(60)})
    b = Outcomes("accuracy", True, {str(n): float(n < 42) for n in range(60)})
    both = paired(a, b)
    assert both is not None
    assert probability(a, b, both) == both.p == mcnemar(0, 12)


def test_equal_errors_and_errors_that_differ_by_the_same() -> None:
    a = numbers(np.full(20, 1.0))
    for other, p in ((1.0, 1.0), (2.0, 0.0)):
        b = numbers(np.full(20, other))
        both = paired(a, b)
        assert both is not None
        assert probability(a, b, both) == p
    one = numbers(np.array([1.0]))
    both = paired(one, numbers(np.array([2.0])))
    assert both is not None
    assert probability(one, numbers(np.array([2.0])), both) == 1.0, "one picture shows nothing"
