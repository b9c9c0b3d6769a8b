"""foveal runs: what has been trained here."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path, PurePath
from typing import Any

from ..errors import FovealError, RunError
from ..events import Epoch, latest
from ..folders import is_held, is_study
from ..records.run import Run, is_folds, is_run, runs_in
from ..records.study import Study
from ..tuners.compared import Searches, is_comparison
from ..values import Score


@dataclass(frozen=True)
class RunRow:
    """One run in short. `seconds` of training over all attempts; `started` is UTC; `bytes` on the disk;
    `parent` is the name of the run it was forked from."""

    name: str
    status: str
    data: str = ""
    network: str = ""
    headline: Score | None = None
    seconds: float | None = None
    epochs: int = 0
    bytes: int = 0
    started: str = ""
    path: str = ""
    says: str = ""
    parent: str = ""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class RunList:
    """The runs of a folder, newest first."""

    runs_dir: str
    rows: tuple[RunRow, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[RunRow]:
        return iter(self.rows)

    def __getitem__(self, place: int) -> RunRow:
        return self.rows[place]

    @property
    def bytes(self) -> int:
        """What the runs take on the disk, all together."""
        return sum(row.bytes for row in self.rows)

    def to_json(self) -> list[dict[str, Any]]:
        return [row.to_json() for row in self.rows]

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<p>No runs in {escape(self.runs_dir)} yet.</p>"
        names = (
            "name",
            "status",
            "data",
            "network",
            "headline",
            "minutes",
            "epochs",
            "MB",
            "started",
            "parent",
        )
        head = "".join(f"<th>{name}</th>" for name in names)
        body = "".join(_html(row) for row in self.rows)
        return f"<table><tr>{head}</tr>{body}</table>"


def runs(runs_dir: str | os.PathLike[str] = "runs") -> RunList:
    """What has been trained here, newest first; a damaged run is listed as such.

    Args:
        runs_dir: where run folders are; one that does not exist holds none.

    Raises:
        RunError: `runs_dir` is a file, or may not be read.
    """
    home = Path(runs_dir)
    if not home.exists():
        return RunList(str(runs_dir), ())
    try:
        folders = runs_in(home)
        studies = [folder for folder in home.iterdir() if is_study(folder)]
        compared = [folder for folder in home.iterdir() if is_comparison(folder)]
    except OSError as error:
        raise RunError(
            f"The runs in {runs_dir} cannot be listed: {error.strerror or error}.",
            "A folder that you may read.",
            "Give the folder that holds the run folders: foveal runs --runs-dir FOLDER",
        ) from error
    found = [
        *(_row(folder) for folder in folders),
        *(_study_row(folder) for folder in studies),
        *(_comparison_row(folder) for folder in compared),
    ]
    rows = sorted(found, key=lambda pair: pair[0], reverse=True)
    return RunList(str(runs_dir), tuple(row for _, row in rows))


def _row(folder: Path) -> tuple[tuple[float, str], RunRow]:
    """A run's row, and by what it is sorted."""
    run = Run(folder)
    name = f"{folder.parent.name}/{folder.name}" if is_folds(folder.parent) else folder.name
    base = RunRow(name=name, status="damaged", path=str(folder), bytes=size(folder))
    began = folder.stat().st_mtime
    try:
        history = run.history()
        if history:
            began = history[0].at or began
        elif (folder / "events.jsonl").exists() and (folder / "events.jsonl").stat().st_size:
            return (began, folder.name), dataclasses.replace(base, says="no line of events.jsonl can be read")
        counted = latest(history)
        epochs = [event for event in counted if isinstance(event, Epoch)]
        options = run.options if (folder / "options.json").exists() else {}
        row = dataclasses.replace(
            base,
            status=run.status_of(history),
            data=str(options.get("data") or PurePath(run.data_root).name),
            network=_network(options),
            headline=run.headline_of(counted),
            seconds=epochs[-1].seconds if epochs else None,
            epochs=max((event.epoch for event in epochs), default=0),
            started=datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            parent=_parent(options),
        )
    except (FovealError, OSError, ValueError, OverflowError) as error:
        row = dataclasses.replace(base, says=error.came if isinstance(error, FovealError) else str(error))
    return (began, folder.name), row


