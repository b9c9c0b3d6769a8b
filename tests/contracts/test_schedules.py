"""Every schedule equals its source's formula, torch's own class wherever it has one, and resumes."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import Optimizer
from torch.optim import lr_scheduler as torchs

import small
from foveal import catalog, events
from foveal.loop.fit import fit
from foveal.options import Stage
from foveal.schedules import cosine, exponential, late_steps, onecycle, plateau, polynomial, step
from foveal.values import Dataset

NAMES = catalog.names("schedules")
LENGTHS = [(steps, warm) for steps in (12, 90, 101, 240) for warm in (0, 1, steps // 10, steps // 2)]
"""Steps of a stage, and how many of them warm up."""


# --- the references: what follows `warm` steps of warm-up, over `rest` steps. One a schedule; the test
# --- finds it by name and fails where there is none.


def reference_constant(optimizer: Optimizer, rest: int) -> torchs.LRScheduler:
    return torchs.ConstantLR(optimizer, factor=1.0, total_iters=0)


def reference_cosine(optimizer: Optimizer, rest: int) -> torchs.LRScheduler:
    return torchs.CosineAnnealingLR(optimizer, rest)


def reference_step(optimizer: Optimizer, rest: int) -> torchs.LRScheduler:
    if rest % step.DROPS == 0:
        return torchs.StepLR(optimizer, rest // step.DROPS, step.SHARE)
    return torchs.MultiStepLR(optimizer, [math.ceil(rest / 3), math.ceil(2 * rest / 3)], step.SHARE)


def reference_late_steps(optimizer: Optimizer, rest: int) -> torchs.LRScheduler:
    drops = [math.ceil(drop * rest) for drop in late_steps.DROPS]
    return torchs.MultiStepLR(optimizer, drops, late_steps.SHARE)


def reference_early_steps(optimizer: Optimizer, rest: int) -> torchs.LRScheduler:
    """LeCun's twenty passes as he lists them; a pass is a twentieth of the steps."""
    passes = [5e-4] * 2 + [2e-4] * 3 + [1e-4] * 3 + [5e-5] * 4 + [1e-5] * 8
    return torchs.LambdaLR(optimizer, lambda n: passes[min(19, n * 20 // max(1, rest))] / passes[0])


def reference_exponential(optimizer: Optimizer, rest: int) -> torchs.LRScheduler:
    return torchs.ExponentialLR(optimizer, exponential.END ** (1 / rest))


def reference_polynomial(optimizer: Optimizer, rest: int) -> torchs.LRScheduler:
    return torchs.PolynomialLR(optimizer, rest, polynomial.POWER)


def reference_plateau(optimizer: Optimizer, rest: int) -> torchs.LRScheduler:
    """Until a loss stays up; what it does then is compared with ReduceLROnPlateau below."""
    return torchs.ConstantLR(optimizer, factor=1.0, total_iters=0)


def whole_onecycle(optimizer: Optimizer, steps: int, warm: int) -> torchs.LRScheduler:
    """Rises by a cosine of its own rather than by LinearLR, so it is given whole."""
    if warm == 0:  # torch's divides by nothing then; its fall is this
        return torchs.CosineAnnealingLR(optimizer, steps, eta_min=onecycle.END)
    return torchs.OneCycleLR(
        optimizer,
        1.0,
        total_steps=steps + 1,
        pct_start=(warm + 1) / (steps + 1),  # torch counts the peak itself to the rise
        div_factor=1 / onecycle.START,
        final_div_factor=onecycle.START / onecycle.END,
        cycle_momentum=False,
    )


def optimizer_of_one() -> Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)


def torchs_rates(name: str, steps: int, warm: int) -> list[float]:
    """The rate of each step by torch, for a peak of 1."""
    optimizer = optimizer_of_one()
    scheduler: torchs.LRScheduler
    with warnings.catch_warnings():
        # torch wants an optimizer's step before a scheduler's, and SequentialLR uses what torch deprecates
        warnings.simplefilter("ignore")
        whole = globals().get(f"whole_{name}")
        follows = globals().get(f"reference_{name}")
        if whole is not None:
            scheduler = whole(optimizer, steps, warm)
        else:
            assert follows is not None, f"the schedule {name} has no reference here: write reference_{name}"
            scheduler = follows(optimizer, steps - warm)
            if warm:
                optimizer = optimizer_of_one()
                rise = torchs.LinearLR(optimizer, start_factor=1e-12, total_iters=warm)
                scheduler = torchs.SequentialLR(optimizer, [rise, follows(optimizer, steps - warm)], [warm])
        rates = []
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            scheduler.step()
    return rates


@pytest.mark.parametrize(("steps", "warm"), LENGTHS)
@pytest.mark.parametrize("name", NAMES)
def test_equals_torchs_at_every_step(name: str, steps: int, warm: int) -> None:
    schedule = catalog.find("schedules", name)
    got = [schedule.factor(n / steps, warm / steps) for n in range(steps)]
    assert got == pytest.approx(torchs_rates(name, steps, warm), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str) -> None:
    """Between 0 and 1; up to the peak in the warm-up and never up again; defined for no and all warm-up."""
    schedule = catalog.find("schedules", name)
    assert schedule.SOURCE
    assert schedule.__doc__
    for warmup in (0.0, 0.1, 1 / 3, 0.5, 1.0):
        values = [schedule.factor(n / 2000, warmup) for n in range(2001)]
        assert all(0 <= v <= 1 for v in values)
        assert max(values) == pytest.approx(1, abs=0.002)
        rising = [v for n, v in enumerate(values) if n / 2000 < warmup]
        falling = values[len(rising) :]
        assert rising == sorted(rising)
        assert falling == sorted(falling, reverse=True)
        assert falling[0] == pytest.approx(1, abs=0.002)


def test_step_drops_at_exact_thirds_whatever_the_rounding() -> None:
    """Every length and warm-up whose rest divides by three: n/steps and warm/steps are seldom exact."""
    for steps in range(3, 400, 7):
        for warm in range(0, steps - 2, 5):
            rest = steps - warm
            if rest % 3 == 0:
                factors = [step.factor(n / steps, warm / steps) for n in range(warm, steps)]
                want = [1.0] * (rest // 3) + [0.1] * (rest // 3) + [0.1**2] * (rest // 3)
                assert factors == want, (steps, warm)


def test_deeplabs_power_would_hardly_differ() -> None:
    assert max(abs((1 - n / 999) ** 0.9 - polynomial.factor(n / 999, 0)) for n in range(1000)) < 0.04


def test_cosine_in_the_middle() -> None:
    assert cosine.factor(0.05, 0.1) == pytest.approx(0.5)
    assert cosine.factor(0.55, 0.1) == pytest.approx(0.5)


# --- schedules that answer to results ---


def losses(seed: int) -> Iterator[float]:
    """A noisy way down that stops falling now and then; ties, steps just at the threshold, and broken ones."""
    draw = random.Random(seed)
    now = 2.0
    while True:
        kind = draw.random()
        if kind < 0.35:
            now *= draw.uniform(0.7, 1.0)
        elif kind < 0.45:
            now *= 1 - plateau.THRESHOLD * draw.choice((0.5, 1.0, 1.5))
        yield math.nan if kind > 0.97 else math.inf if kind > 0.95 else now * draw.choice((1.0, 1.0, 1.1))


@pytest.mark.parametrize("seed", range(40))
def test_plateau_is_reduce_lr_on_plateau(seed: int) -> None:
    """At each of 120 epochs, with the memory passing through JSON as it does through a run's state."""
    optimizer = optimizer_of_one()
    reference = torchs.ReduceLROnPlateau(
        optimizer, "min", plateau.SHARE, plateau.PATIENCE, plateau.THRESHOLD, "rel"
    )
    memory: dict[str, float] = {}
    scales = []
    for _, loss in zip(range(120), losses(seed), strict=False):
        memory = json.loads(json.dumps(plateau.react(memory, loss)))
        reference.step(loss)
        scales.append(memory["scale"])
        assert scales[-1] == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9, abs=0)
        assert memory["bad"] == reference.num_bad_epochs
        assert memory["best"] == reference.best
    assert scales == sorted(scales, reverse=True)
    assert min(scales) < 1, "nothing was reduced: the losses test nothing"


def test_plateau_goes_down_at_the_third_epoch_without_progress() -> None:
    memory: dict[str, float] = {}
    scales = []
    for loss in (1.0, 0.5, 0.5, 0.5, 0.5, 0.49, 0.6, 0.6, 0.6):
        before = dict(memory)
        memory = plateau.react(memory, loss)
        scales.append(memory["scale"])
        assert plateau.react(before, loss) == memory, (
            "the same memory gives the same again: it is not changed"
        )
    assert scales == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01])


