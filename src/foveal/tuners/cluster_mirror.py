"""A study on nodes that do not see its folder: what a trial needs is brought there, what it writes is brought back.

Files travel with Ray's own messages, so that neither a shared disk nor a bucket is needed. A run's state comes back
each time it is saved: a lost node costs a trial as much as it does where all see one folder.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import RunError
from ..events import Epoch
from ..folders import STUDY
from ..records.run import DATA, RESUME
from ..storage import write_whole
from .orders import News, Order, Said, folder_of

Mark = tuple[int, int]
"""When a file was written, in nanoseconds, and its bytes: whether it is the same."""
Marks = dict[str, Mark]
"""Of files by their path below the study's folder, as on POSIX."""
Files = dict[str, tuple[Mark, bytes]]
"""What they hold besides."""
BROUGHT = ("network", "weights")
"""Options that may name files of the user's."""
GIVEN = "given"
_PREFIX = "foveal-study-"
_OWNER = ".owner"


@dataclass(frozen=True)
class Baggage:
    """What every node is given that does not see the study's `folder`: the study as its `files` tell it, and the files
    that its options name, in `given`, by the option's value. `root` is where the pictures lie, `store` the name that
    they have on nodes to which they were sent."""

    folder: str
    files: Files
    given: Mapping[str, Files]
    root: str
    store: str

    @classmethod
    def of(cls, folder: Path, options: Mapping[str, Any], root: str, store: str) -> Baggage:
        """That of a study; `options` are those that all of its trials have."""
        given: dict[str, Files] = {}
        for value in (options.get(name) for name in BROUGHT):
            file = Path(str(value))
            if isinstance(value, str) and file.is_file():
                given[value] = packed(file.parent, [file.name])
            elif isinstance(value, str) and file.is_dir():  # a run, as a model to start from
                given[value] = packed(file, _names(file))
        return cls(str(folder), packed(folder, [STUDY, DATA]), given, root, store)


@dataclass(frozen=True)
class Brought:
    """What a trial has written since it was asked last, and which files are `gone`."""

    files: Files = field(default_factory=dict)
    gone: tuple[str, ...] = ()

    def laid(self, study: Path) -> None:
        """Put it into the study's folder.

        Raises:
            DiskError: no space, or no permission.
        """
        unpacked(study, self.files)
        for name in self.gone:
            (study / safe(name)).unlink(missing_ok=True)

    def known(self, marks: Marks) -> Marks:
        """What is there by now, where `marks` was."""
        have = {name: mark for name, mark in marks.items() if name not in self.gone}
        return have | {name: mark for name, (mark, _) in self.files.items()}


class Mirror:
    """The folder of a study on a node that does not see it. `pictures` is where they lie there."""

    def __init__(self, baggage: Baggage, pictures: str) -> None:
        _swept()
        self.home = Path(tempfile.mkdtemp(prefix=_PREFIX))
        (self.home / _OWNER).write_text(str(os.getpid()), encoding="utf-8")
        self.study = self.home / "study"
        self.there = baggage.folder
        self.given = {value: str(self.home / GIVEN / str(n)) for n, value in enumerate(baggage.given)}
        for value, files in baggage.given.items():
            place = Path(self.given[value])
            unpacked(place, files)
            if len(files) == 1:
                self.given[value] = str(place / next(iter(files)))
        self.swaps = {str(self.study): baggage.folder, **{place: v for v, place in self.given.items()}}
        inward = {baggage.folder: str(self.study)}
        if pictures != baggage.root:
            self.swaps[pictures], inward[baggage.root] = baggage.root, pictures
        unpacked(self.study, _swapped(baggage.files, inward))
        self.inward = inward
        self.trial = ""

    def taken(self, order: Order, files: Files) -> Order:
        """The order as it is meant here; `files` are what its trial has already."""
        self.trial = place_in(self.there, order)
        unpacked(self.study, _swapped(files, self.inward))
        options = dict(order.options) | {"out": str(self.study / self.trial)}
        for name in BROUGHT:
            options[name] = self.given.get(options.get(name) or "", options.get(name))
        home = options.get("data_home")
        if home and not Path(home).is_dir():
            options["data_home"] = None
        return dataclasses.replace(order, options=options)

    def brought(self, have: Marks, news: Sequence[News]) -> Brought:
        """What is to be sent for `news` where `have` is there already: all when the trial ends or has saved its state,
        how it learns after every epoch."""
        names = [f"{self.trial}/{name}" for name in _names(self.study / self.trial)]
        names += [file.name for file in self.study.glob("worker-*.log")]
        now = marks(self.study, names)
        changed = [name for name in names if name in now and now[name] != have.get(name)]
        state = any(name.endswith(f"/{RESUME}") for name in changed)
        if not state and all(isinstance(one, Said) for one in news):
            learned = any(isinstance(one, Said) and isinstance(one.event, Epoch) for one in news)
            return Brought(packed(self.study, [n for n in changed if _grows(n)] if learned else []))
        files = _swapped(packed(self.study, changed), self.swaps)
        return Brought(files, tuple(sorted(have.keys() - now.keys())))

    def close(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)


