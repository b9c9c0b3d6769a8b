"""foveal runs report: write a run's page anew."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..records.run import Run
from .runs import found


@dataclass(frozen=True)
class Report:
    """Where a run's page lies."""

    run: Path
    report: Path

    def to_json(self) -> dict[str, Any]:
        return {"run": str(self.run), "report": str(self.report)}


def report(run: str | os.PathLike[str], *, runs_dir: str | os.PathLike[str] = "runs") -> Report:
    """Write a run's `report.html` anew, from what its folder holds.

    Raises:
        RunError: no such run, or it is damaged.
        DiskError: it cannot be written.
    """
    from ..explaining.mistakes import ensure
    from ..report import write

    opened = Run.open(found(run, runs_dir))
    ensure(opened)
    write(opened)
    return Report(opened.folder, opened.folder / "report.html")
