"""Files that are whole or not there: atomic writes, strict JSON, and the resume state's envelope."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from .errors import DiskError, RunError, writing

_TEMPORARY = ".foveal-{}.tmp"
_STALE_SECONDS = 600
_MAGIC = b"foveal-state"
STATE_FORMAT = 1


def write_whole(path: str | os.PathLike[str], *parts: bytes | memoryview, keep: Path | None = None) -> None:
    """Write `parts` as one file that is seen whole or not at all, whenever the process dies.

    A temporary file in the same folder is flushed to the disk, then renamed over `path`; a file of
    that name is untouched until then, and goes to `keep` where that is given.

    Raises:
        DiskError: no space, no permission, or something in the way.
    """
    path = Path(path)
    if path.is_dir():
        raise DiskError(
            f"{path} is a folder, where a file should be written.",
            "The path of a file, existing or new.",
            "Give the file a name inside the folder, or choose another path.",
        )
    try:
        with writing(path), temporary(path, keep) as file:
            for part in parts:
                file.write(part)
    except FileNotFoundError as error:  # a system that takes no files there, a folder that has gone
        raise DiskError(
            f"{path} could not be written: {error.strerror}.",
            "A path that this system allows.",
            "Choose another place.",
        ) from error


@contextmanager
def temporary(path: Path, keep: Path | None = None) -> Iterator[BinaryIO]:
    """A new file beside `path` to write to, which takes its place when all is written and is gone otherwise;
    the one that was there goes to `keep` where that is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(_TEMPORARY.format(f"{os.getpid()}-{secrets.token_hex(4)}"))
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            _replace(path, keep)
        _replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def sweep(folder: Path) -> None:
    """Remove the temporary files that killed processes left in `folder`."""
    for left in leftovers(folder):
        try:
            left.unlink()
        except OSError:
            continue


def leftovers(folder: Path) -> list[Path]:
    """The temporary files that killed processes left in `folder`; young ones may be in use."""
    return [file for file in sorted(folder.glob(_TEMPORARY.format("*"))) if is_old(file)]


def is_old(path: Path) -> bool:
    """Whether a file or folder was left alone for so long that no process can be about to use it."""
    try:
        return time.time() - path.stat().st_mtime > _STALE_SECONDS
    except OSError:
        return False


def _replace(source: Path, target: Path) -> None:
    """os.replace; on Windows it is refused while another process reads the target, so ask again."""
    for pause in (0.01, 0.05, 0.2, 0.5) if os.name == "nt" else ():
        try:
            source.replace(target)
            return
        except PermissionError:
            time.sleep(pause)
    source.replace(target)


def _sync_folder(folder: Path) -> None:
    """Have the rename itself survive a power cut; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def strict(value: Any) -> Any:
    """`value` as strict JSON has it: paths as text, numbers that are not finite as null."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): strict(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [strict(inner) for inner in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def to_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON in ASCII, keys sorted, on one line unless indented."""
    separators = (",", ":") if indent is None else None
    return json.dumps(strict(value), indent=indent, separators=separators, sort_keys=True, allow_nan=False)


