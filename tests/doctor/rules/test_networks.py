"""Rules about networks and loaders, on cases made by hand: what speaks for an illness, and what looks like it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

import gathered
from foveal.doctor.case import Case
from foveal.doctor.rules import (
    input_not_normalised,
    pictures_unseen,
    rate_too_high,
    softmax_inside,
    updates_too_small,
    wrong_channel_order,
)
from foveal.doctor.rules._range import look_apart, state
from foveal.events import Step, Watched
from foveal.finding import Finding
from foveal.values import Dataset, Item

GUESSED = ([1.10, 1.0984, 1.0990], [0.33, 0.35, 0.33])
"""Losses and scores of a run that learned nothing of three classes."""
Row = dict[str, float]


def course(losses: Sequence[float], scores: Sequence[float]) -> Case:
    """A run whose validation split has 40 pictures of each class."""
    items = [
        Item(f"{part}{k}-{n}", "x.png", label, part)
        for part in ("train", "val")
        for k, label in enumerate(gathered.LABELS)
        for n in range(40)
    ]
    data = Dataset("/data", "classify", "folder", "", gathered.LABELS, tuple(items))
    epochs = [
        gathered.epoch(n, score, 1.0, loss)
        for n, (loss, score) in enumerate(zip(losses, scores, strict=True), 1)
    ]
    options = {"task": {"name": "classify", "labels": list(gathered.LABELS), "loss": "cross-entropy"}}
    first = Step(step=1, loss=1.1, lr=0.1)
    return Case(gathered.made(None, events=(first, *epochs), dataset=data, options=options))


def watched(kinds: dict[str, str], rows: dict[str, Row], count: int = 12, **options: Any) -> Case:
    """A run that learned nothing, looked at from its first step on."""
    made = course(*GUESSED)
    train = {"optimizer": "adamw", "batch": 32, "lr": 0.003, **options}
    record = dataclasses.replace(made.record, options={**made.record.options, "train": train,
                                                       "architecture": {"name": "own"}})  # fmt: skip
    sights = tuple(
        Watched(step=n, lr=float(train["lr"]), layers=rows, kinds=kinds if n == 0 else {}, order=tuple(kinds))
        for n in range(count)
    )
    return Case(record, sights)


def chain(*kinds: str) -> dict[str, str]:
    return {f"{n}": kind for n, kind in enumerate(kinds)}


SOFT: Row = {"forward_gain": 0.01, "out_std": 0.001}


@pytest.mark.parametrize(
    ("kinds", "ill"),
    [
        (("conv", "softmax", "conv", "softmax", "linear"), True),
        (("conv", "norm", "softmax", "linear"), True),
        (("linear", "softmax", "linear", "norm", "linear"), False),  # attention
        (("conv", "rectifier", "linear", "softmax"), False),  # the end
        (("conv", "rectifier", "conv", "softmax"), False),
    ],
)
def test_a_softmax_is_for_the_end(kinds: tuple[str, ...], ill: bool) -> None:
    made = chain(*kinds)
    said = softmax_inside.examine(watched(made, dict.fromkeys(made, SOFT)))
    assert (said is not None) == ill
    assert said is None or said.cure.repairs == ("rectify",)


def test_a_softmax_that_does_no_harm_is_no_illness() -> None:
    made = chain("conv", "softmax", "conv", "linear")
    sound = course([0.5, 0.2, 0.1], [0.8, 0.9, 0.95])
    assert softmax_inside.examine(Case(sound.record, watched(made, dict.fromkeys(made, SOFT)).sights)) is None


def shown(count: int, seen: int, draws: int, sampling: bool = False) -> Case:
    told = {"count": count, "seen": seen, "draws": draws, "times": draws / seen, "sampling": sampling}
    return Case(gathered.made(None), tests={"shown": told})


def test_pictures_that_are_never_shown() -> None:
    said = pictures_unseen.examine(shown(1000, 32, 8000))
    assert isinstance(said, Finding)
    assert "32 of 1,000" in said.says
    assert pictures_unseen.examine(shown(1000, 32, 1000)) is None, "it has only begun"
    assert pictures_unseen.examine(shown(1000, 950, 8000)) is None, "some can no longer be read"
    assert pictures_unseen.examine(shown(1000, 700, 8000, sampling=True)) is None, "drawn by chance"


def moves(ratio: float, grad: float = 1e-3) -> dict[str, Row]:
    row = {"update_ratio": ratio, "weight_std": 0.1, "weight_mean": 0.0, "grad_rms": grad}
    return dict.fromkeys(("0", "1", "2"), row)


def test_steps_far_below_the_rate_are_the_optimizers() -> None:
    """At a rate of 0.003 weights of 0.1 move by a hundredth or so a step."""
    kinds = chain("conv", "conv", "linear")
    held = updates_too_small.examine(watched(kinds, moves(1e-5)))
    assert held is not None
    assert held.cure.changes["optimizer"] == "sgd"
    assert "eps" in held.cure.says
    for other in (
        watched(kinds, moves(1e-5), optimizer="sgd"),  # whose steps are as long as gradients are
        watched(kinds, moves(1e-5, grad=1e-9)),  # no gradient arrives
        watched(kinds, moves(1e-5), lr=3e-6),  # as the rate says
    ):
        said = updates_too_small.examine(other)
        assert said is None or "eps" not in said.cure.says


@pytest.mark.parametrize(
    ("alike", "norms", "redrawn"), [(1e-5, False, True), (0.2, False, False), (1e-5, True, False)]
)
def test_a_smaller_rate_alone_does_not_wake_a_network_that_passes_nothing(
    alike: float, norms: bool, redrawn: bool
) -> None:
    kinds = chain(*(["conv", "norm"] if norms else ["conv", "rectifier"]) * 12, "linear")
    rows = {name: {"alike": alike, "update_ratio": 0.5} for name in kinds}
    made = watched(kinds, rows, lr=0.5)
    events = (Step(step=1, loss=1.1, lr=0.5), Step(step=2, loss=9.0, lr=0.5), *made.record.epochs)
    said = rate_too_high.examine(
        dataclasses.replace(made, record=dataclasses.replace(made.record, events=events))
    )
    assert isinstance(said, Finding)
    assert said.cure.repairs == (("redraw",) if redrawn else ())


def given(low: float, high: float, std: float, sharp: float = 0.6) -> dict[str, Any]:
    return {
        "mean": [(low + high) / 2],
        "std": [std],
        "low": low,
        "high": high,
        "colour": 0.0,
        "sharpness": sharp,
    }


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (given(-2, 2, 1.0), "fine"),
        (given(0, 255, 80.0), "bytes"),
        (given(-127.5, 127.5, 86.0), "wide"),
        (given(-60, 60, 1.5), "odd"),
    ],
)
def test_how_inputs_lie_to_what_they_may_be(seen: dict[str, Any], what: str) -> None:
    made = gathered.made(None)
    record = dataclasses.replace(
        made, options={**made.options, "preprocessing": {"mean": [0.5], "std": [0.25]}}
    )
    inputs = {"varied": seen, "plain": seen, "val": seen}
    case = Case(record, tests={"inputs": inputs})
    assert state(case, "val") == what
    assert (input_not_normalised.examine(case) is not None) == (what in ("bytes", "wide"))


def test_pictures_of_one_split_that_are_blurred() -> None:
    sound, soft = given(-2, 2, 1.0), given(-2, 2, 1.0, sharp=0.2)
    assert look_apart({"plain": sound, "val": given(-2, 2, 1.0, sharp=0.5)}) == ""
    assert look_apart({"plain": sound, "val": soft}).startswith("validation pictures are blurred")
    assert look_apart({"plain": soft, "val": sound}).startswith("training pictures are blurred")


@pytest.mark.parametrize(("varied", "neither"), [((-0.3, -0.3, -0.3), True), ((0.2, -0.3, -0.8), False)])
def test_colours_that_are_mixed_stand_in_neither_order(varied: tuple[float, ...], neither: bool) -> None:
    told = {**given(-2, 2, 1.0), "mean": [0.2, -0.3, -0.8], "std": [1.0] * 3}
    inputs = {
        "varied": {**told, "mean": list(varied)}, "plain": told, "val": told, "judged": 200, "accuracy": 0.5,
        "swapped": 0.8, "only_swapped": 70, "only_plain": 10,
    }  # fmt: skip
    said = wrong_channel_order.examine(Case(gathered.made(None), tests={"inputs": inputs}))
    assert (said is None) == neither


def test_noise_on_training_pictures_is_no_lack_of_normalising() -> None:
    made = gathered.made(None)
    record = dataclasses.replace(
        made, options={**made.options, "preprocessing": {"mean": [0.5], "std": [0.25]}}
    )
    inputs = {"varied": given(-60, 60, 9.0), "plain": given(-2, 2, 1.0), "val": given(-2, 2, 1.0)}
    assert input_not_normalised.examine(Case(record, tests={"inputs": inputs})) is None
