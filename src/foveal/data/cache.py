"""Pictures decoded once: kept as 8-bit arrays in memory or in one file on the disk.

Training pictures are kept with sides so long that random crops of them are not enlarged; those that only
evaluation sees, exactly as it sees them. A file of the cache is named after what is in it (the contents'
hashes in their order, the view, the channels, the decoder's version), seen whole or not at all, and never
changed: two runs may make it at once and one of them wins, and a picture that changes is another content.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL import __version__ as pillow_version
from torch import Tensor
from torchvision.transforms import v2

from ..contracts import Task, View
from ..errors import DataError, writing
from ..storage import temporary
from ..values import Facts, Item, Preprocessing
from . import decoding, home
from .views import INTERPOLATION, MiddleOfSlender

VERSION = 1
MARGIN = 1.7
"""Shorter sides are kept this many times the network's size: the smallest random crop when fine-tuning, 35 %
of the area, has then still as many pixels as it is scaled to (1 / sqrt(0.35) = 1.69)."""
MOST_BYTES = 30 * 10**9
"""All files of the cache together; the one not used for the longest time goes first."""
MOST_OF_DISK = 0.5
"""Share of the free disk that a file may take."""
Progress = Callable[[int, int], None]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Kept:
    """Some pictures, decoded, and their truths as the view left them: `HWC` arrays, in memory or mapped.

    It pickles as a path where it lies on the disk, so that processes share it.
    """

    places: dict[str, int]
    truths: tuple[Any, ...]
    arrays: tuple[Pixels, ...] | None = None
    file: Path | None = None
    rows: tuple[tuple[int, int, int, int], ...] = ()
    """Where each lies in the file: offset, height, width, channels."""

    def __getitem__(self, item: Item) -> tuple[Pixels, Any]:
        """An item's picture and truth."""
        at = self.places[item.id]
        if self.arrays is not None:
            return self.arrays[at], self.truths[at]
        start, height, width, channels = self.rows[at]
        flat = self._mapped[start : start + height * width * channels]
        return flat.reshape(height, width, channels), self.truths[at]

    def __contains__(self, item: Item) -> bool:
        return item.id in self.places

    @cached_property
    def _mapped(self) -> Pixels:
        assert self.file is not None
        return np.memmap(
            self.file, dtype=np.uint8, mode="c"
        )  # torch shares it, and wants what it may write to

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @property
    def bytes(self) -> int:
        """What the pictures take."""
        if self.arrays is not None:
            return sum(array.nbytes for array in self.arrays)
        return sum(height * width * channels for _, height, width, channels in self.rows)


def working_view(preprocessing: Preprocessing) -> View:
    """(picture, truth) at the size that training pictures are kept at; smaller ones stay as they are."""
    side = working_side(preprocessing)
    view: View = v2.Compose([MiddleOfSlender(), _Reduce(side, INTERPOLATION[preprocessing.interpolation])])
    return view


def working_side(preprocessing: Preprocessing) -> int:
    """The shorter side, in pixels, that training pictures are kept at."""
    return round(preprocessing.size * max(MARGIN, 1 / preprocessing.crop))


def forecast_bytes(count: int, facts: Facts, preprocessing: Preprocessing) -> int:
    """What so many training pictures of these sizes will take."""
    shorter = min(facts.width, facts.height)
    scale = min(1.0, working_side(preprocessing) / shorter)
    return round(count * facts.width * facts.height * scale**2 * preprocessing.channels)


class _Reduce(v2.Resize):  # type: ignore[misc]
    """Shortens the shorter side to `side`, antialiased; never enlarges."""

    def __init__(self, side: int, interpolation: v2.InterpolationMode) -> None:
        super().__init__(side, interpolation=interpolation)
        self.side = side

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        image = next(x for x in flat_inputs if isinstance(x, Image.Image))
        return {"small": min(image.size) <= self.side}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt if params["small"] else super().transform(inpt, params)


def keep(
    root: str,
    items: Sequence[Item],
    task: Task,
    view: View,
    channels: int,
    *,
    where: str,
    described: str,
    shorter: int | None = None,
    data_home: str | None = None,
    progress: Progress = lambda done, total: None,
) -> Kept:
    """Decode these pictures, each once, by several threads, and keep what `view` makes of them.

    Args:
        where: `memory` or `disk`.
        described: what the view does, for the name of the file.
        shorter: the shorter side that the view needs at least, where JPEGs may be scaled while decoding.

    Raises:
        PictureError: a picture cannot be read any more.
        DataError: one was changed since it was examined.
        DiskError: no space, or no permission.
    """

    places = {item.id: n for n, item in enumerate(items)}
    truths = [task.truth(item, Image.new("L", (1, 1)), root) for item in items[:1]]
    if lies_on_picture(truths):  # it is as large as the picture that it lies on
        where, shorter = "memory", None

    def made(item: Item) -> tuple[Pixels, Any]:
        if where == "disk":
            unchanged(root, item)
        image = decoding.open_image(root, item, channels, shorter)
        seen, truth = view(image, task.truth(item, image, root))
        array = np.array(seen)  # its own memory, which torch may share
        return (array if array.ndim == 3 else array[..., None]), truth

    if where == "memory":
        pairs = list(_parallel(made, items, progress))
        return Kept(places, tuple(truth for _, truth in pairs), tuple(array for array, _ in pairs))
    file = home(data_home) / "pixels" / f"{_name(items, described, channels)}.bin"
    rows = _rows(file)
    if rows is None:
        make_room(file.parent)
        rows = _write(file, (array for array, _ in _parallel(made, items, progress)))
    truths = [task.truth(item, Image.new("L", (1, 1)), root) for item in items]
    return Kept(places, tuple(truths), file=file, rows=rows)