def from_json(text: str | bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: for everything that is none, however deep or long.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as a whole file of indented, sorted, strict JSON."""
    write_whole(path, to_json(value, indent=2).encode() + b"\n")


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON object of a run's file.

    Raises:
        RunError: the file is not there, cannot be opened, or is damaged.
    """
    path = Path(path)
    try:
        value = from_json(path.read_bytes())
        if not isinstance(value, dict):
            raise ValueError(f"it holds a {type(value).__name__}, not an object")
    except FileNotFoundError:
        raise RunError(
            f"{path} is not there.",
            "A run folder that Foveal made, with all its files.",
            "Put the file back from a copy, or train again.",
        ) from None
    except OSError as error:
        raise RunError(
            f"{path} cannot be opened: {error.strerror or error}.",
            "A file that you may read.",
            "Change the file's permissions, or put it back from a copy.",
        ) from error
    except ValueError as error:
        raise damaged(path, str(error)) from None
    return value


def damaged(path: Path, why: str) -> RunError:
    """The error for a file of a run that is not as Foveal wrote it."""
    return RunError(
        f"{path} is damaged: {why}.",
        "A file as Foveal wrote it; it replaces its files whole, so this one was changed afterwards.",
        "Put the file back from a copy, or train again; the models beside it may still be whole.",
    )


def previous(path: Path) -> Path:
    """Where the state before the newest is kept: `resume.pt` -> `resume.previous.pt`."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def save_state(path: str | os.PathLike[str], state: dict[str, Any]) -> None:
    """Write a resume state with its SHA-256; the former one stays as `NAME.previous.pt`.

    Args:
        path: the newest state's file.
        state: tensors, texts, numbers and None, in dicts, lists and tuples.

    Raises:
        TypeError: something in the state could not be read back safely.
        DiskError: it could not be written; the former state is untouched.
    """
    import torch

    path = Path(path)
    _check_plain(state, "state")
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getbuffer()
    head = f"{_MAGIC.decode()} {STATE_FORMAT} {hashlib.sha256(payload).hexdigest()} {len(payload)}\n"
    write_whole(path, head.encode(), payload, keep=previous(path) if _is_whole(path) else None)


def load_state(path: str | os.PathLike[str]) -> tuple[dict[str, Any], str | None]:
    """The newest whole resume state, on the CPU, and a notice where that is not the newest one.

    Raises:
        RunError: neither the newest state nor the one before it can be read.
    """
    path = Path(path)
    wrong: list[str] = []
    for candidate in (path, previous(path)):
        try:
            state = _decode(_payload(candidate))
        except _DamagedError as error:
            wrong.append(f"{candidate.name} {error}")
            continue
        notice = f"{wrong[0]}: going on from {candidate.name}, the state before it" if wrong else None
        return state, notice
    if not path.exists() and not previous(path).exists():
        raise RunError(
            f"{path.parent} holds no state to resume from: {path.name} is not there.",
            "A run that was stopped after its first save.",
            "Train again; a finished model is started from with --weights.",
        )
    raise RunError(
        f"No state to resume from in {path.parent}: {'; '.join(wrong)}.",
        "A state as Foveal wrote it, with the digest it was written with.",
        f"Start again from the last model: foveal train DATA --weights {path.with_name('last.safetensors')}",
    )


class _DamagedError(Exception):
    """Why a state cannot be used, as the end of a sentence that begins with the file's name."""


def _payload(path: Path) -> memoryview:
    """What torch wrote, after the digest was compared."""
    try:
        content = memoryview(path.read_bytes())
    except FileNotFoundError:
        raise _DamagedError("is not there") from None
    except OSError as error:
        raise _DamagedError(f"cannot be opened ({error.strerror or error})") from None
    line, found, _ = bytes(content[:200]).partition(b"\n")
    words = line.split(b" ")
    numbers = [int(word) for word in words[1::2] if word.isdigit()]
    if not found or len(words) != 4 or words[0] != _MAGIC or len(numbers) != 2 or numbers[0] < 1:
        raise _DamagedError("is no state that Foveal wrote")
    if numbers[0] > STATE_FORMAT:
        raise _DamagedError(f"was written by a newer Foveal (format {numbers[0]})")
    payload = content[len(line) + 1 :]
    if len(payload) != numbers[1]:
        raise _DamagedError(f"has {len(payload)} of {numbers[1]} bytes")
    if hashlib.sha256(payload).hexdigest().encode() != words[2]:
        raise _DamagedError("does not match its digest")
    return payload


def _is_whole(path: Path) -> bool:
    """A damaged state must never push out the good one before it."""
    try:
        _payload(path)
    except _DamagedError:
        return False
    return True


def _decode(payload: memoryview) -> dict[str, Any]:
    import torch

    try:
        # explicit, because an environment variable may turn the default off
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # torch and its unpickler raise whatever they like on foreign content
        raise _DamagedError("holds more than tensors and plain values, and was not loaded") from error
    if not isinstance(state, dict):
        raise _DamagedError(f"holds a {type(state).__name__}, not a state")
    return state


def _check_plain(value: Any, place: str) -> None:
    """Refuse at saving what the safe loader would refuse at resuming, when it is too late."""
    import torch

    kind = type(value)
    if kind in (dict, OrderedDict):
        for key, inner in value.items():
            _check_plain(key, place)
            _check_plain(inner, f"{place}[{key!r}]")
    elif kind in (list, tuple):
        for number, inner in enumerate(value):
            _check_plain(inner, f"{place}[{number}]")
    elif kind not in (torch.Tensor, torch.nn.Parameter, str, int, float, bool, type(None)):
        found = f"{kind.__module__}.{kind.__qualname__}"
        raise TypeError(f"{place} is a {found}; a state holds tensors and plain values")
