"""foveal runs clean: what can go without losing a result."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..data import cache, home, looks
from ..errors import RunError, writing
from ..folders import LEAVING, TRIALS, discard, is_held
from ..records.run import EVENTS, OPTIONS, RESULT, RESUME, Run, is_folds, is_run, runs_in
from ..records.study import AGAIN
from ..storage import is_old, leftovers, previous
from ..tuners.compared import studies_in
from .delete import Removal, Removed
from .runs import size

UNUSED_SECONDS = 180 * 24 * 3600.0
# All that a run folder can hold before training begins.
_EMPTY = {EVENTS, ".lock", ".owner.json"}
Place = str | os.PathLike[str]


def clean(runs_dir: Place = "runs", *, data_home: str | None = None, dry_run: bool = False) -> Removal:
    """Remove what can go without losing a result or the way to one. Nothing is asked.

    That is: states to resume from in runs that are finished, files that killed processes left half
    written, runs that were never begun, folders whose removal did not end, and what is remembered
    of pictures but not read any more. Models, results, pictures and downloaded data stay.

    Args:
        runs_dir: where run folders are.
        data_home: where downloaded and built-in data lies.
        dry_run: only say what would go.

    Raises:
        RunError: `runs_dir` cannot be read.
        DiskError: no permission to remove something.
    """
    found = Removal(tuple(_found(Path(runs_dir), data_home)), done=not dry_run)
    if not dry_run:
        for row in found:
            path = Path(row.path)
            if path.is_dir():
                discard(path)
            else:
                with writing(path):
                    path.unlink(missing_ok=True)
    return found


def _found(home_of_runs: Path, data_home: str | None) -> Iterator[Removed]:
    try:
        folders = sorted(runs_in(home_of_runs)) if home_of_runs.exists() else []
        sets = [p for p in sorted(home_of_runs.iterdir()) if is_folds(p)] if home_of_runs.exists() else []
        studies = studies_in(home_of_runs) if home_of_runs.exists() else []
        folders += [
            run
            for p in studies
            if not is_held(p)
            for kind in (TRIALS, AGAIN)
            for run in sorted((p / kind).glob("*"))
            if is_run(run)
        ]
        halves = sorted(home_of_runs.glob(f"{LEAVING}*"))
    except OSError as error:
        raise RunError(
            f"The runs in {home_of_runs} cannot be listed: {error.strerror or error}.",
            "A folder that you may read.",
            "Give the folder that holds the run folders, with --runs-dir.",
        ) from error
    for folder in halves:
        yield _row(folder, "what is left of a run whose removal did not end")
    for folder in [f for f in folders if not f.is_symlink()]:
        yield from _of_run(folder)
    places = {home_of_runs, *sets, *studies, home(data_home), *_below(home(data_home))}
    for place in sorted(places):
        for file in leftovers(place):
            yield _row(file, "left half written by a process that was killed")
    for stale in (looks.stale, cache.stale):
        for file, why in stale(data_home, UNUSED_SECONDS).items():
            yield _row(file, why)


def _of_run(folder: Path) -> Iterator[Removed]:
    """What can go in a run's folder; nothing while somebody works in it."""
    if is_held(folder):
        return
    if not (folder / OPTIONS).exists() and Run(folder).status == "created":
        if {p.name for p in folder.iterdir()} <= _EMPTY and is_old(folder / EVENTS):
            yield _row(folder, "a run that never began")
        return
    if (folder / RESULT).is_file():
        for state in (folder / RESUME, previous(folder / RESUME)):
            if state.is_file():
                yield _row(state, "to resume from, and the run is finished")
    for file in leftovers(folder):
        yield _row(file, "left half written by a process that was killed")


def _below(place: Path) -> list[Path]:
    """The folders right in a folder."""
    try:
        return [p for p in place.iterdir() if p.is_dir() and not p.is_symlink()]
    except OSError:
        return []


def _row(path: Path, why: str) -> Removed:
    return Removed(str(path), size(path), why)
