"""Causes stand before symptoms, and what a finding hangs on is its interval: cases made by hand."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import gathered
from foveal.doctor import _folded, rules
from foveal.doctor.case import Case
from foveal.doctor.rules import (
    batch_of_one,
    imbalance,
    labels_noisy,
    labels_shuffled,
    labels_swapped,
    rate_too_high,
    rate_too_low,
    split_preprocessing,
    stopped_too_early,
)
from foveal.doctor.rules._course import commonest, guess, left, poor, result, stuck, wrong
from foveal.events import Epoch, Step
from foveal.finding import Cure, Finding
from foveal.records.gathered import Gathered
from foveal.values import Dataset, Item


def said(rule: str) -> Finding:
    return Finding(rule, "error", rule, (), "", Cure(""))


@pytest.mark.parametrize(
    ("cause", "symptom"),
    [
        ("wrong_loss", "dead_units"),
        ("clipping_too_strong", "updates_too_small"),
        ("stopped_too_early", "loss_stuck"),
        ("schedule_ends_wrongly", "loss_stuck"),
    ],
)
def test_what_names_a_cause_stands_first(cause: str, symptom: str) -> None:
    found = _folded({symptom: said(symptom), cause: said(cause)})
    assert found[0].rule == cause


@pytest.mark.parametrize(
    ("seen", "effects"),
    [
        ("updates_too_large", ("exploding", "dead_units", "loss_stuck")),
        ("optimizer_lacks_parameters", ("frozen_by_mistake", "underfitting")),
        ("schedule_ends_wrongly", ("rate_too_low", "updates_too_small")),
        ("metric_disagrees", ("labels_swapped", "overfitting")),
    ],
)
def test_what_was_seen_itself_stands_before_its_effects(seen: str, effects: tuple[str, ...]) -> None:
    direct = dataclasses.replace(said(seen), direct=True)
    found = _folded({**{name: said(name) for name in effects}, seen: direct})
    assert [one.rule for one in found] == [seen]
    assert {one.rule for one in found[0].symptoms} == set(effects)
    assert Finding.from_json(direct.to_json()).direct


def of(counts: dict[str, dict[str, int]], **more: Any) -> Gathered:
    items = [
        Item(f"{part}{name}{n}", "x.png", name, part)
        for part, row in counts.items()
        for name, count in row.items()
        for n in range(count)
    ]
    labels = tuple(counts["train"])
    return gathered.made(
        None, dataset=Dataset("/data", "classify", "folder", "", labels, tuple(items)), **more
    )


@pytest.mark.parametrize(
    ("coats", "pullovers", "share", "ill"),
    [
        (25, 175, 0.6, True),  # most coats bear the other's name
        (25, 175, 0.1, False),  # and yet are known as coats
        (25, 100, 0.6, False),  # few coats, and no more of the others
        (92, 108, 0.6, False),  # by luck
    ],
)
def test_a_class_that_was_taken_for_another_is_missing_there(
    coats: int, pullovers: int, share: float, ill: bool
) -> None:
    due = {"coat": 50, "pullover": 50, "shoe": 50}
    record = of({"train": {"coat": coats, "pullover": pullovers, "shoe": 100}, "val": due})
    rows = [{"truth": "coat", "called": "pullover", "count": 50, "share": share}]
    found = labels_noisy.examine(Case(record, data={"confused": rows}))
    assert isinstance(found, Finding) == ill
    assert not ill or "75 training pictures of coat are labelled pullover" in found.says  # type: ignore[union-attr]


def test_names_that_are_exchanged_as_a_whole_are_swapped_and_not_shuffled() -> None:
    inputs = {"mismatched": 0.9, "renamed": {"2": "10", "10": "2"}, "count": 100}
    case = Case(gathered.made(None), tests={"inputs": inputs})
    found = labels_swapped.examine(case)
    assert isinstance(found, Finding)
    assert "2 as 10" in found.says
    assert not isinstance(labels_shuffled.examine(case), Finding)


@pytest.mark.parametrize(("own", "told", "ill"), [(0.4, 0.95, True), (0.9, 0.95, False), (0.5, 0.7, False)])
def test_tags_that_bear_each_others_names(own: float, told: float, ill: bool) -> None:
    row = {"count": 40, "own": own, "told": told, "as": {}}
    labels = {"ring": {**row, "best": "disc"}, "disc": {**row, "best": "ring"}, "bar": {**row, "best": "bar"}}
    found = labels_swapped.examine(Case(gathered.made(None), tests={"tags": {"count": 90, "labels": labels}}))
    assert isinstance(found, Finding) == ill


@pytest.mark.parametrize(("right", "ill"), [(0, True), (3, False)])
def test_where_classes_are_right_as_they_are_it_is_labels_that_are_exchanged(right: int, ill: bool) -> None:
    called = [
        {"truth": f"{n}", "called": f"{n if n < right else 9 - n}", "count": 30, "share": 0.95}
        for n in range(6)
    ]
    splits = {
        "count": 128, "val": 0.2, "train": 0.97, "varied": 0.97, "last_val": 0.2, "last_train": 0.97, "called": called,
        "seen_as": {"turned by a half": 0.96, "smoothed": 0.2},
    }  # fmt: skip
    found = split_preprocessing.examine(Case(gathered.made(None), tests={"splits": splits}))
    assert isinstance(found, Finding) == ill


def short(steps: int, epochs: int, batch: int) -> Case:
    """A run that ended soon, having learned little."""
    record = of({part: dict.fromkeys(gathered.LABELS, 40) for part in ("train", "val")})
    events: list[Any] = [Step(step=1, loss=1.1, lr=0.1)]
    for n in range(1, epochs + 1):
        one: Epoch = gathered.epoch(n, 0.5, 1.1 - 0.05 * n, 1.05 - 0.05 * n)
        events.append(dataclasses.replace(one, step=round(steps * n / epochs)))
    train = {"optimizer": "sgd", "batch": batch, "lr": 0.1}
    told = {
        "task": {"name": "classify", "labels": list(gathered.LABELS), "loss": "cross-entropy"},
        "train": train,
    }
    stop = {"why": "finished", "says": "", "epoch": epochs, "step": steps}
    return Case(dataclasses.replace(record, events=tuple(events), options=told, result=stop))


def test_few_steps_are_cured_by_smaller_batches_where_those_are_why() -> None:
    large, few = stopped_too_early._few(short(24, 12, 250)), stopped_too_early._few(short(40, 2, 20))
    assert large is not None
    assert large.cure.changes["batch"] == 32
    assert few is not None
    assert few.cure.changes == {"epochs": 20}
    assert stopped_too_early._few(short(2000, 12, 32)) is None


def test_larger_batches_get_as_many_steps() -> None:
    case = short(900, 3, 2)
    cure = batch_of_one._cure(case, 2)
    assert cure.changes["batch"] == 32
    assert 900 * 2 / 32 / 3 * cure.changes["epochs"] >= 400


def test_balancing_that_is_off_is_not_called_on() -> None:
    told = {"names": ["rare"], "most": 500, "least": 5,
            "few": {"recall": 0.1, "low": 0.02, "high": 0.2, "count": 60},
            "many": {"recall": 0.9, "low": 0.85, "high": 0.95, "count": 300}}  # fmt: skip
    for balance, changes in (("none", {"balance": "sampling"}), ("weights", {})):
        record = gathered.made(None)
        record = dataclasses.replace(record, options={**record.options, "train": {"balance": balance}})
        found = imbalance.examine(Case(record, data={"rare": told}))
        assert isinstance(found, Finding)
        assert found.cure.changes == changes


def several(
    low: float, score: float, name: str, task: dict[str, Any], truths: list[Any], labels: tuple[str, ...]
) -> Case:
    """A run on other truths than classes, whose best epoch has this loss and this score."""
    items = [
        Item(f"{part}{n}", "x.png", truth, part)
        for part in ("train", "val")
        for n, truth in enumerate(truths)
    ]
    made: Epoch = gathered.epoch(1, score, low, low)
    headline = {**made.headline, "name": name, "higher_is_better": name != "mae"}
    data = Dataset("/data", str(task["name"]), "table", "", labels, tuple(items))
    events = (Step(step=1, loss=1.0, lr=0.1), dataclasses.replace(made, headline=headline))
    return Case(gathered.made(None, events=events, dataset=data, options={"task": task, "train": {}}))


def test_what_is_left_of_several_labels() -> None:
    """One label in two pictures and one in four: guessing costs the mean of their entropies."""
    truths = [["a", "b"], ["a"], [], []] * 10
    task = {"name": "multilabel", "labels": ["a", "b"], "loss": "bce"}
    blind = (stats.entropy([0.5, 0.5]) + stats.entropy([0.25, 0.75])) / 2
    made = several(blind / 2, 0.6, "mAP", task, truths, ("a", "b"))
    assert guess(made) == pytest.approx(blind)
    assert commonest(made) == pytest.approx(0.375)
    assert left(made) == pytest.approx(0.5)
    assert poor(made, 0.3)
    assert not stuck(made)
    assert stuck(several(blind, 0.38, "mAP", task, truths, ("a", "b")))
    assert "mAP" in result(made)


def test_what_is_left_of_numbers() -> None:
    truths = list(np.random.default_rng(0).normal(10, 2, 60))
    task = {
        "name": "regress",
        "labels": [],
        "loss": "mse",
        "mean": float(np.mean(truths)),
        "scale": float(np.std(truths)),
    }
    made = several(0.5, 0.8, "mae", task, truths, ())
    assert guess(made) == pytest.approx(1)
    assert wrong(made) == pytest.approx(0.8 / np.abs(truths - np.mean(truths)).mean())
    assert poor(made, 0.3)
    assert not stuck(made)
    assert stuck(several(1.0, 1.7, "mae", task, truths, ()))


@pytest.mark.parametrize(
    ("rule", "left", "ill"),
    [
        (rate_too_high, {"0.01": 1.0, "0.1": 0.6, "1": 1.2, "10": None, "100": None}, True),
        (rate_too_high, {"0.01": 1.0, "0.1": 0.6, "1": 0.5, "10": None, "100": None}, False),
        (rate_too_high, {"0.01": 1.0, "0.1": 1.0, "1": 1.2, "10": None, "100": None}, False),
        (rate_too_low, {"0.01": 1.0, "0.1": 1.0, "1": 0.99, "10": 0.8, "100": 0.4}, True),
        (rate_too_low, {"0.01": 1.0, "0.1": 1.0, "1": 0.99, "10": 0.95, "100": None}, False),
        (rate_too_low, {"0.01": 1.0, "0.1": 0.9, "1": 0.7, "10": 0.3, "100": None}, False),
    ],
)
def test_usual_rates_are_judged_by_trial(rule: Any, left: dict[str, float | None], ill: bool) -> None:
    made = short(2000, 3, 32)
    losses = [dataclasses.replace(e, metrics={"loss": 1.0986}, headline={**e.headline, "value": 0.33, "low": 0.3})
              if isinstance(e, Epoch) else e for e in made.record.events]  # fmt: skip
    record = dataclasses.replace(made.record, events=tuple(losses))
    case = Case(record, tests={"rates": {"lr": 0.1, "start": 1.1, "steps": 40, "ended": {
        times: None if one is None else 1.1 * one for times, one in left.items()}}})  # fmt: skip
    found = rule._by_trial(case, 0.1) if rule is rate_too_low else rule._by_trial(case)
    assert isinstance(found, Finding) == ill


@pytest.mark.parametrize(("own", "best", "ill"), [(0.86, 0.58, True), (1.0, 0.7, True), (0.99, 0.9, False)])
def test_a_low_rate_is_told_by_trial_where_no_update_was_watched(
    monkeypatch: pytest.MonkeyPatch, own: float, best: float, ill: bool
) -> None:
    monkeypatch.setattr(rate_too_low, "usual", lambda case: 1.0)
    monkeypatch.setattr(rate_too_low, "times_usual", lambda case: 0.1)
    monkeypatch.setattr(rate_too_low, "update_ratio", lambda case: None)
    made = short(2000, 3, 32)
    losses = [dataclasses.replace(e, metrics={"loss": 1.0986}, headline={**e.headline, "value": 0.33, "low": 0.3})
              if isinstance(e, Epoch) else e for e in made.record.events]  # fmt: skip
    ended = {"0.01": 1.0, "1": own, "10": best}
    case = Case(dataclasses.replace(made.record, events=tuple(losses)), tests={"rates": {
        "lr": 0.1, "start": 1.0, "steps": 40, "ended": ended}})  # fmt: skip
    assert isinstance(rate_too_low.examine(case), Finding) == ill


@pytest.mark.parametrize(("val", "ill"), [(0.85, True), (0.5, False)])
def test_a_network_knows_as_much_of_what_it_learned_from(val: float, ill: bool) -> None:
    made = short(2000, 3, 32)
    splits = {"count": 128, "last_train": 0.45, "last_val": val, "train": 0.45, "val": val}
    found = labels_noisy.examine(Case(made.record, tests={"splits": splits}, data={"labels_in_doubt": []}))
    assert isinstance(found, Finding) == ill


def test_cures_in_words_name_a_command_or_code() -> None:
    """What Foveal cannot carry out is for a person, who is to be told where and what."""
    told = 0
    for file in sorted(Path(str(rules.__file__)).parent.glob("*.py")):
        calls = [n for n in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
        cures = [n for n in calls if ast.unparse(n.func) == "Cure" and len(n.args) == 1 and not n.keywords]
        for cure in cures:
            says = ast.unparse(cure.args[0])
            assert re.search(r"`|foveal |--[a-z]", says), f"{file.name}, line {cure.lineno}: {says}"
        told += len(cures)
    assert told > 20
