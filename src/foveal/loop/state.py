"""All that a training run is at one moment: what must be saved to go on from there bit for bit."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import RunError
from ..machine.device import random_state, set_random_state
from ..machine.distributed import ALONE, Crew
from ..machine.shares import OWN_STREAM
from ..options import FitOptions, Stage
from ..structure.layers import parameter_groups, set_trainable
from ..values import Batch, Evaluation, Score
from ..watch.looking import Watch
from . import optimizers
from .recorded import Recording

FORMAT = 3
_PLAIN = (
    "stage", "stage_step", "stage_began", "epoch", "batch", "step", "seconds", "loss_count",
    "since_best", "best_loss", "rate_scale", "setbacks", "pieces",
)  # fmt: skip


@dataclass
class State:
    """The network in training and every number that belongs to it.

    `epoch` and `batch` say which batch comes next; `step` counts optimizer steps; `seconds` the
    training time over all attempts. `good` is the last state known to be sound, for the guard.
    """

    network: nn.Module
    options: FitOptions
    optimizer: torch.optim.Optimizer | None = None
    scaler: torch.amp.GradScaler | None = None
    stage: int = 0
    stage_step: int = 0
    stage_began: float = 0.0
    epoch: int = 0
    batch: int = 0
    step: int = 0
    seconds: float = 0.0
    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Of these, by phase (`bottleneck.PHASES`)."""
    loss_sum: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    loss_count: int = 0
    judged: Score | None = None
    """The headline of the epoch judged last."""
    best: Score | None = None
    best_loss: float = math.inf
    since_best: int = 0
    rate_scale: float = 1.0
    setbacks: int = 0
    pieces: int = 1
    memory: dict[str, float] = field(default_factory=dict)
    """What a schedule that answers to results remembers of the stage."""
    average: nn.Module | None = None
    """The moving average of the weights, which is judged and kept in the network's place."""
    good: dict[str, Any] | None = None
    crew: Crew = ALONE
    """The processes that train together, as this one of them sees them."""
    watch: Watch | None = None
    """What looks at single steps inside the network."""
    recording: Recording | None = None
    """The passes of this stage's steps, where a GPU is to replay them."""
    length: Tensor | None = None
    """Of the last step's gradient before it was shortened, where long ones are."""
    evaluation: Evaluation | None = None
    evaluating: bool = False
    _lap: float = 0.0
    _marks: list[tuple[str, Any, Any]] = field(default_factory=list)
    """Phases on a GPU as pairs of its own events, read when an epoch is over: asking sooner would wait for it."""

    def __post_init__(self) -> None:
        self.pieces = self.options.pieces
        self.loss_sum = self.loss_sum.to(self._sum_dtype()).to(self.options.device)
        if self.options.precision == "fp16" and self.options.device.startswith("cuda"):
            self.scaler = torch.amp.GradScaler("cuda")
        if self.options.ema and self.average is None:
            self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.start_clock()

    @property
    def judged_network(self) -> nn.Module:
        """What is evaluated and saved: the weights' average where one is kept."""
        return self.average or self.network

    @torch.no_grad()
    def follow(self) -> None:
        """Move the average towards the weights. Its decay grows from 0 to what was asked for, as young
        averages would else remember the untrained weights (Tan & Le 2019; TensorFlow's num_updates)."""
        if self.average is None:
            return
        decay = min(self.options.ema, (1 + self.step) / (10 + self.step))
        kept, new = self.average.state_dict(), self.network.state_dict()
        floats = [name for name, tensor in kept.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([kept[n] for n in floats], [new[n] for n in floats], 1 - decay)
        for name in kept.keys() - set(floats):
            kept[name].copy_(new[name])

    def _sum_dtype(self) -> torch.dtype:
        return torch.float32 if self.options.device == "mps" else torch.float64

    @property
    def current(self) -> Stage:
        return self.options.stages[self.stage]

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Inside, `evaluating` says that an interrupt loses nothing; the random state is as before after."""
        before = random_state(self.options.device)
        self.evaluating = True
        try:
            yield
        finally:
            self.evaluating = False
            set_random_state(before, self.options.device)

    def dice(self) -> None:
        """What several processes draw in a step depends on the seed, its place and each one's number alone, so that
        it is drawn again when the run is resumed, by as many."""
        if not self.crew.alone:
            where = (self.options.seed, self.epoch, self.batch, self.crew.rank, OWN_STREAM)
            torch.manual_seed(int(np.random.SeedSequence(where).generate_state(1, np.uint64)[0] >> 1))

    def start_clock(self) -> None:
        self._lap = time.perf_counter()

    def tick(self) -> float:
        """Add the time since the last tick to the run's; return it, in seconds."""
        now = time.perf_counter()
        passed, self._lap = now - self._lap, now
        self.seconds += passed
        return passed

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """The time inside counts as spent on `name`; on a GPU its own time, which nothing waits for."""
        if not self.options.device.startswith("cuda"):
            began = time.perf_counter()
            yield
            self.spent[name] += time.perf_counter() - began
            return
        begins, ends = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begins.record()
        yield
        ends.record()
        self._marks.append((name, begins, ends))

    def count_marks(self) -> None:
        """Add what the GPU's events say; call it where the GPU has been waited for anyway."""
        for name, begins, ends in self._marks:
            ends.synchronize()
            self.spent[name] += begins.elapsed_time(ends) / 1000
        self._marks.clear()

    def waiting(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches; the time it takes to get each counts as decoding and augmenting, in the shares in
        which whoever made the batch had both to do."""
        while True:
            began = time.perf_counter()
            batch = next(batches, None)
            passed = time.perf_counter() - began
            if batch is None:
                return
            decoding, augmenting = batch.seconds
            share = decoding / (decoding + augmenting) if decoding else 0.0
            self.spent["decode"] += passed * share
            self.spent["augment"] += passed * (1 - share)
            yield batch

    def enter(self, stage: int) -> None:
        """Begin a stage: what is trainable, a new optimizer, its counts at zero."""
        self.stage, self.stage_step, self.since_best = stage, 0, 0
        self.stage_began, self.memory = self.seconds, {}
        self._prepare()

    def _prepare(self) -> None:
        o, stage = self.options, self.current
        set_trainable(self.network, o.head, stage.trainable, stage.frozen)
        groups = parameter_groups(
            self.network, o.head, lr=stage.lr, weight_decay=o.weight_decay, layer_decay=stage.layer_decay
        )
        self.optimizer = optimizers.build(
            o.optimizer,
            groups,
            lr=stage.lr,
            momentum=o.momentum,
            weight_decay=o.weight_decay,
            device=o.device,
        )
        moves = getattr(self.optimizer, "replayable", False) and not (o.clip or self.scaler)
        if o.cuda_graph and self.crew.alone:
            self.recording = Recording(self.network, self.optimizer if moves else None)

    def capture(self, with_good: bool = True) -> dict[str, Any]:
        """Everything, as plain values and CPU tensors of its own; `restore` takes it back."""
        assert self.optimizer is not None
        return {
            "format": FORMAT,
            "network": _copied(self.network.state_dict()),
            "optimizer": _copied(self.optimizer.state_dict()),
            "scaler": _copied(self.scaler.state_dict()) if self.scaler else None,
            "average": _copied(self.average.state_dict()) if self.average is not None else None,
            "memory": dict(self.memory),
            "spent": dict(self.spent),
            "random": random_state(self.options.device),
            "loss_sum": self.loss_sum.cpu().clone(),
            "best": _plain(self.best),
            "judged": _plain(self.judged),
            # an epoch's start is its own last sound state
            "good": self.good if with_good and self.batch else None,
            **{name: getattr(self, name) for name in _PLAIN},
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Become what `capture` saw.

        Raises:
            RunError: it was saved by a Foveal that keeps other things.
        """
        if saved.get("format") != FORMAT:
            raise RunError(
                f"The run's state has format {saved.get('format')!r}.",
                f"Format {FORMAT}, which this Foveal writes.",
                "Resume with the Foveal that began the run (machine.json tells its version), or train anew.",
            )
        for name in _PLAIN:
            setattr(self, name, saved[name])
        self._prepare()
        assert self.optimizer is not None
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(_copied(saved["optimizer"]))
        if self.average is not None:
            self.average.load_state_dict(saved["average"])
        self.memory = dict(saved["memory"])
        self.spent = defaultdict(float, saved["spent"])
        if self.scaler and saved["scaler"]:
            self.scaler.load_state_dict(saved["scaler"])
        self.loss_sum = saved["loss_sum"].to(self.options.device, copy=True)
        self.best = Score(**saved["best"]) if saved["best"] else None
        self.judged = Score(**saved["judged"]) if saved["judged"] else None
        self.good = saved["good"] or self.good
        set_random_state(saved["random"], self.options.device)
        self.start_clock()


def _plain(score: Score | None) -> dict[str, Any] | None:
    return None if score is None else dataclasses.asdict(score)


def _copied(value: Any) -> Any:
    """Tensors detached, on the CPU, and no longer shared with what goes on training."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(v) for v in value)
    return value