def unchanged(root: str, item: Item) -> None:
    """Refuse a file that is another one than when it was examined: it would be kept under the old one's hash.

    Raises:
        DataError: naming it.
    """
    path = Path(root, item.path)
    if item.frame is None and item.sha256 and hashlib.sha256(path.read_bytes()).hexdigest() != item.sha256:
        raise DataError(
            f"{item.id} was changed while it was read.",
            "Pictures that stay as they are while a run begins.",
            "Start again.",
        )


def as_image(array: Pixels) -> Image.Image:
    """An `HWC` array as a picture."""
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def lies_on_picture(truth: Any) -> bool:
    """Whether a truth holds boxes or masks, which the view moves: such are kept in memory only."""
    if isinstance(truth, list | tuple):
        return any(lies_on_picture(part) for part in truth)
    if isinstance(truth, dict):
        return any(lies_on_picture(part) for part in truth.values())
    return isinstance(truth, Tensor)


def _parallel(
    made: Callable[[Item], tuple[Pixels, Any]], items: Sequence[Item], progress: Progress
) -> Iterator[tuple[Pixels, Any]]:
    """What is made of the items, in their order; a few ahead, since decoding gives the interpreter free."""
    threads = os.cpu_count() or 1
    waiting = iter(items)
    with ThreadPoolExecutor(threads, thread_name_prefix="foveal-decode") as pool:
        queue = deque(pool.submit(made, item) for item in islice(waiting, 8 * threads))
        try:
            progress(0, len(items))
            for done in range(1, len(items) + 1):
                pair = queue.popleft().result()
                queue.extend(pool.submit(made, item) for item in islice(waiting, 1))
                yield pair
                if done % 32 == 0 or done == len(items):
                    progress(done, len(items))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _name(items: Sequence[Item], described: str, channels: int) -> str:
    form = f"foveal pixels {VERSION}, decoder {decoding.VERSION}, Pillow {pillow_version}, {described}, {channels}"
    digest = hashlib.sha256(form.encode())
    for item in items:
        digest.update(item.sha256.encode())
    return digest.hexdigest()[:32]


def _write(file: Path, arrays: Iterator[Pixels]) -> tuple[tuple[int, int, int, int], ...]:
    """Arrays one after the other, then where each lies as JSON, then the length of that in eight bytes."""
    rows: list[tuple[int, int, int, int]] = []
    at = 0
    with writing(file), temporary(file) as stream:
        for array in arrays:
            stream.write(np.ascontiguousarray(array).data)
            rows.append((at, *array.shape))
            at += array.nbytes
        tail = json.dumps(rows, separators=(",", ":")).encode()
        stream.write(tail)
        stream.write(len(tail).to_bytes(8, "little"))
    return tuple(rows)


def _rows(file: Path) -> tuple[tuple[int, int, int, int], ...] | None:
    """Where each picture lies in a file of the cache; None where there is none, or it is damaged."""
    try:
        with file.open("rb") as stream:
            size = stream.seek(-8, os.SEEK_END) + 8
            length = int.from_bytes(stream.read(8), "little")
            stream.seek(size - 8 - length)
            rows = tuple((int(at), int(h), int(w), int(c)) for at, h, w, c in json.loads(stream.read(length)))
        os.utime(file)  # used just now
    except (OSError, ValueError):
        return None
    end = sum(height * width * channels for _, height, width, channels in rows)
    return rows if end == size - 8 - length else None


def room(data_home: str | None) -> int:
    """Bytes that a new file of the cache may take."""
    place = home(data_home)
    while not place.exists() and place != place.parent:
        place = place.parent
    return min(MOST_BYTES, int(MOST_OF_DISK * shutil.disk_usage(place).free))


def make_room(folder: Path, keeping: int = 0) -> None:
    """Remove the files used least lately, until all are at most `MOST_BYTES` with `keeping` more."""
    files = sorted(folder.glob("*.bin"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    total = keeping
    for file in files:
        total += file.stat().st_size
        if total > MOST_BYTES:
            try:
                file.unlink(missing_ok=True)
            except OSError:  # Windows: another run reads it
                continue


def stale(data_home: str | None, unused_seconds: float) -> dict[Path, str]:
    """The files of the cache that were not used for so long, each with why; they cost time to make, nothing else."""
    found: dict[Path, str] = {}
    for file in sorted((home(data_home) / "pixels").glob("*.bin")):
        try:
            age = time.time() - file.stat().st_mtime
        except OSError:
            continue
        if age > unused_seconds:
            found[file] = f"decoded pictures, not used for {age / 86400:.0f} days"
    return found
