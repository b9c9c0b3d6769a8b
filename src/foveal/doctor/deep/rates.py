"""Which rates teach a fresh network anything in a few steps: the run's own, and others beside it."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from statistics import fmean
from typing import Any

import torch

from ...loop.state import State
from ...structure.layers import set_training
from ...values import Batch
from ..patient import Patient

SOURCE = (
    "Smith 2017, Cyclical Learning Rates (a range test); Google's Deep Learning Tuning Playbook: a few hundred steps "
    "at other rates, from the same start"
)
QUICK = False
TIMES = (0.01, 0.1, 1.0, 10.0, 100.0)
STEPS, WARM, LAST, BATCHES = 40, 8, 10, 40
SECONDS = 8.0
"""The most that all of them take."""


def measure(patient: Patient) -> dict[str, Any] | None:
    """By how many times the run's peak rate: the loss over the last steps, beside that of the first. Each begins with
    the same weights and sees the same pictures, the rate rising over the first steps. None where weights were not
    drawn, as they bear other rates."""
    if not patient.scratch:
        return None
    source = patient.pictures("train", augment=True)
    batches = [source.to(raw, "cpu", False) for raw in itertools.islice(source.epoch(0), BATCHES)]
    batches = [batch for batch in batches if len(batch.ids) > 1]
    if not batches:
        return None
    seconds = min(SECONDS, max(2.0, patient.time_left / 3)) / len(TIMES)
    tried = {f"{times:g}": _tried(patient, batches, times, seconds) for times in TIMES}
    return {
        "lr": patient.fit.stages[-1].lr,
        "start": tried["1"]["start"],
        "steps": min(own["steps"] for own in tried.values()),
        "ended": {times: own["end"] for times, own in tried.items()},
    }


def _tried(patient: Patient, batches: list[Batch], times: float, seconds: float) -> dict[str, Any]:
    network, until = patient.fresh(), time.monotonic() + seconds
    options = dataclasses.replace(patient.fit, device="cpu", precision="fp32", compiled=False, ema=0.0)
    state = State(network, options)
    state.enter(len(options.stages) - 1)
    assert state.optimizer is not None
    set_training(network, options.head, state.current.trainable, state.current.frozen)
    learning = [p for group in state.optimizer.param_groups for p in group["params"]]
    peaks = [float(group["lr"]) * times for group in state.optimizer.param_groups]
    losses: list[float] = []
    for step, batch in enumerate(itertools.islice(itertools.cycle(batches), STEPS)):
        for group, peak in zip(state.optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * min(1.0, (step + 1) / WARM)
        state.optimizer.zero_grad()
        loss = patient.task.step(network, batch).loss
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]) or time.monotonic() > until:
            break
        torch.autograd.backward(loss)
        if options.clip:
            torch.nn.utils.clip_grad_norm_(learning, options.clip)
        state.optimizer.step()
    bad = not math.isfinite(losses[-1])
    return {
        "start": losses[0],
        "end": None if bad else fmean(losses[-LAST:]),
        "steps": STEPS if bad else len(losses),
    }
