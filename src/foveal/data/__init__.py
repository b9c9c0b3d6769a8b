"""From items to pictures: decoding, examination, splits. No knowledge of layouts, none of tasks."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import writing


def home(option: str | None = None) -> Path:
    """Where downloaded and built-in data lies: the option, else FOVEAL_DATA_HOME, else the user's cache."""
    import platformdirs

    chosen = option or os.environ.get("FOVEAL_DATA_HOME") or platformdirs.user_cache_dir("foveal")
    return Path(chosen).expanduser().absolute()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes `path`'s place in one step when the block ends well, and is gone when not.

    Raises:
        DiskError: no space, or no permission.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
