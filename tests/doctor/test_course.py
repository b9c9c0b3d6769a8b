"""Courses of treatment: what is tried, in which order, when that ends, and which cure is kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import foveal
from foveal import catalog
from foveal.doctor.candidates import (
    AFTER,
    NORMS,
    OTHER,
    RATE,
    as_planned,
    candidates,
    combined,
    distinct,
    same,
)
from foveal.doctor.course import DEEP, WIDE, Look, Scale, Trial, course, looked, opening
from foveal.finding import Cure, Evidence, Finding
from foveal.records.gathered import gather
from foveal.records.run import Run
from pictures import class_folder

SCALE = Scale(0.2, True, 0.02)


def finding(rule: str, *symptoms: Finding, **cure: object) -> Finding:
    made = Cure("Do this.", **cure)  # type: ignore[arg-type]
    return Finding(rule, "error", "It is ill.", (Evidence("It shows."),), "Because.", made, symptoms=symptoms)


@pytest.fixture(scope="module")
def ill(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that learned nothing."""
    home = tmp_path_factory.mktemp("course")
    data = class_folder(home / "shapes", classes=3, each=12, size=16)
    done = foveal.train(
        data, network="lenet5", pretrained=False, size=16, batch=8, epochs=1, lr=1e-7, optimizer="sgd",
        runs_dir=str(home / "runs"), precision="fp32", device="cpu", probe=False, augment="none",
    )  # fmt: skip
    return Run.open(done.run)


def test_every_rule_and_repair_that_is_named_is_there() -> None:
    assert not AFTER.keys() - set(catalog.names("doctor.rules"))
    named = {repair for cures in AFTER.values() for cure in cures for repair in cure.repairs}
    assert not named - set(catalog.names("repairs"))


def test_what_may_cure_what(ill: Run) -> None:
    record = gather(ill)
    own = finding("bad_initialisation", repairs=("redraw",))
    assert candidates(own, record) == (own.cure, NORMS, OTHER)
    assert candidates(finding("labels_swapped"), record) == (), "that is for a person"
    leak = finding("leak", exclude=("a",))
    assert candidates(leak, record) == (leak.cure,), "the true score is no worse cure than a higher one"
    noisy = finding("labels_noisy", exclude=("a",))
    first, second = candidates(noisy, record)
    assert (first, second.exclude) == (noisy.cure, ("a",)), "what leaves out the same pictures compares"
    assert record.dataset is not None
    other = finding("rate_too_low", changes={"lr": 0.1})
    for part, compared in (("train", True), ("val", False)):
        gone = finding("labels_noisy", exclude=(record.dataset.part(part)[0].id,))
        cures = opening(gone, (other, leak), record)
        assert (other.cure in cures, leak.cure in cures) == (compared, False), (
            "judged on the same pictures or not"
        )
    symptom = finding("overfitting", changes={"epochs": 3})
    assert opening(finding("labels_swapped", symptom), (), record) == (symptom.cure,)
    assert opening(leak, (symptom,), record) == (leak.cure,)
    many = [finding("overfitting", changes={"epochs": n}) for n in range(1, 9)]
    assert len(opening(own, many, record)) == WIDE


def test_what_was_given_by_hand_is_left_to_the_plan(ill: Run) -> None:
    record = gather(ill)
    plain = as_planned(record)
    assert plain is not None
    assert plain.changes == {"optimizer": None, "lr": None, "size": None, "augment": None}
    assert "--lr" in plain.says
    assert "--batch" not in plain.says, "as many steps as before"
    cures = candidates(finding("loss_stuck", changes={"find_lr": True}), record)
    assert [one.says for one in cures[-3:]] == [plain.says, NORMS.says, OTHER.says], (
        "options before the network"
    )
    automatic = [dataclasses.replace(choice, automatic=True) for choice in record.choices]
    assert as_planned(dataclasses.replace(record, choices=tuple(automatic))) is None, (
        "so it was trained already"
    )


