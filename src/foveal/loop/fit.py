"""THE training loop. Read it top to bottom."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType

import torch

from .. import catalog, events
from ..contracts import Source, Task
from ..data.batches import Batches
from ..errors import RunError
from ..machine.device import autocast, free_memory, is_out_of_memory
from ..options import FitOptions
from ..structure.layers import set_training
from ..values import Batch
from .evaluation import evaluate, is_channels_last
from .frozen import beginning_at
from .growing import grown
from .mixing import mixed
from .once import is_solved, see_once, solve_head
from .pace import Clock, Voice
from .recorded import FIRST
from .state import State
from .synced import synchronised

SETBACKS = 2
SLOWER = 0.1


def fit(
    state: State, task: Task, train: Batches, check: Batches, options: FitOptions
) -> Iterator[events.Event]:
    """Train `state.network` through the stages of `options`; an event after every step.

    The consumer owns the files: at any event it may keep `state.capture()`, and a new loop that
    starts from it goes on bit for bit. It stops the loop by leaving it. `task` owns forward and
    loss; the loop owns device, precision, averaging and the way back from a loss that is not finite.
    """
    network, crew = state.network, state.crew
    clock, voice = Clock(state, options, len(train), check.count), Voice(state)
    resumed = state.optimizer is not None
    yield events.Started(
        step=state.step,
        epochs=None if options.seconds else sum(s.epochs for s in options.stages),
        steps_per_epoch=len(train),
        stages=tuple(s.name for s in options.stages),
    )
    for number in range(state.stage, len(options.stages)):
        state.seconds = crew.told(state.seconds)
        if not resumed:
            state.enter(number)
        resumed = False
        stage = state.current
        schedule = catalog.find("schedules", stage.schedule)
        curve = functools.partial(schedule.factor, warmup=stage.warmup)
        if is_solved(state) or clock.is_too_late() or clock.stage_is_over() or out_of_patience(state):
            continue
        # --- frozen layers see every picture once; a head alone is solved ---
        once = (yield from see_once(state, task, train, check, clock.half_is_up)) if stage.views else None
        if once is not None and stage.solve and solve_head(state, task, once):
            yield conclude(state)
            continue
        state.seconds = crew.told(state.seconds)
        shown: Source = once.train if once else train
        judged: Source = once.check if once else check
        border = once.border if once else None
        yield events.Stage(step=state.step, stage=stage.name)
        options, channels_last = state.options, is_channels_last(network)
        while not (clock.stage_is_over() or out_of_patience(state)):
            # --- one epoch, perhaps from its middle ---
            set_training(network, options.head, stage.trainable, stage.frozen)
            if state.batch == 0:
                state.good = state.capture(with_good=False)
            for raw in state.waiting(shown.epoch(state.epoch, state.batch)):
                with state.phase("transfer"):
                    batch = shown.to(raw, options.device, channels_last)
                progress = clock.stage_progress()
                batch = varied(batch, state, task, progress)
                state.dice()
                rate = set_rate(state, curve, progress)
                with beginning_at(network, border), looking(state, task, batch):
                    loss = descend(state, task, batch, options)
                state.batch += 1
                state.step += 1
                state.stage_step += 1
                state.follow()
                state.loss_sum += loss
                state.loss_count += 1
                if state.watch is not None:
                    yield from state.watch.telling(state, loss)
                state.tick()
                said = voice.speak(batch.whole or len(batch.ids), rate, clock, last=state.batch == len(shown))
                broken = said is not None and not math.isfinite(said.loss)
                state.seconds, broken = crew.turn(state.seconds, broken)
                if broken:
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
            pool_learned(state)
            state.tick()
            with state.judging(), beginning_at(state.judged_network, border):
                state.evaluation = evaluate(
                    state.judged_network, task, judged, "val", options.device, options.precision, crew
                )
            state.memory = react(schedule, state)
            passed = state.tick()
            passed, state.seconds = crew.told((passed, state.seconds))
            state.spent["evaluate"] += passed
            state.count_marks()
            clock.evaluated(passed)
            voice.since = state.seconds
            yield conclude(state)
    yield ended(state, task)


def descend(state: State, task: Task, batch: Batch, options: FitOptions) -> torch.Tensor:
    """One optimizer step on a batch; returns its loss, 0-dimensional, still on the device.

    A batch that does not fit into memory is cut into twice as many pieces whose gradients are
    accumulated: the effective batch stays. A loss that is not finite moves nothing on the CPU.
    """
    optimizer, crew = state.optimizer, state.crew
    assert optimizer is not None
    whole, synced = batch.whole or len(batch.ids), options.sync_norm and not crew.alone
    total = replayed(state, task, batch)
    if total is not None and state.recording and state.recording.optimizer:
        return total
    while total is None:
        optimizer.zero_grad(set_to_none=True)
        short = False
        try:
            with crew.exchanging() if synced else nullcontext(), synchronised(synced):
                # a frame of its own, so that nothing keeps the graph when memory runs out in it
                pieces = (backward(state, task, piece, whole) for piece in batch.split(state.pieces))
                made = functools.reduce(torch.add, pieces)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if state.pieces >= len(batch.ids):
                raise RunError(
                    f"A single picture does not fit into the memory of {options.device}.",
                    "A network and pictures that fit with a batch of one.",
                    "Give a smaller --size or another --network.",
                ) from error
            short = True
        if not crew.any(short):
            total = made
            break
        state.pieces *= 2
        free_memory(options.device)
    if not crew.alone:
        with state.phase("exchange"):
            total = crew.add_up(state.network, total, len(batch.ids) / whole, synced)
    if options.device == "cpu" and not math.isfinite(total.item()):
        return total
    with state.phase("optimizer"):
        move(state, optimizer)
    return total


def move(state: State, optimizer: torch.optim.Optimizer) -> None:
    """The step itself, along gradients that are there."""
    clip, scaler = state.options.clip, state.scaler
    if clip:
        if scaler:
            scaler.unscale_(optimizer)
        moved = [p for group in optimizer.param_groups for p in group["params"]]
        state.length = torch.nn.utils.clip_grad_norm_(moved, clip)
    if scaler:
        scaler.step(optimizer)
        scaler.update()
    else:
        optimizer.step()


def replayed(state: State, task: Task, batch: Batch) -> torch.Tensor | None:
    """The batch's loss by passes that a GPU has recorded, with its gradients; None where they are not: the first
    steps, those that are looked at, batches of another shape."""
    recording, watch = state.recording, state.watch
    if recording is None or state.pieces > 1 or not recording.takes(batch):
        return None
    if watch is not None and watch.due(state):
        return None
    if recording.graph is None or recording.stale:
        if state.stage_step < FIRST:
            return None
        recording.record(batch, functools.partial(passes, state, task))
        if recording.refused:
            return None
    with state.phase("replay"):
        loss, each = recording.replay(batch)
    learn(state, batch, each if each is None else each.clone())
    return loss


def looking(state: State, task: Task, batch: Batch) -> AbstractContextManager[None]:
    """Around a step: what watches it, if anything does."""
    return nullcontext() if state.watch is None else state.watch.looking(state, task, batch)


def varied(batch: Batch, state: State, task: Task, progress: float = 1.0) -> Batch:
    """The batch at the size of this progress, with rectangles erased and pictures mixed as the options say;
    the same when resumed."""
    o = state.options
    if o.grow < 1:
        with state.phase("augment"):
            batch = grown(batch, progress, o.grow)
    if not (o.mixup or o.cutmix or o.erase):
        return batch
    where = (o.seed, state.epoch, state.batch)
    with state.phase("augment"):
        return mixed(batch, task, mixup=o.mixup, cutmix=o.cutmix, erase=o.erase, seed=where)


def pool_learned(state: State) -> None:
    """How pictures fared in this epoch is counted; in other processes, by the first, which keeps it."""
    learned = None if state.watch is None else state.watch.learned
    if not state.crew.alone:
        waiting = learned.waiting if learned else []
        every = state.crew.collected([(ids, losses.cpu()) for ids, losses in waiting])
        waiting[:] = [pair for own in every for pair in own]
    if learned:
        learned.fetch()


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
    with state.phase("forward"), autocast(options.device, options.precision):
        made = task.step(state.network, piece)
        loss = made.loss
    learn(state, piece, made.each)
    if len(piece.ids) < whole:
        loss = loss * (len(piece.ids) / whole)
    with state.phase("backward"):
        torch.autograd.backward(scaler.scale(loss) if scaler else loss)
    return loss.detach()


def passes(state: State, task: Task, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What `backward` does of a whole batch, and nothing beside it: what a recording holds."""
    with autocast(state.options.device, state.options.precision):
        made = task.step(state.network, batch)
    torch.autograd.backward(state.scaler.scale(made.loss) if state.scaler else made.loss)
    return made.loss.detach(), made.each