# --- in the loop: the rates that are really set, and going on from a state saved in the middle ---


def go(
    data: Dataset, stage: Stage, at: int | None = None, saved: dict[str, Any] | None = None
) -> tuple[list[float], list[float], dict[str, Any]]:
    """Rates and validation losses from `saved` on up to step `at`, and the state there."""
    state = small.fresh(stages=(stage,))
    if saved is not None:
        state.restore(saved)
    rates, judged = [], []
    for event in fit(
        state, small.task(), small.batches(data, "train"), small.batches(data, "val"), state.options
    ):
        if isinstance(event, events.Epoch):
            judged.append(event.metrics["loss"])
        if isinstance(event, events.Step):
            rates.append(event.lr)
            if event.step == at:
                break
    return rates, judged, state.capture()


@pytest.mark.parametrize("name", NAMES)
def test_the_loop_sets_these_rates_and_resumes_equal(name: str, tmp_path: Path) -> None:
    """Twenty-four steps, stopped in the warm-up and in the middle of the third epoch."""
    data = small.drawings(tmp_path, val=6)
    stage = dataclasses.replace(small.fit_options().stages[0], schedule=name, epochs=4, warmup=1 / 6)
    whole, judged, _ = go(data, stage)
    scales = [1.0] * 4
    if hasattr(catalog.find("schedules", name), "react"):
        scales = reacted(name, judged)
    torchs_own = torchs_rates(name, 24, 4)
    assert whole == pytest.approx([stage.lr * v * scales[n // 6] for n, v in enumerate(torchs_own)], abs=1e-9)
    for middle in (3, 15):
        first, _, saved = go(data, stage, at=middle)
        rest, _, _ = go(data, stage, saved=saved)
        assert first + rest == whole


def reacted(name: str, judged: list[float]) -> list[float]:
    """The scale in each epoch, by the losses at the end of those before it."""
    memory: dict[str, float] = {}
    scales = []
    for loss in judged:
        scales.append(memory.get("scale", 1.0))
        memory = catalog.find("schedules", name).react(memory, loss)
    return scales


def test_the_loop_lowers_the_rate_on_a_plateau_and_resumes_there(tmp_path: Path) -> None:
    """At a rate of next to nothing the loss does not fall; it is stopped just before and after the drop."""
    data = small.drawings(tmp_path, val=6)
    stage = Stage("train", "all", 7, 1e-9, "plateau", 0.0)
    whole, judged, _ = go(data, stage)
    scales = reacted("plateau", judged)
    assert min(scales) < 0.5, "nothing was lowered: the run tests nothing"
    assert whole == pytest.approx([1e-9 * scales[n // 6] for n in range(42)], rel=1e-9, abs=0)
    drop = 6 * next(n for n, scale in enumerate(scales) if scale < 1)
    for middle in (drop - 2, drop + 3):
        first, _, saved = go(data, stage, at=middle)
        rest, _, _ = go(data, stage, saved=saved)
        assert first + rest == whole
