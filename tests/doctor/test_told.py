"""What tests of a run's parts showed is told in sentences, whether or not anything is wrong."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from foveal.doctor.case import Case
from foveal.doctor.deep import learning_curve, spectra
from foveal.doctor.told import OUTLIERS, Told, told
from patients import posed
from staging import small


def test_each_test_tells_its_numbers() -> None:
    case = posed("loss", "modes", "mixing", "blind", "activity", "moves", "preprocessing", epochs=1)
    case = Case(case.record, (), {**case.tests, "subset": {"failed": "no time"}}, {"outliers": ["a.png"]})
    rows = {row.test: row for row in told(case)}
    assert set(rows) == {"loss", "modes", "mixing", "blind", "activity", "moves", "preprocessing", OUTLIERS}
    blind = case.tests["blind"]
    assert f"With empty pictures {blind['empty']:.1%}" in rows["blind"].shown.says
    assert rows["blind"].asks == "Whether the answers depend on the pictures at all"
    assert "all tell pictures apart" in rows["activity"].shown.says
    assert rows[OUTLIERS].shown.pictures == ("a.png",)
    for row in rows.values():
        assert row.shown.says.endswith(".")
        assert Told.from_json(json.loads(json.dumps(row.to_json()))) == row


def test_a_kernel_of_one_direction_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def flattened(network: nn.Module) -> None:
        weight = network.get_parameter("layers.3.weight")
        weight.data = torch.ones_like(weight)

    case = posed("spectra", changed=flattened, epochs=1)
    rows = case.tests["spectra"]["spectra"]
    assert rows["layers.3"]["used"] == 1
    assert rows["layers.3"]["stable_rank"] == pytest.approx(1)
    assert rows["layers.3"]["values"][0] == pytest.approx(
        math.prod(small().layers[3].weight.shape) ** 0.5, rel=1e-3
    )
    assert rows["head"]["used"] > 1
    (row,) = told(case)
    assert "layers.3 uses fewest of its directions: 99% of its energy lie in 1 of" in row.shown.says
    monkeypatch.setattr(spectra, "LARGEST", 10 * 10 * small().head.in_features)
    found = posed("spectra", epochs=1).tests["spectra"]
    assert found["too_large"] == sum(isinstance(m, nn.Conv2d | nn.Linear) for m in small().modules()) - len(
        found["spectra"]
    )
    assert found["too_large"] > 0
    assert "too large to be taken apart" in spectra.told(found).says


def curve(half: int, whole: int, both: int, train: float, count: int = 400) -> dict[str, Any]:
    """Of so many judged pictures some right by the half's network alone, by the whole's alone, by both."""
    one, two = np.zeros(count, bool), np.zeros(count, bool)
    one[: both + half], two[:both], two[both + half : both + half + whole] = True, True, True
    rows = [learning_curve._row(100, one), learning_curve._row(200, two)]
    gain = learning_curve._gain({100: one, 200: two})
    return {"judged": count, "train": train, "curve": rows, **gain}


@pytest.mark.parametrize(
    ("measured", "more", "larger"),
    [
        (curve(5, 45, 300, 1.0), "More pictures would help: twice as many brought +10.0 points", "little left"),
        (curve(2, 2, 300, 0.7), "More pictures of this kind would hardly help", "has more to learn"),
        (curve(20, 24, 300, 0.95), "Whether more pictures would help cannot be told", "might learn these better"),
        (curve(0, 0, 11, 1.0, 11), "Whether more pictures would help cannot be told", "little left"),
    ],
)  # fmt: skip
def test_more_pictures_or_a_larger_network(measured: dict[str, Any], more: str, larger: str) -> None:
    assert measured["low"] <= measured["gain"] <= measured["high"]
    says = learning_curve.told(measured).says
    assert says.startswith(more)
    assert larger in says
    assert "200 pictures" in says
