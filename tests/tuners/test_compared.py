"""Searches side by side: whether they differ, in numbers and words, and on a page."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.stats import ttest_rel

from foveal.errors import OptionError, RunError
from foveal.folders import held
from foveal.ranges import Range
from foveal.report.searches import beside, course, page, tried, write
from foveal.storage import write_json
from foveal.tuners import over
from foveal.tuners.compared import FILE, FORMAT, SEARCHES, Searches, name_of, studies_in
from foveal.verbs.compare_searches import compare_searches, in_words
from foveal.verbs.delete import delete
from foveal.verbs.runs import runs
from studies import RATE, Acted, peak, study, tuned

MOMENTUM = Range("momentum", 0.8, 0.99, "rest")


TRIALS, REPEATS = 6, 4


def apart(search: str, repeat: int) -> float:
    noise = (0.0, 0.004, -0.003, 0.001)[(repeat + SEARCHES.index(search)) % 4]
    return {"grid": 0.90, "random": 0.90, "adaptive": 0.95}[search] + noise


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Searches:
    """A comparison whose studies are acted; adaptive is surely better on test than both others, which do not differ."""
    home = tmp_path_factory.mktemp("compared") / "c"
    home.mkdir()
    done: dict[str, float] = {}
    for repeat, search in itertools.product(range(1, REPEATS + 1), SEARCHES):
        folder = study(
            home / name_of(search, repeat), search=search, search_seed=repeat, stop="none", expected=TRIALS,
            budget={"trials": None, "minutes": None, "epochs_total": 9 * TRIALS},
            ranges=[RATE.to_json(), MOMENTUM.to_json()], defaults={"lr": 0.9, "momentum": 0.9},
        )  # fmt: skip
        tuned(folder, Acted(lambda options, epoch: peak({"lr": options.get("lr") or 0.9}, epoch)))
        done[folder.name] = apart(search, repeat)
    row = {
        "format": FORMAT, "data": "acted", "source": None, "options": {}, "over": {}, "points": None,
        "repeats": REPEATS, "epochs_total": 9 * TRIALS, "seed": 0, "search_seed": 0, "pictures": 200, "done": done,
    }  # fmt: skip
    write_json(home / FILE, row)
    return Searches.read(home)


def test_a_sure_difference_is_told_and_one_that_is_not_is_not(made: Searches) -> None:
    shown = {(one.one, one.other): one.sure for one in made.apart}
    assert shown == {("random", "grid"): False, ("adaptive", "grid"): True, ("adaptive", "random"): True}
    assert "adaptive is better than grid by +5.0 points of accuracy" in made.says[0]
    assert "chance may have brought (random against grid" in made.says[0]


def test_pairs_are_students(made: Searches) -> None:
    one = next(one for one in made.apart if (one.one, one.other) == ("adaptive", "grid"))
    want = ttest_rel(made.judged("adaptive"), made.judged("grid"))
    low, high = want.confidence_interval()
    assert (one.low, one.high, one.p) == pytest.approx((low, high, want.pvalue))
    assert one.p <= one.p_of_all <= 3 * one.p


def test_the_better_of_two_is_named_first(made: Searches) -> None:
    turned = {name: 1 - value for name, value in made.tests.items()}
    said = dataclasses.replace(made, tests=turned).says[0]
    assert "grid is better than adaptive by +5.0 points of accuracy" in said
    assert "random is better than adaptive" in said


def test_too_few_repeats_say_nothing(made: Searches) -> None:
    two = dataclasses.replace(made, repeats=2)
    assert two.says[0].startswith("Whether the searches differ cannot be said: they ran 2 times each")
    assert not any(one.sure for one in two.apart)
    assert dataclasses.replace(made, repeats=1).apart == ()


def test_equal_searches_do_not_surely_differ(made: Searches) -> None:
    equal = dataclasses.replace(made, tests=dict.fromkeys(made.tests, 0.9))
    assert equal.says[0].startswith("The searches do not surely differ: with 4 repeats each")


def test_a_repeat_that_is_not_whole_does_not_count(made: Searches, tmp_path: Path) -> None:
    row = json.loads((made.folder / FILE).read_text())
    del row["done"]["adaptive-4"]
    for name in row["done"]:
        (tmp_path / name).symlink_to(made.folder / name, target_is_directory=True)
    write_json(tmp_path / FILE, row)
    fewer = Searches.read(tmp_path)
    assert fewer.whole == (1, 2, 3)
    assert [len(fewer.judged(search)) for search in SEARCHES] == [3, 3, 3]
    assert len(fewer.studies["grid"]) == 4


def test_without_test_pictures_validation_is_compared(made: Searches) -> None:
    untested = dataclasses.replace(made, tests={})
    assert (made.part, untested.part) == ("test", "validation")
    assert untested.judged("grid") == [
        one.best.value for one in made.of_whole["grid"] if one.best is not None
    ]
    assert "on validation" in untested.says[0]
    assert "<th>on test</th>" in page(made)


def test_how_soon_a_search_came_to_what_random_search_reaches(made: Searches) -> None:
    values = [one.best.value for one in made.of_whole["random"] if one.best and one.best.value is not None]
    assert made.level == pytest.approx(sum(values) / 4)
    for search, row in zip(SEARCHES, made.rows(), strict=True):
        soon = made.soon(search)
        courses = [one.so_far() for one in made.of_whole[search]]
        for course_, epochs in zip(courses, soon.each, strict=True):
            assert all(value < made.level for at, value in course_ if at < epochs)
            assert math.isinf(epochs) or any(v >= made.level - 1e-9 for at, v in course_ if at == epochs)
        at = {epochs: sum([v for when, v in one if when <= epochs][-1] for one in courses) / 4 for epochs in (
            soon.epochs - 1, soon.epochs
        )} if math.isfinite(soon.epochs) else {}  # fmt: skip
        assert not at or at[soon.epochs] >= made.level - 1e-9 > at[soon.epochs - 1]
        assert row["mean_reached"] == (soon.epochs if at else None)
        assert f"{search} {soon.says}" in made.says[1]
        assert soon.says in page(made)


def test_the_page_shows_which_values_each_really_tried(made: Searches) -> None:
    ((title, row),) = beside(made)
    assert title == "lr and momentum"
    assert [said.partition(":")[0] for said, _ in row] == list(SEARCHES)
    for (_, drawing), search in zip(row, SEARCHES, strict=True):
        circles = [p for p in ElementTree.fromstring(drawing).iter() if p.tag.endswith("circle")]
        assert len(circles) == len(made.studies[search][1].trials)
    many = {name: dict(zip(SEARCHES, map(float, values), strict=True)) for name, _, values in tried(made)}
    assert many["lr"]["grid"] < many["lr"]["random"], "a grid tries few of each"
    lines = course(made)
    assert lines is not None
    for one in lines.curves:
        ends = [study.best.value for study in made.of_whole[one.name] if study.best and study.best.value]
        assert one.ys[-1] == pytest.approx(sum(ends) / 4)
        assert (one.low[-1], one.high[-1]) == (min(ends), max(ends))
        assert list(one.xs) == sorted(one.xs)
    said = page(made)
    assert made.says[0] in said
    assert "<script" not in said
    for link in re.findall(r'href="([^"]+)/report.html"', said):
        assert (made.folder / link).is_dir()
    assert write(made).read_text(encoding="utf-8") == said
    json.dumps(made.to_json(), allow_nan=False)
    assert "<table>" in made._repr_html_()


def test_squares_have_one_scale_though_a_search_ended_its_range_sooner(made: Searches) -> None:
    (_, row), studies = beside(made)[0], {name: dict(each) for name, each in made.studies.items()}
    low = dataclasses.replace(RATE, high=0.01)
    studies["grid"][1] = dataclasses.replace(studies["grid"][1], ranges=(low, MOMENTUM))
    ended = dataclasses.replace(made, studies=studies)
    assert ended.ranges == (RATE, MOMENTUM)
    assert beside(ended)[0][1] == row


def test_nothing_done_yet_has_a_page(made: Searches) -> None:
    begun = dataclasses.replace(made, studies={search: {} for search in SEARCHES}, tests={})
    assert "No repeat of the three searches is done yet." in page(begun)
    assert begun.to_json()["done"] == 0


ENDS = some.floats(1e-5, 0.99).map(lambda value: float(f"{value:.4g}"))


@settings(max_examples=30, deadline=None)
@given(low=ENDS, high=ENDS, scale=some.sampled_from(["log", "linear", "rest"]))
def test_ranges_come_back_from_their_words(low: float, high: float, scale: Any) -> None:
    if low >= high:
        return
    name = "momentum" if scale == "rest" else "lr"
    one = Range(name, low, high, scale)
    (back,) = over.ranges(in_words([one]))
    assert (back.name, back.low, back.high, back.scale) == (name, low, high, scale)
    assert back.least == low, "none is widened"
    assert back.most == high


def test_choices_come_back_from_their_words() -> None:
    asked = [
        Range("augment", choices=("none", "light")),
        Range("mixup", choices=(0.0, 0.2)),
        Range("batch", 16, 64, "log", whole=True),
    ]
    found = [(one.name, one.choices or (one.low, one.high)) for one in over.ranges(in_words(asked))]
    assert found == [("augment", ("none", "light")), ("mixup", (0.0, 0.2)), ("batch", (16, 64))]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"minutes": 3}, "--trials or --epochs-total"),
        ({"search": "grid"}, "all three"),
        ({"warm_start": True}, "earlier studies"),
        ({"trials": 3, "epochs_total": 30}, "Leave one"),
        ({"repeats": 0}, "1 or more"),
        ({"over": ["lr=1..0.1"]}, "smaller end first"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_data_is_read(
    options: Mapping[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError) as error:
        compare_searches("no-such-data", runs_dir=str(tmp_path / "runs"), **options)
    assert says in str(error.value)
    assert not (tmp_path / "runs").exists()


def test_what_a_comparison_that_goes_on_may_not_be_given(made: Searches, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="its own data"):
        compare_searches("digits", resume=made.folder)
    with pytest.raises(OptionError, match="--lr"):
        compare_searches(resume=made.folder, lr=0.1)
    with pytest.raises(OptionError, match="not taken back"):
        compare_searches(resume=made.folder, repeats=2)
    with pytest.raises(RunError, match="no comparison"):
        compare_searches(resume=tmp_path)


def test_one_that_is_done_is_read_and_nothing_is_trained(made: Searches) -> None:
    heard: list[object] = []
    (made.folder / "report.html").unlink(missing_ok=True)
    again = compare_searches(resume=made.folder, screen=heard.append)
    assert again.to_json() == made.to_json()
    assert (made.folder / "report.html").is_file()


def test_a_comparison_is_listed_and_goes_as_a_whole(made: Searches, tmp_path: Path) -> None:
    home = tmp_path / "runs"
    shutil.copytree(made.folder, home / "c")
    (row,) = runs(home)
    studies = [study for each in made.studies.values() for study in each.values()]
    assert (row.name, row.status, row.data, row.network) == ("c", "finished", "acted", "none")
    assert row.says == f"{REPEATS} of {REPEATS} repeats of grid, random and adaptive search"
    assert row.epochs == sum(study.epochs_done for study in studies)
    assert row.bytes > 0
    assert {place.name for place in studies_in(home)} == {study.folder.name for study in studies}
    with held(home / "c" / "grid-1"):
        assert runs(home)[0].status == "finished"
        with pytest.raises(RunError, match="being trained"):
            delete("c", runs_dir=home)
    (gone,) = delete("c", runs_dir=home)
    assert gone.why == "a comparison of searches"
    assert not (home / "c").exists()


def test_one_that_is_not_done_or_damaged_is_listed_so(made: Searches, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "c")
    row = json.loads((tmp_path / "c" / FILE).read_text())
    del row["done"]["adaptive-4"]
    write_json(tmp_path / "c" / FILE, row)
    (listed,) = runs(tmp_path)
    assert (listed.status, listed.says[:6]) == ("interrupted", "3 of 4")
    (tmp_path / "c" / FILE).write_text("{")
    (listed,) = runs(tmp_path)
    assert listed.status == "damaged"
    assert listed.says
