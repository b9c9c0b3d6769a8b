"""What rules ask first: how much was learned, and whether a curve moves by more than its noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

import gathered
from foveal.doctor.case import Case
from foveal.doctor.rules._course import commonest, guess, left, poor, stuck, trained_share, trend, wrong
from foveal.events import Epoch, Step
from foveal.values import Dataset, Item

VALUES = st.lists(st.floats(-50, 50), min_size=4, max_size=30)


@given(VALUES)
def test_a_trend_is_scipys_line(values: list[float]) -> None:
    assume(np.ptp(values) > 1e-6)
    line = trend(values)
    assert line is not None
    found = stats.linregress(range(len(values)), values)
    half = stats.t.ppf(0.975, len(values) - 2) * found.stderr
    assert line.slope == pytest.approx(found.slope, abs=1e-9)
    assert line.high - line.low == pytest.approx(2 * half, rel=1e-6, abs=1e-6)
    assert line.end == pytest.approx(found.intercept + found.slope * (len(values) - 1), abs=1e-6)


@given(st.floats(-3, 3), st.floats(-9, 9), st.integers(4, 20))
def test_a_line_without_noise_is_sure(slope: float, start: float, count: int) -> None:
    line = trend([start + slope * n for n in range(count)])
    assert line is not None
    assert line.slope == pytest.approx(slope, abs=1e-9)
    if abs(slope) > 1e-6:
        assert line.falls == (slope < 0)
        assert line.rises == (slope > 0)


def test_noise_alone_seldom_falls() -> None:
    """Of 400 curves without a trend about one in forty falls, and as many rise."""
    draw = np.random.default_rng(0)
    lines = [trend(draw.normal(1, 0.3, 9).tolist()) for _ in range(400)]
    assert 2 <= sum(line is not None and line.falls for line in lines) <= 20
    assert 2 <= sum(line is not None and line.rises for line in lines) <= 20


@pytest.mark.parametrize(
    "values", [[], [1.0, 2.0, 3.0], [1.0, math.inf, 2.0, 3.0], [1.0, math.nan, 2.0, 3.0]]
)
def test_no_trend_of_too_little(values: list[float]) -> None:
    assert trend(values) is None


# --- how much was learned ---


def case(
    counts: Sequence[int],
    losses: Sequence[float],
    scores: Sequence[float],
    train: Sequence[float] = (),
    **task: Any,
) -> Case:
    """A run whose validation split has so many pictures of each class."""
    items = [
        Item(f"{part}{k}-{n}", "x.png", gathered.LABELS[k], part)
        for part in ("train", "val")
        for k, count in enumerate(counts)
        for n in range(count)
    ]
    data = Dataset("/data", "classify", "folder", "", gathered.LABELS, tuple(items))
    told = list(train) or [1.0] * len(losses)
    epochs: list[Epoch] = [
        gathered.epoch(n, score, fell, loss)
        for n, (loss, score, fell) in enumerate(zip(losses, scores, told, strict=True), 1)
    ]
    options = {"task": {"name": "classify", "labels": list(gathered.LABELS), "loss": "cross-entropy", **task}}
    first = Step(step=1, loss=1.1, lr=0.1)
    return Case(gathered.made(None, events=(first, *epochs), dataset=data, options=options))


def test_a_guess_is_the_entropy_of_the_classes() -> None:
    made = case([10, 30, 60], [1.0], [0.5])
    assert guess(made) == pytest.approx(stats.entropy([0.1, 0.3, 0.6]))
    assert commonest(made) == pytest.approx(0.6)
    assert guess(case([50, 50, 0], [1.0], [0.5])) == pytest.approx(math.log(2))


def test_what_is_left() -> None:
    made = case([40, 40, 40], [1.0, 0.55, 0.6], [0.5, 0.8, 0.7])
    assert left(made) == pytest.approx(0.55 / math.log(3))
    assert wrong(made) == pytest.approx(0.2 / (1 - 1 / 3))
    assert not stuck(made)
    assert poor(made, 0.25)
    assert not poor(made, 0.4)


def test_stuck_at_a_guess() -> None:
    assert stuck(case([40, 40, 40], [1.10, 1.0984, 1.0990], [0.33, 0.35, 0.33]))
    assert not stuck(case([40, 40, 40], [1.10, 0.9, 0.8], [0.33, 0.35, 0.33])), "the loss says it learned"
    assert not stuck(case([40, 40, 40], [9.0, 8.0, 7.0], [0.33, 0.6, 0.7])), "the answers say it learned"
    assert stuck(case([10, 10, 100], [0.60, 0.59], [0.83, 0.84])), "the commonest class for all"


def test_training_loss_is_told_from_its_floor() -> None:
    """With smoothed labels nobody comes to 0."""
    smoothing, classes = 0.3, 3
    shares = [1 - smoothing + smoothing / classes] + [smoothing / classes] * (classes - 1)
    floor = float(stats.entropy(shares))
    made = case([40, 40, 40], [0.1], [0.99], [floor], label_smoothing=smoothing)
    assert trained_share(made) == pytest.approx(0, abs=1e-9)
    assert trained_share(case([40] * 3, [1.0], [0.4], [math.log(3)])) == pytest.approx(1)
    assert trained_share(case([40] * 3, [1.0], [0.4], [0.2], loss="bce")) is None
