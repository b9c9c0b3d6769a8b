"""Regions of masks in doubt: what is found apart, what is a border, how sure a network must be, and the page."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.data.decisions import KEEP
from foveal.data.views import IGNORED
from foveal.doctor.data.masks import SMALLEST, Counted, Map, regions, rows

LABELS = ("ground", "cell", "dust")


def field(*boxes: tuple[int, int, int, int, int], side: int = 100) -> Map:
    """Ground with boxes (class, x0, y0, x1, y1)."""
    made = np.zeros((side, side), np.uint8)
    for place, x0, y0, x1, y1 in boxes:
        made[y0:y1, x0:x1] = place
    return made


def sure(value: float = 0.9, side: int = 100) -> np.ndarray:  # type: ignore[type-arg]
    return np.full((side, side), value, np.float32)


def test_a_forgotten_thing_is_a_region() -> None:
    found, drawn = field((1, 10, 20, 30, 50), (2, 60, 60, 80, 80)), field((2, 60, 60, 80, 80))
    (row,) = regions(found, sure(), drawn, LABELS)
    assert (row["label"], row["said"], row["box"]) == ("ground", "cell", [10, 20, 30, 50])
    assert row["share"] == pytest.approx(600 / 10_000)
    assert row["probability"] == pytest.approx(0.9, abs=1e-3)
    assert {(x, y) for x, y in row["edge"]} >= {(10, 20), (29, 49)}


@given(st.integers(20, 60), st.integers(-1, 1), st.integers(-1, 1))
def test_a_border_drawn_otherwise_is_no_doubt(at: int, right: int, down: int) -> None:
    drawn = field((1, at, at, at + 25, at + 25))
    found = field((1, at + right, at + down, at + 25 + right, at + 25 + down))
    assert regions(found, sure(), drawn, LABELS) == []


def test_what_nobody_told_of_is_no_doubt() -> None:
    drawn = field((IGNORED, 10, 10, 40, 40))
    assert regions(field((1, 10, 10, 40, 40)), sure(), drawn, LABELS) == []
    assert regions(np.full((100, 100), IGNORED, np.uint8), sure(0.0), drawn, LABELS) == [], "gone wrong"
    few = round((SMALLEST * 10_000) ** 0.5) - 1
    assert regions(field((1, 50, 50, 50 + few, 50 + few)), sure(), field(), LABELS) == []


def test_only_what_is_as_sure_as_right_ones_is_told() -> None:
    counted = Counted(LABELS)
    right = field((1, 10, 10, 60, 60))
    for n in range(3):
        counted.add(f"right-{n}", "val", right, sure(0.8), right)
    for id, part, how in (("timid", "val", 0.6), ("bold", "train", 0.95), ("held", "val", 0.85)):
        counted.add(id, part, field((1, 10, 10, 60, 60)), sure(how), field())
    told = counted.told()
    assert [row["id"] for row in told["rows"]] == ["held", "bold"], (
        "those that it did not learn from come first"
    )
    assert (told["pictures"], told["held"]) == (6, 1)
    assert 0.5 < told["agrees"] < 1
    first, second = rows(told)
    assert first.why == "25.0% of the picture drawn as ground, looks like cell (85% sure)"
    assert second.why.endswith("; the network learned from this picture")
    assert first.suggested == KEEP, "a mask is mended, and not left out"
    assert first.drawn[0].edge
