"""foveal runs delete: remove runs, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..folders import PROOFS, TRIALS, discard, is_held, is_study
from ..records.run import is_run
from ..records.study import AGAIN
from ..tuners.compared import is_comparison
from .runs import found, size

Place = str | os.PathLike[str]


@dataclass(frozen=True)
class Removed:
    """A file or folder that goes or went, its size in bytes, and why it may go."""

    path: str
    bytes: int
    why: str


@dataclass(frozen=True)
class Removal:
    """What goes, or where `done` what went."""

    rows: tuple[Removed, ...]
    done: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Removed]:
        return iter(self.rows)

    @property
    def bytes(self) -> int:
        return sum(row.bytes for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        rows = [{"path": row.path, "bytes": row.bytes, "why": row.why} for row in self.rows]
        return {"removed": rows if self.done else [], "would_remove": [] if self.done else rows}

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{escape(row.path)}</td><td>{row.bytes / 1e6:.1f}</td><td>{escape(row.why)}</td></tr>"
            for row in self.rows
        )
        said = "Removed" if self.done else "Would be removed"
        head = "<tr><th>path</th><th>MB</th><th>why</th></tr>"
        return f"<p>{said}: {len(self.rows)}, {self.bytes / 1e6:.1f} MB</p><table>{head}{cells}</table>"


def delete(*runs: Place, runs_dir: Place = "runs") -> Removal:
    """Remove these runs with all that is in their folders, for good. Nothing is asked.

    Args:
        runs: run folders, sets of folds, studies, comparisons of searches, or names of these in `runs_dir`. If one of
            them cannot be removed, none is.

    Raises:
        RunError: one is no run, is being trained, or is a link.
        DiskError: no permission.
    """
    doomed = deletable(*runs, runs_dir=runs_dir)
    for row in doomed:
        _check(Path(row.path))  # asked again: a question may have taken its time
        discard(Path(row.path))
    return Removal(doomed.rows, done=True)


def deletable(*runs: Place, runs_dir: Place = "runs") -> Removal:
    """What `delete` would remove.

    Raises:
        RunError: as `delete` does.
    """
    if not runs:
        raise RunError("No run was named.", "One run or several.", "foveal runs delete RUN; see: foveal runs")
    folders: dict[Path, Path] = {}
    for run in runs:
        folder = found(run, runs_dir, studies=True)
        _check(folder)
        folders.setdefault(folder.resolve(), folder)
    # what lies in another one that goes too goes with it
    outer = {whole: f for whole, f in folders.items() if not folders.keys() & set(whole.parents)}
    return Removal(tuple(Removed(str(f), size(f), _kind(f)) for f in outer.values()))


def _kind(folder: Path) -> str:
    if is_comparison(folder):
        return "a comparison of searches"
    return "a run" if is_run(folder) else "a study" if is_study(folder) else "folds"


def _check(folder: Path) -> None:
    """Refuse what must not go.

    Raises:
        RunError: it is a link, the folder one stands in, or is being trained.
    """
    if folder.is_symlink():
        raise RunError(
            f"{folder} is a link to {folder.resolve()}.",
            "The folder of a run itself; links are not followed.",
            f"Remove the link, or give the folder: {folder.resolve()}",
        )
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise RunError(
            f"{folder} is the folder you are in.",
            "A run that you do not stand in.",
            "Go to another folder first, and give the run's path from there.",
        )
    inside = [folder]
    if not is_run(folder):
        places = [*folder.iterdir(), *(folder / TRIALS).glob("*"), *(folder / AGAIN).glob("*")]
        inside += [place for place in places if is_run(place) or is_study(place)]
    for held in inside:
        if is_held(held) or is_held(held / PROOFS):
            raise RunError(
                f"The run {held} is being trained.",
                "A run that no process works on, nor on a proof of its cures.",
                "Stop it first, or wait until it is done. Nothing was removed.",
            )
