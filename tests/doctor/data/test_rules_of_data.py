"""Rules about data are silent on sound data, where nothing is known, and where what looks ill does no harm."""

from __future__ import annotations

import dataclasses

import pytest

from foveal import catalog
from foveal.doctor import KIND
from foveal.doctor.case import Case
from foveal.finding import Finding
from sick._data import sound

RULES = (
    *("labels_shuffled", "labels_noisy", "labels_swapped", "leak", "imbalance", "shortcut"),
    "suspiciously_good",
)


@pytest.mark.parametrize("name", RULES)
def test_silent_on_sound_digits(name: str) -> None:
    answer = catalog.find(KIND, name).examine(sound())
    assert answer is None


@pytest.mark.parametrize("name", RULES)
def test_says_nothing_where_nothing_was_looked_at(name: str) -> None:
    blind: Case = dataclasses.replace(sound(), data={})
    assert not isinstance(catalog.find(KIND, name).examine(blind), Finding)


def test_few_leaked_pictures_that_move_no_score_are_no_illness() -> None:
    told = dict(sound().data)
    told["leaks"] = {"val": [item.id for item in sound().record.items.values() if item.part == "val"][:2]}
    assert catalog.find(KIND, "leak").examine(dataclasses.replace(sound(), data=told)) is None
