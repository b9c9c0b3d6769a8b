"""THE training loop. Read it top to bottom."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import ModuleType

import torch

from . import catalog, events
from .contracts import Task
from .data.batches import Batches
from .device import autocast, free_memory, is_out_of_memory
from .errors import RunError
from .evaluation import evaluate, is_channels_last
from .mixing import mixed
from .options import FitOptions
from .state import State
from .structure.layers import set_training
from .values import Batch

SETBACKS = 2
SLOWER = 0.1
SPOKEN_SECONDS = 0.25
"""Steps are reported at most this often (each of the first 50 is): reading a loss waits for the GPU."""


def fit(
    state: State, task: Task, train: Batches, check: Batches, options: FitOptions
) -> Iterator[events.Event]:
    """Train `state.network` through the stages of `options`; an event after every step.

    The consumer owns the files: at any event it may keep `state.capture()`, and a new loop that
    starts from it goes on bit for bit. It stops the loop by leaving it. `task` owns forward and
    loss; the loop owns device, precision, averaging and the way back from a loss that is not finite.
    """
    network, clock, voice = state.network, Clock(state, options, len(train), check.count), Voice(state)
    channels_last = is_channels_last(network)
    resumed = state.optimizer is not None
    yield events.Started(
        step=state.step,
        epochs=None if options.seconds else sum(s.epochs for s in options.stages),
        steps_per_epoch=len(train),
        stages=tuple(s.name for s in options.stages),
    )
    for number in range(state.stage, len(options.stages)):
        if not resumed:
            state.enter(number)
        resumed = False
        stage = state.current
        schedule = catalog.find("schedules", stage.schedule)
        while not (clock.stage_is_over() or out_of_patience(state)):
            # --- one epoch, perhaps from its middle ---
            set_training(network, options.head, stage.trainable, stage.frozen)
            if state.batch == 0:
                state.good = state.capture(with_good=False)
            for raw in state.waiting(train.epoch(state.epoch, state.batch)):
                batch = varied(train.to(raw, options.device, channels_last), state, task)
                progress = clock.stage_progress()
                rate = set_rate(state, schedule.factor(progress, stage.warmup))
                loss = descend(state, task, batch, options)
                state.batch += 1
                state.step += 1
                state.stage_step += 1
                state.follow()
                state.loss_sum += loss
                state.loss_count += 1
                state.tick()
                said = voice.speak(len(batch.ids), rate, clock, last=state.batch == len(train))
                if said is not None and not math.isfinite(said.loss):
                    break
                yield said or events.Event(step=state.step)
                if clock.time_is_up():
                    break
            # --- a loss that is not finite: back to the last sound state, slower ---
            if not is_sound(state):
                back, voice = rewind(state), Voice(state)
                yield back
                if state.setbacks > SETBACKS:
                    return
                continue
            # --- the epoch is over: judge it ---
            with state.judging():
                judged = state.judged_network
                state.evaluation = evaluate(judged, task, check, "val", options.device, options.precision)
            state.memory = react(schedule, state)
            passed = state.tick()
            state.checking += passed
            clock.evaluated(passed)
            voice.since = state.seconds
            yield conclude(state)
    yield ended(state, task)


def descend(state: State, task: Task, batch: Batch, options: FitOptions) -> torch.Tensor:
    """One optimizer step on a batch; returns its loss, 0-dimensional, still on the device.

    A batch that does not fit into memory is cut into twice as many pieces whose gradients are
    accumulated: the effective batch stays. A loss that is not finite moves nothing on the CPU.
    """
    optimizer, scaler = state.optimizer, state.scaler
    assert optimizer is not None
    while True:
        optimizer.zero_grad(set_to_none=True)
        try:
            # a frame of its own, so that nothing keeps the graph when memory runs out in it
            total = sum(backward(state, task, piece, len(batch.ids)) for piece in batch.split(state.pieces))
            break
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if state.pieces >= len(batch.ids):
                raise RunError(
                    f"A single picture does not fit into the memory of {options.device}.",
                    "A network and pictures that fit with a batch of one.",
                    "Give a smaller --size or another --network.",
                ) from error
            state.pieces *= 2
        free_memory(options.device)
    assert isinstance(total, torch.Tensor)
    if options.device == "cpu" and not math.isfinite(total.item()):
        return total
    if options.clip:
        if scaler:
            scaler.unscale_(optimizer)
        moved = [p for group in optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(moved, options.clip)
    if scaler:
        scaler.step(optimizer)
        scaler.update()
    else:
        optimizer.step()
    return total


def varied(batch: Batch, state: State, task: Task) -> Batch:
    """The batch with rectangles erased and pictures mixed as the options say; the same when resumed."""
    o = state.options
    if not (o.mixup or o.cutmix or o.erase):
        return batch
    where = (o.seed, state.epoch, state.batch)
    return mixed(batch, task, mixup=o.mixup, cutmix=o.cutmix, erase=o.erase, seed=where)


def react(schedule: ModuleType, state: State) -> dict[str, float]:
    """What a schedule that answers to results makes of the epoch; others remember nothing."""
    assert state.evaluation is not None
    answer = getattr(schedule, "react", None)
    if answer is None:
        return state.memory
    memory: dict[str, float] = answer(state.memory, state.evaluation.metrics.get("loss", math.inf))
    return memory


def backward(state: State, task: Task, piece: Batch, whole: int) -> torch.Tensor:
    """Add a piece's gradients to those of its batch of `whole` pictures; its share of the loss."""
    options, scaler = state.options, state.scaler
    with autocast(options.device, options.precision):
        loss = task.step(state.network, piece).loss
    if len(piece.ids) < whole:
        loss = loss * (len(piece.ids) / whole)
    torch.autograd.backward(scaler.scale(loss) if scaler else loss)
    return loss.detach()


