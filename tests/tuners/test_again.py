"""The verdict of a study: its share of the budget, what is trained again, and that a kill changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.records.run import Run
from foveal.records.study import Study
from foveal.report.study import lead, page
from foveal.storage import read_json
from foveal.tuners.again import CONTEST
from foveal.tuners.record import keep
from foveal.tuners.reserve import LEAST, MOST, SEEDS, Reserve, shape
from foveal.values import Dataset, Item
from studies import Acted, peak, study, tuned

NO_LIMIT = {"trials": 9, "minutes": None, "epochs_total": None}


def judged(folder: Path, **changes: Any) -> Path:
    """A study that is to have a verdict; it has no test pictures, as nothing is really trained."""
    made = study(folder, retrain=True, **changes)
    items = tuple(Item(f"{n}", f"{n}", "a", "val", None, f"{n}") for n in range(500))
    Run(made).write_dataset(Dataset("/nowhere", "classify", "folder", "", ("a", "b"), items))
    return made


def noisy(options: Mapping[str, Any], epoch: int) -> float:
    """The peak, and on it what the seed does."""
    return peak(options, epoch) * (1 - 0.01 * ((int(options.get("seed") or 0) * 7) % 5) / 5)


def equal(options: Mapping[str, Any], epoch: int) -> float:
    """Every setting is as good; only dice differ."""
    rate = options.get("lr") or 0.1
    return 0.8 + 0.001 * ((round(rate * 1e6) + 31 * int(options.get("seed") or 0)) % 17)


@given(st.floats(0, 60))
def test_a_verdict_fits_into_what_there_is(trainings: float) -> None:
    candidates, seeds = shape(trainings)
    assert (1 + candidates) * seeds <= trainings
    assert (candidates == 0) == (seeds == 0) == (trainings < LEAST)
    assert seeds <= SEEDS
    assert (1 + candidates) * seeds <= MOST


@given(st.floats(0.01, 600), st.floats(0.01, 100), st.integers(1, 40), st.integers(1, 8))
def test_no_more_than_half_of_a_budget_is_kept(minutes: float, pace: float, epochs: int, jobs: int) -> None:
    record = {
        "budget": {"minutes": minutes}, "epochs": epochs, "epoch_seconds": pace, "jobs": jobs, "rungs": (),
        "expected": 9, "retrain": True,
    }  # fmt: skip
    kept = Reserve.of(record)
    rounding = pace * epochs * 1.1  # the last round of several at a time
    assert kept.seconds <= minutes * 60 / 2 + rounding
    assert bool(kept.lacking) == (kept.trainings == 0)
    assert kept.says
    total = Reserve.of({**record, "budget": {"epochs_total": 40 * epochs}})
    assert (total.trainings, total.epochs) == (10, 10 * epochs), (
        "of 40 trainings 12 at most: two settings, five seeds"
    )
    assert f"of {40 * epochs} epochs {10 * epochs}" in total.told({"epochs_total": 40 * epochs}).lower()


def test_the_winner_is_trained_again_and_taken(tmp_path: Path) -> None:
    place = Acted(noisy)
    done = tuned(judged(tmp_path / "s", budget=NO_LIMIT, defaults={"lr": 0.9}), place)
    verdict = done.verdict
    assert verdict is not None
    assert verdict.chosen is not None
    assert verdict.chosen.number != 0
    assert verdict.sides[0].number == 0
    assert len(done.trials) == 9, "what is trained again is no trial"
    seeds = {one.seed for one in done.again}
    assert len(seeds) == SEEDS
    assert 0 not in seeds, "the search's own seed is no new one"
    assert {(one.trial, one.seed) for one in done.again} == set(
        itertools.product([side.number for side in verdict.sides], seeds)
    )
    for order in (order for order in place.orders if order.again is not None):
        given = read_json(tmp_path / "s" / "trials" / f"{order.again:03d}.json")["given"]
        assert all(order.options[name] == value for name, value in given.items())
    assert done.model == tmp_path / "s" / verdict.model
    assert f"--lr {verdict.chosen.setting.split()[-1]}"[:7] in done.command
    shown = page(done)
    assert "The verdict" in shown
    assert lead(done) == [verdict.says]
    assert done.to_json()["verdict"]["chosen"] == verdict.chosen.number


def test_of_equals_the_default_is_kept(tmp_path: Path) -> None:
    done = tuned(judged(tmp_path / "s", budget=NO_LIMIT), Acted(equal))
    assert done.verdict is not None
    assert done.verdict.chosen is done.verdict.sides[0]
    assert done.verdict.says.startswith("Keep your default")
    assert "--lr" not in done.command


@pytest.mark.parametrize("total", [9 * 6, 9 * 12, 9 * 25])
def test_epochs_are_kept_for_it_and_never_more_than_the_budget(tmp_path: Path, total: int) -> None:
    budget = {"trials": None, "minutes": None, "epochs_total": total}
    done = tuned(judged(tmp_path / "s", budget=budget), Acted(noisy))
    again = sum(one.run.epochs for one in done.again)
    assert done.epochs_done + again <= total
    assert done.verdict is not None
    if total < 2 * LEAST * 9:
        assert not done.again
        assert done.verdict.says.startswith("No verdict: the budget holds about 6 whole trainings")
        assert done.verdict.more == f"--epochs-total {2 * LEAST * 9}"
        keep(tmp_path / "s", budget={**budget, "epochs_total": 2 * LEAST * 9}, **{CONTEST: None})
        more = tuned(tmp_path / "s", Acted(noisy)).verdict
        assert more is not None
        assert more.chosen is not None, "what was said to be enough is enough"
    else:
        assert done.verdict.chosen is not None


def test_a_kill_within_the_verdict_changes_nothing(tmp_path: Path) -> None:
    def told(one: Study) -> Any:
        rows = [(again.trial, again.seed, again.run.state, again.run.curve) for again in one.again]
        return rows, one.verdict, [(t.number, t.curve) for t in one.trials]

    want = told(tuned(judged(tmp_path / "whole"), Acted(noisy)))
    for after in (1, 4):
        folder, left = judged(tmp_path / f"s{after}"), [after]

        class KilledError(BaseException):
            pass

        class Fragile(Acted):
            def _acted(self, order: Any, left: list[int] = left) -> Any:
                left[0] -= order.again is not None
                if left[0] == 0:
                    raise KilledError  # before it began, though its file is there
                return super()._acted(order)

        with pytest.raises(KilledError):
            tuned(folder, Fragile(noisy))
        deaths = {1}

        def dies(number: int, epoch: int, deaths: set[int] = deaths) -> bool:
            return epoch == 5 and number in deaths and not deaths.discard(number)

        assert told(tuned(folder, Acted(noisy, dies=dies)))[0] == want[0]
        assert told(tuned(folder, Acted(noisy))) == want, "and once more there is nothing left to do"


def test_what_diverges_again_counts_as_chance(tmp_path: Path) -> None:
    def edge(options: Mapping[str, Any], epoch: int) -> float:
        return float("nan") if options.get("seed") == 2 and options.get("lr") else noisy(options, epoch)

    done = tuned(judged(tmp_path / "s", budget=NO_LIMIT, defaults={"lr": 0.9}), Acted(edge))
    assert done.verdict is not None
    side = done.verdict.sides[1]
    assert side.values[2] == 0.1
    assert side.diverged == 1
    assert done.verdict.chosen is done.verdict.sides[0], "a setting that may diverge is no gain to rely on"
