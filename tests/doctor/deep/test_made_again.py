"""Labels held against pictures both ways, weights beside weights drawn anew, and what moves, norms and judges."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from foveal.doctor.case import Case
from foveal.doctor.rules import (
    bad_initialisation,
    batchnorm_stale,
    cannot_fit,
    examples_mix,
    frozen_by_mistake,
    input_ignored,
    labels_noisy,
    labels_shuffled,
    modes_disagree,
    split_preprocessing,
    updates_too_large,
    updates_too_small,
    wrong_preprocessing,
)
from foveal.doctor.rules._held import held
from foveal.events import Epoch
from foveal.finding import Finding
from foveal.loop import optimizers
from foveal.values import Dataset
from patients import posed, unlearned
from staging import Net, block, digits, small


def test_sound_weights_are_as_good_as_others() -> None:
    found = posed("drawn", epochs=1)
    told = found.tests["drawn"]
    assert 0.05 < told["own"] / told["redrawn"] < 2.5
    assert not told["alike"]
    assert bad_initialisation._beside(found) is None


def weighed(change: Callable[[nn.Parameter], None]) -> Callable[[], nn.Module]:
    def made() -> nn.Module:
        first, second = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        network = Net(first, nn.ReLU(), second, nn.ReLU(), width=8)
        with torch.no_grad():
            for layer in network.modules():
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    change(layer.weight)
        return network

    return made


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: w.mul_(0.02), "lost on their way"),
        (lambda w: w.mul_(30), "far too large"),
        (lambda w: w.copy_(w[:1].expand_as(w)), "begin alike"),
    ],
)
def test_weights_that_cannot_begin(change: Callable[[nn.Parameter], None], says: str) -> None:
    told = bad_initialisation._beside(posed("drawn", made=weighed(change), epochs=1))
    assert told is not None
    assert says in told[0]


def test_a_head_may_begin_at_nought() -> None:
    def made() -> nn.Module:
        network = small()
        for parameter in network.get_submodule("head").parameters():
            nn.init.zeros_(parameter)
        return network

    assert bad_initialisation._beside(posed("drawn", made=made, epochs=1)) is None


class Rounds(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.round(2 * x)


def test_a_gradient_that_rounding_makes_nought() -> None:
    tests = ("moves", "activity", "drawn")
    found = frozen_by_mistake.examine(
        unlearned(posed(*tests, made=lambda: Net(*block(1, 6), *block(6, 6), Rounds(), width=6), epochs=1))
    )
    assert isinstance(found, Finding)
    assert found.direct
    assert "2 of 3 layers is 0" in found.says
    sound = frozen_by_mistake.examine(unlearned(posed(*tests, epochs=1)))
    assert not isinstance(sound, Finding)


def test_a_norm_over_one_value_shows_no_picture() -> None:
    def made() -> nn.Module:
        return Net(*block(1, 6), nn.AdaptiveAvgPool2d(1), nn.GroupNorm(6, 6), nn.ReLU(), width=6)

    found = input_ignored.examine(unlearned(posed("blind", "activity", "drawn", made=made, epochs=1)))
    assert isinstance(found, Finding)


def labelled(change: Callable[[list[str]], list[str]]) -> Dataset:
    """The digits, whose training labels were changed as a list."""
    data, items = digits(), list(digits().items)
    train = [n for n, item in enumerate(items) if item.part == "train"]
    for place, label in zip(train, change([str(items[n].truth) for n in train]), strict=True):
        items[place] = dataclasses.replace(items[place], truth=label)
    return dataclasses.replace(data, items=tuple(items))


def by_words(labels: list[str]) -> list[str]:
    return [labels[n] for n in sorted(range(len(labels)), key=str)]


def test_labels_in_another_order() -> None:
    found = labels_shuffled.examine(unlearned(posed("labels_held", data=labelled(by_words), epochs=2)))
    assert isinstance(found, Finding)
    assert "pictures as words" in found.says
    assert labels_shuffled._reordered(unlearned(posed("labels_held", epochs=2))) is None


def test_one_label_that_takes_in_others() -> None:
    data = labelled(lambda labels: ["7" if n % 2 else label for n, label in enumerate(labels)])
    found = labels_noisy.examine(unlearned(posed("labels_held", data=data, epochs=4)))
    assert isinstance(found, Finding)
    assert "labelled 7 show something else" in found.says


KNOWN = {"count": 200, "seen": 200, "doubted": [], "joint": {"a": {"a": 100}, "b": {"b": 100}}}


@pytest.mark.parametrize(
    ("train", "forth", "back", "gap", "ill"),
    [(0.5, 0.8, 0.55, 0.0, True), (0.5, 0.55, 0.53, 0.0, False), (0.5, 0.5, 0.5, 0.3, True)],
)
def test_labels_are_not_blamed_for_features_that_tell_little(
    train: float, forth: float, back: float, gap: float, ill: bool
) -> None:
    tests = {
        "labels_held": {**KNOWN, "train": train, "held": 0.8, "forth": forth, "back": back},
        "splits": {"last_train": 0.5 + gap, "last_val": 0.5},
    }
    case = dataclasses.replace(posed(epochs=1), tests=tests)
    assert isinstance(held(case), Finding) == ill


@pytest.mark.parametrize(("train", "back", "ill"), [(0.12, 0.13, True), (0.4, 0.4, False)])
def test_labels_that_have_nothing_to_do_with_pictures(train: float, back: float, ill: bool) -> None:
    joint = {str(a): {str(b): 2 for b in range(10)} for a in range(10)}
    told = {
        "count": 200,
        "seen": 200,
        "joint": joint,
        "held": 0.8,
        "train": train,
        "forth": 0.12,
        "back": back,
    }
    case = dataclasses.replace(unlearned(posed(epochs=1)), tests={"labels_held": told})
    assert isinstance(labels_shuffled._unrelated(case), Finding) == ill


def test_training_pictures_that_show_less_were_damaged() -> None:
    looks = {"mean": [0.0], "std": [1.0], "low": -2.0, "high": 2.0}
    inputs = {"plain": looks, "varied": looks, "val": {**looks, "mean": [1.2]}, "mismatched": 0.0}
    splits = {"count": 200, "train": 0.2, "val": 0.2, "varied": 0.2, "last_train": 0.2, "last_val": 0.15}
    told = {"count": 200, "held": 0.6, "train": 0.25}
    case = unlearned(posed(epochs=1))
    ill = dataclasses.replace(case, tests={"inputs": inputs, "splits": splits, "labels_held": told})
    found = split_preprocessing.examine(ill)
    assert isinstance(found, Finding)
    assert "show less" in found.says
    fine = dataclasses.replace(case, tests={**ill.tests, "labels_held": {**told, "train": 0.55}})
    assert split_preprocessing.examine(fine) is None


@pytest.mark.parametrize(("most", "ill"), [(0, True), (40, False)])
def test_norms_that_never_saw_a_batch(most: int, ill: bool) -> None:
    modes = {
        "norms": 3,
        "frozen": 0,
        "most_steps": most,
        "steps": most,
        "by_batch": 0.1,
        "anew": 0.1,
        "count": 64,
    }
    losses = dict.fromkeys(("evaluated_loss", "by_batch_loss", "anew_loss"), 2.3)
    case = dataclasses.replace(
        unlearned(posed(epochs=4)), tests={"modes": {**modes, **losses, "evaluated": 0.1}}
    )
    assert isinstance(batchnorm_stale.examine(case), Finding) == ill


@pytest.mark.parametrize(("saved", "varied", "ill"), [(2.3, 0.1, True), (0.4, 0.9, False), (2.3, 0.9, False)])
def test_the_network_that_is_judged_is_the_one_that_learned(saved: float, varied: float, ill: bool) -> None:
    tests = {
        "modes": {"evaluated_loss": saved, "dropped_loss": saved, "count": 64},
        "splits": {"varied": varied},
    }
    case = dataclasses.replace(unlearned(posed(epochs=1)), tests=tests)
    events = [
        dataclasses.replace(e, train_loss=0.9) if isinstance(e, Epoch) else e for e in case.record.events
    ]
    case = dataclasses.replace(case, record=dataclasses.replace(case.record, events=tuple(events)))
    found = modes_disagree._another(case)
    assert isinstance(found, Finding) == ill


def test_steps_that_lead_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    build = optimizers.build

    def noisy(*args: Any, **more: Any) -> torch.optim.Optimizer:
        made: torch.optim.Optimizer = build(*args, **more)

        def drawn(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            for p in (p for group in optimizer.param_groups for p in group["params"] if p.grad is not None):
                p.grad.copy_(torch.randn_like(p.grad) * p.grad.norm() / p.grad.numel() ** 0.5)

        made.register_step_pre_hook(drawn)
        return made

    monkeypatch.setattr(optimizers, "build", noisy)
    case = unlearned(posed("steps_beside", epochs=1))
    found = [rule.examine(case) for rule in (updates_too_small, updates_too_large)]
    assert any(isinstance(one, Finding) and one.direct for one in found)


def test_what_the_task_moves_is_not_the_networks_doing(monkeypatch: pytest.MonkeyPatch) -> None:
    from foveal.tasks.classify import Classify

    step = Classify.step
    monkeypatch.setattr(
        Classify,
        "step",
        lambda s, n, b: (m := step(s, n, b)) and dataclasses.replace(m, outputs=m.outputs.roll(1, 0)),
    )
    case = posed("mixing", "loss_beside", epochs=1)
    assert case.tests["mixing"]["apart"] > 0.01 > case.tests["mixing"]["by_network"]
    assert examples_mix.examine(case) is None


def test_a_network_that_learns_at_some_rate_can_fit() -> None:
    one = {"steps": 200, "first": 2.3, "last": 2.2, "accuracy": 0.3}
    case = dataclasses.replace(
        unlearned(posed(epochs=1)), tests={"one_batch": {"count": 12, "plain": one, "own": one}}
    )
    assert isinstance(cannot_fit.examine(case), Finding)
    rates = {"lr": 0.1, "start": 2.3, "steps": 40, "ended": {"1": 2.3, "100": 0.9}}
    assert cannot_fit.examine(dataclasses.replace(case, tests={**case.tests, "rates": rates})) is None


@pytest.mark.parametrize(("sides", "ill"), [([8, 4, 2, 1, 1, 1, 1], True), ([16, 8, 4, 4, 2, 2, 1], False)])
def test_pictures_too_small_for_pretrained_layers(sides: list[int], ill: bool) -> None:
    tests = {
        "preprocessing": {"weights": "some", "size": 16, "wanted_size": 224, "differs": False},
        "activity": {"sides": {f"conv{n}": side for n, side in enumerate(sides)}},
    }
    case: Case = dataclasses.replace(unlearned(posed(epochs=1)), tests=tests)
    found = wrong_preprocessing.examine(case)
    assert isinstance(found, Finding) == ill
