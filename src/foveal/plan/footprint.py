"""Memory: what training needs of it, measured, and what the machine has."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

MB = 1e6
_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""What a container may use, where there is one."""


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


def machine_megabytes(device: str) -> float | None:
    """Memory of the device in MB, the machine's for the CPU; None where it cannot be told."""
    if device.startswith("cuda"):
        return float(torch.cuda.mem_get_info(torch.device(device))[1]) / MB
    if device == "mps":
        return float(torch.mps.recommended_max_memory()) / MB
    found = _windows() if sys.platform == "win32" else _posix()
    try:
        limit = int(_LIMIT.read_text())
    except (OSError, ValueError):  # no container, or one without a limit
        return None if found is None else found / MB
    return min(limit, found or limit) / MB


def _posix() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _windows() -> int | None:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "pages", "free_pages")),
            *((name, ctypes.c_ulonglong) for name in ("virtual", "free_virtual", "extended")),
        )

    status = Status()
    status.length = ctypes.sizeof(status)
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  it is there on Windows only
    return int(status.total) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None
