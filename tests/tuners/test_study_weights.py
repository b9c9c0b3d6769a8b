"""How much each setting of a study matters, and the map of the two that matter most."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.stats import kruskal, ncf

from foveal.charts.contour import contour_svg
from foveal.ranges import Range
from foveal.records.study import Study
from foveal.report.between import LEVEL, _alike, between
from foveal.report.contours import mapped
from foveal.report.settings import shown
from foveal.report.study import page
from foveal.report.weights import parted, told, weights
from studies import RATE, Acted, study, tuned

MOMENTUM = Range("momentum", 0.8, 0.99, "rest", least=0.8, most=0.99)
DECAY = Range("weight_decay", 1e-5, 1e-2, "log", least=1e-5, most=1e-2)
AUGMENT = Range("augment", choices=("none", "light", "randaugment"))


def hill(options: Any, epoch: int) -> float:
    """Best in the middle of both; the decay means nothing."""
    rate, momentum = RATE.share(options.get("lr") or 0.01), MOMENTUM.share(options.get("momentum") or 0.9)
    return float(0.9 - 1.2 * (rate - 0.5) ** 2 - 0.6 * (momentum - 0.5) ** 2) * (1 - 0.8**epoch)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("studies") / "s"
    ranges = [dataclasses.replace(RATE, least=1e-4, most=1.0), MOMENTUM, DECAY]
    asked = study(
        folder, stop="none", ranges=[one.to_json() for one in ranges], expected=40,
        budget={"trials": 40, "minutes": None, "epochs_total": None},
        defaults={"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-3},
    )  # fmt: skip
    return tuned(asked, Acted(hill))


# --- shares ---


@given(some.lists(some.tuples(some.integers(0, 2), some.floats(0, 1)), min_size=8, max_size=40))
def test_a_share_is_that_of_kruskal_and_wallis_and_lies_between_its_ends(
    rows: list[tuple[int, float]],
) -> None:
    parts, values = np.array([part for part, _ in rows]), [value for _, value in rows]
    found = told(parts, values)
    if found is None:
        return
    share, low, high = found
    assert 0 <= low <= high <= 1
    assert 0 <= share <= 1
    kept = np.isin(parts, np.flatnonzero(np.bincount(parts) > 1))
    groups = [np.array(values)[kept & (parts == part)] for part in np.unique(parts[kept])]
    count, raw = int(kept.sum()), kruskal(*groups).statistic / (int(kept.sum()) - 1)
    adjusted = 1 - (1 - raw) * (count - 1) / (count - len(groups))  # Kelley's correction of what H says
    assert share == pytest.approx(max(0.0, adjusted), abs=1e-9)


def test_the_ends_are_those_of_the_noncentral_f_distribution() -> None:
    dice = np.random.default_rng(1)
    parts = np.repeat([0, 1, 2], 8)
    values = dice.normal(parts * 0.8, 1.0)
    found = told(parts, list(values))
    assert found is not None
    _, low, high = found
    raw = kruskal(*(values[parts == part] for part in range(3))).statistic / 23
    ratio = (raw / 2) / ((1 - raw) / 21)
    assert low > 0
    for end, chance in ((low, 0.975), (high, 0.025)):
        assert ncf.cdf(ratio, 2, 21, 24 * end / (1 - end)) == pytest.approx(chance, abs=1e-6)


def test_intervals_hold_the_truth() -> None:
    dice, held, null = np.random.default_rng(0), 0, 0
    level = Range("x", 0.0, 1.0)

    def drawn(count: int) -> tuple[Any, Any]:
        x = dice.random(count)
        return x, -((x - 0.5) ** 2) + dice.normal(0, 0.08, count)

    x, y = drawn(60_000)
    truth = told(parted(list(x), level), list(y))
    assert truth is not None
    for _ in range(150):
        x, y = drawn(24)
        found = told(parted(list(x), level), list(y))
        without = told(parted(list(x), level), list(dice.random(24)))
        assert found is not None
        assert without is not None
        held += found[1] <= truth[0] <= found[2]
        null += without[1] > 0
    assert held / 150 > 0.88
    assert null / 150 < 0.07


def test_parts_are_thirds_choices_or_the_few_values_of_a_grid() -> None:
    assert list(parted([0.3, 0.1, 0.2, 0.6, 0.5, 0.4], Range("x", 0, 1))) == [1, 0, 0, 2, 2, 1]
    assert list(parted([1, 3, 1, 2, 3], Range("x", 1, 3))) == [0, 2, 0, 1, 2]
    assert list(parted(["light", "none"], AUGMENT)) == [1, 0]
    same = parted([0.5] * 5 + [0.1, 0.9, 0.2], Range("x", 0, 1))
    assert len(set(same[:5])) == 1, "equal values go together"
    assert told(np.array([0, 0, 0]), [1.0, 2.0, 3.0]) is None
    assert told(np.array([0, 0, 1, 1, 2]), [0.5] * 5) is None


def test_what_matters_is_told_and_what_does_not_is_left_open(done: Study) -> None:
    found = weights(done)
    assert found is not None
    by_name = {row.name: row for row in found.rows}
    assert [row.name for row in found.rows][:2] == ["lr", "momentum"]
    assert by_name["lr"].sure, "a peak, which a rank correlation does not see"
    assert not by_name["weight_decay"].sure
    assert "had to do with lr" in found.says
    said = page(done)
    assert found.says in said
    few = weights(dataclasses.replace(done, trials=done.trials[:9]))
    assert few is not None
    assert few.rows == ()
    assert "9 trials are too few" in few.says


# --- what lies between ---


def test_what_a_map_misses_is_what_it_would_say_of_a_trial_left_out() -> None:
    dice = np.random.default_rng(2)
    at = dice.random((14, 2))
    y = np.sin(4 * at[:, 0]) + at[:, 1] + dice.normal(0, 0.1, 14)
    found = between([(a, b) for a, b in at], list(y))
    assert found is not None
    z, missed = (y - y.mean()) / y.std(), 0.0
    noise = min(  # the one that it chose
        (0.05, 0.2, 0.6, 2.0), key=lambda n: abs(np.linalg.solve(cover(at, found.lengths, n), z) - found.weights).max()
    )  # fmt: skip
    for n in range(14):
        others = np.arange(14) != n
        held = np.linalg.solve(cover(at[others], found.lengths, noise), z[others])
        missed += (z[n] - (_alike(at[n : n + 1], at[others], found.lengths) + LEVEL) @ held).item() ** 2
    alone = sum((z[n] - np.delete(z, n).mean()) ** 2 for n in range(14))
    assert found.share == pytest.approx(1 - missed / alone, rel=1e-6)


def cover(at: Any, lengths: tuple[float, float], noise: float) -> Any:
    return _alike(at, at, lengths) + LEVEL + noise * np.eye(len(at))


def test_a_map_says_more_than_chance_where_there_is_something_and_seldom_where_not() -> None:
    dice, false = np.random.default_rng(3), 0
    for _ in range(30):
        at = [(float(a), float(b)) for a, b in dice.random((20, 2))]
        found = between(at, list(dice.normal(size=20)))
        assert found is not None
        false += found.shown
        real = between(at, [-((a - 0.5) ** 2) - (b - 0.3) ** 2 + 0.02 * float(dice.normal()) for a, b in at])
        assert real is not None
        assert real.shown
    assert false <= 4
    assert between([(0.1, 0.2)] * 4, [1.0, 2.0, 3.0, 4.0]) is None
    assert between([(0.1, 0.2)] * 6, [1.0] * 6) is None


def test_the_map_is_of_the_two_that_matter_most_and_blank_where_nothing_was_tried(done: Study) -> None:
    seen = shown(done, lambda trial: f"trial {trial.number}")
    found = mapped(seen, ["lr", "momentum", "weight_decay"])
    assert found is not None
    assert found.chart is not None
    assert (found.chart.x.name, found.chart.y.name) == ("lr", "momentum")
    assert found.says in page(done)
    known = {
        (up, across): band
        for up, row in enumerate(found.chart.cells)
        for across, band in enumerate(row)
        if band is not None
    }
    side = len(found.chart.cells)
    top = [place for place, band in known.items() if band == max(known.values())]
    middle = np.mean([((up + 0.5) / side, (across + 0.5) / side) for up, across in top], 0)
    assert np.abs(middle - 0.5).max() < 0.15, "the hill is in the middle of both"
    drawn = ElementTree.fromstring(contour_svg(found.chart))
    assert sum(part.tag.endswith("circle") for part in drawn.iter()) == len(done.trials)
    turned = mapped(
        dataclasses.replace(seen, study=dataclasses.replace(done, higher_is_better=False)), ["lr", "momentum"]
    )
    assert turned is not None
    assert turned.chart is not None
    for place, band in known.items():
        other = turned.chart.cells[place[0]][place[1]]
        assert other is not None
        assert math.isclose(band + other, len(found.chart.bands) - 1, abs_tol=1.01)


def test_where_a_map_would_say_nothing_none_is_drawn(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    values: dict[str, float] = {}

    def noise(options: Any, epoch: int) -> float:
        return values.setdefault(repr(sorted(options.items())), 0.5 + 0.1 * float(dice.normal()))

    asked = study(
        tmp_path / "s", stop="none", ranges=[RATE.to_json(), MOMENTUM.to_json()], expected=20,
        budget={"trials": 20, "minutes": None, "epochs_total": None}, defaults={"lr": 0.1, "momentum": 0.9},
    )  # fmt: skip
    flat = tuned(asked, Acted(noise))
    found = mapped(shown(flat, lambda trial: ""), ["lr", "momentum"])
    assert found is not None
    assert found.chart is None
    assert found.says in page(flat)
    assert mapped(shown(flat, lambda trial: ""), ["lr"]) is None
