"""Which run a launch by torchrun began: the processes that torchrun starts again go on with it.

The note lies beside the runs until the training has ended. It belongs to torchrun's `--rdzv-id`, where one was given
(a cluster's job number: then a job that is queued again goes on, too), else to that torchrun itself; and to the
command, so that another command with the same number begins a run of its own.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path

from ..errors import RunError
from ..folders import discard
from ..machine import distributed
from ..options import TrainOptions
from ..records.run import OPTIONS
from ..storage import read_json, write_json

UNNAMED = ("", "none")
"""What torchrun calls a launch that was given no number."""


def begun(options: TrainOptions) -> Path | None:
    """The folder of the run that this launch began before, or None."""
    note = _note(options)
    if note is None or not note.exists():
        return None
    try:
        kept = read_json(note)
        folder = Path(str(kept["run"]))
    except (RunError, KeyError):
        return None
    if kept.get("command") != sys.argv[1:] or not folder.is_dir():
        return None
    if not (folder / OPTIONS).exists():
        discard(folder)  # killed before it was planned
        return None
    return folder


def note(options: TrainOptions, folder: Path) -> None:
    """Keep which run this launch has begun."""
    file = _note(options)
    if file is not None:
        write_json(file, {"run": str(folder.resolve()), "command": sys.argv[1:]})


def forget(options: TrainOptions) -> None:
    """The launch has done its work: the next one of its number begins a new run."""
    file = _note(options)
    if file is not None:
        file.unlink(missing_ok=True)


def _note(options: TrainOptions) -> Path | None:
    if not distributed.several():
        return None
    name = os.environ.get("TORCHELASTIC_RUN_ID", "")
    if name in UNNAMED:
        name = f"{platform.node()} {os.getppid()}"
    home = Path(options.runs_dir) if options.out is None else Path(options.out).parent
    return home / f".foveal-launch-{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"
