"""Memory: what training needs of it, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from ..machine.memory import MB


def megabytes(tensors: Iterable[Tensor]) -> float:
    """Size of the tensors in MB (a million bytes); what shares its memory counts once."""
    held = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(held.values()) / MB


def saved_for_backward(network: nn.Module, work: Callable[[], Tensor]) -> tuple[float, float]:
    """MB of activations that `work` (a forward pass) keeps for its gradients, and of the largest of them.

    The network's own weights, which are kept as well, do not count.
    """
    own = {t.untyped_storage().data_ptr() for t in [*network.parameters(), *network.buffers()]}
    held: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = work()  # alive until here, so that no two tensors had the same place
    del loss
    return sum(held.values()) / MB, max(held.values(), default=0) / MB
