"""What a study's page draws of its settings, and which pictures change."""

from __future__ import annotations

import contextlib
import dataclasses
import html
import math
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal import plan, training
from foveal.charts.parallel import parallel_svg
from foveal.charts.places import Axis, calm, spaced
from foveal.charts.slices import slice_svg
from foveal.doctor.kept import before
from foveal.errors import DivergedError
from foveal.options import TrainOptions, make
from foveal.ranges import Range
from foveal.readers import prepare
from foveal.records.run import Run
from foveal.records.study import Again, Study, place_of
from foveal.records.trained import EVALUATION
from foveal.report.flipped import flipped
from foveal.report.leaning import correlation, leanings
from foveal.report.settings import Shown, along, parallel, shown, slices
from foveal.report.study import page
from foveal.storage import read_json, write_json
from pictures import split_folder
from studies import RATE, Acted, peak, study, tuned

RANGES = (
    dataclasses.replace(RATE, least=1e-4, most=1.0),
    Range("momentum", 0.8, 0.99, "rest", least=0.8, most=0.99),
    Range("weight_decay", 1e-5, 1e-2, "log", least=1e-5, most=1e-2),
    Range("augment", choices=("none", "light", "trivialaugment", "randaugment")),
    Range("magnitude", 2, 18, whole=True, least=2, most=18, when=("augment", ("randaugment",))),
)
DEFAULTS = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, "augment": "light"}


def value(options: Any, epoch: int) -> float:
    """Diverges where the rate is high; better with more augmentation."""
    if (options.get("lr") or 0.1) > 0.5:
        return math.nan
    return float(peak(options, epoch)) * (0.9 if options.get("augment") == "none" else 1.0)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("studies") / "s"
    asked = study(
        folder,
        ranges=[one.to_json() for one in RANGES],
        defaults=DEFAULTS,
        expected=20,
        budget={"trials": 20, "minutes": None, "epochs_total": None},
    )
    made: Study = tuned(asked, Acted(value, fails=lambda number: "no memory" if number == 3 else ""))
    return made


@pytest.fixture(scope="module")
def seen(done: Study) -> Shown:
    return shown(done, lambda trial: f"trial {trial.number}")


def test_every_trial_that_came_to_something_is_one_line_over_all_axes(done: Study, seen: Shown) -> None:
    chart = parallel(seen)
    assert chart is not None
    assert [axis.name for axis in chart.axes] == [*(one.name for one in RANGES), "accuracy"]
    states = [trial.state for trial in done.trials]
    assert "diverged" in states
    assert "paused" in states
    assert len(chart.threads) == len(done.trials) - 1  # the one that failed came to nothing
    assert {thread.says for thread in chart.threads} == {
        f"trial {trial.number}" for trial in done.trials if trial.state != "failed"
    }
    for thread, (trial, _) in zip(chart.threads, seen.rows, strict=True):
        assert thread.whole == (trial.state == "finished")
        for one, place in zip(seen.axes, thread.places, strict=False):
            option = trial.options.get(
                one.range.name, DEFAULTS.get(one.range.name) if not trial.number else None
            )
            if place is None:
                assert not one.range.takes(option)
            elif one.range.choices:  # within its choice's room
                assert one.range.value(place) == option
            else:
                assert place == pytest.approx(one.range.share(option))
    drawn = ElementTree.fromstring(parallel_svg(chart))
    lines = [part for part in drawn.iter() if part.get("class") == "c-thread"]
    assert len(lines) == len(chart.threads)
    assert sum("stroke-dasharray" in part.attrib for part in lines) == sum(not t.whole for t in chart.threads)


def test_the_best_is_at_the_top_and_the_default_is_told_apart(done: Study, seen: Shown) -> None:
    chart = parallel(seen)
    assert chart is not None
    assert done.best is not None
    by_tone = {thread.tone: thread for thread in chart.threads if thread.tone}
    assert by_tone["good"].says == f"trial {done.best.number}"
    assert by_tone["warm"].says == "trial 0"
    assert by_tone["good"].good == max(thread.good for thread in chart.threads) == 1.0
    fewer = dataclasses.replace(done, higher_is_better=False)
    turned = parallel(shown(fewer, lambda trial: f"trial {trial.number}"))
    assert turned is not None
    ups = [up for _, up in sorted((known.places[-1] or 0.0, now.places[-1] or 0.0) for known, now in zip(
        chart.threads, turned.threads, strict=True
    ))]  # fmt: skip
    assert ups == sorted(ups, reverse=True)
    assert ups[0] > ups[-1]


