"""Memory of the machine and of the device: what there is, and what is free of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

MB = 1e6
_OWN = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
_NAMES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Limit, use, and of that the files read but not needed, as the kernel's two kinds of groups call them."""


def machine_megabytes(device: str = "cpu") -> float:
    """Memory of the device in MB (a million bytes), the machine's or the container's for the CPU."""
    if device.startswith("cuda"):
        return float(torch.cuda.mem_get_info(torch.device(device))[1]) / MB
    if device == "mps":
        return float(torch.mps.recommended_max_memory()) / MB
    return min([float(psutil.virtual_memory().total), *(limit for limit, _ in _limits())]) / MB


def free_megabytes(device: str = "cpu") -> float:
    """MB that can be had now without pushing anything else out."""
    if device.startswith("cuda"):
        return float(torch.cuda.mem_get_info(torch.device(device))[0]) / MB
    left = [limit - used for limit, used in _limits()]
    return max(0.0, min([float(psutil.virtual_memory().available), *left])) / MB


def _limits() -> Iterator[tuple[float, float]]:
    """(limit, use) in bytes of each group of processes that this one is in: a container, a batch job, a unit
    of systemd, and those around them. Files that were read count as used, and are given up when memory is
    wanted: they are left out."""
    for place in _places():
        for limit, used, idle in _NAMES:
            try:
                most, now = (int((place / name).read_text()) for name in (limit, used))
            except (OSError, ValueError):  # no such group, or one without a limit
                continue
            yield float(most), float(now - _statistic(place, idle))


def _statistic(place: Path, name: str) -> int:
    try:
        rows = (row.split() for row in (place / "memory.stat").read_text().splitlines())
        return next((int(row[1]) for row in rows if row[0] == name), 0)
    except (OSError, ValueError, IndexError):
        return 0


def _places() -> Iterator[Path]:
    """The folders of this process's groups, the innermost first; inside a container only the outermost may
    be there."""
    try:
        rows = [row.split(":", 2) for row in _OWN.read_text().splitlines()]
    except OSError:  # another system than Linux
        return
    for row in rows:
        if len(row) != 3 or not (row[1] == "" or "memory" in row[1].split(",")):
            continue
        base = _GROUPS / "memory" if row[1] else _GROUPS
        place = base / row[2].strip("/")
        while place != base:
            yield place
            place = place.parent
        yield base
