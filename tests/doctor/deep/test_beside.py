"""Parts of training done once more, beside the run's own: alike where these are sound, and apart where they are not."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from foveal import catalog
from foveal.doctor.case import Case
from foveal.doctor.deep import read_again
from foveal.doctor.rules import (
    metric_disagrees,
    optimizer_lacks_parameters,
    schedule_ends_wrongly,
    softmax_wrong_axis,
    sum_for_mean,
    updates_too_large,
    updates_too_small,
    wrong_loss,
)
from foveal.doctor.rules._again import how
from foveal.doctor.rules._curves import AFTER, due
from foveal.finding import Finding
from foveal.loop import optimizers
from foveal.values import Step
from patients import odd, posed, unlearned
from staging import trained


@pytest.fixture(scope="module")
def sound() -> Case:
    return posed("loss", "loss_beside", "steps_beside", epochs=2)


def test_what_is_sound_is_the_same_beside(sound: Case) -> None:
    for row in sound.tests["loss_beside"]["rows"]:
        assert row["cosine"] > 0.9999
        assert row["times"] == pytest.approx(1, abs=1e-3)
        assert row["loss"] == pytest.approx(row["wanted"], rel=1e-5)
        assert row["kept"] == 1
        assert row["aside"] == row["silent"] == row["silent_labels"] == 0
    for row in sound.tests["steps_beside"]["rows"]:
        assert row["times"] == pytest.approx(1, abs=1e-3)
        assert row["cosine"] > 0.9999
    assert not sound.tests["steps_beside"]["still"]
    bad = unlearned(sound)
    for rule in (wrong_loss, softmax_wrong_axis, metric_disagrees, updates_too_large, updates_too_small):
        found = rule.examine(bad)
        assert not isinstance(found, Finding) or not found.direct


def half(z: Tensor, y: Tensor, s: float) -> Tensor:
    return F.cross_entropy(z[: len(z) // 2], y[: len(y) // 2], label_smoothing=s)


def exchanged(z: Tensor, y: Tensor, s: float) -> Tensor:
    return F.cross_entropy(z.T if len(z) == z.shape[1] else z, y, label_smoothing=s)


@pytest.mark.parametrize(
    ("loss", "rule", "says"),
    [
        (half, wrong_loss, "no part in the loss"),
        (lambda z, y, s: F.cross_entropy(z[:, :-1], y.clamp(max=z.shape[1] - 2)), wrong_loss, "1 labels"),
        (lambda z, y, s: F.cross_entropy(z, y.roll(1)), wrong_loss, "the picture before"),
        (lambda z, y, s: F.cross_entropy(z, (y + 1) % z.shape[1]), wrong_loss, "the class after"),
        (lambda z, y, s: F.cross_entropy(z, y) / len(y), wrong_loss, "once more"),
        (lambda z, y, s: (z - F.one_hot(y, z.shape[1])).square().mean(), wrong_loss, "squares"),
        (exchanged, softmax_wrong_axis, "over the batch"),
    ],
)
def test_another_loss_is_told_by_its_gradient(loss: Callable[..., Tensor], rule: Any, says: str) -> None:
    case = unlearned(posed("loss", "loss_beside", build=odd(loss), epochs=1))
    found = rule.examine(case)
    assert isinstance(found, Finding)
    assert found.direct
    assert says in found.says


def test_weights_in_the_loss_are_not_taken_for_a_sum(sound: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    from foveal.tasks.classify import Classify

    step = Classify.step

    def heavy(self: Classify, network: Any, batch: Any) -> Step:
        made = step(self, network, batch)
        squares = torch.stack([p.square().sum() for p in network.parameters()]).sum()
        return dataclasses.replace(made, loss=made.loss + 0.1 * squares)

    monkeypatch.setattr(Classify, "step", heavy)
    case = unlearned(posed("loss", "loss_beside", epochs=1))
    found = wrong_loss.examine(case)
    assert isinstance(found, Finding)
    assert "weights themselves" in found.says
    assert sum_for_mean.examine(case) is None


def test_answers_that_are_judged_as_others(monkeypatch: pytest.MonkeyPatch) -> None:
    from foveal.tasks.classify import Classify

    step = Classify.step
    monkeypatch.setattr(
        Classify,
        "step",
        lambda s, n, b: (m := step(s, n, b)) and dataclasses.replace(m, outputs=m.outputs.roll(1, 1)),
    )
    found = metric_disagrees.examine(posed("loss_beside", epochs=1))
    assert isinstance(found, Finding)
    assert "judged as another class" in found.says


def changed(monkeypatch: pytest.MonkeyPatch, change: Callable[[torch.optim.Optimizer], Any]) -> Case:
    build = optimizers.build

    def wrong(*args: Any, **more: Any) -> torch.optim.Optimizer:
        made = build(*args, **more)
        change(made)
        return made

    monkeypatch.setattr(optimizers, "build", wrong)
    return unlearned(posed("steps_beside", epochs=1))


def test_gradients_that_nobody_sets_back(monkeypatch: pytest.MonkeyPatch) -> None:
    case = changed(monkeypatch, lambda made: setattr(made, "zero_grad", lambda set_to_none=True: None))
    found = updates_too_large.examine(case)
    assert isinstance(found, Finding)
    assert "steps before" in found.says
    assert "zero_grad" in found.cure.says


@pytest.mark.parametrize(("times", "rule"), [(0.01, updates_too_small), (30.0, updates_too_large)])
def test_steps_of_another_length(monkeypatch: pytest.MonkeyPatch, times: float, rule: Any) -> None:
    def scaled(made: torch.optim.Optimizer) -> None:
        def scale(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            for p in (p for group in optimizer.param_groups for p in group["params"] if p.grad is not None):
                p.grad.mul_(times)

        made.register_step_pre_hook(scale)

    found = rule.examine(changed(monkeypatch, scaled))
    assert isinstance(found, Finding)
    assert found.direct


def test_steps_that_climb(monkeypatch: pytest.MonkeyPatch) -> None:
    def climbing(made: torch.optim.Optimizer) -> None:
        for group in made.param_groups:
            group["maximize"] = True

    found = wrong_loss.examine(changed(monkeypatch, climbing))
    assert isinstance(found, Finding)
    assert "up the loss" in found.says


def test_what_the_loop_never_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    def still(made: torch.optim.Optimizer) -> None:
        made.param_groups.pop()

    found = optimizer_lacks_parameters.examine(changed(monkeypatch, still))
    assert isinstance(found, Finding)
    assert found.direct


# --- schedules ---


@given(st.sampled_from(sorted(AFTER)), st.floats(0, 0.9), st.floats(0, 1))
def test_curves_are_what_schedules_make(schedule: str, warmup: float, progress: float) -> None:
    own = catalog.find("schedules", schedule).factor(progress, warmup)
    wanted = due(schedule, warmup, progress)
    assert wanted is not None
    steps = schedule in ("step", "late_steps")  # at an edge rounding decides
    assert math.isclose(own, wanted, abs_tol=1e-3) or (
        steps and math.isclose(max(own, wanted), 10 * min(own, wanted))
    )


@pytest.mark.parametrize(
    ("wrong", "ill"),
    [
        (None, False),
        (lambda progress, warmup: (progress + 0.01) / 30, True),  # made for a run thirty times as long
        (lambda progress, warmup: 1.0, True),
        (
            lambda progress, warmup: 0.5 * (1 + math.cos(8 * math.pi * progress)),
            True,
        ),  # begins anew in each epoch
    ],
)
def test_rates_are_those_of_the_schedule(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[float, float], float] | None, ill: bool
) -> None:
    if wrong is not None:
        monkeypatch.setattr(catalog.find("schedules", "onecycle"), "factor", wrong)
    case = unlearned(trained(epochs=4))
    stage = {"name": "train", "schedule": "onecycle", "warmup": 0.25, "lr": 0.1}
    fit_of = {**case.record.options["fit"], "stages": [stage]}
    record = dataclasses.replace(case.record, options={**case.record.options, "fit": fit_of})
    found = schedule_ends_wrongly.examine(dataclasses.replace(case, record=record))
    assert isinstance(found, Finding) == ill


# --- pictures ---


def coloured(count: int = 8) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return F.interpolate(torch.rand(count, 3, 8, 8, generator=draw), size=24, mode="bilinear")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x: x, ""),
        (lambda x: 0.8 * x + 0.1, ""),
        (lambda x: x.mean(1, keepdim=True).expand_as(x), "grey"),
        (lambda x: x.roll(6, 3), "something else"),
        (lambda x: F.avg_pool2d(F.pad(x, (4, 4, 4, 4), mode="replicate"), 9, 1), "blurred"),
        (lambda x: x + 0.2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1)), "grainy"),
    ],
)
def test_how_pictures_differ_from_their_files(change: Callable[[Tensor], Tensor], says: str) -> None:
    told = how(read_again._beside(coloured(), change(coloured())))
    assert says in told
    assert bool(told) == bool(says)


def test_features_tell_colours_from_colours_alone() -> None:
    """Pictures of two colours with the same shades: told by their files, and not when they are grey."""
    from foveal.doctor.deep._heads import head

    draw = torch.Generator().manual_seed(0)
    shades = torch.rand(60, 1, 12, 12, generator=draw)
    truths = torch.arange(60) % 2
    tint = torch.tensor([[0.9, 0.5, 0.1], [0.1, 0.5, 0.9]])[truths][:, :, None, None]
    files = 0.5 * shades + 0.5 * tint
    grey = files.mean(1, keepdim=True).expand_as(files)
    found = [head(read_again._features(x), truths.numpy(), 2)[0] for x in (files, grey)]
    assert found[0] > 0.95
    assert found[1] < 0.75
