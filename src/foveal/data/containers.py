"""Pictures inside one file: IDX (plain or gzipped) and .npy arrays, `NHW` or `NHWC` bytes.

Open containers are kept in a small cache of this process; arrays are read-only, so that threads and
loader workers may share them.
"""

from __future__ import annotations

import functools
import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, PictureError

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 8 * 2**30  # of one gzipped container once unpacked: a small file can hold terabytes of zeros
MAPPED = 2**26  # bytes from which an .npy or plain IDX file is mapped rather than read
_IDX = (
    "IDX files as MNIST ships them: two zero bytes, the type 0x08 (unsigned byte), the number of dimensions, "
    "their sizes, then exactly that many bytes."
)
_NPY = "A .npy file of unsigned bytes, pictures x height x width, with 1, 3 or 4 channels last or none."


def frame(path: str | Path, number: int) -> Image.Image:
    """The picture at a position, in mode L, LA, RGB or RGBA.

    Raises:
        PictureError: there is no such position.
        DataError: the container cannot be read.
    """
    from PIL import Image

    array = pictures(path)
    if not 0 <= number < len(array):
        raise PictureError(
            "missing",
            f"{path}: there is no picture number {number}.",
            f"It holds {len(array)} pictures, counted from 0.",
            "Read the data again; the file has changed since.",
        )
    values = np.ascontiguousarray(array[number])
    return Image.fromarray(values[..., 0] if values.ndim == 3 and values.shape[-1] == 1 else values)


def count(path: str | Path) -> int:
    """How many pictures the container holds.

    Raises:
        DataError: the container cannot be read.
    """
    return len(pictures(path))


def pictures(path: str | Path) -> NDArray[np.uint8]:
    """All pictures of a container, `NHW` or `NHWC`, read-only.

    Raises:
        DataError: the container cannot be read, or holds something else than pictures.
    """
    array = _array(*_stamp(path))
    fits = array.ndim == 3 or (array.ndim == 4 and array.shape[-1] in (1, 3, 4))
    if array.dtype != np.uint8 or not fits or 0 in array.shape[1:]:
        shape = " x ".join(map(str, array.shape))
        raise DataError(
            f"{path}: it holds {shape} values of type {array.dtype}, which are no pictures.",
            _IDX if _is_idx(str(path)) else _NPY,
            "Store the pictures as unsigned bytes with the channels last.",
        )
    return array


def numbers(path: str | Path) -> NDArray[np.uint8]:
    """The labels in an IDX file of one dimension.

    Raises:
        DataError: the file cannot be read, or has more dimensions.
    """
    array = _array(*_stamp(path))
    if array.ndim != 1:
        raise DataError(
            f"{path}: it has {array.ndim} dimensions where labels have one.",
            _IDX,
            "Check which file is which.",
        )
    return array


def _stamp(path: str | Path) -> tuple[str, int, int]:
    try:
        stat = os.stat(path)  # noqa: PTH116 - this runs for every picture, and is three times as fast
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read: {_why(error)}.",
            "A file that exists and may be read.",
            "Put it back, or read the data set again.",
        ) from error
    return str(path), stat.st_size, stat.st_mtime_ns


@functools.lru_cache(maxsize=8)
def _array(path: str, size: int, mtime_ns: int) -> NDArray[np.uint8]:
    """The container's array; the stamp is in the key, so that a file that changed is read anew."""
    try:
        array = _idx(path, size) if _is_idx(path) else _npy(path, size)
    except DataError:
        raise
    except (OSError, ValueError, EOFError, zlib.error, struct.error) as error:
        raise DataError(
            f"{path} cannot be read: {_why(error)}.",
            _IDX if _is_idx(path) else _NPY,
            "The file is damaged or cut short: copy or download it again.",
        ) from error
    if array.flags.writeable:
        array.flags.writeable = False
    return array


def _is_idx(path: str) -> bool:
    return not path.lower().endswith(".npy")


def _npy(path: str, size: int) -> NDArray[np.uint8]:
    # never allow_pickle: an object array would run code
    array: NDArray[Any] = np.load(path, mmap_mode="r" if size >= MAPPED else None, allow_pickle=False)
    return array


def _idx(path: str, size: int) -> NDArray[np.uint8]:
    zipped = path.lower().endswith(".gz")
    with gzip.open(path) if zipped else Path(path).open("rb") as file:
        start = file.read(4)
        if len(start) < 4 or start[:2] != b"\0\0" or start[2] != 8 or not 1 <= start[3] <= 4:
            raise ValueError(f"its first bytes are {start.hex(' ') or 'missing'}, not those of IDX bytes")
        shape = struct.unpack(f">{start[3]}I", file.read(4 * start[3]))
        head, body = 4 + 4 * len(shape), math.prod(shape)
        told = f"its header tells of {' x '.join(map(str, shape))} bytes"
        if zipped:
            if body > MAX_BYTES:
                raise ValueError(f"{told}, more than {MAX_BYTES}")
            data = file.read(body + 1)
            if len(data) != body:
                raise ValueError(f"{told}, but {'more' if len(data) > body else len(data)} follow")
            return np.frombuffer(data, np.uint8).reshape(shape)
        if size != head + body:
            raise ValueError(f"{told}, but {size - head} follow")
        if size >= MAPPED:
            return np.memmap(path, np.uint8, "r", head, shape)
        return np.frombuffer(file.read(), np.uint8).reshape(shape)


def _why(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (said or type(error).__name__).rstrip(".")