def _study_row(folder: Path) -> tuple[tuple[float, str], RunRow]:
    """A study's row, its trials together, and by what it is sorted."""
    began = (
        (folder / "data.json").stat().st_mtime if (folder / "data.json").exists() else folder.stat().st_mtime
    )
    row = RunRow(name=folder.name, status="damaged", path=str(folder), bytes=size(folder))
    try:
        study = Study.read(folder)
        row = dataclasses.replace(
            row,
            status="running" if is_held(folder) else "finished" if study.why else "interrupted",
            data=study.data,
            network=study.network,
            headline=None if study.best is None else study.best.score,
            seconds=study.seconds,
            epochs=study.epochs_done,
            started=datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            says=f"{len(study.trials)} trials, {study.search} search",
        )
    except (FovealError, OSError, ValueError, OverflowError) as error:
        row = dataclasses.replace(row, says=error.came if isinstance(error, FovealError) else str(error))
    return (began, folder.name), row


def _comparison_row(folder: Path) -> tuple[tuple[float, str], RunRow]:
    """The row of a comparison of searches, all its studies together, and by what it is sorted."""
    row = RunRow(name=folder.name, status="damaged", path=str(folder), bytes=size(folder))
    began = min(
        (inner.stat().st_mtime for inner in folder.glob("*/data.json")), default=folder.stat().st_mtime
    )
    try:
        made = Searches.read(folder)
        studies = [study for each in made.studies.values() for study in each.values()]
        done = "finished" if len(made.whole) == made.repeats else "interrupted"
        row = dataclasses.replace(
            row,
            status="running" if is_held(folder) else done,
            data=made.data,
            network="" if made.first is None else made.first.network,
            seconds=sum(study.seconds for study in studies),
            epochs=sum(study.epochs_done for study in studies),
            started=datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            says=f"{len(made.whole)} of {made.repeats} repeats of grid, random and adaptive search",
        )
    except (FovealError, OSError, ValueError, OverflowError) as error:
        row = dataclasses.replace(row, says=error.came if isinstance(error, FovealError) else str(error))
    return (began, folder.name), row


def _network(options: dict[str, Any]) -> str:
    """The network's name, as the plan or else as the user gave it."""
    for place in ("architecture", "train"):
        part = options.get(place)
        if isinstance(part, dict) and (part.get("name") or part.get("network")):
            return str(part.get("name") or part["network"])
    return ""


def _parent(options: dict[str, Any]) -> str:
    """The name of the run that this one was forked from."""
    lineage = options.get("lineage")
    parent = lineage.get("parent") if isinstance(lineage, dict) else None
    return str(parent.get("name", "")) if isinstance(parent, dict) else ""


def size(place: Path) -> int:
    """Bytes of all files in a folder, or of a file; what vanishes meanwhile, and links, count nothing."""
    total = 0
    for file in (place, *place.rglob("*")):
        try:
            total += file.stat().st_size if file.is_file() and not file.is_symlink() else 0
        except OSError:
            continue
    return total


def found(
    run: str | os.PathLike[str], runs_dir: str | os.PathLike[str] = "runs", *, studies: bool = False
) -> Path:
    """The folder of a run, of a set of folds or, with `studies`, of one or of a comparison of searches, by its path or
    its name in `runs_dir`.

    Raises:
        RunError: there is none (the nearest names are given).
    """
    inside = Path(runs_dir) / Path(run)
    for folder in (Path(run), inside):
        if is_run(folder) or is_folds(folder) or (studies and (is_study(folder) or is_comparison(folder))):
            return folder
    bare = len(Path(run).parts) == 1 and not Path(run).exists()
    return Run.open(inside if bare else run).folder


def _html(row: RunRow) -> str:
    cells = (
        row.name,
        row.status + (f": {row.says}" if row.says else ""),
        row.data,
        row.network,
        str(row.headline or ""),
        "" if row.seconds is None else f"{row.seconds / 60:.1f}",
        str(row.epochs),
        f"{row.bytes / 1e6:.1f}",
        row.started,
        row.parent,
    )
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
