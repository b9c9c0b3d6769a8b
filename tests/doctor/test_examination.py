"""A run's parts tested one by one: on a real run, within a time, and never an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import foveal
from foveal import catalog
from foveal.doctor.deep import learning_curve
from foveal.doctor.examination import KIND, ORDER, examine
from foveal.doctor.patient import Patient, spread
from foveal.records.run import Run
from pictures import class_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("examined")
    done = foveal.train(
        class_folder(home / "data", 3, 24, 16), network="resnet9", pretrained=False, size=16, epochs=3, batch=16,
        out=str(home / "run"),
    )  # fmt: skip
    return Run.open(done.run)


def test_every_quick_test_measures_something(run: Run) -> None:
    random = torch.get_rng_state()
    case = examine(run)
    assert torch.equal(torch.get_rng_state(), random)
    quick = {name for name in catalog.names(KIND) if catalog.find(KIND, name).QUICK}
    made = {name for name, found in case.tests.items() if "failed" not in found}
    assert made >= quick - {"preprocessing", "tags"}, "no preset to compare with, and one label a picture"
    assert not [found["failed"] for found in case.tests.values() if "failed" in found]
    json.dumps(dict(case.tests), allow_nan=False)
    assert case.tests["loss"]["right"] == pytest.approx(0, abs=1e-3)
    assert case.tests["loss"]["undecided"] == pytest.approx(case.tests["loss"]["guess"], rel=1e-3)
    assert case.tests["splits"]["moves"] == 0
    assert case.tests["mixing"]["others"] < 1e-6
    assert case.tests["inputs"]["mismatched"] == 0
    assert not case.tests["outputs"]["probabilities"]
    assert set(ORDER) >= set(catalog.names(KIND))


def test_no_time_and_no_pictures_are_told(run: Run, tmp_path: Path) -> None:
    assert all("no time" in found["failed"] for found in examine(run, seconds=0.0).tests.values())
    data = Path(run.dataset.root)
    away = data.with_name("away")
    data.rename(away)
    try:
        tests = examine(run).tests
        assert "failed" in tests["outputs"]
        assert "failed" not in tests["loss"], "made-up answers need no pictures"
    finally:
        away.rename(data)


def test_a_patient_is_left_as_it_was(run: Run) -> None:
    patient = Patient.of(run)
    network = patient.network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert any(bool(p.any()) for p in patient.network().parameters()), "each gets a copy"
    first, again = patient.batch("train", 8, augment=True), patient.batch("train", 8, augment=True)
    assert torch.equal(first.images, again.images)
    assert len(spread(run.dataset.part("train"), 5)) == 5
    assert patient.fresh(1).training


def test_the_recipe_is_trained_on_a_part_of_the_pictures(run: Run) -> None:
    patient = Patient.of(run, 200)
    before = sorted(run.folder.iterdir())
    found = learning_curve.measure(patient)
    assert found is not None
    count = len(run.dataset.part("train"))
    assert [row["pictures"] for row in found["curve"]] == [round(0.5 * count), count], (
        "a quarter is less than a batch"
    )
    batch = patient.batch("val", 1000)
    right = patient.told(patient.network(), batch).outputs.argmax(1) == batch.truths
    assert found["curve"][-1]["score"] == pytest.approx(float(right.float().mean()))
    assert found["low"] <= found["gain"] <= found["high"]
    assert sorted(run.folder.iterdir()) == before
    late = learning_curve.measure(Patient.of(run, 1e-3))
    assert late is not None
    assert "--deep --minutes" in learning_curve.told(late).says


@pytest.mark.slow
def test_deep_tests_of_a_sound_run(run: Run) -> None:
    tests = examine(run, deep=True, seconds=200).tests
    assert not [name for name, found in tests.items() if "failed" in found]
    assert tests["one_batch"]["plain"]["accuracy"] == 1
    assert tests["shuffled"]["gain"] > 0
    assert [row["pictures"] for row in tests["learning_curve"]["curve"]]
