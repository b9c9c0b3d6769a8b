"""Memory of the machine and of the device: what there is, and what is free of it."""

from __future__ import annotations

from pathlib import Path

import psutil
import torch

MB = 1e6
_GROUP = Path("/sys/fs/cgroup")
"""A container's own limit and use, where there is one."""


def machine_megabytes(device: str = "cpu") -> float:
    """Memory of the device in MB (a million bytes), the machine's or the container's for the CPU."""
    if device.startswith("cuda"):
        return float(torch.cuda.mem_get_info(torch.device(device))[1]) / MB
    if device == "mps":
        return float(torch.mps.recommended_max_memory()) / MB
    total = int(psutil.virtual_memory().total)
    return min(total, _number("memory.max") or total) / MB


def free_megabytes(device: str = "cpu") -> float:
    """MB that can be had now without pushing anything else out."""
    if device.startswith("cuda"):
        return float(torch.cuda.mem_get_info(torch.device(device))[0]) / MB
    free = float(psutil.virtual_memory().available)
    limit, used = _number("memory.max"), _number("memory.current")
    if limit is not None and used is not None:
        # files read count as used, and are given up when memory is wanted
        free = min(free, limit - used + (_inactive_files() or 0))
    return max(0.0, free) / MB


def _number(name: str) -> int | None:
    try:
        return int((_GROUP / name).read_text())
    except (OSError, ValueError):  # no container, or one without a limit
        return None


def _inactive_files() -> int | None:
    try:
        rows = dict(row.split() for row in (_GROUP / "memory.stat").read_text().splitlines())
        return int(rows["inactive_file"])
    except (OSError, ValueError, KeyError):
        return None