def learn(state: State, piece: Batch, each: torch.Tensor | None) -> None:
    """Note how each picture fared, where it was one picture."""
    if state.watch is not None and not (state.options.mixup or state.options.cutmix):
        state.watch.learned.add(piece.ids, each)


def set_rate(state: State, factor: Callable[[float], float], progress: float = 0.0) -> float:
    """Set every group's rate to the `factor` of its peak that belongs to this progress; returns the head's.
    A group that learns only for the first part of a stage has been through its schedule by then."""
    assert state.optimizer is not None
    for group in state.optimizer.param_groups:
        share = factor(min(1.0, progress / group.get("until", 1.0)))
        group["lr"] = group["peak"] * share * state.rate_scale * state.memory.get("scale", 1.0)
        if share == 0 and group.get("until", 1.0) <= progress < 1:
            rest(state, group["params"])
    return float(state.optimizer.param_groups[0]["lr"])


def rest(state: State, done: list[torch.nn.Parameter]) -> None:
    """Compute no more gradients of what has learned all that it will in this stage."""
    moving = [p for p in done if p.requires_grad]
    if not moving or state.options.compiled:  # torch would compile anew
        return
    for parameter in moving:
        parameter.requires_grad_(False).grad = None
    if state.recording:
        state.recording.stale = True


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
    spent = {name: getattr(state, name) for name in ("seconds", "spent")}
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
    best = best or state.options.keep == "last"
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
