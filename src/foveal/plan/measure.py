"""What a step of each stage costs: time and memory, measured on a network that is used up by it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..contracts import Task
from ..data.batches import Batches
from ..loop.evaluation import evaluate, is_channels_last
from ..loop.fit import descend, set_rate, varied
from ..loop.state import State
from ..machine.device import autocast
from ..machine.memory import machine_megabytes
from ..options import FitOptions
from ..structure.layers import set_training, stages
from ..values import Batch
from .footprint import megabytes, saved_for_backward

WARM, FEWEST, MOST = 2, 3, 20
"""Steps made before the clock starts, and at least and at most by the clock."""
ENOUGH_SECONDS = 1.5
"""Of steps by the clock, after which the next stage is measured."""
READ, JUDGED = 5, 2
"""Batches read, and judged, by the clock."""
DISK = 150e6
"""Bytes a second that a disk writes and confirms; nothing is written to find out."""
SLOW = 0.01
"""Share of the planned rates at which the trial is made, so that no loss explodes in it."""


@dataclass(frozen=True)
class Measured:
    """Seconds: `reading` a batch by one process, and of it `decoding`; computing a step, a stage each in
    `steps`; `check_reading` and `checking` a validation picture, `judging` one after training; `saving` model
    and state once.

    `groups` has a row for each part of the network in each stage; `memory` is in MB.
    """

    reading: float
    decoding: float
    steps: tuple[float, ...]
    check_reading: float
    checking: float
    judging: float
    saving: float
    groups: tuple[dict[str, Any], ...]
    parameters: dict[str, int]
    memory: dict[str, Any]


def measure(
    network: nn.Module,
    task: Task,
    train: Batches,
    check: Batches,
    options: FitOptions,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Measured:
    """Make a few steps of every stage as the loop would, and judge a few validation pictures."""
    state = State(network, options)
    total = len(options.stages) + 3
    raws, reading = _read(train)
    decoding = min(reading, statistics.median(raw.seconds[0] for raw in raws))
    progress(1, total)
    steps: list[float] = []
    groups: list[dict[str, Any]] = []
    memories: list[dict[str, float]] = []
    if options.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(torch.device(options.device))
    for number, stage in enumerate(options.stages):
        state.enter(number)
        set_training(network, options.head, stage.trainable, stage.frozen)
        groups += _groups(state)
        memories.append(_memory(state, task, train, raws[0]))
        steps.append(_step_seconds(state, task, train, raws))
        memories[-1] |= _held(state)
        progress(2 + number, total)
    memory = _most(state, memories)
    check_reading, checking = _judged(state, task, check, options.precision)
    judging = checking if options.precision == "fp32" else _judged(state, task, check, "fp32")[1]
    progress(total - 1, total)
    counts = [sum(p.numel() for p in network.parameters()), max(_trainable(groups))]
    saving = _saving(state)
    progress(total, total)
    return Measured(
        reading, decoding, tuple(steps), check_reading, checking, judging, saving, tuple(groups),
        dict(zip(("total", "trainable"), counts, strict=True)), memory,
    )  # fmt: skip


def _read(batches: Batches) -> tuple[list[Batch], float]:
    """Some batches, and the median seconds that one takes."""
    alone = dataclasses.replace(batches, workers=0)
    raws: list[Batch] = []
    seconds: list[float] = []
    each = iter(itertools.chain.from_iterable(alone.epoch(n) for n in itertools.count()))
    for _ in range(READ + 1):
        began = time.perf_counter()
        raws.append(next(each))
        seconds.append(time.perf_counter() - began)
    return raws[1:], statistics.median(seconds[1:])  # the first fills caches


def _step_seconds(state: State, task: Task, batches: Batches, raws: list[Batch]) -> float:
    """Median seconds of a step, all but reading."""
    options, seconds = state.options, list[float]()
    channels_last = is_channels_last(state.network)
    set_rate(state, lambda done: SLOW)
    for count, raw in enumerate(itertools.cycle(raws)):
        _finish_queued(options.device)
        began = time.perf_counter()
        batch = varied(batches.to(raw, options.device, channels_last), state, task)
        descend(state, task, batch, options)
        state.step += 1
        state.batch += 1
        state.follow()
        _finish_queued(options.device)
        if count >= WARM:
            seconds.append(time.perf_counter() - began)
        if len(seconds) >= MOST or (len(seconds) >= FEWEST and sum(seconds) >= ENOUGH_SECONDS):
            break
    return statistics.median(seconds)


def _finish_queued(device: str) -> None:
    """Wait for what a GPU still has to do."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(torch.device(device))
    elif device == "mps":
        torch.mps.synchronize()


