"""The range test trains a copy as the loop would, stops when it explodes, and leaves no trace."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import small
from foveal import plan
from foveal.data.batches import Batches
from foveal.events import Noticed
from foveal.loop.fit import descend, set_rate
from foveal.loop.state import State
from foveal.options import FitOptions, Stage, TrainOptions, make
from foveal.plan.range_test import (
    FEWEST,
    STEPS,
    _can_be_spoiled,
    planned_at_found_rate,
    range_test,
    smooth,
    suggest,
)
from foveal.storage import strict
from foveal.structure.layers import set_training
from foveal.values import Batch, Dataset, Step

HEAD = Stage("head", "head", 1, 0.04, "constant", 0.0)
ALL = Stage("all", "all", 2, 0.02, "cosine", 0.1, layer_decay=0.5)


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return small.drawings(tmp_path)


def by_hand(
    network: nn.Module, batches: Batches, options: FitOptions, stage: int, rates: list[float]
) -> list[float]:
    """The losses of a copy trained by hand at these rates of --lr, as the loop trains in this stage."""
    state = State(copy.deepcopy(network), options)
    state.enter(stage)
    set_training(state.network, options.head, state.current.trainable, state.current.frozen)
    losses: list[float] = []
    epoch = 0
    while len(losses) < len(rates):
        for raw in batches.epoch(epoch):
            if len(losses) < len(rates):
                share = rates[len(losses)] / options.stages[0].lr
                set_rate(state, lambda done, share=share: share)  # type: ignore[misc]
                losses.append(float(descend(state, small.task(), batches.to(raw, "cpu", False), options)))
        epoch += 1
    return losses


@pytest.mark.parametrize(
    ("stages", "stage"),
    [((ALL,), 0), ((HEAD, ALL), 1), ((HEAD,), 0), ((HEAD, dataclasses.replace(ALL, frozen=1)), 1)],
)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_trains_as_the_first_stage_of_all_layers_would(
    data: Dataset, optimizer: str, stages: tuple[Stage, ...], stage: int
) -> None:
    """Bit for bit: the optimizer, the groups and their shares of the rate, dropout, frozen layers."""
    network, batches = small.tiny(), small.batches(data, "train")
    options = small.fit_options(stages=stages, optimizer=optimizer)
    torch.manual_seed(5)
    found = range_test(network, small.task(), batches, options, steps=20, high=0.1)
    torch.manual_seed(5)
    assert list(found.losses) == by_hand(network, batches, options, stage, list(found.rates))
    assert len(found.losses) == 20


def test_rates_grow_by_the_same_factor_from_low_to_high(data: Dataset) -> None:
    options = small.fit_options(optimizer="adamw")
    found = range_test(
        small.tiny(), small.task(), small.batches(data, "train"), options, low=1e-5, high=1e-2, steps=31
    )
    assert found.rates == pytest.approx(np.geomspace(1e-5, 1e-2, 31))
    assert list(found.smoothed) == smooth(found.losses)


def test_smoothing_is_the_weighted_mean_of_what_came_before() -> None:
    losses = [3.0, 1.0, 2.0, 5.0]
    for n, mean in enumerate(smooth(losses, 0.9), 1):
        weights = [0.9 ** (n - 1 - k) for k in range(n)]
        assert mean == pytest.approx(
            sum(w * loss for w, loss in zip(weights, losses, strict=False)) / sum(weights)
        )
    assert smooth([2.0] * 5) == pytest.approx([2.0] * 5)
    assert not math.isfinite(smooth([1.0, math.nan, 1.0])[2])


def everything(network: nn.Module) -> dict[str, Any]:
    return {
        "weights": copy.deepcopy(network.state_dict()),
        "gradients": [p.grad for p in network.parameters()],
        "trainable": [p.requires_grad for p in network.parameters()],
        "modes": [m.training for m in network.modules()],
        "hooks": [len(m._forward_hooks) + len(m._backward_hooks) for m in network.modules()],
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
    }


@dataclasses.dataclass(frozen=True)
class Failing(type(small.task())):  # type: ignore[misc]
    """A task that breaks at its fifth batch, after drawing random numbers."""

    seen: list[int] = dataclasses.field(default_factory=list)

    def step(self, network: nn.Module, batch: Batch) -> Step:
        self.seen.append(1)
        random.random(), np.random.rand(), torch.rand(1)
        if len(self.seen) == 5:
            raise ZeroDivisionError
        step: Step = super().step(network, batch)
        return step


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_leaves_no_trace(data: Dataset, ema: float) -> None:
    network, batches = small.tiny().eval(), small.batches(data, "train")
    network.conv.requires_grad_(False)
    before, first = everything(network), [batch.ids for batch in batches.epoch(0)]
    range_test(network, small.task(), batches, small.fit_options(ema=ema), steps=12)
    assert small.equal(everything(network), before)
    assert [batch.ids for batch in batches.epoch(0)] == first


def test_leaves_no_trace_of_an_error(data: Dataset) -> None:
    network = small.tiny()
    before = everything(network)
    with pytest.raises(ZeroDivisionError):
        range_test(network, Failing(small.LABELS), small.batches(data, "train"), small.fit_options())
    assert small.equal(everything(network), before)


def test_stops_when_it_explodes(data: Dataset) -> None:
    found = range_test(
        small.tiny(), small.task(), small.batches(data, "train"), small.fit_options(), high=1e6
    )
    assert len(found.rates) < FEWEST + 10 < STEPS
    assert found.smoothed[-1] > 4 * min(found.smoothed) or not math.isfinite(found.losses[-1])
    assert all(mean <= 4 * min(found.smoothed) for mean in found.smoothed[:-1])


class Broken(small.Tiny):
    """Its outputs are not finite once its weights have grown."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x)
        return out if self.conv.weight.abs().max() < 1 else out * math.nan


