"""A file of decoded pictures: written whole or not at all, never changed, and held while it is read."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import writing
from ..storage import from_json, temporary

Pixels = NDArray[np.uint8]
Row = tuple[int, int, int, int]
"""Where a picture lies in a file: offset, height, width, channels."""


def write(file: Path, arrays: Iterable[Pixels]) -> tuple[Row, ...]:
    """Arrays one after the other, then where each lies as JSON, then the length of that in eight bytes."""
    rows: list[Row] = []
    at = 0
    with writing(file), temporary(file) as stream:
        for array in arrays:
            stream.write(np.ascontiguousarray(array).data)
            height, width, channels = array.shape
            rows.append((at, height, width, channels))
            at += array.nbytes
        tail = json.dumps(rows, separators=(",", ":")).encode()
        stream.write(tail)
        stream.write(len(tail).to_bytes(8, "little"))
    return tuple(rows)


def rows_of(file: Path, count: int) -> tuple[Row, ...] | None:
    """Where each of `count` pictures lies in a file of the cache; None where there is none, or it is damaged."""
    rows: list[Row] = []
    end = 0
    try:
        with file.open("rb") as stream:
            size = stream.seek(-8, os.SEEK_END) + 8
            length = int.from_bytes(stream.read(8), "little")
            stream.seek(size - 8 - length)
            for at, height, width, channels in from_json(stream.read(length)):
                if at != end or min(height, width, channels) < 1:
                    return None
                rows.append((at, height, width, channels))
                end += height * width * channels
    except (OSError, ValueError, TypeError):
        return None
    if len(rows) != count or end != size - 8 - length:
        return None
    try:
        os.utime(file)  # used just now
    except OSError:  # somebody else's, which one may read
        pass
    return tuple(rows)


class Scratch:
    """Memory for the pictures of a batch that is used again for the next one's: new memory is cleared by the
    system page by page, which takes as long as reading."""

    def __init__(self) -> None:
        self.room: Pixels = np.empty(0, np.uint8)
        self.used = 0
        self.turn = threading.Lock()

    def __reduce__(self) -> tuple[type[Scratch], tuple[()]]:
        return Scratch, ()

    def clear(self) -> None:
        """What was given out is not used any more."""
        if self.used > len(self.room):
            self.room = np.empty(self.used, np.uint8)
        self.used = 0

    def take(self, shape: Sequence[int]) -> Pixels:
        """An array of this shape, not initialised, until `clear`."""
        count = math.prod(shape)
        with self.turn:
            start, self.used = self.used, self.used + count
        if start + count > len(self.room):
            return np.empty(shape, np.uint8)
        return self.room[start : start + count].reshape(shape)


class Store:
    """A file of decoded pictures, open, and held until it is let go.

    Each picture is read by a call of its own. Mapped into memory, data larger than it would come page by
    page, at a tenth of the speed.
    """

    def __init__(self, file: Path) -> None:
        self.stream = file.open("rb", buffering=0)
        self.turn = threading.Lock()
        _hold(self.stream)

    def __del__(self) -> None:
        if hasattr(self, "stream"):
            self.stream.close()

    def read(self, row: Row, scratch: Scratch | None = None) -> Pixels:
        """The picture of this row, in memory of its own or of `scratch`.

        Raises:
            OSError: the file is shorter.
        """
        start, *shape = row
        image = np.empty(shape, np.uint8) if scratch is None else scratch.take(shape)
        view, done = image.data.cast("B"), 0
        while done < len(view):
            got = self._some(view[done:], start + done)
            if not got:
                raise OSError("it ends before its pictures do")
            done += got
        return image

    def _some(self, into: memoryview, start: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self.stream.fileno(), [into], start)
        with self.turn:  # Windows: place and reading are two calls
            self.stream.seek(start)
            return self.stream.readinto(into) or 0


def _hold(stream: BinaryIO) -> None:
    """A shared lock as long as the file is open; Windows removes no open file anyway."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(stream, fcntl.LOCK_SH)
        except OSError:  # a file system without locks; what is open can still be read there when it is gone
            pass


def is_held(file: Path) -> bool:
    """Whether a process has the file open; never on Windows, which refuses to remove such a file."""
    if sys.platform != "win32":
        import fcntl

        try:
            with file.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return False
