"""The learning rate range test: a few steps at growing rates tell which rates teach and which destroy."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from torch import nn

from .. import plan
from ..charts import Curve, Lines, Mark, svg
from ..contracts import Task
from ..data.batches import Batches
from ..events import Noticed
from ..loop.evaluation import is_channels_last
from ..loop.fit import descend, set_rate, varied
from ..loop.state import State
from ..machine.device import free_memory
from ..options import FitOptions, TrainOptions
from ..structure.layers import set_training
from ..values import Batch, Choice, Dataset
from . import Plan
from .trial import placed_network, planned_batches, untouched

SOURCE = "Smith 2017, Cyclical Learning Rates, section 3.3"

LOW, HIGH, STEPS, FEWEST = 1e-6, 10.0, 100, 50
PASSES = 10
"""At most this often is the data seen; where that leaves fewer than the fewest steps, more often."""
SMOOTHING = 0.9
WORSE = 4.0
"""The test ends where the smoothed loss is so many times the lowest (as in fastai and Lightning)."""
LEARNED = 0.9
"""The smoothed loss must have fallen to this share of the first at least."""
FALL = 1 / 3
"""Share of the loss's fall that is done at the rate for pretrained weights."""
WIDTH = 3
"""Steps to each side by which a centred mean is smoothed (a Gaussian's deviation)."""
CEILING = 1.5
"""How many times the first loss is drawn at most."""
Losses = Sequence[float]


