"""The run folder: create, append, read back, lock."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..card import BEST, versions
from ..catalog import find
from ..errors import RunError, nearest, writing
from ..events import REWOUND, Epoch, Event, Noticed, Started, Stopped, Watched, latest
from ..folders import LEAVING, claim, claim_next, held, is_held, safe_stem
from ..storage import damaged, from_json, load_state, read_json, save_state, to_json, write_json, write_whole
from ..values import Choice, Dataset, Item, Score
from .journal import Journal

if TYPE_CHECKING:
    from ..finding import Finding
    from ..model import Model
    from ..report.curves import Curves
    from ..report.page import Page

OPTIONS, DATA, MACHINE, EVENTS = "options.json", "data.json", "machine.json", "events.jsonl"
LAST, RESUME, RESULT = "last.safetensors", "resume.pt", "result.json"
WATCH = "watch.jsonl"
"""What was watched inside the network, a stream of its own: it is longer than all other events together."""
FIND_LR = "find_lr.json"
"""The range test's curve, where the rate was found by one."""
FOLDS = "folds.json"
"""What makes a folder of runs the folds of one training (`foveal.training.folds`)."""
Place = str | os.PathLike[str]
Which = Literal["best", "last"]
_MODELS = {"best": BEST, "last": LAST}
_ITEM_FIELDS = tuple(f.name for f in dataclasses.fields(Item))
_ITEMS = b',"items":['


