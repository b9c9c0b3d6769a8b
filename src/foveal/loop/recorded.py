"""A step's passes recorded once on a GPU and replayed: where they are short, it waits for the processor else.

Source: Nguyen et al. 2021, Accelerating PyTorch with CUDA Graphs; torch's notes on CUDA semantics. Measured with
`sprintnet`, 1,980 pictures of 32 px a step, on an H200: the passes take 7.4 ms of the GPU and 5.5 ms of a processor
that asks for them kernel by kernel; a training of 200 steps 2.6 s instead of 3.0. An optimizer's step is recorded
with them where it can be: its many small kernels wait for the processor most (Muon's, on an H100: 0.75 ms a step to
less than half).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..machine.device import free_memory
from ..values import Batch

Passes = Callable[[Batch], tuple[Tensor, Tensor | None]]
"""Forward and backward over a batch: its loss, and each picture's where the task tells them."""
FIRST = 3
"""Steps of a stage that come before its passes are recorded: libraries choose their kernels in them, and optimizers
make what they keep of each weight."""


@dataclass
class Recording:
    """The passes over batches of one shape, as a graph of the GPU's own.

    A replay runs the kernels that the passes would, on the memory that they had: a batch is copied to where the
    recorded one lies; its losses and gradients come to lie where those did.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer | None = None
    """Whose step is recorded too; one that follows rates that are tensors."""
    batch: Batch | None = None
    graph: torch.cuda.CUDAGraph | None = None
    made: tuple[Tensor, Tensor | None] | None = None
    gradients: tuple[tuple[nn.Parameter, Tensor], ...] = ()
    rates: tuple[Tensor, ...] = ()
    """Of the optimizer's groups, where the recorded step reads them."""
    stale: bool = False
    """Whether other parameters have gradients now: it must be recorded anew."""
    refused: bool = False
    """Whether something in the passes cannot be recorded: they are called as they are then."""

    def takes(self, batch: Batch) -> bool:
        """Whether a batch is like the one that was recorded, or could be the one that is."""
        if self.refused or not isinstance(batch.truths, Tensor):
            return False
        return self.batch is None or all(
            (new.shape, new.dtype, new.stride()) == (old.shape, old.dtype, old.stride())
            for new, old in ((batch.images, self.batch.images), (batch.truths, self.batch.truths))
        )

    def record(self, batch: Batch, passes: Passes) -> None:
        """Take down what `passes` and the optimizer ask of the GPU for batches of this shape; nothing is computed
        yet."""
        self.batch = self.batch or replace(batch, images=batch.images.clone(), truths=batch.truths.clone())
        self.network.zero_grad(set_to_none=True)  # so that each gradient gets memory that stays its own
        graph, dice = torch.cuda.CUDAGraph(), _generator(batch.images.device)
        before, pool = dice.clone_state(), None if self.graph is None else self.graph.pool()
        if self.optimizer is not None:  # outside the recording, whose own memory the passes write over
            groups = self.optimizer.param_groups
            self.rates = tuple(torch.zeros((), device=batch.images.device) for _ in groups)
        try:
            # other threads may pin memory meanwhile
            with torch.cuda.graph(graph, pool, capture_error_mode="thread_local"):
                self.made = passes(self.batch)
                self._move()
        except RuntimeError:  # a pass that waits for the GPU, or memory that does not suffice twice
            self.refused, self.batch, self.made = True, None, None
            dice.graphsafe_set_state(before)  # a recording that broke off would have it wait for its end
            self.network.zero_grad(set_to_none=True)
            free_memory(str(batch.images.device))
            return
        self.graph, self.stale = graph, False
        self.gradients = tuple((p, p.grad) for p in self.network.parameters() if p.grad is not None)

    def _move(self) -> None:
        """The optimizer's step, at rates that lie on the GPU meanwhile."""
        if self.optimizer is None:
            return
        groups = self.optimizer.param_groups
        told = [group["lr"] for group in groups]
        for group, rate in zip(groups, self.rates, strict=True):
            group["lr"] = rate
        try:
            self.optimizer.step()
        finally:
            for group, rate in zip(groups, told, strict=True):
                group["lr"] = rate

    def replay(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Losses of this batch, valid until the next replay; the parameters have its gradients, and have moved
        where there is an optimizer."""
        assert self.batch is not None
        assert self.graph is not None
        assert self.made is not None
        self.batch.images.copy_(batch.images)
        self.batch.truths.copy_(batch.truths)
        for parameter, gradient in self.gradients:
            parameter.grad = gradient
        if self.optimizer is not None:
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                rate.fill_(group["lr"])
        self.graph.replay()
        return self.made


def _generator(device: torch.device) -> torch.Generator:
    """The random numbers of a GPU."""
    at = torch.cuda.current_device() if device.index is None else device.index
    return torch.cuda.default_generators[at]
