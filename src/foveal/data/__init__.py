"""From items to pictures: decoding, examination, splits. No knowledge of layouts, none of tasks."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DiskError
from ..storage import write_whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def home(option: str | None = None) -> Path:
    """Where downloaded and built-in data lies: the option, else FOVEAL_DATA_HOME, else the user's cache."""
    import platformdirs

    chosen = option or os.environ.get("FOVEAL_DATA_HOME") or platformdirs.user_cache_dir("foveal")
    return Path(chosen).expanduser().absolute()


def keep(path: Path, data: bytes) -> None:
    """Writes a file under the data home, whole or not at all.

    Raises:
        DiskError: no space, or no permission.
    """
    try:
        write_whole(path, data)
    except DiskError as error:
        raise DiskError(
            error.came,
            "A folder for downloaded and built-in data that you may write.",
            "Choose another place with --data-home or FOVEAL_DATA_HOME, or free some space.",
        ) from error


def keep_array(path: Path, array: NDArray[np.uint8]) -> None:
    """Writes an array as .npy under the data home, as `keep` does."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    keep(path, buffer.getvalue())
