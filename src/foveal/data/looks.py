"""What was found in pictures before, on the disk: files that have not changed are not decoded again."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import __version__ as pillow_version

from ..errors import DiskError
from ..values import Item
from . import decoding, home, keep

MAX_FILES = 100  # data sets remembered; the one not used for the longest time goes first
_FORM = f"foveal looks 1, decoder {decoding.VERSION}, Pillow {pillow_version}"
Entry = tuple[int, int, decoding.Look]
"""Size in bytes and modification time in nanoseconds of the file, and what was found."""


class Known:
    """The looks of one data set's root. One file, read whole and replaced whole: processes side by
    side may lose each other's news, never harm it. A file that is damaged counts as absent."""

    def __init__(self, root: str, data_home: str | None) -> None:
        self.root = root
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:24]
        self.file = home(data_home) / "looks" / f"{name}.json"
        self.entries = _load(self.file)
        self.news = False

    def look(self, item: Item) -> decoding.Look:
        """As `decoding.look`, from memory where the file has not changed since."""
        try:
            about = os.stat(os.path.join(self.root, item.path))  # noqa: PTH116 - for every picture
            stamp = (about.st_size, about.st_mtime_ns)
        except (OSError, ValueError):
            return decoding.look(self.root, item)
        key = _key(item)
        entry = self.entries.get(key)
        if entry is not None and entry[:2] == stamp:
            return entry[2]
        found = decoding.look(self.root, item)
        self.entries[key] = (*stamp, found)
        self.news = True
        return found

    def save(self, items: Iterable[Item]) -> None:
        """Writes what is new. Failing to is no reason to stop: it only costs time the next time.

        Besides these items at most as many others of this root are kept.
        """
        if not self.news:
            return
        current = {key: self.entries[key] for key in map(_key, items) if key in self.entries}
        others = (pair for pair in self.entries.items() if pair[0] not in current)
        kept = {**dict(itertools.islice(others, len(current))), **current}
        rows = [[key, size, mtime, *_plain(found)] for key, (size, mtime, found) in kept.items()]
        body = json.dumps(rows, separators=(",", ":"))
        try:
            keep(self.file, f"{_FORM}\n{hashlib.sha256(body.encode()).hexdigest()}\n{body}".encode())
            _prune(self.file.parent)
        except (DiskError, OSError):
            pass


def stale(data_home: str | None, unused_seconds: float) -> dict[Path, str]:
    """The files of looks that nothing reads any more, each with why; they cost time to make, nothing else."""
    found: dict[Path, str] = {}
    for file in sorted((home(data_home) / "looks").glob("*.json")):
        try:
            with file.open(encoding="utf-8", errors="replace") as stream:
                current = stream.readline(1000).rstrip("\n") == _FORM
            age = time.time() - file.stat().st_mtime
        except OSError:
            continue
        if not current:
            found[file] = "what another version of Foveal or Pillow found in pictures"
        elif age > unused_seconds:
            found[file] = f"what was found in pictures, not used for {age / 86400:.0f} days"
    return found


def _key(item: Item) -> str:
    return item.path if item.frame is None else f"{item.path}\0{item.frame}"


def _plain(found: decoding.Look) -> list[Any]:
    return [found.sha256, found.width, found.height, found.grey, found.bytes, " ".join(found.notes)]


def _load(file: Path) -> dict[str, Entry]:
    try:
        form, digest, body = file.read_text(encoding="utf-8").split("\n", 2)
        if form != _FORM or digest != hashlib.sha256(body.encode()).hexdigest():
            return {}
        os.utime(file)  # used just now
        return {
            key: (size, mtime, decoding.Look(sha256, width, height, grey, count, tuple(notes.split())))
            for key, size, mtime, sha256, width, height, grey, count, notes in json.loads(body)
        }
    except (OSError, ValueError):  # absent, damaged, or of another version
        return {}


def _prune(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    for file in files[: max(0, len(files) - MAX_FILES)]:
        file.unlink(missing_ok=True)
