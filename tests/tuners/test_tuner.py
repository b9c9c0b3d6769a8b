"""What a study decides, from its folder alone: which trial next, how far, and when it is over."""

from __future__ import annotations

import math
import random
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from foveal.errors import FovealError
from foveal.ranges import Range
from foveal.records.study import Study
from foveal.records.trials import value_at
from foveal.storage import read_json
from foveal.tuners import stops
from studies import RATE, Acted, peak, study, tuned


def told(one: Study) -> list[tuple[Any, ...]]:
    """What a study came to, without times."""
    return [(t.number, dict(t.options), t.origin, t.state, t.curve) for t in one.trials]


def test_the_default_is_trained_first_and_whole(tmp_path: Path) -> None:
    done = tuned(study(tmp_path / "s"))
    assert done.default is not None
    assert (done.default.state, done.default.epochs, done.default.origin) == (
        "finished",
        9,
        "the default recipe",
    )
    assert done.default.options == {"lr": 0.1}
    assert len(done.trials) == 9
    assert [t.number for t in done.trials] == list(range(9))
    assert done.why == "finished"
    assert len(read_json(tmp_path / "s" / "study.json")["results"]) == 9


def test_halving_trains_a_third_further_and_half_of_those_to_the_end(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", budget={"trials": 27, "minutes": None, "epochs_total": None}, expected=27)
    done = tuned(folder)
    assert done.rungs == (1, 5)
    whole = 27 * 9
    assert done.epochs_done < whole * 0.6
    reached = {epochs: [t for t in done.trials if t.epochs >= epochs] for epochs in (1, 5, 9)}
    assert len(reached[1]) == 27
    assert 8 <= len(reached[5]) <= 16
    assert len(reached[5]) / 2 <= len(reached[9]) + 1 < len(reached[5])
    assert all(t.state in ("paused", "finished") for t in done.trials)
    best = max(done.trials, key=lambda t: peak(t.options, 9))
    assert best.state == "finished", "as early values say which will be best, that one is trained to its end"
    assert done.best is not None
    assert done.best.number == best.number


def test_what_was_ahead_at_first_alone_is_stopped_at_half(tmp_path: Path) -> None:
    """High rates are ahead after an epoch, and behind after five."""

    def flattered(options: Mapping[str, Any], epoch: int) -> float:
        share = RATE.share(options.get("lr") or 0.1)
        return share / 2 if epoch == 1 else 1 - (share - 0.6) ** 2 + epoch / 100

    budget = {"trials": 27, "minutes": None, "epochs_total": None}
    done = tuned(study(tmp_path / "s", budget=budget, expected=27), Acted(flattered))
    there = [t for t in done.trials if t.epochs >= 5]
    order = sorted(there, key=lambda t: -(value_at(t, 5, True, 0.1) or 0))
    assert all(t.state == "finished" for t in order[: len(order) // 2])
    halfway = [t for t in there if t.state == "paused"]
    assert halfway
    assert all(t.epochs == 5 for t in halfway)
    assert any(RATE.share(t.options["lr"]) > 0.8 for t in halfway)


def test_a_stopped_trial_goes_on_from_where_it_was(tmp_path: Path) -> None:
    place = Acted()
    done = tuned(study(tmp_path / "s"), place)
    again = [o for o in place.orders if sum(other.number == o.number for other in place.orders) > 1]
    assert again, "some were promoted"
    for trial in done.trials:
        assert [epoch for epoch, _ in trial.curve] == list(range(1, trial.epochs + 1)), "no epoch twice"


def test_the_median_stops_what_is_worse_than_half(tmp_path: Path) -> None:
    def constant(options: Mapping[str, Any], epoch: int) -> float:
        return peak(options, 20)

    done = tuned(study(tmp_path / "s", stop="median"), Acted(constant))
    stopped = [t for t in done.trials if t.state == "paused"]
    assert stopped
    assert all(t.epochs < 9 for t in stopped)
    for trial in stopped:
        before = [t for t in done.trials if t.number < trial.number]
        values = sorted(v for t in before if (v := value_at(t, trial.epochs, True, 0.1)) is not None)
        assert trial.value is not None
        assert trial.value < values[len(values) // 2], "worse than half of those before"


def test_none_stops_nothing(tmp_path: Path) -> None:
    done = tuned(
        study(tmp_path / "s", stop="none", budget={"trials": 4, "minutes": None, "epochs_total": None})
    )
    assert [t.state for t in done.trials] == ["finished"] * 4


@pytest.mark.parametrize("total", [5, 20, 31, 60])
@pytest.mark.parametrize("stop", ["halving", "none"])
def test_epochs_are_never_more_than_the_budget(tmp_path: Path, total: int, stop: str) -> None:
    budget = {"trials": None, "minutes": None, "epochs_total": total}
    done = tuned(study(tmp_path / "s", stop=stop, budget=budget))
    assert done.epochs_done <= total
    assert done.epochs_done > total - 9, "and used as far as they reach"
    finished = [t for t in done.trials if t.state == "finished"]
    assert len(finished) >= (total >= 9) + (total >= 27)


def test_minutes_are_kept_and_the_best_is_finished(tmp_path: Path) -> None:
    budget = {"trials": None, "minutes": 2.5 / 60, "epochs_total": None}
    began = time.time()
    done = tuned(study(tmp_path / "s", budget=budget), Acted(seconds=0.03))
    assert time.time() - began < 4.0
    assert len(done.trials) > 5
    assert done.best is not None
    assert done.best.state == "finished"


def test_a_study_that_is_killed_anywhere_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    first: dict[str, Any] = {"search": "adaptive", "first": [{"lr": 0.3}, {"lr": 0.1}, {"lr": 0.03}]}
    wants = [told(tuned(study(tmp_path / f"whole{n}", **changes))) for n, changes in enumerate(({}, first))]
    dice = random.Random(0)
    for attempt in range(4):
        folder, left = study(tmp_path / f"s{attempt}", **(first if attempt % 2 else {})), 40

        class KilledError(BaseException):
            pass

        while True:
            kills = dice.randrange(1, 4) if left else 0
            counted = [0]

            class Fragile(Acted):
                def _acted(self, order: Any, kills: int = kills, counted: list[int] = counted) -> Any:
                    counted[0] += 1
                    if counted[0] == kills and dice.random() < 0.5:
                        raise KilledError  # the tuner, before the trial began
                    news = super()._acted(order)
                    if counted[0] == kills:
                        raise KilledError  # the tuner, when the trial had ended and nobody had heard of it
                    return news

            try:
                done = tuned(folder, Fragile())
                break
            except KilledError:
                left -= 1
        assert told(done) == wants[attempt % 2]


def test_a_worker_that_dies_takes_no_epoch_with_it(tmp_path: Path) -> None:
    want = told(tuned(study(tmp_path / "whole")))
    far = next(number for number, *_, curve in want if number and len(curve) > 3)
    deaths = {(0, 4), (3, 1), (far, 3)}

    def dies(number: int, epoch: int) -> bool:
        if (number, epoch) in deaths:
            deaths.remove((number, epoch))
            return True
        return False

    assert told(tuned(study(tmp_path / "s"), Acted(dies=dies))) == want
    assert not deaths


def test_a_trial_that_dies_again_and_again_is_given_up_alone(tmp_path: Path) -> None:
    done = tuned(study(tmp_path / "s"), Acted(dies=lambda number, epoch: number == 2 and epoch == 1))
    failed = done.trials[2]
    assert failed.state == "failed"
    assert "died 3 times at epoch 0 (killed by SIGKILL)" in failed.says
    assert len(done.trials) == 9
    assert all(t.state != "failed" for t in done.trials if t.number != 2)


def test_what_cannot_be_trained_fails_one_trial_and_all_of_the_first_end_it(tmp_path: Path) -> None:
    done = tuned(study(tmp_path / "s"), Acted(fails=lambda n: "no memory" if n in (1, 4) else ""))
    assert [t.number for t in done.trials if t.state == "failed"] == [1, 4]
    with pytest.raises(FovealError, match="None of the first 5 trials"):
        tuned(study(tmp_path / "hopeless"), Acted(fails=lambda n: "no memory"))


def test_a_rate_that_diverges_bounds_the_search_and_counts_as_chance(tmp_path: Path) -> None:
    def edge(options: Mapping[str, Any], epoch: int) -> float:
        rate = options.get("lr") or 0.05
        return math.nan if rate > 0.08 else 0.5 + RATE.share(rate) / 2

    budget = {"trials": 20, "minutes": None, "epochs_total": None}
    folder = study(tmp_path / "s", budget=budget, stop="none", defaults={"lr": 0.05})
    done = tuned(folder, Acted(edge))
    diverged = [t for t in done.trials if t.state == "diverged"]
    assert diverged
    rates = [t.options["lr"] for t in diverged]
    assert all(later < min(rates[:place]) for place, later in enumerate(rates) if place), "none from there on"
    assert any("diverged at --lr" in note for note in done.notes)
    assert value_at(diverged[0], 9, True, 0.1) == 0.1
    assert done.best is not None
    assert done.best.options["lr"] <= 0.08


def test_a_range_whose_end_is_best_is_widened_and_that_is_said(tmp_path: Path) -> None:
    narrow = Range("lr", 1e-4, 1e-2, "log", least=1e-6, most=2.0)
    budget = {"trials": 16, "minutes": None, "epochs_total": None}
    folder = study(
        tmp_path / "s", budget=budget, ranges=[narrow.to_json()], defaults={"lr": 1e-3}, search="adaptive",
    )  # fmt: skip
    done = tuned(folder, Acted(lambda o, e: peak({"lr": o.get("lr") or 1e-3}, e)))
    (rate,) = done.ranges
    assert rate.high > 1e-2
    assert any("is widened" in note for note in done.notes)
    assert done.best is not None
    assert done.best.options["lr"] > 1e-2


def test_several_at_a_time_are_the_same_kind_of_study(tmp_path: Path) -> None:
    done = tuned(study(tmp_path / "s"), Acted(room=3))
    assert [t.number for t in done.trials] == list(range(9))
    assert done.best is not None
    assert done.best.state == "finished"
    budget = {"trials": None, "minutes": None, "epochs_total": 40}
    assert tuned(study(tmp_path / "t", budget=budget), Acted(room=3)).epochs_done <= 40


def test_a_grid_tries_every_point_and_ends(tmp_path: Path) -> None:
    budget = {"trials": None, "minutes": None, "epochs_total": None}
    done = tuned(study(tmp_path / "s", search="grid", stop="none", budget=budget, points=5))
    rates = sorted(t.options["lr"] for t in done.trials if t.number)
    assert rates == [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    assert "every combination was tried" in done.says.lower()


def test_what_others_found_is_tried_after_the_default(tmp_path: Path) -> None:
    warm = [{"options": {"lr": 0.02}, "from": "old-study-1, trial 3", "value": 0.9}]
    done = tuned(study(tmp_path / "s", warm=warm))
    assert done.trials[1].options == {"lr": 0.02}
    assert done.trials[1].origin == "found by old-study-1, trial 3"
    assert sum(t.origin.startswith("found by") for t in done.trials) == 1


def test_a_study_reads_the_same_wherever_it_lies(tmp_path: Path) -> None:
    done = tuned(study(tmp_path / "s"))
    shutil.move(tmp_path / "s", tmp_path / "moved")
    assert told(Study.read(tmp_path / "moved")) == told(done)
    page = done._repr_html_()
    assert page.count("<tr") == 10


def test_rungs_are_shares_of_the_schedule() -> None:
    assert stops.rungs(9, "halving") == (1, 5)
    assert stops.rungs(40, "halving") == (5, 20)
    assert stops.rungs(20, "halving", ahead=4) == (6, 12), "what the head does alone says nothing"
    assert stops.rungs(3, "halving") == (1, 2)
    assert stops.rungs(2, "halving") == ()
    assert stops.rungs(40, "none") == stops.rungs(40, "median") == ()
    assert stops.share_of(9, (1, 3)) == pytest.approx((1 + 2 / 3 + 6 / 6) / 9)
    assert stops.share_of(9, ()) == 1
