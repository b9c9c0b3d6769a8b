"""The temperature, against networks whose true one is known."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from foveal.calibration import FEWEST, HIGHEST, LOWEST, temperature_of
from foveal.tasks.classify import build
from foveal.values import Batch, Step


def told(count: int, heat: float, classes: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits, and truths drawn from the softmax of the logits over `heat`."""
    made = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(count, classes, generator=made)
    return logits, torch.multinomial((logits / heat).softmax(1), 1, generator=made)[:, 0]


@pytest.mark.parametrize("heat", [0.3, 0.7, 1.0, 1.6, 4.0])
def test_a_known_temperature_is_recovered(heat: float) -> None:
    assert temperature_of(*told(20_000, heat)) == pytest.approx(heat, rel=0.03)


def test_it_is_where_the_loss_is_least() -> None:
    logits, truths = told(5000, 1.7)
    heat = temperature_of(logits, truths)
    least, *others = (
        F.cross_entropy(logits.double() / t, truths).item() for t in (heat, 0.97 * heat, 1.03 * heat)
    )
    assert least < min(others)


def test_calibration_error_falls_and_accuracy_stays() -> None:
    labels = tuple("abcde")
    logits, truths = told(4000, 2.5)
    other, known = told(4000, 2.5, seed=1)
    metrics = []
    for task in (build(labels), build(labels).calibrated(logits, truths)):
        meter = task.meter()
        meter.add(Step(torch.zeros(()), {}, other), Batch(torch.empty(0), known, [""] * len(known)))
        metrics.append(meter.result("test").metrics)
    before, after = metrics
    assert after["calibration_error"] < 0.25 * before["calibration_error"]
    assert after["loss"] < before["loss"]
    assert after["accuracy"] == before["accuracy"]


@given(st.integers(0, 2**31), st.floats(0.2, 5))
def test_the_order_of_the_classes_stays(seed: int, heat: float) -> None:
    logits, truths = told(60, heat, seed=seed)
    network = torch.nn.Identity()
    plain = build(tuple("abcde"))
    said = plain.calibrated(logits, truths).predict(network, logits)
    assert [[g["label"] for g in row] for row in said] == [
        [g["label"] for g in row] for row in plain.predict(network, logits)
    ]


def test_few_pictures_say_nothing() -> None:
    logits, truths = told(FEWEST - 1, 5.0)
    assert temperature_of(logits, truths) == 1.0
    logits, truths = told(FEWEST, 5.0)
    assert 1.0 < temperature_of(logits, truths) < 5.0  # heard, not believed wholly


def test_all_right_does_not_ask_for_certainty() -> None:
    truths = torch.arange(100) % 5
    logits = 4.0 * F.one_hot(truths, 5).float()
    heat = temperature_of(logits, truths)
    assert LOWEST < heat < 1
    mistakes = 1 - float((logits / heat).softmax(1).max(1).values.mean())
    assert 1e-3 < mistakes < 3 / 100  # as many as a hundred right ones leave possible


def test_what_is_not_finite_is_left_out() -> None:
    logits, truths = told(3000, 2.0)
    spoilt = torch.cat([logits, torch.full((7, 5), math.nan), torch.full((7, 5), math.inf)])
    answers = torch.cat([truths, torch.zeros(14, dtype=torch.long)])
    assert temperature_of(spoilt, answers) == temperature_of(logits, truths)
    assert temperature_of(torch.full((50, 5), math.nan), torch.zeros(50, dtype=torch.long)) == 1.0


def test_it_is_bounded() -> None:
    truths = torch.arange(5000) % 5
    assert temperature_of(0.05 * F.one_hot(truths, 5).float(), truths) == pytest.approx(LOWEST, rel=1e-3)
    assert temperature_of(1e5 * F.one_hot((truths + 1) % 5, 5).float(), truths) == pytest.approx(
        HIGHEST, rel=1e-3
    )


def test_one_class_has_none() -> None:
    assert temperature_of(torch.randn(50, 1), torch.zeros(50, dtype=torch.long)) == 1.0


def test_sigmoid_networks_are_read_better_with_it() -> None:
    """A network trained with a sigmoid a class says p by log(p / (1 - p)), which a softmax takes for too sure."""
    made = torch.Generator().manual_seed(0)
    shares = (2 * torch.randn(8000, 4, generator=made)).softmax(1)
    truths = torch.multinomial(shares, 1, generator=made)[:, 0]
    logits = (shares / (1 - shares).clamp_min(1e-6)).log()
    heat = temperature_of(logits[:4000], truths[:4000])
    normalised = logits.sigmoid() / logits.sigmoid().sum(1, keepdim=True)  # here the truth itself
    losses = [
        F.nll_loss(p[4000:].log(), truths[4000:]).item()
        for p in (logits.softmax(1), (logits / heat).softmax(1), normalised)
    ]
    assert heat > 1
    assert losses[1] < losses[0]
    assert losses[1] - losses[2] < 0.25 * (losses[0] - losses[2])
