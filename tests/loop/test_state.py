"""Where the seconds of training go: phases apart from each other, by the clock and by a GPU's events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import small
from foveal import events
from foveal.loop import state
from foveal.loop.bottleneck import PHASES
from foveal.loop.fit import fit
from foveal.loop.state import State
from foveal.values import Batch, Dataset


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return small.drawings(tmp_path)


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Hand:
    hand = Hand()
    monkeypatch.setattr(state, "time", hand)
    return hand


def test_phases_are_apart_and_fill_the_time_of_training(data: Dataset) -> None:
    trained = small.fresh()
    began = time.perf_counter()
    for _ in fit(
        trained, small.task(), small.batches(data, "train"), small.batches(data, "val"), trained.options
    ):
        pass
    passed = time.perf_counter() - began
    spent = dict(trained.spent)
    assert set(spent) == {"decode", "augment", "transfer", "forward", "backward", "optimizer", "evaluate"}
    assert set(spent) <= set(PHASES)
    assert all(seconds > 0 for seconds in spent.values()), spent
    assert 0.3 * trained.seconds <= sum(spent.values()) <= trained.seconds <= passed


def test_what_the_consumer_does_is_no_ones_phase(data: Dataset, clock: Hand) -> None:
    """Saving takes a minute after every event: the run's time, and not the next evaluation's."""
    trained = small.fresh()
    said = 0
    for _ in fit(
        trained, small.task(), small.batches(data, "train"), small.batches(data, "val"), trained.options
    ):
        clock.now += 60
        said += 1
    assert dict(trained.spent) == dict.fromkeys(trained.spent, 0.0)
    assert trained.seconds == 60 * (said - 2), (
        "what comes before the first step and after the last is not training"
    )


def test_waiting_is_divided_as_the_batch_was_made(clock: Hand) -> None:
    def made(seconds: list[tuple[float, float]]) -> Iterator[Batch]:
        for each in seconds:
            clock.now += 8
            yield Batch(torch.zeros(1, 1, 2, 2), torch.zeros(1), ["a"], each)
        clock.now += 100  # what follows the last batch is no wait for one

    waiting = State(small.tiny(), small.fit_options())
    for batch in waiting.waiting(made([(3.0, 1.0), (0.0, 5.0), (0.5, 0.0), (0.0, 0.0)])):
        clock.now += 1000  # the step's time
        assert batch.ids == ["a"]
    assert waiting.spent == {"decode": 6.0 + 0.0 + 8.0 + 0.0, "augment": 2.0 + 8.0 + 0.0 + 8.0}


def test_a_phase_adds_up(clock: Hand) -> None:
    counted = State(small.tiny(), small.fit_options())
    for seconds in (1, 2):
        with counted.phase("forward"):
            clock.now += seconds
        clock.now += 10
    assert counted.spent == {"forward": 3.0}


def test_the_phases_of_a_gpu_are_read_when_an_epoch_is_over() -> None:
    """Its events are asked for nothing until then, and each counts once."""
    asked: list[str] = []

    def mark(name: str, milliseconds: float) -> tuple[str, SimpleNamespace, SimpleNamespace]:
        begins = SimpleNamespace(elapsed_time=lambda ends: milliseconds)
        return name, begins, SimpleNamespace(synchronize=lambda: asked.append(name))

    counted = State(small.tiny(), small.fit_options())
    counted._marks += [mark("forward", 250.0), mark("backward", 500.0), mark("forward", 250.0)]
    assert not asked
    assert not counted.spent
    for _ in range(2):
        counted.count_marks()
        assert asked == ["forward", "backward", "forward"]
        assert counted.spent == {"forward": 0.5, "backward": 0.5}


def test_what_was_spent_is_kept_with_the_state_and_not_rewound(data: Dataset, clock: Hand) -> None:
    first = small.fresh()
    first.enter(0)
    first.spent["forward"], first.seconds = 5.0, 7.0
    again = State(small.tiny(), first.options)
    again.restore(first.capture())
    assert again.spent == {"forward": 5.0}
    again.spent["forward"] += 1
    assert first.spent == {"forward": 5.0}, "they share nothing"
    assert again.spent["save"] == 0, "phases that are new begin at nothing"


def test_a_stage_is_said_before_its_first_step_and_settings_may_change_then(data: Dataset) -> None:
    """What the consumer changes at that moment is what the steps are computed with."""
    trained = small.fresh()
    heard: list[str] = []
    kinds = []
    network = trained.network
    network.register_forward_pre_hook(
        lambda module, inputs: (
            heard.append(str(torch.is_autocast_enabled("cpu"))) if module.training else None
        )
    )
    for event in fit(
        trained, small.task(), small.batches(data, "train"), small.batches(data, "val"), trained.options
    ):
        kinds.append(type(event))
        if isinstance(event, events.Stage):
            assert event.stage == "train"
            assert not heard
            trained.options = small.fit_options(precision="bf16")
    assert kinds[:2] == [events.Started, events.Stage]
    assert kinds.count(events.Stage) == 1
    assert set(heard) == {"True"}
