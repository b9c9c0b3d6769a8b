"""How many trainings fit, and how long they are."""

from __future__ import annotations

import dataclasses

from hypothesis import assume, given
from hypothesis import strategies as st

from foveal.doctor.budget import MOST, planned
from foveal.doctor.proof import FEWEST
from foveal.records.gathered import Gathered
from gathered import STEADY, epoch, judged, made

FINE = judged([[90, 5, 5], [5, 90, 5], [5, 5, 90]])


def record(epochs: int, seconds: float, train: dict[str, object] | None = None) -> Gathered:
    rows = tuple(
        dataclasses.replace(epoch(n, 0.5, 1.0, 1.0, n == 1), seconds=n * seconds)
        for n in range(1, epochs + 1)
    )
    options = {"train": {"epochs": epochs, **(train or {})}, "preprocessing": {"size": 32}}
    return made(FINE, rows, options=options, result={"seconds": epochs * seconds + 1})


@given(st.integers(1, 200), st.floats(0.01, 300), st.floats(1, 7200), st.integers(1, 4))
def test_what_is_planned_fits(epochs: int, seconds: float, time: float, times: int) -> None:
    found = planned(record(epochs, seconds), {"epochs": times * epochs}, time)
    if not found.seeds:
        assert found.seconds > time
        assert 2 * FEWEST >= 6
        return
    assert FEWEST <= found.seeds <= MOST
    assert found.seconds <= time * 1.35, "the cured side's epochs are whole ones"
    assert 1 <= found.epochs <= epochs
    assert found.whole == (found.epochs == epochs and found.cured == times * epochs) or not found.whole
    if found.whole:
        assert found.cured == times * epochs


@given(st.integers(1, 100), st.floats(0.01, 60), st.floats(10, 3600))
def test_more_time_is_never_used_for_less(epochs: int, seconds: float, time: float) -> None:
    less, more = (planned(record(epochs, seconds), {}, t) for t in (time, 2 * time))
    assume(less.seeds)
    assert more.seeds * more.epochs >= less.seeds * less.epochs or more.whole


def test_a_short_run_is_tried_whole_and_often() -> None:
    found = planned(record(8, 0.2), {"lr": 0.1}, 600)
    assert (found.seeds, found.epochs, found.cured, found.whole) == (MOST, 8, 8, True)
    assert "10 trainings, 5 seeds with it and 5 without, 8 epochs each; about" in found.says("rate_too_high")
    assert "5 trainings" in found.says("rate_too_high", shared=5)


def test_a_long_run_is_tried_shorter_or_says_what_that_takes() -> None:
    found = planned(record(100, 10.0), {"epochs": 200}, 1800)
    assert found.seeds == FEWEST
    assert found.epochs < 100
    assert abs(found.cured - 2 * found.epochs) <= 1, "twice as long, as the cure says"
    assert not found.whole
    none = planned(record(100, 60.0), {}, 600)
    assert none.seeds == 0
    assert "6 trainings of 10 epochs or more take about" in none.needs("overfitting")
    assert "--prove --minutes " in none.needs("overfitting")


def test_a_run_without_an_epoch_is_reckoned_with() -> None:
    nothing = made(None, (STEADY[-1],), options={"train": {"epochs": 3}}, result={})
    assert planned(nothing, {}, 600).epochs == 3
    assert planned(record(4, 1.0), {"size": 64}, 60).seeds < planned(record(4, 1.0), {}, 60).seeds + 1