def set_rate(state: State, factor: float) -> float:
    """Set every group's rate to `factor` of its peak; returns the head's."""
    assert state.optimizer is not None
    for group in state.optimizer.param_groups:
        group["lr"] = group["peak"] * factor * state.rate_scale * state.memory.get("scale", 1.0)
    return float(state.optimizer.param_groups[0]["lr"])


def is_sound(state: State) -> bool:
    """Whether the losses of this epoch so far, every weight and every running statistic are finite."""
    if not math.isfinite(float(state.loss_sum)):
        return False
    with torch.no_grad():
        kept = [t.float() for t in state.network.state_dict().values() if t.is_floating_point()]
        norms = torch._foreach_norm(kept)
    return math.isfinite(float(torch.stack(norms).sum()))


def rewind(state: State) -> events.Event:
    """Go back to the last sound state with a tenth of the rate; after two such setbacks, stop there."""
    assert state.good is not None
    at, setbacks, scale = state.step, state.setbacks + 1, state.rate_scale * SLOWER
    spent = {name: getattr(state, name) for name in ("seconds", "reading", "checking")}
    state.restore({**state.good, "good": None, **spent})
    state.setbacks, state.rate_scale = setbacks, scale
    if setbacks > SETBACKS:
        return events.Stopped(
            step=state.step,
            why="diverged",
            says=f"the loss was not finite {setbacks} times (the last at step {at}), although the rate had "
            f"been divided by {round(1 / (scale / SLOWER)):g}; the weights are those of step {state.step}, the last "
            "sound ones. Try a smaller --lr, or look at the data with foveal inspect",
        )
    return events.Noticed(
        step=state.step,
        what=events.REWOUND,
        says=f"the loss was not finite at step {at}: back to step {state.step} with a tenth of the rate",
    )


def conclude(state: State) -> events.Epoch:
    """Note an epoch's results in the state and say them; afterwards the next epoch's first batch is due."""
    assert state.evaluation is not None
    headline, loss = state.evaluation.headline, state.evaluation.metrics.get("loss", math.inf)
    loss = loss if math.isfinite(loss) else math.inf
    # few validation pictures give many ties; the smaller loss decides them
    state.judged = headline
    tied = state.best is not None and headline.value == state.best.value
    best = loss < state.best_loss if tied else headline.better_than(state.best)
    if best:
        state.best, state.best_loss = headline, loss
    state.since_best = 0 if best else state.since_best + 1
    state.epoch += 1
    event = events.Epoch(
        step=state.step,
        epoch=state.epoch,
        stage=state.current.name,
        train_loss=float(state.loss_sum) / max(1, state.loss_count),
        metrics=state.evaluation.metrics,
        headline={name: getattr(headline, name) for name in type(headline).__slots__},
        best=best,
        seconds=state.seconds,
    )
    state.batch, state.loss_count = 0, 0
    state.loss_sum.zero_()
    return event


