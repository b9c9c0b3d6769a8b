"""Every rule of the doctor: it fires on the run that is staged for it, and is silent on sound ones."""

from __future__ import annotations

import functools
import json
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

import gathered
from foveal import catalog
from foveal.doctor import KIND, Level, diagnose
from foveal.doctor.case import Case
from foveal.finding import Finding, Unsure
from foveal.options import TrainOptions, make
from staging import HEALTHY, QUICK

NAMES = catalog.names(KIND)
SICK = Path(__file__).parents[1] / "sick"
STAGED = sorted(file.stem for file in SICK.glob("[!_]*.py"))


@functools.cache
def sick(name: str) -> Case:
    """The run that is staged for a rule, trained once."""
    case: Case = import_module(f"sick.{name}").staged()
    return case


@functools.cache
def healthy(name: str) -> Case:
    return HEALTHY[name]()


def examined(name: str, case: Case) -> Finding | Unsure | None:
    answer: Finding | Unsure | None = catalog.find(KIND, name).examine(case)
    return answer


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is(name: str) -> None:
    rule = catalog.find(KIND, name)
    assert rule.__doc__
    assert "\n" not in rule.__doc__
    assert rule.SOURCE
    assert rule.LEVEL in get_args(Level)
    assert name not in rule.EXPLAINS
    assert len(set(rule.EXPLAINS)) == len(rule.EXPLAINS)


def test_what_rules_explain_are_rules() -> None:
    explained = {other for name in NAMES for other in catalog.find(KIND, name).EXPLAINS}
    assert not explained - set(NAMES)


def test_every_rule_is_staged() -> None:
    missing = sorted(set(NAMES) - set(STAGED))
    assert not missing, f"write tests/sick/NAME.py for: {', '.join(missing)}"


@pytest.mark.parametrize("name", STAGED)
def test_fires_on_its_staged_run(name: str) -> None:
    found = examined(name, sick(name))
    assert isinstance(found, Finding), found
    assert found.rule == name
    for says in (found.says, found.cause, found.cure.says, *(one.says for one in found.evidence)):
        assert says
        assert says[0] == says[0].upper()
        assert says.endswith("."), says
        assert "  " not in says
    assert any(character.isdigit() for character in found.says + found.evidence[0].says), "no number"
    assert 0.5 <= found.confidence <= 1
    make(TrainOptions, found.cure.changes)
    assert set(found.cure.repairs) <= set(catalog.names("repairs"))
    assert Finding.from_json(json.loads(json.dumps(found.to_json()))).says == found.says


@pytest.mark.parametrize("name", STAGED)
def test_is_in_the_diagnosis(name: str) -> None:
    """As a root cause, or beneath one that explains it."""
    found = diagnose(sick(name)).findings
    assert name in {one.rule for root in found for one in (root, *root.symptoms)}


@pytest.mark.parametrize(
    "run", [r if r in QUICK else pytest.param(r, marks=pytest.mark.slow) for r in HEALTHY]
)
@pytest.mark.parametrize("name", NAMES)
def test_silent_on_sound_runs(name: str, run: str) -> None:
    found = examined(name, healthy(run))
    assert not isinstance(found, Finding), found.says


@pytest.mark.parametrize("name", NAMES)
def test_silent_where_nothing_is_known(name: str) -> None:
    """A run that never began, and one of another task that did."""
    for record in (gathered.made(None, events=(), result={}), gathered.made(None)):
        assert not isinstance(examined(name, Case(record)), Finding)
