"""What every benchmark says beside its figures: machine, versions, spread."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch


def machine() -> str:
    """Processor, cores, threads and versions, in one line."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists() and (found := re.search(r"model name\s*:\s*(.+)", info.read_text())):
        processor = found[1]
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{processor}, {os.cpu_count()} cores, {torch.get_num_threads()} threads{load}, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def spread(values: Sequence[float]) -> str:
    """Mean with standard deviation, and the range."""
    sd = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.4f} (sd {sd:.4f}, {min(values):.4f} to {max(values):.4f}, n={len(values)})"


def median_interval(values: Sequence[float], resamples: int = 10_000) -> tuple[float, float, float]:
    """Median and its 95 % bootstrap interval."""
    draws = np.random.default_rng(0).choice(np.asarray(values), (resamples, len(values)))
    low, high = np.quantile(np.median(draws, axis=1), (0.025, 0.975))
    return float(np.median(values)), float(low), float(high)
