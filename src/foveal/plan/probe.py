"""A few steps with other settings than the rules': the fastest that computes the same is taken.

Tried are precision, memory layout, threads, and on a GPU compiled code, one after the other, each beside the
best so far. What was given is not tried. The speeds are remembered for this machine, network and batch, so
that the next run decides the same without trying.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ..contracts import Source, Task
from ..data import home, keep
from ..errors import DiskError
from ..loop.evaluation import is_channels_last
from ..loop.fit import descend, set_rate
from ..loop.state import State
from ..machine.device import fast_bf16, free_memory, random_state, set_random_state
from ..options import FitOptions, TrainOptions
from ..records.run import hardware
from ..storage import from_json, to_json
from ..structure.layers import set_training
from ..structure.regularise import set_drop_path, set_dropout
from ..values import Choice
from .trial import untouched

WORTH = 200
"""Steps that must lie ahead: trying costs about twenty, and saves a tenth of all or nothing."""
TIMED = 3
"""Steps by the clock, after one that warms up."""
FASTER = 1.1
"""How much faster a setting must be to be taken: less is noise, and another run would decide otherwise."""
ALIKE = 0.97
"""Cosine between a setting's gradients and those in fp32 that is enough for any network."""
FURTHER, AS_LIKE = 8.0, 1 / 3
"""Deep networks make much of little differences while they are new: 0.24 is ResNet-50's cosine in bf16 then, and
0.40 in fp32 with weights and pictures rounded to bf16. So a setting may also be this many times further from fp32
(1 - cosine) than fp32 rounded is, and have this share of its cosine. Of eighteen networks, new and in training,
none in bf16 was more than 4.7 times as far, or had less than 0.59 of the cosine where that was above 0.1."""
COMPILING_SECONDS = 600.0
"""Training shorter than this is not worth compiling for: that takes one to two minutes."""
FILE = "probes.json"
MOST = 500
"""Probes remembered, the latest."""
PARTS = {"precision": "precision", "layout": "channels_last", "threads": "threads", "compile": "compiled"}
"""The options that a probe may decide, and the part of a `Setting` that each is."""


@dataclass(frozen=True)
class Setting:
    """How steps are computed; what they compute is the same."""

    precision: str
    channels_last: bool
    threads: int
    compiled: bool = False

    def __str__(self) -> str:
        return ", ".join(_words(self, option) for option in PARTS)


@dataclass(frozen=True)
class Found:
    """The setting to train with, the choice of each option that was tried with its reason, and pictures a second
    by setting (0: it failed, or did not compute the same)."""

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
    for network in (state.network, state.average):
        if network is not None:
            network.to(memory_format=layout)
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
    """The fastest setting for the `steps` that lie ahead, or None where trying does not pay or nothing is open.

    The network, its optimizer, all generators and the number of threads are afterwards as they were. Nothing
    that fails here is an error: training itself will say what it cannot do.

    Args:
        options: as they were given; what is None is open.
    """
    rule = current(state)
    tries = _tries(rule, options, state.options)
    if not (tries and options.probe) or options.deterministic or steps < WORTH:
        return None
    stage = _busiest(state)
    key = _key(state, stage, architecture, options, rule, list(tries))

    def pays(speed: float) -> bool:
        ahead = steps * state.options.batch / speed if speed else 0.0
        if state.options.seconds is not None:
            ahead = state.options.seconds - state.seconds
        return ahead > COMPILING_SECONDS

    def enough(speed: float) -> bool:
        left = math.inf if state.options.seconds is None else state.options.seconds - state.seconds
        return left * speed >= WORTH * state.options.batch or not speed

    known = _remembered(options.data_home).get(key, {})
    try:
        found = search(rule, tries, lambda setting: known[str(setting)], pays, "probe before", enough)
    except KeyError:
        threads = torch.get_num_threads()
        try:
            with untouched(state.options.device):
                trial = Trial(state, stage, task, train)
                found = search(rule, tries, trial.speed, pays, "probe", enough)
        finally:
            torch.set_num_threads(threads)
        if any(found.speeds.values()):
            _remember(options.data_home, key, found.speeds)
    return found if found.speeds[str(found.setting)] else None


