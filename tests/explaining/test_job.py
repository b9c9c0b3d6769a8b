"""What is measured of explanations, on the trained fixture: what to cover, and weights drawn often enough."""

from __future__ import annotations

import pytest
from PIL import Image

import shapes
from foveal.card import Card
from foveal.explaining import FEW_REDRAWS, REDRAWS, Wanted, explain_pictures
from foveal.explaining.explained import Explanation
from foveal.explaining.given import Given
from foveal.model import Model


@pytest.fixture(scope="module")
def rows() -> list[Explanation]:
    network, task, pre = shapes.trained()
    card = Card(task=task.card(), architecture={"name": "shapes"}, preprocessing=pre)
    pictures, _, _ = shapes.pictures(4, seed=8)
    given = [Given.image(Image.fromarray(p.permute(1, 2, 0).numpy())) for p in pictures]
    model = Model(network, task, pre, card)
    return explain_pictures(model, given, Wanted(("gradcam", "occlusion"))).rows


def test_occlusion_says_what_to_cover(rows: list[Explanation]) -> None:
    covered = [row for row in rows if any(said.startswith("Covering") for said in row.says)]
    assert len(covered) >= 3
    for row in covered:
        assert row.method == "occlusion"
        assert f"turns {row.target.label} into" in row.says[-1]


def test_methods_that_cost_little_are_held_against_more_redraws(rows: list[Explanation]) -> None:
    by = {row.method: row.verdict.dependence for row in rows}
    assert by["gradcam"] is not None
    assert by["occlusion"] is not None
    assert by["gradcam"].redraws == REDRAWS
    assert by["occlusion"].redraws == FEW_REDRAWS
    assert by["gradcam"].most < 0.7
