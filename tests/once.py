"""What is slow to make: made by one of the suite's processes, and read by the others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

PLACE = "FOVEAL_SUITE"
"""The folder that all processes of a suite know (`conftest`)."""
PATIENCE = 120.0
"""Seconds after which nobody waits for another process any more."""


def once(name: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors by name, of which each process has copies of its own."""
    if PLACE not in os.environ:
        return make()
    file = Path(os.environ[PLACE], f"{name}.pt")
    lock = file.with_suffix(".lock")
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        until = time.monotonic() + PATIENCE
        while not file.exists() and lock.exists() and time.monotonic() < until:
            time.sleep(0.05)
        return torch.load(file, weights_only=True) if file.exists() else make()
    try:
        made = make()
        torch.save(made, file.with_suffix(".part"))
        file.with_suffix(".part").replace(file)
    except BaseException:
        lock.unlink()
        raise
    return made