def test_what_has_no_place_on_a_scale_is_named_beside_it(seen: Shown) -> None:
    axes = {one.range.name: one.axis for one in seen.axes}
    assert axes["weight_decay"].off == "0"  # the default's, on a log scale
    assert axes["magnitude"].off == "off"  # where the augmentation has none
    assert axes["lr"].off == axes["augment"].off == ""
    assert {"0.9", "0.99"} <= {word for _, word in axes["momentum"].ticks}


def test_a_slice_has_a_dot_a_trial_and_names_every_choice(seen: Shown) -> None:
    drawn = {chart.axis.name: chart for chart in slices(seen)}
    assert set(drawn) == {one.name for one in RANGES}
    for chart in drawn.values():
        parts = list(ElementTree.fromstring(slice_svg(chart)).iter())
        assert sum(part.tag.endswith("circle") for part in parts) == len(seen.rows)
    said = {part.text for part in ElementTree.fromstring(slice_svg(drawn["augment"])).iter()}
    assert {"none", "light", "trivialaugment", "randaugment"} <= said


@given(
    st.lists(st.floats(1e-7, 10), min_size=1, max_size=20),
    st.sampled_from(("linear", "log")),
    st.booleans(),
)
def test_an_axis_holds_all_that_was_tried(values: list[float], scale: Any, whole: bool) -> None:
    made = along(Range("lr", 1e-3, 1e-1, scale, whole), values)
    for tried in values:
        place = made.place(tried)
        assert place is not None
        assert -1e-9 <= place <= 1 + 1e-9
    assert all(-0.01 <= place <= 1.01 for place, _ in made.axis.ticks)
    assert made.axis.ticks


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=40), st.booleans())
def test_only_the_worst_are_ever_left_out_of_an_axis(values: list[float], higher: bool) -> None:
    low, high = calm(values, higher)
    assert (max(values) == high) if higher else (min(values) == low)
    kept = sum(low <= one <= high for one in values)
    assert kept >= 0.75 * len(values) - 1
    assert calm([0.9, 0.91, 0.92, 0.93, 0.1]) == (0.9, 0.93)


@given(st.lists(st.tuples(st.floats(0, 1), st.text("abc", min_size=1, max_size=9)), max_size=12))
def test_words_on_an_axis_do_not_overlap(ticks: list[tuple[float, str]]) -> None:
    right = -math.inf
    for place, word in spaced(Axis("x", tuple(ticks)), 300):
        assert place * 300 - 3.5 * len(word) > right
        right = place * 300 + 3.5 * len(word)


# --- which way values lean ---


def test_a_correlation_is_that_of_ranks_and_its_interval_holds_the_truth() -> None:
    dice = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        a, b = dice.normal(size=(2, 12))
        value, low, high = correlation(list(a), list(a + b))
        ranks = [np.argsort(np.argsort(one)) for one in (a, a + b)]
        assert value == pytest.approx(np.corrcoef(*ranks)[0, 1])
        held += low <= 6 / math.pi * math.asin(math.sqrt(0.5) / 2) <= high  # Pearson (1907), of normal pairs
    assert 0.92 <= held / 400 <= 0.99
    assert correlation([1, 2, 3, 4, 5], [2, 4, 6, 8, 10])[0] == pytest.approx(1.0)


def test_a_setting_that_matters_leans_and_one_that_does_not_is_left_open(tmp_path: Path) -> None:
    budget = {"trials": 30, "minutes": None, "epochs_total": None}
    ranges = [RANGES[0].to_json(), RANGES[1].to_json()]
    asked = study(
        tmp_path / "s", ranges=ranges, budget=budget, expected=30, defaults={"lr": 0.1, "momentum": 0.9}
    )

    def falls(options: Any, epoch: int) -> float:
        return float((1 - RATE.share(options.get("lr") or 0.1)) * (1 - 0.8**epoch))

    done = tuned(asked, Acted(falls))
    found = leanings(done)
    assert found is not None
    by_name = {row.name: row for row in found.rows}
    assert by_name["lr"].high < -0.9
    assert not by_name["momentum"].sure
    assert found.says.startswith("Values were better with smaller lr. Of the others")
    assert found.after == done.rungs[0]
    assert found.says in page(done)
    turned = leanings(dataclasses.replace(done, higher_is_better=False))
    assert turned is not None
    assert {row.name: row for row in turned.rows}["lr"].low > 0.9
    few = leanings(dataclasses.replace(done, trials=done.trials[:9]))
    assert few is not None
    assert few.rows == ()
    assert "9 trials are too few" in few.says