@dataclass(frozen=True)
class RangeTest:
    """Rate, loss and smoothed loss of every step, and what follows: the rate to train with, or None,
    and why. Rates are those of `--lr`; each layer's is the same share of it as in the plan."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @property
    def chart(self) -> Lines:
        """The loss over the rate; what explodes at the end leaves the picture at its edge."""
        roof = CEILING * next((loss for loss in self.smoothed if math.isfinite(loss)), 1.0)
        each, mean = (tuple(min(loss, roof) for loss in curve) for curve in (self.losses, self.smoothed))
        curves = (
            Curve("each batch", self.rates, each, "muted", faint=True),
            Curve("smoothed", self.rates, mean),
        )
        marks = []
        rate = self.suggestion
        if rate is not None:
            _, height = min(zip(self.rates, mean, strict=True), key=lambda at: abs(math.log(at[0] / rate)))
            marks = [Mark(rate, height, f"{rate:.2g}")]
        return Lines("Range test", "learning rate", "loss", curves, tuple(marks), log_x=True)

    def _repr_html_(self) -> str:
        return f'<div style="max-width:32em">{svg(self.chart)}</div><p>{escape(self.reason)}</p>'


def range_test(
    network: nn.Module,
    task: Task,
    batches: Batches,
    options: FitOptions,
    *,
    low: float = LOW,
    high: float = HIGH,
    steps: int | None = None,
    pretrained: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> RangeTest:
    """Train a copy of `network` for some steps, the rate growing by the same factor from `low` to `high`.

    The copy is trained by the loop's own step, with the optimizer and parameter groups of the first
    stage that trains all layers. `steps` is by the data's size where it is None, at most 100;
    `pretrained` says that what is trained has learned before (`suggest`). Leaves the network, the
    generators and the batches as they were.
    """
    count = steps or min(STEPS, max(FEWEST, PASSES * len(batches)))
    growth = (high / low) ** (1 / max(1, count - 1))
    rates: list[float] = []
    losses: list[float] = []
    with untouched(options.device):
        state = _beginning(network, options)
        planned = options.stages[0].lr
        for step, batch in zip(range(count), _endless(state, batches), strict=False):
            rate = low * growth**step
            share = rate / planned
            set_rate(state, lambda done, share=share: share)  # type: ignore[misc]
            loss = float(descend(state, task, varied(batch, state, task), state.options))
            state.batch += 1
            state.step += 1
            rates.append(rate)
            losses.append(loss)
            if progress is not None:
                progress(step + 1, count)
            if not math.isfinite(loss):
                break
            means = smooth(losses)
            if means[-1] > WORSE * min(means):
                break
        del state
        free_memory(options.device)
    suggestion, reason = suggest(rates, losses, pretrained)
    return RangeTest(tuple(rates), tuple(losses), tuple(smooth(losses)), suggestion, reason)


def _beginning(network: nn.Module, options: FitOptions) -> State:
    """A copy at the beginning of the first stage that trains all layers (of the last, where none does)."""
    state = State(copy.deepcopy(network), dataclasses.replace(options, ema=0.0))
    whole = [number for number, stage in enumerate(options.stages) if stage.trainable == "all"]
    state.enter(whole[0] if whole else len(options.stages) - 1)
    stage = state.current
    set_training(state.network, options.head, stage.trainable, stage.frozen)
    return state


def _endless(state: State, batches: Batches) -> Iterator[Batch]:
    """The training batches as the loop would see them, epoch after epoch."""
    channels_last = is_channels_last(state.network)
    while True:
        for raw in batches.epoch(state.epoch):
            yield batches.to(raw, state.options.device, channels_last)
        state.epoch, state.batch = state.epoch + 1, 0


def smooth(losses: Losses, share: float = SMOOTHING) -> list[float]:
    """Exponential moving average of the losses, corrected for its beginning at nothing (Kingma & Ba 2015);
    what comes after a loss that is not finite is not finite either."""
    means, total = [], 0.0
    for count, loss in enumerate(losses, 1):
        total = share * total + (1 - share) * loss
        means.append(total / (1 - share**count))
    return means


def suggest(rates: Losses, losses: Losses, pretrained: bool = False) -> tuple[float | None, str]:
    """The peak rate that follows from the curve, and why; None where no rate taught anything.

    From scratch it is the rate of the lowest smoothed loss: the largest that still teaches, which is
    what a schedule that rises to its peak and falls again wants (Smith 2017, section 3.3). The
    steepest slope and fastai's valley lie ten to a hundred times lower: a step of the test teaches
    less than an epoch will. Pretrained features are spoiled long before the loss of single steps
    shows it; there it is the rate by which the first third of the fall is done. Both by
    benchmarks/find_lr.py.
    """
    means = [mean if math.isfinite(mean) else math.inf for mean in smooth(losses)]
    lowest = min(range(len(means)), key=means.__getitem__)
    first = min(losses[0], _median(losses[: max(3, len(losses) // 10)]))
    if not math.isfinite(first) or means[lowest] > LEARNED * first:
        return None, "the range test found no rate at which the loss falls"
    if not pretrained:
        return _round(rates[lowest]), (
            f"range test: the smoothed loss was lowest there, {means[lowest]:.3g} after {first:.3g}, and rose beyond: "
            "the largest rate that teaches is the peak to rise to (Smith 2017)"
        )
    centred = _centred(losses[: lowest + 1])
    low = min(centred)
    there = next(n for n, loss in enumerate(centred) if loss <= first - FALL * (first - low))
    return _round(rates[there]), (
        f"range test: a third of the loss's fall from {first:.3g} to {low:.3g} was done there; higher rates "
        "teach the new head still, but spoil pretrained features"
    )


def _median(values: Losses) -> float:
    return sorted(values)[len(values) // 2]


def _round(rate: float) -> float:
    return float(f"{rate:.2g}")


def _centred(losses: Losses) -> list[float]:
    """Gaussian mean around each step, as wide as a few: a running mean of the past comes late."""
    weights = [math.exp(-0.5 * (n / WIDTH) ** 2) for n in range(-3 * WIDTH, 3 * WIDTH + 1)]
    means = []
    for at in range(len(losses)):
        inside = [
            (weight, losses[at + n])
            for n, weight in enumerate(weights, -3 * WIDTH)
            if 0 <= at + n < len(losses)
        ]
        means.append(sum(w * loss for w, loss in inside) / sum(w for w, _ in inside))
    return means


def find_rate(dataset: Dataset, planned: Plan, screen: Callable[[Any], None]) -> RangeTest:
    """The range test of a plan, on its own network and training pictures.

    Raises:
        OptionError, ModelError, OfflineError, PictureError: as a run with this plan would.
    """
    with untouched(planned.fit.device):
        return range_test(
            placed_network(dataset, planned),
            planned.task,
            planned_batches(dataset, planned, "train", augment=True),
            planned.fit,
            pretrained=_can_be_spoiled(planned),
            progress=lambda done, total: screen(("finding the rate", done, total)),
        )


def _can_be_spoiled(planned: Plan) -> bool:
    """Whether pretrained layers are trained: a frozen backbone stays as it is, and its head is from scratch."""
    return planned.start.state is not None and any(stage.trainable == "all" for stage in planned.fit.stages)


def planned_at_found_rate(
    dataset: Dataset, options: TrainOptions, screen: Callable[[Any], None]
) -> tuple[Plan, RangeTest]:
    """The plan for these options, with the rate that its range test suggests and the reason beside it.

    Where the test suggests none the rate stays as planned, and the screen is told why.

    Raises:
        OptionError, ModelError, OfflineError, PictureError: as planning and training would.
    """
    planned = plan.make(dataset, options)
    found = find_rate(dataset, planned, screen)
    if found.suggestion is None:
        screen(Noticed(what="find-lr", says=f"{found.reason}; the rate stays as planned"))
        return planned, found
    again = plan.make(dataset, dataclasses.replace(options, lr=found.suggestion))
    rate = Choice("lr", found.suggestion, found.reason)
    choices = tuple(rate if choice.option == "lr" else choice for choice in again.choices)
    return dataclasses.replace(again, choices=choices), found