def _judged(state: State, task: Task, check: Batches, precision: str) -> tuple[float, float]:
    """Seconds a picture: reading it, and all else of an evaluation."""
    some = dataclasses.replace(check, items=check.items[: JUDGED * check.size], workers=0)
    began = time.perf_counter()
    for _ in some.epoch(0):
        pass
    read = time.perf_counter() - began
    network, device = state.judged_network, state.options.device
    evaluate(network, task, dataclasses.replace(some, items=some.items[:8]), "val", device, precision)
    began = time.perf_counter()
    evaluate(network, task, some, "val", device, precision)
    whole = time.perf_counter() - began
    return read / some.count, max(0.0, whole - read) / some.count


def _saving(state: State) -> float:
    """Seconds to save the model and the state once: made, hashed and, by the disk's usual pace, written."""
    began = time.perf_counter()
    buffer = io.BytesIO()
    torch.save(state.capture(), buffer)
    data = buffer.getbuffer()
    hashlib.sha256(data).hexdigest()
    model = sum(int(t.nbytes) for t in state.network.state_dict().values())
    return time.perf_counter() - began + (len(data) + model) / DISK


def _groups(state: State) -> list[dict[str, Any]]:
    """A row for each part of the network: what is trained of it, at which rate and decay."""
    assert state.optimizer is not None
    of = {id(p): group for group in state.optimizer.param_groups for p in group["params"]}
    rows = []
    for part in stages(state.network, state.options.head):
        mine = [of[id(p)] for _, p in part if id(p) in of and "until" not in of[id(p)]]
        rows.append(
            {
                "stage": state.current.name,
                "layers": _layers([name for name, _ in part]),
                "trainable": sum(p.numel() for _, p in part if id(p) in of),
                "frozen": sum(p.numel() for _, p in part if id(p) not in of),
                "rate": max((group["peak"] for group in mine), default=None),
                "weight_decay": max((group["weight_decay"] for group in mine), default=None),
            }
        )
    return rows


def _layers(names: list[str]) -> str:
    """What parameters with these names belong to: the longest dotted name that all of them begin with."""
    parts = zip(*(name.split(".")[:-1] for name in names), strict=False)
    shared = itertools.takewhile(lambda at: len(set(at)) == 1, parts)
    return ".".join(at[0] for at in shared) or ", ".join(names[:3])


def _trainable(groups: list[dict[str, Any]]) -> list[int]:
    """Trainable parameters of each stage."""
    names = dict.fromkeys(row["stage"] for row in groups)
    return [sum(row["trainable"] for row in groups if row["stage"] == name) for name in names]


def _memory(state: State, task: Task, batches: Batches, raw: Batch) -> dict[str, float]:
    """MB of what a forward pass keeps, and of the pictures themselves; the network is as before."""
    options = state.options
    batch = varied(batches.to(raw, options.device, is_channels_last(state.network)), state, task)
    piece = batch.split(state.pieces)[0]
    before = {name: tensor.clone() for name, tensor in state.network.named_buffers()}

    def forward() -> torch.Tensor:
        with autocast(options.device, options.precision):
            return task.step(state.network, piece).loss

    kept, largest = saved_for_backward(state.network, forward)
    with torch.no_grad():
        for name, tensor in state.network.named_buffers():
            tensor.copy_(before[name])
    # on the way back a gradient of the largest activation and one of its input are there beside it
    return {"activations": kept + 2 * largest, "batch": megabytes([raw.images, batch.images])}


def _held(state: State) -> dict[str, float]:
    """MB of the gradients and of the optimizer's own numbers, after some steps."""
    assert state.optimizer is not None
    tensors = [t for own in state.optimizer.state.values() for t in own.values() if torch.is_tensor(t)]
    gradients = [p.grad for p in state.network.parameters() if p.grad is not None]
    return {"gradients": megabytes(gradients), "optimizer": megabytes(tensors)}


def _most(state: State, memories: list[dict[str, float]]) -> dict[str, Any]:
    """Memory of the stage that needs most; on CUDA the peak is the device's own count."""
    weights = megabytes([*state.network.parameters(), *state.network.buffers()])
    average = megabytes(state.average.state_dict().values()) if state.average is not None else 0.0
    most = max(memories, key=lambda parts: sum(parts.values()))
    peak = weights + average + sum(most.values())
    device = state.options.device
    if device.startswith("cuda"):
        peak = torch.cuda.max_memory_allocated(torch.device(device)) / 1e6
    return {
        "weights": weights,
        "average": average,
        **most,
        "peak": peak,
        "machine": machine_megabytes(device),
        "pieces": state.pieces,
    }
