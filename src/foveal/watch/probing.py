"""The same few training pictures, looked at again and again: what the network makes of them in both modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..machine.device import autocast, is_out_of_memory, random_state, set_random_state
from ..values import Batch

if TYPE_CHECKING:
    from ..contracts import Task
    from ..loop.state import State

PICTURES = 32


@dataclass
class Probe:
    """The first pictures that were looked at, as they were given to the network, and in which stage."""

    batch: Batch | None = None
    stage: int = -1
    epoch: int = -1
    """When it was measured last, and what it took then, in seconds."""
    cost: float = 0.0

    def expected(self, step: float, count: int) -> float:
        """Seconds that measuring will take, where a training step of `count` pictures takes `step` seconds: two of
        three passes of each picture."""
        return self.cost or step * min(1.0, PICTURES / max(1, count)) * 2 / 3

    def measured(self, state: State, task: Task, batch: Batch) -> dict[str, Tensor]:
        """Their loss in evaluation and in training mode; the network, its statistics and all randomness are as before.
        A stage whose network begins elsewhere has pictures of its own. Nothing where there is no memory for them."""
        shown = self.batch
        if shown is None or self.stage != state.stage:
            shown = batch.split(max(state.pieces, -(-len(batch.ids) // PICTURES)))[0]
        network, options = state.network, state.options
        modes = [(module, module.training) for module in network.modules()]
        buffers = [(b, b.clone()) for b in network.buffers()]
        random = random_state(options.device)
        try:
            with torch.no_grad(), autocast(options.device, options.precision):
                in_training = task.step(network, shown).loss.detach().float()
                network.eval()
                evaluated = task.step(network, shown).loss.detach().float()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return {}
        finally:
            for module, training in modes:
                module.training = training
            with torch.no_grad():
                for buffer, kept in buffers:
                    buffer.copy_(kept)
            set_random_state(random, options.device)
        self.batch, self.stage = shown, state.stage
        return {"probe_loss": evaluated, "probe_loss_train": in_training}
