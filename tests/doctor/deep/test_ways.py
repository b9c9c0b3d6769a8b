"""Tests of what is done to pictures, losses and activations on the way, by what these do to sound ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from foveal.doctor.case import Case
from foveal.doctor.deep import loss
from foveal.doctor.deep._looks import apart
from foveal.doctor.deep.splits import WAYS
from foveal.doctor.deep.tags import _above
from foveal.doctor.patient import Patient
from foveal.doctor.rules import (
    dropout_too_strong,
    input_not_normalised,
    split_preprocessing,
    sum_for_mean,
)
from foveal.doctor.rules._range import _unlike, off_the_card
from foveal.doctor.rules._rates import tried
from foveal.doctor.rules.wrong_loss import _is_another
from foveal.finding import Finding
from foveal.tasks import multilabel
from foveal.values import Batch, Step
from patients import odd, posed
from staging import Net, block, small


def pictures(seed: int, count: int = 64) -> Tensor:
    """Soft blobs of several colours."""
    draw = torch.Generator().manual_seed(seed)
    return F.interpolate(torch.randn(count, 3, 6, 6, generator=draw), size=24, mode="bilinear")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x: x, ""),
        (lambda x: x + torch.randn(x.shape, generator=torch.Generator().manual_seed(1)), "grainier"),
        (lambda x: F.avg_pool2d(x, 5, 1, 2), "smoother"),
        (lambda x: x.mean(1, keepdim=True).expand_as(x), "less colourful"),
        (lambda x: 0.4 * x, "poorer in contrast"),
        (lambda x: x - 2, "darker"),
    ],
)
def test_pictures_that_were_kept_otherwise_look_otherwise(change: Any, says: str) -> None:
    told = apart(pictures(0), change(pictures(1)))
    assert all(0 <= share <= 1 for share in told.values())
    said = _unlike(told)
    assert (said == "") == (says == ""), (said, told)
    words = {"brighter", "darker", "grainier", "smoother", "colourful", "contrast", "detail"}
    assert not says or any(word in said for word in words), said


@given(
    st.lists(st.floats(-5, 5), min_size=2, max_size=12), st.lists(st.floats(-5, 5), min_size=2, max_size=12)
)
def test_how_often_one_is_above_another_is_the_area_under_the_curve(
    having: list[float], lacking: list[float]
) -> None:
    known = roc_auc_score([1] * len(having) + [0] * len(lacking), np.array([*having, *lacking], np.float32))
    assert float(_above(torch.tensor(having), torch.tensor(lacking))) == pytest.approx(known, abs=1e-6)


@pytest.mark.parametrize("name", WAYS)
def test_ways_of_seeing_keep_the_size(name: str) -> None:
    images = pictures(0, 2)
    made = WAYS[name](images)
    assert made.shape == images.shape
    assert not torch.equal(made, images)


# --- on the way to the network ---


def test_pictures_as_the_card_says_are_not_blamed() -> None:
    case = posed("inputs", "splits", epochs=1)
    card = case.tests["inputs"]["card"]
    for name in ("varied", "plain", "val"):
        assert card[name]["slope"] == pytest.approx(1, abs=1e-4)
        assert card[name]["offset"] == pytest.approx(0, abs=1e-4)
        assert not off_the_card(case.tests["inputs"], name, strict=True)
    assert case.tests["inputs"]["renamed"] == {}
    assert not isinstance(split_preprocessing.examine(case), Finding)
    assert input_not_normalised.examine(case) is None


@pytest.mark.parametrize("times", [40.0, 0.02])
def test_values_of_another_size_are_not_normalised(times: float) -> None:
    case = posed("inputs", seen=lambda images, part, augment: times * images, epochs=1)
    assert case.tests["inputs"]["card"]["plain"]["slope"] == pytest.approx(times, rel=1e-3)
    assert isinstance(input_not_normalised.examine(case), Finding)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.rot90(1, (2, 3)),
        lambda x: -x,
        lambda x: 0.5 * x + 1,
        lambda x: x + 1.5 * torch.randn_like(x),
    ],
)
def test_validation_pictures_that_are_changed_on_the_way(change: Any) -> None:
    case = posed(
        "inputs", "splits", seen=lambda x, part, augment: change(x) if part == "val" else x, epochs=4
    )
    said = split_preprocessing.examine(case)
    assert isinstance(said, Finding)


def test_turned_files_are_found_by_turning_them_back() -> None:
    case = posed("splits", seen=lambda x, part, augment: x.rot90(1, (2, 3)) if part == "val" else x, epochs=6)
    ways = case.tests["splits"]["seen_as"]
    assert max(ways, key=lambda name: ways[name]) == "turned by three quarters"
    said = split_preprocessing.examine(case)
    assert isinstance(said, Finding)
    assert "three quarters" in said.says


# --- inside ---


class Dropping(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.9, self.training)


@pytest.mark.slow
def test_what_a_call_drops_keeps_a_dozen_pictures_from_being_learned() -> None:
    """Three quarters of the activations, after each of two convolutions."""
    case = posed(
        "modes",
        "one_batch",
        made=lambda: Net(*block(1, 16), Dropping(), *block(16, 16), Dropping(), width=16),
        epochs=2,
    )
    assert case.tests["modes"]["dropped"] == 0, "no layer of it"
    assert case.tests["modes"]["by_chance"] > 0.5
    batch = case.tests["one_batch"]
    assert batch["still"]["accuracy"] > 0.9 > batch["plain"]["accuracy"]
    assert isinstance(dropout_too_strong.examine(case), Finding)


def test_what_a_call_drops_is_seen_without_an_option() -> None:
    case = posed("modes", made=lambda: Net(*block(1, 8), Dropping(), width=8), epochs=1)
    modes = case.tests["modes"]
    assert modes["dropped"] == 0, "no layer of it"
    assert modes["by_chance"] > 0.3
    learned = {"accuracy": 1.0, "steps": 60}
    for plain, ill in (({"accuracy": 0.4, "steps": 200}, True), (learned, False)):
        tests = {
            "modes": {**modes, "dropped_loss": 2.0, "evaluated_loss": 1.9},
            "one_batch": {"count": 12, "plain": plain, "still": learned},
        }
        assert isinstance(dropout_too_strong.examine(Case(case.record, (), tests)), Finding) == ill
    sound = posed("modes", epochs=1).tests["modes"]
    assert sound["by_chance"] == pytest.approx(0, abs=1e-6)


def test_a_factor_before_the_loss_is_found() -> None:
    case = posed("loss", build=odd(lambda z, y, s: 200 * F.cross_entropy(z, y, label_smoothing=s)), epochs=1)
    found = case.tests["loss"]
    assert found["slope"] / found["expected_slope"] == pytest.approx(200, rel=1e-3)
    said = sum_for_mean.examine(case)
    assert isinstance(said, Finding)
    assert "200 times" in said.says
    sound = posed("loss", epochs=1).tests["loss"]
    assert sound["single"] == pytest.approx(sound["expected"], rel=1e-5)
    assert sound["in_training"] == pytest.approx(sound["expected_in_training"], rel=1e-5)
    assert sound["slope"] == pytest.approx(sound["expected_slope"], rel=1e-4)


def test_a_trial_at_other_rates_tells_which_way_it_is_wrong() -> None:
    case = posed("rates", epochs=1, lr=3e-3, momentum=0.0)
    left = tried(case)
    assert sorted(left) == [0.01, 0.1, 1.0, 10.0, 100.0]
    assert left[1.0] > 0.9
    assert left[100.0] < left[1.0] - 0.1
    wild = tried(posed("rates", epochs=1, made=lambda: small(norm=False), lr=30.0))
    assert wild[1.0] > 1
    assert wild[0.01] < 0.97


def of_several(step: Any = None) -> dict[str, Any]:
    """What the loss of several labels a picture says of made-up answers."""

    class Own(multilabel.Multilabel):
        def step(self, network: nn.Module, batch: Batch) -> Step:
            return super().step(network, batch) if step is None else step(network, batch)

    patient = Patient.__new__(Patient)
    patient.task = Own(("ring", "disc", "bar", "cross"), label_smoothing=0.1)
    found = loss.measure(patient)
    assert found is not None
    return found


def test_the_loss_of_several_labels_is_tested_as_that_of_one() -> None:
    found = of_several()
    assert found["right"] == pytest.approx(0, abs=1e-6)
    assert found["undecided"] == pytest.approx(found["guess"])
    for own, true in (
        ("single", "expected"),
        ("in_training", "expected_in_training"),
        ("slope", "expected_slope"),
    ):
        assert found[own] == pytest.approx(found[true], rel=1e-4)
    assert not _is_another(found)


def test_a_softmax_over_labels_that_may_be_several_is_another_loss() -> None:
    def among(network: nn.Module, batch: Batch) -> Step:
        made = network(batch.images)
        return Step(F.cross_entropy(made, batch.truths), {}, made)

    found = of_several(among)
    assert found["right"] > 1 or _is_another(found)