def test_two_cures_in_one() -> None:
    slow, found = Cure("A.", {"lr": 0.1, "clip": 0.0}), Cure("B.", {"find_lr": True}, ("redraw",))
    both = combined(slow, found)
    assert (both.changes, both.repairs) == ({"clip": 0.0, "find_lr": True}, ("redraw",))
    assert combined(found, slow).changes == {"lr": 0.1, "clip": 0.0}
    assert combined(NORMS, OTHER).repairs == (), "repairs were of the other network"
    assert same(Cure("A.", {"lr": 1}), Cure("B.", {"lr": 1}))
    assert [one.says for one in distinct((slow, found, Cure("C.", dict(slow.changes))))] == ["A.", "B."]


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=6), st.booleans())
def test_the_best_is_as_good_as_any(values: list[float | None], higher: bool) -> None:
    scale = Scale(0.5, higher, 0.02)
    trials = [Trial(Cure(str(n), {"lr": n}), value) for n, value in enumerate(values)]
    best, known = scale.best(trials), [value for value in values if value is not None]
    assert (best is None) == (not known)
    if best is not None and best.value is not None:
        top = max(known) if higher else min(known)
        assert abs(best.value - top) <= 0.02 / 2 * len(values)


def tried(values: dict[str, float | None], ill: Run) -> tuple[list[str], object]:
    """A trial that gives these values by what a cure says, and the cures that were tried."""
    said: list[str] = []

    def trial(cure: Cure) -> Trial:
        said.append(cure.says)
        value = values.get(cure.says)
        return Trial(cure, value, None if value is None else Run(ill.folder))

    return said, trial


def test_a_course_ends_where_a_run_is_well(ill: Run) -> None:
    cures = [Cure("A.", {"lr": 1}), Cure("B.", {"lr": 2}), Cure("C.", {"lr": 3})]
    said, trial = tried({"A.": 0.21, "B.": 0.9, "C.": 0.95}, ill)
    made = course(cures, SCALE, trial, lambda run: Look(well=True))  # type: ignore[arg-type]
    assert said == ["A.", "B."], "0.21 is no gain, and 0.9 is one"
    assert SCALE.best(made) is made[1]


def test_what_is_left_is_cured_on_top_of_the_best(ill: Run) -> None:
    cures = [Cure("A.", {"clip": 0.0}), Cure("B.", {"momentum": 0.5})]
    left = finding("rate_too_low", changes={"lr": 0.5})
    said, trial = tried({"A.": 0.5, "B.": None}, ill)
    made = course(cures, SCALE, trial, lambda run: Look((left,)))  # type: ignore[arg-type]
    assert said[:3] == ["A.", "B.", "A. Then: Do this."]
    assert made[2].cure.changes == {"clip": 0.0, "lr": 0.5}
    assert f"A. Then: {RATE.says}" in said, "a rate is found anew"
    assert len(made) <= 2 + DEEP
    assert len({str(one.cure.to_json()) for one in made}) == len(made), "nothing twice"


def test_cures_that_were_not_enough_alone_are_set_on_top_of_the_best(ill: Run) -> None:
    cures = [Cure("A.", {"lr": 1.0}), Cure("B.", {"lr": 2.0}), NORMS, OTHER]
    said, trial = tried({"A.": 0.6, "B.": 0.3, NORMS.says: 0.3}, ill)
    made = course(cures, SCALE, trial, lambda run: Look())  # type: ignore[arg-type]
    assert said[4:] == [f"A. Then: {NORMS.says}"], (
        "another rate takes its place, another network has none of it"
    )
    assert (made[4].cure.changes, made[4].cure.repairs) == ({"lr": 1.0}, NORMS.repairs)


def test_what_gained_nothing_is_no_ground_for_others(ill: Run) -> None:
    left = finding("rate_too_low", changes={"lr": 0.5})
    said, trial = tried({"A.": 0.2, "Do this.": 0.9}, ill)
    made = course([Cure("A.", {"clip": 0.0})], SCALE, trial, lambda run: Look((left,)))  # type: ignore[arg-type]
    assert said[:2] == ["A.", "Do this."]
    assert made[1].cure.changes == {"lr": 0.5}


def test_a_course_ends_with_the_time(ill: Run) -> None:
    cures = [Cure("A.", {"lr": 1}), Cure("B.", {"lr": 2})]
    said, trial = tried({"A.": 0.3, "B.": 0.4}, ill)
    course(cures, SCALE, trial, lambda run: Look(), lambda: not said)  # type: ignore[arg-type]
    assert said == ["A."]


def test_an_ill_run_is_not_well(ill: Run) -> None:
    assert not looked(ill).well
    assert Path(ill.folder).is_dir()
