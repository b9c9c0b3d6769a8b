"""What did well elsewhere is tried first, where it was measured on something like this."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foveal import plan
from foveal.options import TrainOptions, make
from foveal.plan.network import built
from foveal.ranges import Range
from foveal.readers import prepare
from foveal.storage import read_json
from foveal.tuners import Ask, Tried, portfolio, space
from foveal.tuners.searches import adaptive, random
from foveal.values import Dataset
from pictures import class_folder
from studies import peak, study, tuned

RATE = Range("lr", 1e-3, 1.0, "log")
MOMENTUM = Range("momentum", 0.7, 0.99, "rest")
DECAY = Range("weight_decay", 1e-6, 1e-1, "log")
AUGMENT = Range("augment", choices=("none", "light", "randaugment"))
STRENGTH = Range("magnitude", 2, 18, whole=True, when=("augment", ("randaugment",)))
WHOLE = (RATE, MOMENTUM, DECAY)
DEFAULT = {"lr": 0.025, "momentum": 0.9, "weight_decay": 5e-4}
TABLE: dict[str, Any] = {
    "parameters": ["lr", "momentum", "weight_decay"],
    "settings": {
        "lr": [{"lr": 2}, {"lr": 400}, {"lr": 8}],
        "lr momentum weight_decay": [{"lr": 4, "momentum": 0.95, "weight_decay": 10}],
    },
}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = class_folder(tmp_path_factory.mktemp("portfolio") / "shapes", classes=3, each=10, size=32)
    return prepare(str(folder), TrainOptions(), 0)[0]


def test_settings_are_told_by_the_default_and_lie_in_the_ranges() -> None:
    assert portfolio.settings(WHOLE, DEFAULT, TABLE) == (
        {"lr": 0.1, "momentum": 0.95, "weight_decay": 0.005},
    )
    assert portfolio.settings((RATE,), DEFAULT, TABLE) == ({"lr": 0.05}, {"lr": 0.2}), "one is out of range"
    narrow = (Range("lr", 0.01, 0.1, "log"),)
    assert portfolio.settings(narrow, DEFAULT, TABLE) == ({"lr": 0.05},)


def test_what_was_not_measured_is_as_in_the_default() -> None:
    known = {**DEFAULT, "augment": "light", "magnitude": 9}
    first, _ = portfolio.settings((RATE, AUGMENT, STRENGTH), known, TABLE)
    assert first == {"lr": 0.05, "augment": "light"}, "a strength only beside what it belongs to"
    first, _ = portfolio.settings((RATE, AUGMENT, STRENGTH), {**known, "augment": "randaugment"}, TABLE)
    assert first == {"lr": 0.05, "augment": "randaugment", "magnitude": 9}
    assert not portfolio.settings((RATE, AUGMENT), DEFAULT, TABLE), "the default has none"


def test_where_the_default_is_another_there_is_none() -> None:
    networks = Range("network", choices=("resnet9", "resnet18"))
    assert not portfolio.settings((RATE, networks), {**DEFAULT, "network": "resnet9"}, TABLE)
    assert not portfolio.settings((MOMENTUM, DECAY), DEFAULT, TABLE), "all else follows the rate"


def test_the_table_has_settings_for_all_that_may_be_tuned_and_no_digits() -> None:
    table = read_json(portfolio.FILE)
    assert len(table["tasks"]) >= 12
    assert not any("digit" in name or name.startswith("mnist") for name in table["tasks"])
    for names, rows in table["settings"].items():
        assert rows
        ranges = [one for one in WHOLE if one.name in names.split()]
        found = portfolio.settings(ranges, DEFAULT)
        assert len(found) == len(rows), "in the ranges that a study has around this default"
        assert all(set(row) == set(names.split()) for row in rows)


def begun(shapes: Dataset, trials: int = 24, **given: Any) -> tuple[list[dict[str, Any]], list[str]]:
    options = make(TrainOptions, {"network": "resnet9", "pretrained": False, "epochs": 20, **given})
    planned = plan.make(shapes, options)
    network = built(planned.architecture, planned.options)
    ranges, _ = space.automatic(planned, options, network, trials)
    made = portfolio.begins(shapes, planned, ranges, space.default_values(planned, network), trials)
    return made["first"], made["notes"]


@pytest.mark.parametrize("trials", [9, 10])
def test_a_study_from_scratch_begins_with_it_however_much_is_tuned(shapes: Dataset, trials: int) -> None:
    found, said = begun(shapes, trials)
    assert f"begins with {len(found)} setting" in said[0]
    rate = 0.1 * 4 / 128
    key = {9: "lr", 10: "lr weight_decay"}[trials]
    wanted = [row["lr"] * rate for row in read_json(portfolio.FILE)["settings"][key]]
    assert [one["lr"] for one in found] == pytest.approx(wanted, rel=0.01)


def test_nothing_is_said_of_what_was_not_measured(shapes: Dataset) -> None:
    assert begun(shapes, optimizer="adamw") == ([], [])
    assert begun(shapes, lr=0.1) == ([], [])
    assert begun(shapes, 1) == ([], []), "there is room for the default alone"
    assert len(begun(shapes, 3)[0]) == 2
    assert len(begun(shapes, 25)[0]) == 1, "where trials are many the others bring nothing"
    assert begun(shapes, epochs=200) == ([], []), "a training so much longer"


def asked(
    number: int, tried: list[Tried], first: list[dict[str, Any]], ranges: tuple[Range, ...] = WHOLE
) -> Ask:
    return Ask(ranges, tuple(tried), number, 0, True, 40, first=tuple(first))


@pytest.mark.parametrize(("count", "spread"), [(3, adaptive.BESIDE), (1, 9), (0, 9)])
def test_adaptive_tries_them_in_their_order_then_spreads_and_then_guesses(count: int, spread: int) -> None:
    first = [{"lr": rate, "momentum": 0.9, "weight_decay": 1e-3} for rate in (0.1, 0.2, 0.3)][:count]
    tried = [Tried(DEFAULT, 0.5)]
    for number in range(count + spread + 3):
        found = adaptive.propose(asked(number, tried, first))
        even = random.propose(asked(number, tried, first))
        assert found is not None
        if number < count:
            assert found == first[number]
        else:
            assert (found == even) == (number < count + spread)
        tried.append(Tried(found, 0.6 + number / 100))


def test_one_that_was_tried_or_is_out_of_range_by_now_is_passed_over() -> None:
    first = [{"lr": rate, "momentum": 0.9, "weight_decay": 1e-3} for rate in (0.1, 0.5)]
    tried = [Tried(first[0], 0.7)]
    assert adaptive.propose(asked(0, tried, first)) == random.propose(asked(0, tried, first))
    bounded = (Range("lr", 1e-3, 0.4, "log"), MOMENTUM, DECAY)
    assert adaptive.propose(asked(1, [], first, bounded)) == random.propose(asked(1, [], first, bounded))


def test_a_study_tries_what_others_found_first_and_each_setting_once(tmp_path: Path) -> None:
    warm = [{"options": {"lr": 0.02}, "from": "old-study-1, trial 3", "value": 0.9}]
    done = tuned(
        study(tmp_path / "s", warm=warm, search="adaptive", first=[{"lr": 0.3}, {"lr": 0.02}, {"lr": 0.4}])
    )
    rates = [trial.options["lr"] for trial in done.trials]
    assert rates[:3] == [0.1, 0.02, 0.3]
    assert rates[4] == 0.4
    assert len(set(rates)) == len(rates)
    assert done.best is not None
    assert done.best.value == max(peak(t.options, t.epochs) for t in done.trials if t.state == "finished")


def test_what_did_well_elsewhere_is_judged_at_half_first(tmp_path: Path) -> None:
    first = [{"lr": 1.0}, {"lr": 0.9}, {"lr": 0.8}]  # far too high here
    done = tuned(study(tmp_path / "s", search="adaptive", first=first))
    early, half = done.rungs
    for trial in done.trials[1:]:
        if dict(trial.options) in first:
            assert trial.epochs >= half, "its first epochs flatter or slander it"
            assert early not in trial.bars
        else:
            assert early in trial.bars
    assert min(trial.epochs for trial in done.trials) == early
