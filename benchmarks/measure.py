"""What every benchmark says beside its figures: machine, versions, spread."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

Row = dict[str, Any]


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


def with_interval(values: Sequence[float], unit: str = "") -> str:
    """Median, its 95 % interval, and n, for a line of output."""
    if not values:
        return "not measured"
    middle, low, high = median_interval(values)
    return f"{middle:.4g}{unit} [{low:.4g}, {high:.4g}], median of {len(values)}"


def versions(*packages: str) -> str:
    """Packages with their versions, where they are installed."""
    there = []
    for package in packages:
        try:
            there.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            pass
    return ", ".join(there)


@dataclass
class Kept:
    """What was measured, a line of JSON each, so that a stopped benchmark goes on; in memory without a file."""

    file: Path | None = None
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            lines = self.file.read_text(encoding="utf-8").splitlines()
            self.rows = [json.loads(line) for line in lines]

    def find(self, **key: Any) -> list[Row]:
        """The rows that have all of these values."""
        return [row for row in self.rows if key.items() <= row.items()]

    def add(self, row: Row) -> Row:
        self.rows.append(row)
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")
        return row


def interleaved(
    contestants: Mapping[str, Callable[[], Row]], count: int, kept: Kept, key: Row, shown: str
) -> dict[str, list[Row]]:
    """Each contestant once a round, in turn, the order reversed every other round: A B, B A, A B, ...

    Args:
        key: what tells these measurements from others in the same file.
        shown: the field of a row to print as it comes.
    """
    load = getattr(os, "getloadavg", lambda: (0.0,))
    for number in range(count):
        order = list(contestants) if number % 2 == 0 else list(contestants)[::-1]
        for name in order:
            where = {**key, "who": name, "round": number}
            if kept.find(**where):
                continue
            before = load()[0]
            row = kept.add({**where, "load": before, **contestants[name]()})
            value = row.get(shown)
            told = f"{value:.4g}" if isinstance(value, int | float) else row.get("error", "no figure")
            print(f"round {number} {name:24} {told}  (load before {before:.1f})", flush=True)
    return {name: sorted(kept.find(**key, who=name), key=lambda row: row["round"]) for name in contestants}


def ratios(ours: Sequence[Row], theirs: Sequence[Row], name: str) -> list[float]:
    """Our figure over theirs, round by round, where both were measured."""
    other = {row["round"]: row[name] for row in theirs if row.get(name)}
    return [row[name] / other[row["round"]] for row in ours if row.get(name) and row["round"] in other]