def place_in(folder: str, order: Order) -> str:
    """Where below a study's folder an order's trial lies; both have whole paths."""
    return folder_of(order).relative_to(folder).as_posix()


def had(folder: Path, order: Order) -> Files:
    """What an order's trial has already, to be brought where it goes on."""
    trial = place_in(str(folder), order)
    return packed(folder, [f"{trial}/{name}" for name in _names(folder / trial)])


def marks(home: Path, names: Iterable[str]) -> Marks:
    """Those of the files that are there."""
    found: Marks = {}
    for name in names:
        try:
            found[name] = _mark(home / name)
        except OSError:
            continue  # gone in the meantime
    return found


def _mark(file: Path) -> Mark:
    about = file.stat()
    return about.st_mtime_ns, about.st_size


def packed(home: Path, names: Iterable[str]) -> Files:
    """The files of these names below `home`. What grows is read last: the log of a run is never behind its state."""
    found: Files = {}
    for name in sorted(names, key=_grows):
        try:
            mark = _mark(home / name)  # before it is read: what is written meanwhile makes another
            found[name] = (mark, (home / name).read_bytes())
        except OSError:
            continue  # taken away in the meantime: what took its place comes next time
    return found


def unpacked(home: Path, files: Files) -> None:
    """Write files below `home`, what grows first: whenever this ends, no state is ahead of its log.

    Raises:
        DiskError: no space, or no permission.
        RunError: a name leads out of the folder.
    """
    for name in sorted(files, key=_grows, reverse=True):
        (at, _), content = files[name]
        file = home / safe(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content)
        os.utime(file, ns=(at, at))


def safe(name: str) -> str:
    """The name of a file that came from another machine.

    Raises:
        RunError: it leads out of the folder.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise RunError(
            f"A node of the cluster sent a file called {name!r}.",
            "Files of the trial that it trains.",
            "Remove that node from the cluster: it does not run this Foveal.",
        )
    return name


def _names(folder: Path) -> list[str]:
    """The files of a run, but for locks and what is being written."""
    found = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return sorted(name for name in found if not any(part.startswith(".") for part in name.split("/")))


def _grows(name: str) -> bool:
    return name.endswith(".jsonl")


def _swapped(files: Files, swaps: Mapping[str, str]) -> Files:
    """Files in whose JSON one place is named instead of another."""

    def told(path: str) -> str:
        return json.dumps(path)[1:-1]

    pattern = re.compile(
        "|".join(re.escape(told(p)) + r'(?=["/\\])' for p in sorted(swaps, key=len, reverse=True))
    )
    there = {told(place): told(other) for place, other in swaps.items()}
    found = dict(files)
    for name, (mark, content) in files.items():
        if name.endswith(".json"):
            text = content.decode("utf-8")
            found[name] = (mark, pattern.sub(lambda met: there[met[0]], text).encode())
    return found


def _swept() -> None:
    """Remove what actors left that were killed."""
    import psutil

    for home in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            owner = int((home / _OWNER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # being made
        if not psutil.pid_exists(owner):
            shutil.rmtree(home, ignore_errors=True)
