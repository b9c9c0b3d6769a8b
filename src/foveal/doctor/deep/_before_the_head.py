"""What a run's network makes of pictures before its head."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..patient import Patient


def features(
    patient: Patient, part: str, most: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str]]:
    """What the head is given of at most so many pictures of a split `ND`, their classes, and their ids."""
    network, batch = patient.network(), patient.batch(part, most)
    head = network.get_submodule(patient.fit.head)
    last = next((m for m in reversed(list(head.modules())) if isinstance(m, nn.Linear | nn.Conv2d)), head)
    seen: list[Tensor] = []
    handle = last.register_forward_pre_hook(lambda module, given: seen.append(given[0].detach().flatten(1)))
    try:
        for piece in batch.split(-(-len(batch.ids) // 64)):
            patient.told(network, piece)
    finally:
        handle.remove()
    return torch.cat(seen).float().numpy(), batch.truths.numpy(), list(batch.ids)
