"""One training on several processes: the first leads it as if it were alone, the others follow.

Process 0 reads the data, plans, tries settings, writes and judges. When it begins to train it gives each of the
others an `Order`, and all go through the same loop, each with its share of the pictures.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from .. import events
from ..contracts import Task
from ..errors import OptionError
from ..loop.fit import fit
from ..loop.state import State
from ..machine import device, distributed
from ..machine.distributed import Crew, local_gpu, normalises
from ..machine.interrupt import Interrupt
from ..options import FitOptions, TrainOptions
from ..plan.batches import batches
from ..plan.keeping import kept
from ..plan.network import built
from ..plan.probe import Setting, apply
from ..values import Dataset, Preprocessing
from ..watch.looking import Watch

if TYPE_CHECKING:
    from .job import Job

Done = TypeVar("Done")


@dataclass(frozen=True)
class Order:
    """All that a process must know to train along."""

    dataset: Dataset
    options: TrainOptions
    fit: FitOptions
    task: Task
    preprocessing: Preprocessing
    architecture: dict[str, Any]
    channels_last: bool
    scratch: bool
    weights: dict[str, Tensor]
    """Of the network at the beginning, on the CPU."""
    saved: dict[str, Any] | None
    """The state to go on from."""

    @classmethod
    def of(cls, job: Job, saved: dict[str, Any] | None) -> Order:
        """What the other processes of this training must know."""
        return cls(
            job.dataset,
            job.options,
            job.state.options,
            job.task,
            job.preprocessing,
            job.architecture,
            job.run.options["channels_last"],
            job.origin is None,
            {name: held.cpu() for name, held in job.network.state_dict().items()},
            saved,
        )


def together(lead: Callable[[], Done]) -> Done:
    """What `lead` comes to. Where torchrun started several processes, the first of them does it, and the others
    train along and are told.

    Raises:
        FovealError: process 0 met it, or another, for which process 0 speaks.
        Elsewhere: in the other processes.
    """
    if not distributed.several():
        return lead()
    with distributed.connected() as crew:
        if crew.rank:
            return _follow(crew)  # type: ignore[no-any-return]
        return crew.told(lead())


def _follow(crew: Crew) -> Any:
    """Train along as often as process 0 does; what it came to."""
    with Interrupt(at_once=lambda: False, same=math.inf) as interrupt:
        crew.asked = lambda: interrupt.asked
        while isinstance(order := crew.told(None), Order):
            _train_along(order, crew)
        return order


def _train_along(order: Order, crew: Crew) -> None:
    options = dataclasses.replace(order.fit, device=_own_device(order.fit.device))
    device.seed_all(options.seed, options.deterministic)
    network = built(order.architecture, order.options)
    network.load_state_dict(order.weights)
    layout = torch.channels_last if order.channels_last else torch.preserve_format
    network.to(options.device, memory_format=layout)  # type: ignore[call-overload]
    with device.computing(options.threads):
        if options.compiled:
            network.compile()
        state = State(network, options, crew=crew)
        state.watch = _Listener()
        if order.saved is not None:
            state.restore(order.saved)
        train, check = (
            batches(
                order.dataset, part, order.task, order.preprocessing, order.options, options,
                scratch=order.scratch, augment=part == "train", share=crew.share,
                kept=kept(order.dataset, part, order.task, order.preprocessing, order.options, _silent),
            )
            for part in ("train", "val")
        )  # fmt: skip
        for event in fit(state, order.task, train, check, state.options):
            if isinstance(event, events.Stage):
                agree(state, None)


class _Listener(Watch):
    """Looks at no step, which process 0 does, but hears how each picture fares."""

    def due(self, state: State) -> bool:
        return False


def _silent(done: int, total: int) -> None:
    pass


def _own_device(wanted: str) -> str:
    """The device of this process, where process 0 has that one."""
    return f"cuda:{local_gpu(torch.cuda.device_count())}" if wanted.startswith("cuda") else wanted


def give(order: Callable[[], Order], crew: Crew, network: nn.Module) -> None:
    """Let the others train along, if there are any.

    Raises:
        OptionError: the batch cannot be shared so.
    """
    if crew.alone:
        return
    made = order()
    _check(made.fit, crew.size, network)
    crew.told(made)


def agree(state: State, setting: Setting | None) -> None:
    """All compute as process 0 found it best to (None: as before), and go by its clock."""
    crew = state.crew
    if crew.alone:
        return
    found, state.seconds, state.stage_began = crew.told((setting, state.seconds, state.stage_began))
    if crew.rank and found is not None:
        apply(state, found)


def _check(fit: FitOptions, size: int, network: nn.Module) -> None:
    """Refuse batches that cannot be shared by so many processes.

    Raises:
        OptionError: naming batches that can.
    """
    least = 2 if normalises(network) and not fit.sync_norm else 1
    if fit.batch // size < least:
        why = "each normalises over its own pictures" if least > 1 else "each needs one"
        more = ", give --sync-norm," if least > 1 else ""
        raise OptionError(
            f"A batch of {fit.batch} was to be shared by {size} processes; {why}.",
            f"--batch {least * size} or more: it is what all of them see in a step.",
            f"Give --batch {least * size}{more} or start fewer processes with torchrun --nproc-per-node.",
        )
    if not fit.sync_norm:
        return
    if fit.batch % size:
        raise OptionError(
            f"--sync-norm was given, and a batch of {fit.batch} does not divide among {size} processes.",
            "A batch with as many pictures for each: all must pass their layers equally often.",
            f"Give --batch {fit.batch - fit.batch % size}, or leave --sync-norm out.",
        )
    if fit.compiled or fit.device == "mps":
        what = "--compile" if fit.compiled else "--device mps"
        raise OptionError(
            f"--sync-norm was given together with {what}, where it does not work.",
            "--sync-norm on processors and CUDA GPUs, in code that is not compiled.",
            f"Leave one out: --sync-norm or {what}.",
        )
