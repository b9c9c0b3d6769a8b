"""A dry run says what a run would do, as the run itself then does it, and leaves nothing behind."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import small
from foveal import events, plan
from foveal.loop.fit import fit
from foveal.loop.state import State
from foveal.machine.memory import machine_megabytes
from foveal.options import Stage, TrainOptions, make
from foveal.plan import Plan, rehearsal
from foveal.plan.footprint import megabytes, saved_for_backward
from foveal.plan.measure import Measured, measure
from foveal.plan.rehearsal import Rehearsal, rehearse
from foveal.plan.trial import placed_network, planned_batches
from foveal.storage import strict
from foveal.structure.layers import parameter_groups, set_trainable
from foveal.values import Choice, Dataset

HEAD = Stage("head", "head", 1, 0.04, "constant", 0.0)
ALL = Stage("all", "all", 2, 0.02, "cosine", 0.25, layer_decay=0.5)


def planned(data: Dataset, **given: object) -> Plan:
    given = {"network": "resnet9", "pretrained": False, "size": 12, "batch": 8, "epochs": 2, **given}
    return plan.make(data, make(TrainOptions, given))


def staged(made: Plan, *stages: Stage) -> Plan:
    return dataclasses.replace(made, fit=dataclasses.replace(made.fit, stages=stages))


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return small.drawings(tmp_path)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Three steps by the clock are enough where the time itself is not looked at."""
    if "slow" not in request.keywords:
        monkeypatch.setattr("foveal.plan.measure.ENOUGH_SECONDS", 0.0)


def quiet(message: object) -> None:
    pass


@pytest.mark.parametrize("schedule", ["onecycle", "step"])
def test_the_rates_are_those_that_the_loop_sets(data: Dataset, schedule: str) -> None:
    """At every step of every stage, to the last bit."""
    made = staged(planned(data), HEAD, dataclasses.replace(ALL, schedule=schedule))
    said = rehearse(data, made, quiet)
    train, check = planned_batches(data, made, "train", augment=True), planned_batches(data, made, "val")
    run = fit(State(placed_network(data, made), made.fit), made.task, train, check, made.fit)
    set_by_loop = [(event.step, event.lr) for event in run if isinstance(event, events.Step)]
    assert list(zip(said.schedule["steps"], said.schedule["rates"], strict=True)) == set_by_loop
    assert [(s["name"], s["epochs"], s["steps"]) for s in said.stages] == [("head", 1, 6), ("all", 2, 12)]


def test_leaves_nothing_behind(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    torch.manual_seed(3)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    rehearse(data, planned(data, deterministic=True), quiet)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]
    assert not torch.are_deterministic_algorithms_enabled()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == files


def test_the_document(data: Dataset) -> None:
    made, split = planned(data), [Choice("split", "test", "the data's own")]
    heard: list[Any] = []
    said = rehearse(data, made, heard.append, began=time.time() - 100, split=split)
    doc = json.loads(json.dumps(strict(said.to_json()), allow_nan=False))
    assert {"choices", "stages", "schedule", "groups", "parameters", "seconds", "memory"} <= doc.keys()
    assert {"train", "judge", "total"} <= doc["seconds"].keys()
    assert [c["option"] for c in doc["choices"]] == ["split", *(c.option for c in made.choices)]
    assert all(c["reason"] for c in doc["choices"])
    assert doc["seconds"]["prepare"] >= 100
    assert doc["seconds"]["total"] == pytest.approx(
        sum(doc["seconds"][part] for part in ("prepare", "train", "judge"))
    )
    assert heard[0][0] == "rehearsing"
    assert heard[-1][1] == heard[-1][2]
    html = said._repr_html_()
    assert "<svg" in html
    assert "label_smoothing" in html


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_groups_are_the_optimizers_own(data: Dataset, optimizer: str) -> None:
    made = staged(planned(data, optimizer=optimizer), HEAD, ALL)
    said, network = rehearse(data, made, quiet), placed_network(data, made)
    total = sum(p.numel() for p in network.parameters())
    assert said.parameters == {"total": total, "trainable": total}
    for stage in (HEAD, ALL):
        rows = [row for row in said.groups if row["stage"] == stage.name]
        assert sum(row["trainable"] + row["frozen"] for row in rows) == total
        set_trainable(network, made.fit.head, stage.trainable)
        groups = parameter_groups(
            network,
            made.fit.head,
            lr=stage.lr,
            weight_decay=made.fit.weight_decay,
            layer_decay=stage.layer_decay,
        )
        moved: dict[float, int] = {}
        for group in groups:
            moved[group["peak"]] = moved.get(group["peak"], 0) + sum(p.numel() for p in group["params"])
        assert {row["rate"]: row["trainable"] for row in rows if row["trainable"]} == moved
    head = [row for row in said.groups if row["stage"] == "head"]
    assert [row["layers"] for row in head if row["trainable"]] == ["fc"]
    assert all(row["rate"] is None and row["weight_decay"] is None for row in head if row["frozen"])


def test_memory_of_weights_gradients_and_optimizer_is_exact(data: Dataset) -> None:
    made = planned(data, optimizer="adamw")
    said = rehearse(data, made, quiet).memory
    network = placed_network(data, made)
    floats = sum(p.numel() for p in network.parameters()) * 4 / 1e6
    buffers = sum(b.numel() * b.element_size() for b in network.buffers()) / 1e6
    assert said["weights"] == pytest.approx(floats + buffers)
    assert said["gradients"] == pytest.approx(floats)
    steps = len(list(network.parameters())) * 4 / 1e6  # AdamW counts its steps in a float each
    assert said["optimizer"] == pytest.approx(2 * floats + steps)
    parts = ("weights", "average", "gradients", "optimizer", "activations", "batch")
    assert said["peak"] == pytest.approx(sum(said[part] for part in parts))
    assert said["machine"] > said["peak"]


