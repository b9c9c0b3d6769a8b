"""Every error a person may meet, as a tree:

FovealError                 came / allowed / todo; exit code 2
├── DataError               a folder, a table or labels that cannot be used
│   └── PictureError        one picture that cannot be read
├── OptionError             an option's name or value
│   └── UnknownNameError    a name that is not in the catalog (nearest names given)
├── ModelError              a model file that is damaged, foreign or newer than this Foveal
├── RunError                a run folder that is missing, damaged or in use
├── DiskError               no space, no permission
├── OfflineError            something that would have to be downloaded, and could not be
└── DivergedError           training whose loss stayed not finite (exit code 1)
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any


class FovealError(Exception):
    """An error for a person: what came, what is allowed, what to do next.

    Args:
        came: what was met, with names and numbers.
        allowed: what would have been right.
        todo: the next step, as a command where there is one.
    """

    exit_code = 2

    def __init__(self, came: str, allowed: str, todo: str) -> None:
        super().__init__(came, allowed, todo)
        self.came = came
        self.allowed = allowed
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.came}\n{self.allowed}\n{self.todo}"

    def __reduce__(self) -> tuple[Any, ...]:
        # errors come back from the processes that read pictures; subclasses are made in their own ways
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[FovealError], args: tuple[str, ...], said: dict[str, Any]) -> FovealError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(said)
    return error


class DataError(FovealError):
    """A folder, a table or labels that cannot be used."""


class PictureError(DataError):
    """One picture that cannot be read; `kind` is a short word for lists (`truncated`, `empty`...)."""

    def __init__(self, kind: str, came: str, allowed: str, todo: str) -> None:
        super().__init__(came, allowed, todo)
        self.kind = kind


class OptionError(FovealError):
    """An option's name or value."""


class UnknownNameError(OptionError):
    """A name the catalog does not hold; the nearest known names are given."""

    def __init__(self, what: str, name: str, known: Iterable[str], todo: str = "") -> None:
        near = nearest(name, known)
        meant = f"Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        shown = ", ".join(sorted(known))
        super().__init__(
            f"There is no {what} called {name!r}.",
            f"Known: {shown[:1500]}{' ...' if len(shown) > 1500 else ''}",
            " ".join(part for part in (meant, todo) if part) or "Choose one of these names.",
        )


class ModelError(FovealError):
    """A model file that is damaged, foreign or newer than this Foveal."""


class RunError(FovealError):
    """A run folder that is missing, damaged or in use."""


class DiskError(FovealError):
    """No space on the disk, or no permission to write."""


class OfflineError(FovealError):
    """Something that would have to be downloaded, and could not be."""


class DivergedError(FovealError):
    """Training whose loss stayed not finite after every remedy."""

    exit_code = 1


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names most like `name`, best first."""
    by_lower = {k.lower(): k for k in known}
    return [by_lower[k] for k in difflib.get_close_matches(name.lower(), by_lower, count, 0.5)]


@contextmanager
def writing(path: str | PathLike[str]) -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into a DiskError.

    Raises:
        DiskError: the disk is full, the folder may not be written, or a part of the path is a file.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskError(
                f"The disk is full: {path} could not be written.",
                "What had been written before is whole and untouched.",
                "Free some space, or choose another place with --runs-dir or --out; then --resume the run.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise DiskError(
                f"No permission to write {path}.",
                "The folder must be writable for you.",
                "Choose another place with --runs-dir or --out, or change the folder's permissions.",
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise DiskError(
                f"{path} cannot be a folder: a file of that name, or of a part of it, is in the way.",
                "A path whose every part is a folder or does not exist yet.",
                "Choose another place with --runs-dir or --out.",
            ) from error
        raise