class Run:
    """One run's folder. Files are written whole; `events.jsonl` is only ever appended to."""

    def __init__(self, folder: Place) -> None:
        self.folder = Path(folder)
        self.journal, self.watch = Journal(self.folder / EVENTS), Journal(self.folder / WATCH)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @property
    def name(self) -> str:
        return self.folder.name

    # --- the folder ---

    @classmethod
    def create(cls, runs_dir: Place, stem: str, out: Place | None = None) -> Run:
        """A new folder `runs_dir/<stem>-<n>`, or exactly `out`, which must not exist.

        Raises:
            RunError: `out` exists, or no folder can have such a name.
            DiskError: no permission, no space, or a file in the way.
        """
        try:
            folder = claim(Path(out)) if out is not None else claim_next(Path(runs_dir), safe_stem(stem))
            (folder / EVENTS).touch()
        except (OSError, ValueError) as error:
            raise RunError(
                f"No folder can be made at {out or runs_dir}: {getattr(error, 'strerror', None) or error}.",
                "A path that this system allows.",
                "Choose another place with --runs-dir or --out.",
            ) from error
        return cls(folder)

    @classmethod
    def open(cls, path: Place) -> Run:
        """The run in an existing folder.

        Raises:
            RunError: there is none (the nearest names are given).
        """
        path = Path(path)
        if is_run(path):
            return cls(path)
        allowed = "The folder of a run, as foveal train names it and foveal runs lists it."
        if path.is_file() and is_run(path.parent):
            raise RunError(f"{path} is a file of a run.", allowed, f"Give the run's folder: {path.parent}")
        if is_folds(path):
            first = path / "fold-1"
            raise RunError(f"{path} holds the runs of several folds.", allowed, f"Give one of them: {first}")
        if path.exists():
            what = "holds no run" if path.is_dir() else "is a file"
            raise RunError(f"{path} {what}.", allowed, "See the runs with: foveal runs")
        near = [str(p) for home in (path.parent, path.parent / "runs") for p in _like(home, path.name)]
        meant = f"Did you mean {' or '.join(near[:3])}?" if near else "See the runs with: foveal runs"
        raise RunError(f"There is no run at {path}.", allowed, meant)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for this process; the lock goes with the process, however it dies.

        Raises:
            RunError: another process, whose number is told, holds it.
        """
        with held(self.folder):
            try:
                yield
            finally:
                self.journal.close()
                self.watch.close()

    # --- what was asked for ---

    def write_options(self, options: Mapping[str, Any], choices: Sequence[Choice]) -> None:
        """Keep every option, filled in, and why the open ones became what they are."""
        rows = [dataclasses.asdict(choice) for choice in choices]
        write_json(self.folder / OPTIONS, {"format": 1, "options": options, "choices": rows})

    @property
    def options(self) -> dict[str, Any]:
        return dict(self._part(OPTIONS, "options", dict))

    @property
    def choices(self) -> list[Choice]:
        try:
            return [Choice(**row) for row in self._part(OPTIONS, "choices", list)]
        except TypeError as error:
            raise damaged(self.folder / OPTIONS, str(error)) from None

    def _part(self, file: str, key: str, kind: type) -> Any:
        value = read_json(self.folder / file).get(key)
        if not isinstance(value, kind):
            raise damaged(self.folder / file, f"it has no {key!r}")
        return value

    def write_dataset(self, dataset: Dataset) -> None:
        """Keep the data set: one line of JSON an item, its values in the order of `fields`."""
        head = {f.name: getattr(dataset, f.name) for f in dataclasses.fields(dataset) if f.name != "items"}
        head["issues"] = [dataclasses.asdict(issue) for issue in dataset.issues]
        head["facts"] = dataclasses.asdict(dataset.facts) if dataset.facts else None
        rows = ",\n".join(to_json([getattr(item, f) for f in _ITEM_FIELDS]) for item in dataset.items)
        text = to_json({"format": 1, "fields": _ITEM_FIELDS, **head})
        write_whole(self.folder / DATA, text[:-1].encode() + _ITEMS + f"\n{rows}\n]}}\n".encode())

    @property
    def dataset(self) -> Dataset:
        data = read_json(self.folder / DATA)
        try:
            known = {k: v for k, v in data.items() if k not in ("format", "fields")}
            known["items"] = [dict(zip(data["fields"], row, strict=True)) for row in data["items"]]
            return Dataset.from_json(known)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(self.folder / DATA, f"{type(error).__name__}: {error}") from None

    @property
    def data_root(self) -> str:
        """Where the data lies, from the first line of `data.json` alone; empty where that is not there."""
        try:
            with (self.folder / DATA).open("rb") as stream:
                head = stream.readline().rstrip().removesuffix(_ITEMS)
            return str(from_json(head + b"}")["root"])
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise damaged(self.folder / DATA, f"{type(error).__name__}: {error}") from None

    def write_machine(
        self, *, device: str, seed: int, command: Sequence[str] | None = None, **more: Any
    ) -> None:
        """Keep where and how this attempt runs; what former attempts said stays under `earlier`."""
        import torch

        earlier = []
        if (self.folder / MACHINE).exists():
            try:
                former = self.machine
                earlier = [*former.pop("earlier", []), former]
            except RunError:
                pass  # damaged: what is known now matters more
        write_json(
            self.folder / MACHINE,
            {
                "versions": versions(),
                "device": device,
                "threads": torch.get_num_threads(),
                "seed": seed,
                "command": list(sys.argv if command is None else command),
                **hardware(device),
                "at": time.time(),
                **more,
                "earlier": earlier,
            },
        )

    @property
    def machine(self) -> dict[str, Any]:
        return read_json(self.folder / MACHINE)

    # --- what happened ---

    def append(self, event: Event) -> None:
        """Add an event to the stream, at once.

        Raises:
            DiskError: it could not be written.
        """
        if isinstance(event, Watched):
            self.watch.append(event)
            return
        back = isinstance(event, Started) or (isinstance(event, Noticed) and event.what == REWOUND)
        if back and self.watch.path.exists():
            self.watch.append(event)  # there, too, it says which lines no longer count
        self.journal.append(event)

    def sights(self) -> list[Watched]:
        """What was watched, of the history that counts."""
        return [event for event in latest(self.watch.read()) if isinstance(event, Watched)]

    def history(self) -> list[Event]:
        """Every event of every attempt, in order."""
        return self.journal.read()

    def events(self) -> list[Event]:
        """The events that count: what a later attempt did again is there once (`events.latest`)."""
        return latest(self.history())

    def attempts(self) -> list[Started]:
        """The starts of the run, first to last."""
        return [event for event in self.history() if isinstance(event, Started)]

    @property
    def result(self) -> dict[str, Any] | None:
        """What training came to, from `result.json`, the last file written; None before."""
        return read_json(self.folder / RESULT) if (self.folder / RESULT).exists() else None

    @property
    def status(self) -> str:
        """`created`, `running`, `finished`, `interrupted`, `paused`, `diverged`, or `died` where nothing was said."""
        return self.status_of(self.history())

    def status_of(self, history: Sequence[Event]) -> str:
        """The status, where the history was read already."""
        marks = [e for e in history if isinstance(e, Started | Stopped)]
        why = marks[-1].why if marks and isinstance(marks[-1], Stopped) else ""
        if not (self.folder / RESULT).exists() and is_held(self.folder):
            return "running"
        if (self.folder / RESULT).exists():  # asked again: it may have been finishing just now
            return "diverged" if why == "diverged" else "finished"
        if why in ("interrupted", "paused", "diverged"):
            return why
        return "died" if marks or (self.folder / OPTIONS).exists() else "created"

    @property
    def headline(self) -> Score | None:
        """The result's score; before there is one, the best on the validation split, or None."""
        return self.headline_of(self.events())

    def headline_of(self, counted: Sequence[Event]) -> Score | None:
        """The headline, where the events that count were read already."""
        result = self.result
        rows = [result["headline"]] if result and result.get("headline") else []
        rows = rows or [e.headline for e in counted if isinstance(e, Epoch) and e.headline]
        best: Score | None = None
        for row in rows:
            try:
                score = Score(**row)
                float(score.value + score.low + score.high)
            except (TypeError, ValueError) as error:
                raise damaged(self.folder, f"a headline cannot be read ({error})") from None
            best = score if score.better_than(best) else best
        return best

    # --- what was learned ---

    def save_model(self, model: Model, which: Which) -> None:
        """Write the best or the last model; the former one stays until the new one is whole."""
        model.save(self.folder / _MODELS[which])

    def model(self, which: Which = "best", device: str = "cpu") -> Model:
        """The run's best or last model.

        Raises:
            ModelError: none was saved yet, or it is damaged.
        """
        from ..model import Model

        return Model.load(self.folder / LAST if which == "last" else self.folder, device)

    def save_state(self, state: dict[str, Any]) -> None:
        """Write the resume state, after the events before it are safe on the disk."""
        self.journal.sync()
        save_state(self.folder / RESUME, state)

    def load_state(self) -> tuple[dict[str, Any], str | None]:
        """The newest whole resume state, and a notice where that is not the newest one.

        Raises:
            RunError: there is none.
        """
        return load_state(self.folder / RESUME)

    @property
    def pictures(self) -> Path:
        """The folder for pictures, made when first asked for."""
        folder = self.folder / "pictures"
        with writing(folder):
            folder.mkdir(exist_ok=True)
        return folder

    @property
    def findings(self) -> tuple[Finding, ...] | None:
        """What the doctor found last, the most fundamental first; None where the run was not examined."""
        found: tuple[Finding, ...] | None = find("doctor", "kept").findings(self)
        return found

    # --- what is shown of it ---

    def report(self) -> Page:
        """Write `report.html` from what the folder holds, finished or not; shows itself in a notebook.

        Raises:
            DiskError: it cannot be written.
        """
        page: Page = find("report", "page").show(self)
        return page

    def curves(self) -> Curves:
        """Loss, headline and learning rate as charts, which show themselves in a notebook."""
        curves: Curves = find("report", "curves").show(self)
        return curves


