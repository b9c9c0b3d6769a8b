"""Results in a line or a few."""

from __future__ import annotations

from typing import Any

import pytest

from foveal.terminal import brief

SCORE = {"name": "accuracy", "value": 0.9, "low": 0.8, "high": 0.95, "split": "test"}
SAID = "accuracy 0.9000 [0.8000, 0.9500] on test"


@pytest.mark.parametrize(
    ("issues", "said"),
    [
        ([], "no trouble found"),
        (["note"], "1 note"),
        (["note", "warning", "warning", "error"], "1 error, 2 warnings, 1 note"),
    ],
)
def test_an_inspection(issues: list[str], said: str) -> None:
    doc = {"count": 9, "task": "detect", "labels": ["a"], "issues": [{"severity": one} for one in issues]}
    assert brief.inspection(doc) == f"9 pictures to detect, 1 label; {said}"


def test_a_training_says_where_it_is() -> None:
    assert brief.training({"headline": SCORE, "run": "runs/a-1"}) == f"{SAID}  runs/a-1"
    assert brief.evaluation({"headline": SCORE}) == SAID


def test_a_diagnosis_has_a_line_a_finding() -> None:
    doc: dict[str, Any] = {"says": "Two things are wrong.", "findings": [], "applied": None}
    assert brief.diagnosis(doc) == "Two things are wrong."
    doc["findings"] = [{"rule": "lr_too_high", "says": "It is."}, {"rule": "blind", "says": "It is, too."}]
    doc["applied"] = {"run": "runs/a-2", "says": "better"}
    assert brief.diagnosis(doc).splitlines() == [
        "Two things are wrong.", "lr_too_high: It is.", "blind: It is, too.", "runs/a-2: better",
    ]  # fmt: skip


def test_a_study_says_whether_its_winner_is_sure() -> None:
    doc: dict[str, Any] = {"study": "runs/s-1", "best": None, "verdict": None}
    assert brief.study(doc) == "no trial has a result yet  runs/s-1"
    doc["best"] = {"number": 3, "score": SCORE}
    assert brief.study(doc) == f"{SAID}  trial 3  runs/s-1"
    doc["verdict"] = {"lines": ["keep your default", "more"]}
    assert brief.study(doc) == f"{SAID}  trial 3  runs/s-1\nkeep your default"
    assert brief.comparison({"says": ["a", "b"]}) == "a\nb"
