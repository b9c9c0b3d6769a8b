from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from foveal.intervals import bootstrap, wilson


def test_bootstrap_of_a_share_is_near_the_binomial_interval() -> None:
    values = np.array([1.0] * 900 + [0.0] * 100)
    low, high = bootstrap(values)
    want = stats.binom(1000, 0.9).ppf([0.025, 0.975]) / 1000
    assert (low, high) == pytest.approx(tuple(want), abs=0.004)
    assert bootstrap(values) == (low, high), "the same each time"


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=60))
def test_the_mean_lies_inside(values: list[float]) -> None:
    low, high = bootstrap(np.array(values), 200)
    mean = float(np.mean(values))
    assert low <= mean + 1e-9
    assert mean <= high + 1e-9
    assert 0 <= low <= high <= 1


def test_twenty_of_twenty_is_no_certainty() -> None:
    low, high = bootstrap(np.ones(20))
    assert high == 1
    assert low == pytest.approx(0.839, abs=0.001), "Wilson's bound, as published tables have it"
    assert wilson(0.0, 20)[1] == pytest.approx(1 - low)


def test_nothing_has_no_interval() -> None:
    assert all(math.isnan(v) for v in bootstrap(np.array([])))
