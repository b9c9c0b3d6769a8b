"""A plan tried out on a network that is thrown away; nothing else is changed by it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data.batches import Batches
from ..machine.device import free_memory, random_state, set_random_state
from ..values import Dataset
from . import Plan
from .batches import batches
from .initialise import initialise
from .network import seeded_network


@contextmanager
def untouched(device: str) -> Iterator[None]:
    """Every generator and the choice of deterministic kernels are afterwards as they were before."""
    plain, numpys, torchs = random.getstate(), np.random.get_state(), random_state(device)
    strict = torch.are_deterministic_algorithms_enabled()
    warns, benchmark = torch.is_deterministic_algorithms_warn_only_enabled(), torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        random.setstate(plain)
        np.random.set_state(numpys)
        set_random_state(torchs, device)
        torch.use_deterministic_algorithms(strict, warn_only=warns)
        torch.backends.cudnn.benchmark = benchmark
        free_memory(device)


def placed_network(dataset: Dataset, planned: Plan) -> nn.Module:
    """The plan's network as the run begins with it, on its device and in its layout.

    Raises:
        OptionError, ModelError, OfflineError: as a run with this plan would.
    """
    network = begun_network(dataset, planned, lambda message: None)
    layout = torch.channels_last if planned.channels_last else torch.preserve_format
    placed: nn.Module = network.to(planned.fit.device, memory_format=layout)  # type: ignore[call-overload]
    return placed


def begun_network(dataset: Dataset, planned: Plan, screen: Callable[[Any], None]) -> nn.Module:
    """The plan's network with the weights that it starts from, some of them taken from the training pictures
    where its architecture wants that."""
    network = seeded_network(planned, screen)
    if planned.start.state is None:
        initialise(network, planned.start.network, planned_batches(dataset, planned, "train"))
    return network


def planned_batches(dataset: Dataset, planned: Plan, part: str, augment: bool = False) -> Batches:
    """A split of the data as the run will see it."""
    return batches(
        dataset,
        part,
        planned.task,
        planned.preprocessing,
        planned.options,
        planned.fit,
        scratch=planned.start.origin is None,
        augment=augment,
    )