def out_of_patience(state: State) -> bool:
    """Whether the stage has gone on long enough without a better headline."""
    return state.since_best >= state.options.patience


def ended(state: State, task: Task) -> events.Stopped:
    """Why training is over, when nothing went wrong."""
    if out_of_patience(state) and state.best:
        best = f"{task.headline.name} than {state.best.value:.4f}"
        return events.Stopped(
            step=state.step, why="early", says=f"{state.since_best} epochs without a better {best}"
        )
    if state.options.seconds is not None:
        return events.Stopped(step=state.step, why="time", says="the planned time is used")
    return events.Stopped(step=state.step, why="finished", says="every planned epoch is done")


class Clock:
    """How far training is: by steps, or by time where a number of seconds was given."""

    def __init__(self, state: State, options: FitOptions, steps_per_epoch: int, check_count: int) -> None:
        self.state, self.options, self.steps = state, options, steps_per_epoch
        self.check_count = check_count
        self.check_seconds: float | None = None

    def evaluated(self, seconds: float) -> None:
        """Remember what one evaluation of the validation pictures costs."""
        self.check_seconds = seconds

    def _reserve(self) -> float:
        """Seconds to keep free at the end: one check, and the pictures judged after training."""
        s, count = self.state, max(1, self.check_count)
        each = self.check_seconds
        if each is None and s.stage_step < 5:  # the first steps warm up, and tell nothing
            return 0.0
        if each is None:  # not seen yet: a forward pass is about a third of a step through all layers
            spent = s.seconds - s.stage_began
            passes = 3 if s.current.trainable == "all" else 1
            each = spent / (s.stage_step * self.options.batch) * count / passes
        return each * (1 + self.options.after / count)

    def _stage_seconds(self) -> float:
        """Planned length of the current stage."""
        o, s = self.options, self.state
        assert o.seconds is not None
        later = sum(stage.share for stage in o.stages[s.stage :])
        left = o.seconds - s.stage_began - self._reserve()
        return max(1e-3, left * s.current.share / later)

    def stage_progress(self) -> float:
        """Share of the current stage that is done, 0..1."""
        s = self.state
        if self.options.seconds is None:
            return min(1.0, s.stage_step / (s.current.epochs * self.steps))
        return min(1.0, (s.seconds - s.stage_began) / self._stage_seconds())

    def time_is_up(self) -> bool:
        """Whether the stage's time is over (never, where epochs count)."""
        return self.options.seconds is not None and self.stage_progress() >= 1

    def stage_is_over(self) -> bool:
        """Whether the stage has no epoch left; an epoch still to be judged counts as left."""
        return self.state.batch == 0 and self.state.stage_step > 0 and self.stage_progress() >= 1

    def progress(self) -> float:
        """Share of all stages that is done, 0..1."""
        o, s = self.options, self.state
        if o.seconds is not None:
            return min(1.0, s.seconds / max(1e-3, o.seconds - self._reserve()))
        return min(1.0, s.step / (sum(stage.epochs for stage in o.stages) * self.steps))

    def seconds_left(self) -> float | None:
        """Forecast of the time still to come, evaluations between the epochs included."""
        done = self.progress()
        return self.state.seconds * (1 - done) / done if done > 0 else None


class Voice:
    """Says what the steps did, now and then, as an average over them."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.since = state.seconds
        self.images = 0
        self.heard = (float(state.loss_sum), state.loss_count)

    def speak(self, images: int, rate: float, clock: Clock, *, last: bool) -> events.Step | None:
        """An event when it is time for one, else None. Only then is the loss read from the device."""
        s = self.state
        self.images += images
        passed = s.seconds - self.since
        if not (
            last or s.step <= 50 or passed >= SPOKEN_SECONDS or (s.options.device == "cpu" and self._broken())
        ):
            return None
        total, count = float(s.loss_sum), s.loss_count
        before, counted = self.heard if self.heard[1] < count else (0.0, 0)
        event = events.Step(
            step=s.step,
            epoch=s.epoch + 1,
            stage=s.current.name,
            loss=(total - before) / (count - counted),
            lr=rate,
            progress=clock.progress(),
            images_per_second=self.images / passed if passed > 0 else 0.0,
            seconds_left=clock.seconds_left(),
        )
        self.heard, self.since, self.images = (total, count), s.seconds, 0
        return event

    def _broken(self) -> bool:
        return not math.isfinite(float(self.state.loss_sum))
