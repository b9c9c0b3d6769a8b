"""Runs side by side: rows, differences, the sentences they bear, the page, and what cannot be compared."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import foveal
from foveal.errors import OptionError, RunError
from foveal.events import Epoch, Started, Stopped
from foveal.intervals import bootstrap
from foveal.outcomes import holm
from foveal.records.run import RESULT, Run
from foveal.records.trained import EVALUATION
from foveal.storage import write_json
from foveal.values import Choice, Dataset, Item, Score
from foveal.verbs.beside import cliques, listed
from foveal.verbs.compare import compared

COUNT = 120


def items(start: int = 0) -> tuple[Item, ...]:
    return tuple(
        Item(f"{n}.png", f"{n}.png", "ab"[n % 2], "test" if n % 3 else "train", None, f"sha{n}")
        for n in range(start, start + 3 * COUNT // 2)
    )


def a_run(
    home: Path,
    name: str,
    right: float | None,
    network: str = "lenet5",
    measure: str = "accuracy",
    start: int = 0,
) -> Run:
    """A finished run that was right on the first `right` of its test pictures; None: it was interrupted."""
    run = Run.create(home, "", home / name)
    architecture = {"name": network, "outputs": 2, "channels": 1, "size": 32}
    run.write_options(
        {"data": "letters", "architecture": architecture, "train": {"network": network}},
        [Choice("recipe", "published", f"a paper on {network}", automatic=False)],
    )
    data = Dataset("/d", "classify", "folder", "", ("a", "b"), items(start))
    run.write_dataset(data)
    run.append(Started(at=1.0))
    score = dataclasses.asdict(Score(measure, 0.5, 0.4, 0.6, True, "val"))
    run.append(Epoch(epoch=1, step=1, headline=score, seconds=7.0, best=True))
    run.append(Epoch(epoch=2, step=2, headline=score, seconds=11.0, best=False))
    if right is None:
        run.append(Stopped(why="interrupted", says="all is saved"))
        run.journal.close()
        return run
    run.journal.close()
    test = data.part("test")
    good = [n < right * len(test) for n in range(len(test))]
    rows = [
        {"id": i.id, "truth": i.truth, "predicted": i.truth if r else "?", "probability": 0.9, "loss": 0.1}
        for i, r in zip(test, good, strict=True)
    ]
    values = np.array(good, dtype=np.float64)
    score = dataclasses.asdict(Score(measure, float(values.mean()), *bootstrap(values), True, "test"))
    write_json(run.folder / EVALUATION, {"headline": score, "examples": rows, "count": len(rows)})
    write_json(run.folder / RESULT, {"headline": score, "seconds": 12.5})
    return run


@pytest.fixture
def three(tmp_path: Path) -> Path:
    a_run(tmp_path, "poor", 0.5)
    a_run(tmp_path, "good", 0.9, "cifar_resnet20")
    a_run(tmp_path, "best", 0.92, "resnet9")
    return tmp_path


def test_the_best_comes_first_and_is_described(three: Path) -> None:
    made = foveal.compare(["poor", "good", "best"], runs_dir=str(three))
    assert [row.name for row in made.rows] == ["resnet9", "cifar_resnet20", "lenet5"]
    row = made.rows[2]
    assert row.headline is not None
    assert (row.headline.value, row.headline.split) == (0.5, "test")
    assert (row.seconds, row.best_seconds, row.epochs, row.pictures) == (12.5, 7.0, 2, 60)
    assert row.parameters == row.training_parameters
    assert row.parameters is not None
    assert 50_000 < row.parameters < 70_000, "LeNet-5, one channel, two classes"
    assert row.multiply_adds is not None
    assert 300_000 < row.multiply_adds < 1_000_000
    assert (row.year, row.published, row.recipe) == (1998, None, "a paper on lenet5")


def test_what_is_shown_and_what_is_not(three: Path) -> None:
    made = foveal.compare(["poor", "good", "best"], runs_dir=str(three))
    by = {frozenset((pair.a, pair.b)): pair for pair in made.pairs}
    close = by[frozenset(("cifar_resnet20", "resnet9"))]
    far = by[frozenset(("lenet5", "resnet9"))]
    assert not close.shown
    assert close.better == ""
    assert far.shown
    assert far.better == "resnet9"
    assert [pair.p_of_all for pair in made.pairs] == holm([pair.p for pair in made.pairs])
    assert made.says[0] == "resnet9 and cifar_resnet20 are each better than lenet5."
    assert made.says[1] == "Between resnet9 and cifar_resnet20 nothing is shown."
    assert made.says[2:] == ()
    assert any("All 3 pairs are judged together (Holm 1979)" in said for said in made.notes)
    assert any("trained once" in said for said in made.notes)


def test_it_agrees_with_diff(three: Path) -> None:
    made = foveal.compare(["poor", "good"], runs_dir=str(three))
    both = foveal.diff("poor", "good", runs_dir=str(three)).paired
    assert both is not None
    (pair,) = made.pairs
    assert (pair.difference, pair.low, pair.high, pair.p) == (both.difference, both.low, both.high, both.p)
    assert pair.p_of_all == pair.p, "one pair alone"


def test_the_same_network_twice_is_called_by_its_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        a_run(tmp_path, name, 0.6)
    made = foveal.compare([tmp_path / "one", tmp_path / "two"])
    assert {row.name for row in made.rows} == {"one", "two"}
    assert made.says[0] == "Between one and two nothing is shown."


def test_the_page_has_a_point_a_run_in_every_chart(three: Path, tmp_path: Path) -> None:
    made = foveal.compare(["poor", "good", "best"], runs_dir=str(three), out=str(tmp_path / "c.html"))
    assert made.html == str(tmp_path / "c.html")
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert page.count('class="c-point"') == 3 * len(made.rows)
    assert page.count("<svg") == 3
    for row in made.rows:
        assert page.count(f">{row.name}</text>") == 3
    assert "a paper on cifar_resnet20" in page
    assert not re.search(r"(src|href)=\"https?:", page), "all in one file"
    assert "<html" not in made._repr_html_()
    assert made._repr_html_().count('class="c-point"') == 9


def test_what_failed_is_a_row_with_its_reason(three: Path) -> None:
    from foveal.report.compare import page
    from foveal.verbs.beside import Row

    made = compared(
        [three / "poor", three / "good"], [Row("vit_b_16", "vit_b_16", failed="too small <pictures>")]
    )
    assert [row.name for row in made.rows] == ["cifar_resnet20", "lenet5", "vit_b_16"]
    assert made.says[-1] == "vit_b_16 was not trained: too small <pictures>"
    text = page(made)
    assert "not trained: too small &lt;pictures&gt;" in text
    assert text.count('class="c-point"') == 6
    assert made.to_json()["rows"][2]["failed"] == "too small <pictures>"


def test_runs_on_other_pictures_have_a_row_and_no_pair(three: Path) -> None:
    a_run(three, "elsewhere", 0.7, "lenet5", start=9000)
    made = foveal.compare(["poor", "good", "elsewhere"], runs_dir=str(three))
    assert len(made.rows) == 3
    assert len(made.pairs) == 1
    assert any(said.startswith("Not judged on the same pictures") for said in made.notes)
    with pytest.raises(RunError, match="not judged on the same pictures") as error:
        foveal.compare(["poor", "elsewhere"], runs_dir=str(three))
    assert "--split-seed" in error.value.todo


@pytest.mark.parametrize("runs", [[], ["poor"], ["poor", "poor"]])
def test_one_run_is_no_comparison(three: Path, runs: list[str]) -> None:
    with pytest.raises(OptionError, match="to compare"):
        foveal.compare(runs, runs_dir=str(three))


def test_a_run_that_is_not_finished(three: Path) -> None:
    a_run(three, "stopped", None)
    with pytest.raises(RunError, match="not finished \\(interrupted\\)") as error:
        foveal.compare(["poor", "stopped"], runs_dir=str(three))
    assert error.value.todo == f"foveal train --resume {three / 'stopped'}"


def test_other_measures(three: Path) -> None:
    a_run(three, "numbers", 0.7, "resnet9", measure="mae")
    with pytest.raises(RunError, match=r"judged differently: .* by accuracy and .* by mae"):
        foveal.compare(["poor", "numbers"], runs_dir=str(three))


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"epochs": 3}, "--epochs was given without --train"),
        ({"data": "digits"}, "Data was given without --train"),
        ({"out": "page.pdf"}, "--out page.pdf"),
        ({"train": "lenet5,resnet9"}, "both given"),
        ({"epoch": 3}, "no option --epoch"),
    ],
)
def test_what_does_not_go_together(three: Path, given_: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        foveal.compare(["poor", "good"], runs_dir=str(three), **given_)


def test_lists_in_words() -> None:
    assert [listed("abc"[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


PAIRS = st.sets(st.sampled_from(list(itertools.combinations("abcdef", 2))))


@given(PAIRS)
def test_groups_hold_all_that_go_together_and_nothing_else(same: set[tuple[str, str]]) -> None:
    linked = {frozenset(pair) for pair in same}

    def whole(group: Sequence[str]) -> bool:
        return all(frozenset(pair) in linked for pair in itertools.combinations(group, 2))

    every = [set(g) for size in range(2, 7) for g in itertools.combinations("abcdef", size) if whole(g)]
    largest = [g for g in every if not any(g < other for other in every)]
    found = cliques("abcdef", sorted(same))
    assert sorted(map(sorted, found)) == sorted(map(sorted, largest))