def test_activations_are_what_autograd_keeps() -> None:
    """Two convolutions and a ReLU: the input, the first's output (shared with nobody), the ReLU's output."""
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1))
    images = torch.zeros(2, 3, 10, 10)
    kept, largest = saved_for_backward(network, lambda: network(images).sum())
    assert kept == pytest.approx((2 * 3 * 100 + 2 * 8 * 100) * 4 / 1e6)
    assert largest == pytest.approx(2 * 8 * 100 * 4 / 1e6)
    assert megabytes([images, images[0]]) == pytest.approx(2 * 3 * 100 * 4 / 1e6)


def test_batches_in_pieces_need_less(data: Dataset) -> None:
    whole = rehearse(data, planned(data, batch=16, precision="fp32"), quiet).memory
    parts = rehearse(data, planned(data, batch=16, precision="fp32", accumulate=4), quiet).memory
    assert parts["pieces"] == 4
    assert parts["activations"] < 0.5 * whole["activations"]


def test_the_machines_memory() -> None:
    found = machine_megabytes("cpu")
    assert found is not None
    assert 200 < found < 1e8
    if hasattr(os, "sysconf"):
        assert found <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6


def test_measured_costs_follow_the_work(data: Dataset) -> None:
    """The head alone is cheaper than all layers, and a frozen backbone keeps fewer activations."""
    made = staged(planned(data, batch=24), HEAD, ALL)
    network = placed_network(data, made)
    train, check = planned_batches(data, made, "train", augment=True), planned_batches(data, made, "val")
    for _ in range(5):  # other work on the machine may hit the one or the other
        found = measure(network, made.task, train, check, made.fit)
        if 0 < found.steps[0] < found.steps[1]:
            break
    assert 0 < found.steps[0] < found.steps[1]
    assert min(found.reading, found.check_reading, found.checking, found.judging, found.saving) > 0
    alone = measure(placed_network(data, made), made.task, train, check, staged(made, HEAD).fit)
    assert alone.memory["activations"] < 0.5 * found.memory["activations"]
    assert alone.memory["gradients"] < 0.1 * found.memory["gradients"]


def told(**more: Any) -> Measured:
    """Round figures: reading a batch 0.1 s, steps 0.2 and 0.6 s, a picture's check 0.01 + 0.03 s, saving 0.5 s."""
    made = Measured(0.1, 0.02, (0.2, 0.6), 0.01, 0.03, 0.05, 0.5, (), {}, {})
    return dataclasses.replace(made, **more)


def reckoned(monkeypatch: pytest.MonkeyPatch, data: Dataset, made: Plan, measured: Measured) -> Rehearsal:
    monkeypatch.setattr(rehearsal, "measure", lambda *_: measured)
    monkeypatch.setattr(rehearsal, "placed_network", lambda *_: nn.Identity())
    return rehearse(data, made, quiet)


def test_time_is_the_sum_of_all_that_is_done(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    made = staged(planned(data), HEAD, ALL)
    said = reckoned(monkeypatch, data, made, told())
    check = 24 * 0.04
    head, whole = 6 * 0.3 + check + 0.5, 6 * 0.7 + check + 0.5
    assert [s["seconds"] for s in said.stages] == pytest.approx([head, 2 * whole])
    assert said.seconds["train"] == pytest.approx(head + 2 * whole)
    judged = 24 + 24 + 48  # test; validation and training pictures, for temperature and distances
    assert said.seconds["judge"] == pytest.approx(judged * 0.06 + 2 * 0.5)
    beside = reckoned(monkeypatch, data, staged(planned(data, workers=2), HEAD, ALL), told())
    check = 24 * 0.03  # reading is hidden behind computing
    assert beside.seconds["train"] == pytest.approx(9 + 6 * 0.2 + 2 * 6 * 0.6 + 3 * (check + 0.5))


def test_minutes_tell_how_many_epochs_they_hold(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = (dataclasses.replace(HEAD, share=0.25), dataclasses.replace(ALL, share=0.75))
    made = staged(planned(data, minutes=4, epochs=None), *stages)
    said = reckoned(monkeypatch, data, made, told())
    assert said.seconds["total"] == pytest.approx(4 * 60 * 0.98 - 2, rel=0.03)
    train = said.seconds["train"]
    assert [s["seconds"] for s in said.stages] == pytest.approx([0.25 * train, 0.75 * train], rel=0.05)
    assert len(said.schedule["rates"]) == sum(s["steps"] for s in said.stages)
    hurried = staged(planned(data, minutes=0.01, epochs=None), *stages)
    assert [s["steps"] for s in reckoned(monkeypatch, data, hurried, told()).stages] == [1, 1]


@pytest.mark.slow
def test_the_forecast_holds(data: Dataset, tmp_path: Path) -> None:
    """Within half as much again of the real time, on the built-in digits."""
    from foveal.readers import prepare
    from foveal.training import start

    wanted = make(TrainOptions, {"epochs": 6, "patience": 99, "runs_dir": str(tmp_path / "runs")})
    began = time.time()
    digits, split = prepare(None, wanted, 0)
    made = plan.make(digits, wanted)
    forecast = rehearse(digits, made, quiet, began=began).seconds["total"]
    real = start(digits, made, "digits", quiet, time.time(), split).seconds
    assert abs(math.log(forecast / real)) < math.log(1.5), (forecast, real)
