"""A few steps with other settings than the rule's: the fastest that computes the same is taken.

What is tried: precision, memory layout, threads, and on a GPU compiled code. Each is changed alone, the others
at the best so far. A setting that was given is not tried. What was found is remembered for this machine,
network, size and batch, so that the next run decides the same without trying.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import os
import platform
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..contracts import Source, Task
from ..data import home, keep
from ..device import fast_bf16, is_out_of_memory
from ..errors import DiskError
from ..evaluation import is_channels_last
from ..fit import descend, set_rate
from ..options import FitOptions, TrainOptions
from ..state import State
from ..storage import from_json, to_json
from ..structure.layers import set_training
from ..values import Batch, Choice
from .trial import untouched

WORTH = 100
"""Steps that must lie ahead: trying costs about fifteen."""
TIMED = 3
"""Steps by the clock, after one that warms up."""
FASTER = 1.1
"""How much faster a setting must be to be taken: less is noise, and another run would decide otherwise."""
ALIKE = 0.97
"""Smallest cosine between a setting's gradients and those in fp32 (bf16 keeps 8 bits of each factor)."""
COMPILING_SECONDS = 600.0
"""Training shorter than this is not worth compiling for: that takes one to two minutes."""
FILE = "probes.json"
MOST = 500


@dataclass(frozen=True)
class Setting:
    """How steps are computed; what they compute is the same."""

    precision: str
    channels_last: bool
    threads: int
    compiled: bool = False


@dataclass(frozen=True)
class Found:
    """The setting to train with, its choices with reasons, and pictures a second by setting (empty where it
    was remembered)."""

    setting: Setting
    choices: tuple[Choice, ...]
    speeds: Mapping[str, float]


def current(state: State) -> Setting:
    """The setting that the plan's rules chose."""
    o = state.options
    return Setting(
        o.precision, is_channels_last(state.network), o.threads or torch.get_num_threads(), o.compiled
    )


def apply(state: State, setting: Setting) -> None:
    """Train with this setting from now on."""
    chosen: dict[str, Any] = dataclasses.asdict(setting)
    del chosen["channels_last"]
    state.options = replace(state.options, **chosen)
    torch.set_num_threads(setting.threads)
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    state.network.to(memory_format=layout)
    if setting.compiled:
        state.network.compile()


def probe(
    state: State,
    task: Task,
    train: Source,
    options: TrainOptions,
    steps: int,
    architecture: Mapping[str, Any],
) -> Found | None:
    """The fastest setting for the `steps` that lie ahead, or None where trying does not pay.

    The network, its optimizer and all generators are afterwards as they were.
    """
    rule = current(state)
    if not options.probe or options.deterministic or steps < WORTH:
        return None
    key = _key(state, architecture, rule)
    known = _remembered(options.data_home).get(key)
    if known is not None:
        try:
            setting = Setting(**known)
        except TypeError:  # of another version
            setting = rule
        return Found(setting, _choices(rule, setting, "found by a probe on this machine before", options), {})
    raw = next(train.epoch(state.epoch, state.batch))
    trial = Trial(state, task, train, raw)
    with untouched(state.options.device):
        best, speed = rule, trial.speed(rule)
        speeds = {_words(rule): speed}
        ahead = steps * len(raw.ids) / speed
        for change in _changes(rule, options, state.options, ahead):
            candidate = replace(best, **change)
            found = trial.speed(candidate)
            speeds[_words(candidate)] = found
            if found > FASTER * speed:
                best, speed = candidate, found
    torch.set_num_threads(rule.threads)
    _remember(options.data_home, key, best)
    first = speeds[_words(rule)]
    why = f"probe: {speed:,.0f} pictures/s" + (f", {first:,.0f} as the rules would" if best != rule else "")
    return Found(best, _choices(rule, best, why, options), speeds)