def test_stops_at_a_loss_that_is_not_finite(data: Dataset) -> None:
    found = range_test(Broken(), small.task(), small.batches(data, "train"), small.fit_options(), high=100)
    assert math.isnan(found.losses[-1])
    assert all(math.isfinite(loss) for loss in found.losses[:-1])
    assert found.suggestion in (None, *found.rates[:-1]) or found.suggestion < found.rates[-1]
    json.dumps(strict(found.to_json()), allow_nan=False)
    assert "<svg" in found._repr_html_()


@pytest.mark.parametrize(("pictures", "steps"), [(8, FEWEST), (48, 60), (160, STEPS)])
def test_fewer_steps_where_the_data_is_tiny(tmp_path: Path, pictures: int, steps: int) -> None:
    """Ten passes over it, but fifty steps at least and a hundred at most."""
    batches = small.batches(small.drawings(tmp_path, train=pictures), "train")
    said: list[tuple[int, int]] = []
    range_test(
        small.tiny(),
        small.task(),
        batches,
        small.fit_options(),
        high=1e-3,
        progress=lambda *at: said.append(at),
    )
    assert said == [(n + 1, steps) for n in range(steps)]


# --- what follows from a curve ---

RATES = np.geomspace(1e-6, 10, 100).tolist()


def valley(low: float, noise: float = 0.0, seed: int = 0) -> list[float]:
    """Losses that fall from 2.3 around a tenth of `low`, are lowest there, and explode beyond."""
    draw = np.random.default_rng(seed)
    fall = [1.8 / (1 + (rate / (low / 10)) ** -1.5) for rate in RATES]
    rise = [(rate / low) ** 3 / 50 for rate in RATES]
    return [2.3 - f + r + noise * draw.normal() for f, r in zip(fall, rise, strict=True)]


@pytest.mark.parametrize("low", [1e-3, 1e-2, 0.3])
@pytest.mark.parametrize("seed", range(5))
def test_suggestions_move_with_the_curve(low: float, seed: int) -> None:
    losses = valley(low, 0.05, seed)
    scratch, why = suggest(RATES, losses)
    tuned, other = suggest(RATES, losses, pretrained=True)
    assert scratch is not None
    assert tuned is not None
    assert low / 2 < scratch < low * 6
    assert low / 30 < tuned < low / 3
    assert "lowest" in why
    assert "pretrained" in other


def test_no_suggestion_where_nothing_is_learned() -> None:
    for losses in ([2.3 + 0.01 * (n % 3) for n in range(60)], [math.nan], [2.3, 9.0, math.inf], [2.0]):
        rate, why = suggest(RATES[: len(losses)], losses)
        assert rate is None
        assert "no rate" in why


def test_a_rate_that_was_suggested_teaches(data: Dataset) -> None:
    """The suggestion, tried: a short training at it ends lower than at a hundredth and at a hundredfold."""
    batches, options = small.batches(data, "train"), small.fit_options()
    found = range_test(small.tiny(), small.task(), batches, options)
    assert found.suggestion is not None

    def trained(rate: float) -> float:
        torch.manual_seed(0)
        losses = by_hand(small.tiny(), batches, options, 0, [rate] * 24)
        return float(np.mean(losses[-6:]))

    best = trained(found.suggestion)
    assert best < trained(found.suggestion / 100) - 0.1
    assert not best > trained(found.suggestion * 100)


# --- for a whole plan ---


WANTED = {"network": "resnet9", "pretrained": False, "size": 12, "batch": 8, "epochs": 2}


def test_the_suggestion_becomes_the_plans_rate_with_its_reason(data: Dataset) -> None:
    wanted = make(TrainOptions, WANTED)
    planned = plan.make(data, wanted)
    heard: list[Any] = []
    torch.manual_seed(3)
    before = torch.get_rng_state()
    made, found = planned_at_found_rate(data, wanted, heard.append)
    assert torch.equal(torch.get_rng_state(), before)
    assert {message[0] for message in heard} == {"finding the rate"}
    choice = next(c for c in made.choices if c.option == "lr")
    assert (choice.value, choice.reason, choice.automatic) == (found.suggestion, found.reason, True)
    assert made.fit.stages[0].lr == made.options.lr == found.suggestion
    same = [c for c in made.choices if c.option != "lr"]
    assert same == [c for c in planned.choices if c.option != "lr"]


def test_the_planned_rate_stays_where_nothing_is_learned(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a fall of the loss asked for that no network makes."""
    monkeypatch.setattr("foveal.plan.range_test.LEARNED", 0.0)
    wanted = make(TrainOptions, WANTED)
    heard: list[Any] = []
    made, found = planned_at_found_rate(data, wanted, heard.append)
    assert found.suggestion is None, found
    assert made.choices == plan.make(data, wanted).choices
    assert isinstance(heard[-1], Noticed)
    assert "no rate" in heard[-1].says


def test_only_pretrained_layers_that_are_trained_can_be_spoiled(data: Dataset) -> None:
    scratch = plan.make(data, make(TrainOptions, WANTED))
    tuned, probed = (
        plan.make(data, make(TrainOptions, {"network": "efficientnet_lite0", "size": 32, "freeze": freeze}))
        for freeze in ("first", "always")
    )
    assert [_can_be_spoiled(made) for made in (scratch, tuned, probed)] == [False, True, False]
