"""What a stage with frozen layers does once: the features of all pictures, and a head solved for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

import numpy as np
import torch

from .. import events
from ..contracts import Task
from ..data.batches import Batches
from ..machine.device import autocast
from ..machine.distributed import Crew
from ..machine.memory import MB, free_megabytes
from ..machine.shares import Share
from ..values import Batch
from .evaluation import is_channels_last
from .frozen import Once, Seen, border, can_begin_at, chosen, joined, same, sighted, up_to
from .solver import solve
from .state import State

ROOM = 0.25
"""Share of the free memory that features may fill."""
FEW = 8
"""Pictures that a border is tried on."""
SAID_SECONDS = 0.25


@dataclass(frozen=True)
class SeenOnce:
    """The training and validation pictures as they enter the border."""

    border: str
    train: Once
    check: Once


def see_once(
    state: State, task: Task, train: Batches, check: Batches, enough: Callable[[], bool]
) -> Generator[events.Event, None, SeenOnce | None]:
    """Compute what enters the stage's border: the validation pictures, then views of the training pictures,
    the first of them as evaluation sees it, further ones augmented.

    Where `enough` says so, the training pictures that are left are left out, in an order drawn from the seed.
    None comes back where the network cannot be split there, or where memory would not hold it all.
    """
    options, views = state.options, state.current.views
    state.network.eval()
    name = border(state.network, options.head, state.current.frozen)
    total, crew = check.count + views * train.count, state.crew
    why = crew.told(_cannot(state, task, check, name, total) if crew.rank == 0 else "")
    if why:
        yield events.Noticed(step=state.step, what="features", says=why)
        return None
    order = np.arange(train.count)
    if options.seconds is not None:
        order = np.random.default_rng((options.seed, 0)).permutation(train.count)
    # several processes see a run of the pictures each, and then have what all have seen
    held, _ = _all(crew, (yield from _pass(state, name, check, (0, total), lambda: False)))
    seen: list[Seen] = []
    for view in range(views):
        source = replace(
            train, items=[train.items[int(n)] for n in order], size=check.size, shuffle=False, draw=(),
            view=train.view if view else task.view(train.preprocessing), varied=view > 0, seed=train.seed + view,
            together=train.together if view else None,
        )  # fmt: skip
        parts = yield from _pass(state, name, source, (check.count + view * train.count, total), enough)
        found, counts = _all(crew, parts)
        if seen and len(found.ids) < len(seen[0].ids):
            break  # a view is of all pictures
        seen.append(found)
        begins = [Share(rank, crew.size).span(len(source))[0] * source.size for rank in range(crew.size)]
        order = np.concatenate([order[a : a + n] for a, n in zip(begins, counts, strict=True)])
    if len(order) < train.count:
        says = f"in the time given, {len(order):,} of {train.count:,} training pictures could be seen"
        yield events.Noticed(step=state.step, what="features", says=says)
    back = torch.as_tensor(np.argsort(order))
    draw = tuple(train.draw[n] for n in np.sort(order)) if train.draw else ()
    views_seen = tuple(chosen(one, back) for one in seen)
    once = Once(views_seen, train.size, train.seed, train.shuffle, draw, train.share)
    return SeenOnce(name, once, Once((held,), check.size, share=check.share))


def _all(crew: Crew, parts: list[Seen]) -> tuple[Seen, list[int]]:
    """What all processes have seen, in their order, and how many pictures each."""
    every = crew.gathered(parts)
    return joined([one for parts in every for one in parts]), [sum(len(p.ids) for p in one) for one in every]


def _pass(
    state: State, name: str, source: Batches, at: tuple[int, int], enough: Callable[[], bool]
) -> Generator[events.Event, None, list[Seen]]:
    """One view of a split; `at` is how many pictures came before, and of how many."""
    parts: list[Seen] = []
    done, said = at[0], state.seconds
    last = is_channels_last(state.network)
    o = state.options
    began, read = state.seconds, dict(state.spent)
    for seen in sighted(
        state.network, name, state.waiting(source.epoch(0)), source, o.device, o.precision, last
    ):
        parts.append(seen)
        done = min(at[1], done + len(seen.ids) * state.crew.size)
        state.tick()
        if state.seconds - said >= SAID_SECONDS or done == at[1]:
            said = state.seconds
            yield events.Seen(step=state.step, stage=state.current.name, done=done, total=at[1])
        else:
            yield events.Event(step=state.step)
        if enough():
            break
    waited = sum(state.spent[phase] - read.get(phase, 0.0) for phase in ("decode", "augment"))
    state.spent["features"] += state.seconds - began - waited
    return parts


def _cannot(state: State, task: Task, check: Batches, name: str, total: int) -> str:
    """Why the network's frozen layers cannot be computed once for `total` views, or nothing."""
    options, network = state.options, state.network
    raw = next(check.epoch(0))
    few: Batch = check.to(raw.split(-(-len(raw.ids) // FEW))[0], options.device, is_channels_last(network))
    again = "the frozen layers are computed anew in every epoch"
    with autocast(options.device, options.precision):
        if state.current.solve:
            if not _head_ends(state, task, few, name):
                return f"the layer {name} is not all that follows its features: {again}"
        elif not can_begin_at(network, name, few.images):
            return f"the network cannot be split before {name}: {again}"
        with torch.no_grad():
            entering, _ = up_to(network, name, few.images)
    need = total * entering[0].numel() * 4 / MB
    room = ROOM * free_megabytes()
    if need > room:
        return f"the features would take {need:,.0f} MB, more than a quarter of the free memory: {again}"
    return ""


def _head_ends(state: State, task: Task, few: Batch, name: str) -> bool:
    """Whether the head alone makes of its features what the network makes of the pictures."""
    try:
        with torch.no_grad():
            features, wanted = up_to(state.network, name, few.images, whole=True)
            return same(state.network.get_submodule(name)(features), wanted)
    except (ValueError, RuntimeError):
        return False


def solve_head(state: State, task: Task, once: SeenOnce) -> bool:
    """Fit the head to the features, and judge it; False where no solution was finite."""
    head = state.network.get_submodule(once.border)
    train = once.train.all()
    crew = state.crew
    found = solve(head, task, train, once.check.views[0], state.options.device) if crew.rank == 0 else None
    if not crew.alone:
        found, weights = crew.told((found, {name: held.cpu() for name, held in head.state_dict().items()}))
        head.load_state_dict(weights)
    assert found is not None
    if not math.isfinite(found.loss):
        return False
    if state.average is not None:
        state.average.load_state_dict(state.network.state_dict())
    state.evaluation = found.judged
    state.loss_sum += found.loss
    state.loss_count += 1
    state.step += 1
    state.stage_step += 1
    state.memory = {"solved": 1.0}
    state.spent["optimizer"] += state.tick()
    return True


def is_solved(state: State) -> bool:
    """Whether the stage's head was solved before the run was interrupted."""
    return "solved" in state.memory
