"""A study's page, and the square of values that were really tried."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from foveal.charts.tried import Tried, tried_svg
from foveal.ranges import Range
from foveal.records.study import command
from foveal.report.study import counts, history, lead, page, squares, write
from studies import RATE, Acted, peak, study, tuned

MOMENTUM = Range("momentum", 0.8, 0.99, "rest")


def squared(folder: Path, search: str, trials: int) -> list[Tried]:
    budget = {"trials": trials, "minutes": None, "epochs_total": None}
    ranges = [RATE.to_json(), MOMENTUM.to_json()]
    defaults = {"lr": 0.1, "momentum": 0.9}
    done = tuned(
        study(
            folder,
            stop="none",
            search=search,
            ranges=ranges,
            budget=budget,
            expected=trials,
            defaults=defaults,
        )
    )
    many = {name: (values, tried) for name, _, values, tried in counts(done)}
    # the default's own values come on top of a grid's three
    assert many["lr"] == ((4, 10) if search == "grid" else (10, 10))
    return squares(done)


def test_a_grid_tries_few_values_and_a_search_without_one_as_many_as_it_has_trials(tmp_path: Path) -> None:
    for search in ("grid", "random"):
        (square,) = squared(tmp_path / search, search, 10)
        drawn = ElementTree.fromstring(tried_svg(square))
        circles = [part for part in drawn.iter() if part.tag.endswith("circle")]
        assert len(circles) == len(square.spots) == 10


def test_the_page_names_the_best_the_default_and_every_failure(tmp_path: Path) -> None:
    done = tuned(study(tmp_path / "s"), Acted(fails=lambda n: "no <memory> for it" if n == 2 else ""))
    best = done.best
    assert best is not None
    assert best.number != 0
    said = page(done)
    assert "looks better than it is" in said
    assert "no &lt;memory&gt; for it" in said
    assert command(done, best) in said
    course = history(done)
    assert course is not None
    assert course.curves[0].ys[-1] == max(value for trial in done.trials for _, value in trial.curve)
    assert course.curves[0].xs[-1] == done.epochs_done
    assert write(done).read_text(encoding="utf-8") == said


def test_where_nothing_is_better_the_default_is_kept(tmp_path: Path) -> None:
    done = tuned(study(tmp_path / "s"), Acted(lambda options, epoch: peak({"lr": 0.05}, epoch)))
    assert lead(done)[-1].endswith("Keep your default.")
    assert command(done, done.trials[0]) == "foveal train DATA --epochs 9"


def test_a_study_without_results_has_a_page(tmp_path: Path) -> None:
    done = tuned(study(tmp_path / "s", budget={"trials": 1, "minutes": None, "epochs_total": None}), Acted())
    empty = type(done)(**{**{n: getattr(done, n) for n in done.__dataclass_fields__}, "trials": ()})
    assert "No trial has a result yet." in page(empty)
