"""Threes are called fives, and fives threes, among the training pictures alone."""

from __future__ import annotations

from foveal.doctor.case import Case
from sick._data import case_of, with_labels
from staging import digits


def staged() -> Case:
    other = {"3": "5", "5": "3"}
    items = digits().items
    return case_of(
        with_labels([other.get(i.truth, i.truth) if i.part == "train" else str(i.truth) for i in items]),
        epochs=16,
    )