def _changes(rule: Setting, given: TrainOptions, fit: FitOptions, ahead: float) -> Iterator[dict[str, Any]]:
    if given.precision is None and fast_bf16(fit.device):
        yield {"precision": "fp32" if rule.precision == "bf16" else "bf16"}
    if given.layout is None:
        yield {"channels_last": not rule.channels_last}
    if given.threads is None and fit.device == "cpu" and rule.threads > 1:
        yield {"threads": rule.threads // 2}
    if given.compile is None and fit.device.startswith("cuda") and ahead > COMPILING_SECONDS:
        yield {"compiled": True}


class Trial:
    """Steps on copies of a network, all from the same weights and on the same batch."""

    def __init__(self, state: State, task: Task, train: Source, raw: Batch) -> None:
        self.state, self.task, self.train, self.raw = state, task, train, raw
        self.exact: Tensor | None = None

    def speed(self, setting: Setting) -> float:
        """Pictures a second; 0 for a setting that fails, or whose gradients are not those of fp32."""
        try:
            return self._speed(setting)
        except RuntimeError as error:
            if not is_out_of_memory(error) and not setting.compiled:
                raise
            return 0.0

    def _speed(self, setting: Setting) -> float:
        state = self._copy(setting)
        seconds = [self._step(state, setting)]
        gradients = flat_gradients(state.network)
        if setting.precision == "fp32":
            self.exact = gradients
        elif not self._is_sound(gradients):
            return 0.0
        seconds = [self._step(state, setting) for _ in range(TIMED)]
        return len(self.raw.ids) / statistics.median(seconds)

    def _copy(self, setting: Setting) -> State:
        state = State(copy.deepcopy(self.state.network), replace(self.state.options, ema=0.0, seconds=None))
        state.enter(self.state.stage)
        stage = state.current
        set_training(state.network, state.options.head, stage.trainable, stage.frozen)
        apply(state, setting)
        set_rate(state, lambda done: 1e-3)  # so small that the weights hardly move
        return state

    def _step(self, state: State, setting: Setting) -> float:
        began = time.perf_counter()
        batch = self.train.to(self.raw, state.options.device, setting.channels_last)
        descend(state, self.task, batch, state.options)
        if state.options.device.startswith("cuda"):
            torch.cuda.synchronize(state.options.device)
        return time.perf_counter() - began

    def _is_sound(self, gradients: Tensor) -> bool:
        if self.exact is None:
            exact = self._copy(replace(current(self.state), precision="fp32"))
            self._step(exact, current(exact))
            self.exact = flat_gradients(exact.network)
        if not bool(torch.isfinite(gradients).all()):
            return False
        return float(torch.cosine_similarity(gradients, self.exact, dim=0)) >= ALIKE


def flat_gradients(network: nn.Module) -> Tensor:
    """All gradients as one vector, in fp32 on the CPU."""
    there = [p.grad.float().flatten().cpu() for p in network.parameters() if p.grad is not None]
    return torch.cat(there)


def _words(setting: Setting) -> str:
    layout = "channels last" if setting.channels_last else "channels first"
    compiled = ", compiled" if setting.compiled else ""
    return f"{setting.precision}, {layout}, {setting.threads} threads{compiled}"


def _choices(rule: Setting, found: Setting, why: str, given: TrainOptions) -> tuple[Choice, ...]:
    """The options that the setting decides, where they were left open."""
    values = {
        "precision": found.precision,
        "layout": "channels_last" if found.channels_last else "contiguous",
        "threads": found.threads,
        "compile": found.compiled,
    }
    return tuple(Choice(o, v, why) for o, v in values.items() if getattr(given, o) is None)


def _key(state: State, architecture: Mapping[str, Any], rule: Setting) -> str:
    o = state.options
    device = torch.cuda.get_device_name(o.device) if o.device.startswith("cuda") else platform.processor()
    what = {
        "machine": [platform.machine(), device, os.cpu_count(), torch.__version__],
        "network": dict(architecture),
        "steps": [o.device, o.batch, o.pieces, state.current.trainable, state.current.frozen, o.optimizer],
        "rule": dataclasses.asdict(rule),
    }
    return hashlib.sha256(to_json(what).encode()).hexdigest()[:24]


def _remembered(data_home: str | None) -> dict[str, dict[str, Any]]:
    try:
        found = from_json((home(data_home) / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(data_home: str | None, key: str, setting: Setting) -> None:
    """Failing to is no reason to stop: it only costs time the next time."""
    rows = {**_remembered(data_home), key: dataclasses.asdict(setting)}
    latest = dict(list(rows.items())[-MOST:])
    try:
        keep(home(data_home) / FILE, json.dumps(latest).encode())
    except (DiskError, OSError):
        pass