def search(
    rule: Setting,
    tries: Mapping[str, Any],
    measure: Callable[[Setting], float],
    pays: Callable[[float], bool],
    why: str,
    enough: Callable[[float], bool] = lambda speed: True,
) -> Found:
    """Try one option after the other on top of the best so far; the decision depends on the speeds in what is
    found alone, so that those decide the same again.

    Args:
        tries: the value to try by option.
        measure: pictures a second.
        pays: whether compiling does, at this speed.
        why: the reasons' first words.
        enough: whether at this speed so many steps lie ahead that it pays to try others at all.
    """
    best, speeds = rule, {rule: measure(rule)}
    if not enough(speeds[rule]):
        return Found(rule, (), {str(rule): speeds[rule]})
    choices = []
    for option, value in tries.items():
        if option == "compile" and not pays(speeds[best]):
            continue
        other = replace(best, **{PARTS[option]: value})
        speeds[other] = measure(other)
        if 0 < FASTER * speeds[best] < speeds[other]:
            # the machine may have been busy with something else the first time
            speeds[best] = max(speeds[best], measure(best))
        best, left = (other, best) if speeds[other] > FASTER * speeds[best] else (best, other)
        pace = f"{_pace(speeds[left])} with {_words(left, option)}"
        if not speeds[left]:
            pace = f"{_words(left, option)} fails here, or computes something else"
        reason = f"{why}: {_pace(speeds[best])} pictures/s, {pace}"
        choices.append(Choice(option, _value(best, option), reason))
    return Found(best, tuple(choices), {str(setting): speed for setting, speed in speeds.items()})


def _tries(rule: Setting, given: TrainOptions, fit: FitOptions) -> dict[str, Any]:
    """The values to try, by the options that are open."""
    found: dict[str, Any] = {}
    if given.precision is None and fast_bf16(fit.device):
        found["precision"] = "fp32" if rule.precision == "bf16" else "bf16"
    if given.layout is None:
        found["layout"] = not rule.channels_last
    if given.threads is None and fit.device == "cpu" and rule.threads > 1:
        found["threads"] = rule.threads // 2
    # pictures that grow would be compiled for at each size
    if given.compile is None and fit.device.startswith("cuda") and fit.grow == 1 and not rule.compiled:
        found["compile"] = True
    return found


def _busiest(state: State) -> int:
    """The stage that most of the steps ahead belong to, of those that see pictures and not features."""
    o = state.options
    ahead = [n for n in range(state.stage, len(o.stages)) if n == state.stage or not o.stages[n].views]
    return max(ahead, key=lambda n: o.stages[n].epochs if o.seconds is None else o.stages[n].share)


class Trial:
    """Steps on copies of a network, all from the same weights, on the same batch, with the same draws and
    without dropout, whose draws depend on the setting."""

    def __init__(self, state: State, stage: int, task: Task, train: Source) -> None:
        self.state, self.stage, self.task, self.train = state, stage, task, train
        self.raw = next(train.epoch(state.epoch))
        self.draws = random_state(state.options.device)

    def speed(self, setting: Setting) -> float:
        """Pictures a second; 0 for a setting that fails, or whose gradients are not those of fp32."""
        try:
            return self._speed(setting)
        except (
            Exception
        ):  # of memory, of a compiler, of a kernel that is not there: it cannot be trained with
            return 0.0
        finally:
            free_memory(self.state.options.device)

    def _speed(self, setting: Setting) -> float:
        exact, pieces = self._exact
        state = self._copy(setting)
        state.pieces = pieces  # statistics are of a piece
        self._step(state)
        if not self._is_sound(cosine(gradients(state.network), exact)):
            return 0.0
        state.pieces = self.state.pieces
        return len(self.raw.ids) / min(self._step(state) for _ in range(TIMED))

    def _copy(self, setting: Setting) -> State:
        set_random_state(self.draws, self.state.options.device)
        state = State(copy.deepcopy(self.state.network), replace(self.state.options, ema=0.0))
        set_dropout(state.network, 0.0)
        set_drop_path(state.network, 0.0)
        state.enter(self.stage)
        stage = state.current
        set_training(state.network, state.options.head, stage.trainable, stage.frozen)
        apply(state, setting)
        if state.scaler is not None:  # at its own first scale it skips steps
            state.scaler = torch.amp.GradScaler("cuda", init_scale=1024.0)
        set_rate(state, lambda done: 1e-3)  # so small that the weights hardly move
        return state

    def _step(self, state: State, rounded: bool = False) -> float:
        """Seconds that a step takes, its batch's way to the device included."""
        device = state.options.device
        began = time.perf_counter()
        batch = self.train.to(self.raw, device, is_channels_last(state.network))
        if rounded:
            batch.images = batch.images.bfloat16().float()
        descend(state, self.task, batch, state.options)
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        elif device == "mps":
            torch.mps.synchronize()
        return time.perf_counter() - began

    @cached_property
    def _exact(self) -> tuple[list[Tensor], int]:
        """The gradients in fp32, and the pieces that the batch had to be cut into."""
        state = self._copy(self._plain)
        self._step(state)
        return gradients(state.network), state.pieces

    @property
    def _plain(self) -> Setting:
        return replace(current(self.state), precision="fp32", compiled=False)

    @cached_property
    def _rounded(self) -> float:
        """How much fp32's gradients are its own when weights and pictures have bf16's eight bits."""
        exact, pieces = self._exact
        state = self._copy(self._plain)
        state.pieces = pieces
        with torch.no_grad():
            for parameter in state.network.parameters():
                parameter.copy_(parameter.bfloat16())
        self._step(state, rounded=True)
        return cosine(gradients(state.network), exact)

    def _is_sound(self, likeness: float) -> bool:
        if likeness >= ALIKE or not math.isfinite(likeness):
            return likeness >= ALIKE
        return 1 - likeness <= FURTHER * (1 - self._rounded) and likeness >= AS_LIKE * self._rounded