def is_run(path: Place) -> bool:
    """Whether a folder is a run's."""
    path = Path(path)
    try:
        return any((path / file).is_file() for file in (EVENTS, OPTIONS))
    except (OSError, ValueError):
        return False


def is_folds(path: Place) -> bool:
    """Whether a folder holds the runs of several folds."""
    try:
        return (Path(path) / FOLDS).is_file()
    except (OSError, ValueError):
        return False


def runs_in(home: Path) -> list[Path]:
    """The folders of all runs in `home`, those of folds among them, in no order.

    Raises:
        OSError: it is no folder, or may not be read.
    """
    found: list[Path] = []
    for folder in home.iterdir():
        if folder.name.startswith(LEAVING):
            continue
        if is_folds(folder):
            found += [inner for inner in folder.iterdir() if is_run(inner)]
        elif is_run(folder):
            found.append(folder)
    return found


def _like(home: Path, name: str) -> list[Path]:
    try:
        runs = [p.name for p in home.iterdir() if is_run(p)]
    except OSError:
        return []
    return [home / near for near in nearest(name, runs)]


def hardware(device: str) -> dict[str, Any]:
    """What computes here: platform, processor, cores, torch's build, and the GPU if `device` is one."""
    import platform

    import torch

    processor = platform.processor() or platform.machine()
    try:
        told = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
        processor = told[1] if told else processor
    except OSError:
        pass  # only Linux has it
    found = {
        "platform": platform.platform(),
        "processor": processor,
        "cores": os.cpu_count(),
        "torch_build": torch.__version__,
    }
    if device.startswith("cuda"):
        found["gpu"] = torch.cuda.get_device_name(torch.device(device))
    return found
