"""The most telling pictures of detectors, segmentations and networks that make pictures."""

from __future__ import annotations

from typing import Any

import pytest

from foveal.explaining.pictured import ranked, targets
from foveal.values import Target

BOX = [4.0, 5.0, 24.0, 30.0]


def objects(name: str, score: float, said: list[tuple[str, float]], missed: int = 0) -> dict[str, Any]:
    """A detector's row; of what was said the kind and how sure it is."""
    return {
        "id": name,
        "score": score,
        "loss": 1.0 - score,
        "predicted": [
            {"label": "cell", "box": [n, 0, n + 9.0, 9.0], "kind": kind, "probability": sure}
            for n, (kind, sure) in enumerate(said)
        ],
        "truth": [{"label": "dust", "box": BOX, "kind": "missed"}] * missed
        + [{"label": "cell", "box": BOX, "kind": "right"}],
    }


def test_objects_that_are_wrong_or_missed_are_explained_at_their_places() -> None:
    good = objects("good", 1.0, [("right", 0.7), ("right", 0.9)])
    bad = objects("bad", 0.3, [("right", 0.95), ("background", 0.4), ("wrong_class", 0.8)], missed=1)
    fair = objects("fair", 0.8, [("right", 0.6), ("ignored", 0.9)], missed=1)
    rows = [good, fair, bad]
    assert [row["id"] for row, _ in ranked(rows, "wrong")] == ["bad", "fair"], (
        "and no picture without a mistake"
    )
    assert [row["id"] for row, _ in ranked(rows, "right")] == ["good", "fair", "bad"]
    assert ranked(rows, "near") == []
    assert targets(bad) == (
        Target("cell", at=(2.0, 0.0, 11.0, 9.0)), Target("dust", at=(4.0, 5.0, 24.0, 30.0)),
    )  # fmt: skip
    assert targets(fair) == (Target("dust", at=(4.0, 5.0, 24.0, 30.0)),)
    assert targets(good) == (Target("cell", at=(1.0, 0.0, 10.0, 9.0)),)
    why = ranked(rows, "wrong")[0][1]
    assert why == (
        "one of the worst pictures: 1 right, 1 background, 1 wrong class, 1 missed; explained: the cell that was "
        "said (wrong class, 80 % sure) and the dust that was missed"
    )


def test_pictures_without_any_object() -> None:
    empty = {"id": "e", "score": 1.0, "loss": 0.1, "predicted": [], "truth": []}
    assert targets(empty) == ()
    assert [row for row, _ in ranked([empty], "right")] == [empty]
    assert ranked([empty], "wrong") == []


def test_labels_of_maps() -> None:
    row = {"id": "a", "score": 0.4, "loss": 1.0, "predicted": ["road", "car"], "truth": ["road", "pole"]}
    assert ranked([row], "wrong")[0][1] == (
        "one of the worst pictures: its score is 0.4000, where 1 is best; car was said and is not there; pole is there "
        "and was not said"
    )
    assert targets(row) == ()


@pytest.mark.parametrize(("kind", "first"), [("wrong", "b"), ("right", "a")])
def test_made_pictures(kind: str, first: str) -> None:
    made = {"PSNR": 30.0, "gain": 1.5, "loss": 0.1, "score": 1.5, "truth": None, "predicted": None}
    rows = [{**made, "id": "a"}, {**made, "id": "b", "gain": -0.2, "score": -0.2}]
    row, why = ranked(rows, kind)[0]
    assert row["id"] == first
    assert f"PSNR 30.00 dB, gain {row['gain']:.2f} dB" in why
    assert "None" not in why
