"""A folder of one's own: a name that every system takes, made once, held by one process."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import DiskError, RunError, writing
from .storage import read_json, sweep, to_json, write_whole

LEAVING = ".foveal-leaving-"
"""What the name of a folder that is being removed begins with."""
STUDY, TRIALS = "study.json", "trials"
"""What makes a folder a search over settings (`foveal.records.study`), and where in it the runs of its trials lie."""
PROOFS = "proof"
"""Where in a run's folder the trainings lie that try a cure (`foveal.doctor.prove`)."""
_LOCK = ".lock"
_LOCK_SECONDS = 1.0
"""How long to ask for the lock: a reader that looks whether a run is alive holds it for a moment."""
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(?=\.|$)", re.IGNORECASE)
_UNSAFE = re.compile(r'[<>:"/\\|?*\s\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u2028-\u202e\u2066-\u2069]+')


def safe_stem(text: str) -> str:
    """`text` as the beginning of a folder's name on every system, in its own script."""
    stem = _UNSAFE.sub("-", unicodedata.normalize("NFC", text)).strip(" .-")
    stem = stem.encode()[:100].decode(errors="ignore").rstrip(" .-")
    return f"_{stem}" if _RESERVED.match(stem) else stem or "run"


def claim(folder: Path) -> Path:
    """Make exactly this folder.

    Raises:
        RunError: it exists.
        DiskError: no permission, or a file in the way.
    """
    with writing(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with writing(folder):
            folder.mkdir()
    except DiskError as error:
        if isinstance(error.__cause__, FileExistsError):
            raise _exists(folder) from None
        raise
    return folder


def refuse_existing(folder: Path) -> None:
    """Say now what `claim` would say later.

    Raises:
        RunError: the folder exists.
    """
    if folder.exists():
        raise _exists(folder)


def _exists(folder: Path) -> RunError:
    is_run = (folder / "options.json").exists()
    more = f", or go on with the run that is there: foveal train --resume {folder}" if is_run else "."
    return RunError(
        f"{folder} exists already.",
        "A folder that does not exist yet: --out never writes into another run or folder.",
        f"Choose another name{more}",
    )


def claim_next(home: Path, stem: str) -> Path:
    """Make the first free `<stem>-<n>`; mkdir decides, so any number of processes get one each."""
    with writing(home):
        home.mkdir(parents=True, exist_ok=True)
        taken = [p.name.removeprefix(f"{stem}-") for p in home.iterdir() if p.name.startswith(f"{stem}-")]
    number = max((int(n) for n in taken if n.isascii() and n.isdigit()), default=0) + 1
    while True:
        folder = home / f"{stem}-{number}"
        with writing(folder):
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                number += 1


def discard(folder: Path) -> None:
    """Remove a folder and all in it. Links in it go too; what they lead to stays.

    It is renamed first, so that no half of it is ever taken for a whole one: what could not be
    removed is left under a name that begins with `LEAVING`.

    Raises:
        DiskError: no permission, or a file in it is in use (Windows).
    """
    if folder.name.startswith(LEAVING):
        leaving = folder
    else:
        leaving = folder.with_name(f"{LEAVING}{secrets.token_hex(4)}")
        with writing(folder):
            folder.rename(leaving)
    try:
        shutil.rmtree(leaving)
    except FileNotFoundError:
        return
    except OSError:
        _make_writable(leaving)  # a file that may only be read cannot be removed on Windows
        with writing(leaving):
            shutil.rmtree(leaving)


def _make_writable(folder: Path) -> None:
    for place, _, files in os.walk(folder):  # links to folders are not followed
        for name in (".", *files):
            path = Path(place, name)
            try:
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | stat.S_IWUSR)
            except OSError:
                continue


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process.

    Raises:
        RunError: another process holds it.
        DiskError: the folder may not be written.
    """
    from filelock import Timeout

    lock = _lock(folder)
    owner = folder / ".owner.json"
    try:
        with writing(folder):
            lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout:
        raise RunError(
            f"The run {folder} is in use by {_told(owner)}.",
            "One process at a time in a run.",
            "Wait until it is done, or stop it; or start a run of its own without --resume.",
        ) from None
    try:
        write_whole(owner, to_json({"pid": os.getpid(), "host": _host()}).encode())
        sweep(folder)
        yield
    finally:
        try:
            owner.unlink(missing_ok=True)
        except OSError:
            pass  # Windows, while somebody reads it; without the lock it says nothing
        lock.release()


def is_study(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is a search over settings."""
    try:
        return (Path(folder) / STUDY).is_file()
    except (OSError, ValueError):
        return False


def is_held(folder: Path) -> bool:
    """Whether a living process holds `folder` now."""
    if not (folder / _LOCK).exists():  # looking must not make it
        return False
    from filelock import Timeout

    lock = _lock(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # a folder that may only be read: nobody trains in it
        return False
    lock.release()
    return False


def _lock(folder: Path) -> Any:
    from filelock import FileLock

    return FileLock(folder / _LOCK, thread_local=False, poll_interval=0.02)


def _host() -> str:
    import platform

    return platform.node()


def _told(file: Path) -> str:
    """Who holds a lock, in words."""
    try:
        owner = read_json(file)
        return f"process {owner['pid']} on {owner['host']}"
    except (RunError, KeyError):
        return "another process"