def gradients(network: nn.Module) -> list[Tensor]:
    """The gradients of all that is trained, flat, in fp32 on the CPU."""
    trained = [p for p in network.parameters() if p.requires_grad]
    there = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
    # in the order of the indices, however they lie
    return [
        g.detach().to("cpu", torch.float32, memory_format=torch.contiguous_format).flatten() for g in there
    ]


def cosine(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """The cosine between two lists of vectors, each taken as one; not a number where they are not finite or 0."""
    length = math.sqrt(_product(one, one) * _product(other, other)) if one else 0.0
    return _product(one, other) / length if length > 0 else math.nan


def _product(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    # by blocks: one fp32 sum over millions is off by per cents
    pairs = zip(one, other, strict=True)
    blocks = (
        (x, y)
        for a, b in pairs
        for x, y in zip(torch.split(a, 1 << 16), torch.split(b, 1 << 16), strict=True)
    )
    return math.fsum(float(x.dot(y)) for x, y in blocks)


def _value(setting: Setting, option: str) -> Any:
    part = getattr(setting, PARTS[option])
    return ("channels_last" if part else "contiguous") if option == "layout" else part


def _words(setting: Setting, option: str) -> str:
    value = _value(setting, option)
    if option == "threads":
        return f"{value} thread{'s' if value > 1 else ''}"
    return ("compiled" if value else "not compiled") if option == "compile" else str(value)


def _pace(speed: float) -> str:
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"


def _key(
    state: State,
    stage: int,
    architecture: Mapping[str, Any],
    given: TrainOptions,
    rule: Setting,
    tried: Sequence[str],
) -> str:
    o, part, machine = state.options, state.options.stages[stage], hardware(state.options.device)
    what = {
        "machine": [machine.get(name) for name in ("processor", "cores", "torch_build", "gpu")],
        "network": dict(architecture),
        "pictures": [o.batch, o.pieces, given.train_size, o.grow],
        "steps": [o.device, part.trainable, part.frozen, o.optimizer],
        "settings": [str(rule), *tried],
    }
    return hashlib.sha256(to_json(what).encode()).hexdigest()[:24]


def _remembered(data_home: str | None) -> dict[str, dict[str, float]]:
    """Speeds by setting, by key; a file that is damaged, or of another version, remembers nothing."""
    try:
        found = from_json((home(data_home) / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in found.items() if _are_speeds(v)} if isinstance(found, dict) else {}


def _are_speeds(row: Any) -> bool:
    return isinstance(row, dict) and all(
        isinstance(v, int | float) and math.isfinite(v) and v >= 0 for v in row.values()
    )


def _remember(data_home: str | None, key: str, speeds: Mapping[str, float]) -> None:
    """Failing to is no reason to stop: it only costs time the next time."""
    rows = {k: v for k, v in _remembered(data_home).items() if k != key}
    rows[key] = dict(speeds)
    latest = dict(list(rows.items())[-MOST:])
    try:
        keep(home(data_home) / FILE, json.dumps(latest).encode())
    except (DiskError, OSError):
        pass