# --- pictures that change ---


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Three trials that were really trained: the default at a rate that is far too low, and one that diverges."""
    home = tmp_path_factory.mktemp("real")
    layers = ("conv 8 3x3", "bn", "relu", "maxpool 2", "conv 16 3x3", "bn", "relu", "gap", "linear")
    (home / "small.yaml").write_text("layers:\n" + "".join(f"  - {line}\n" for line in layers))
    dataset, split = prepare(str(split_folder(home / "shapes", val=12, size=16)), TrainOptions(), 0)
    folder = study(home / "s", defaults={"lr": 1e-6})
    (folder / "trials").mkdir()
    for number, rate in enumerate((1e-6, 0.1, 1e6)):
        out = place_of(folder, number)
        write_json(out.with_suffix(".json"), {"number": number, "options": {"lr": rate}, "origin": "told"})
        options = make(
            TrainOptions,
            {
                "network": str(home / "small.yaml"),
                "size": 16,
                "batch": 8,
                "epochs": 4,
                "augment": "none",
                "precision": "fp32",
                "lr": rate,
                "out": str(out),
            },
        )
        planned = plan.make(dataset, options)
        with contextlib.suppress(DivergedError):
            training.start(dataset, planned, "shapes", lambda m: None, time.time(), split, judged_on="val")
    return Study.read(folder)


def test_a_trial_that_diverged_is_diagnosed(real: Study) -> None:
    burst = real.trials[2]
    assert [trial.state for trial in real.trials] == ["finished", "finished", "diverged"]
    row = html.unescape(page(real)).split("trial 2</th>")[1].split("</tr>")[0]
    found = before(Run(burst.run))
    assert found is not None
    assert f"The doctor: {found.findings[0].says} {found.findings[0].cure.says}" in row
    assert f"foveal diagnose {burst.run}" in row


def test_pictures_that_change_are_those_of_which_one_is_right(real: Study) -> None:
    best = real.best
    assert best is not None
    assert best.number == 1
    found = flipped(real)
    assert found is not None
    rows = [read_json(trial.run / EVALUATION)["examples"] for trial in (real.trials[0], best)]
    right = [{row["id"]: row["truth"] == row["predicted"] for row in one} for one in rows]
    won = {key for key in right[0] if right[1][key] and not right[0][key]}
    lost = {key for key in right[0] if right[0][key] and not right[1][key]}
    assert (
        f"trial 1 gets {len(won)} right that the default gets wrong, and {len(lost)} wrong" in found.lines[0]
    )
    for lot, ids in zip(found.lots, [ids for ids in (won, lost) if ids], strict=True):
        assert lot.count == len(ids)
        assert {one.shot.id for one in lot.examples} <= ids
        assert all(one.truth != one.predicted and one.shot.src for one in lot.examples)
    assert found.lots[0].title in page(real)
    again = tuple(
        Again(0, seed, trial) for seed, trial in enumerate(real.trials)
    )  # as if only the seed differed
    by_seed = flipped(dataclasses.replace(real, again=again))
    assert by_seed is not None
    assert by_seed.lines[1].endswith(f"with other seeds {len(won) + len(lost)} change.")


def test_without_an_evaluation_or_another_setting_no_pictures_are_shown(real: Study, done: Study) -> None:
    assert flipped(done) is None  # nothing was judged picture by picture
    alone = dataclasses.replace(real, trials=real.trials[:1])
    assert flipped(alone) is None
    file = real.trials[0].run / EVALUATION
    kept = read_json(file)
    try:
        write_json(file, {**kept, "examples": [{"id": "x"}]})
        assert flipped(real) is None
        assert "Which pictures change" not in page(real)
    finally:
        write_json(file, kept)
