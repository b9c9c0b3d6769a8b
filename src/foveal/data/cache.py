"""Pictures decoded once: kept as 8-bit arrays in memory or in one file on the disk.

Training pictures are kept with sides so long that random crops of them are not enlarged; those that only
evaluation sees, exactly as it sees them. A file of the cache is named after what is in it (the contents'
hashes in their order, the view, the channels, the decoder's version), seen whole or not at all, and never
changed: two runs may make it at once and one of them wins, and a picture that changes is another content.
It is held while it is read, so that no other run makes room by removing it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image
from PIL import __version__ as pillow_version
from torchvision.transforms import v2
from torchvision.tv_tensors import TVTensor

from ..contracts import Task, View
from ..errors import DataError, DiskError
from ..storage import sweep
from ..values import Facts, Item, Preprocessing
from . import decoding, home
from .pixels import Pixels, Row, Scratch, Store, is_held, rows_of, write
from .views import INTERPOLATION, MiddleOfSlender

VERSION = 1
MARGIN = 1.7
"""Shorter sides are kept this many times the network's size: the smallest random crop when fine-tuning, 35 %
of the area, has then still as many pixels as it is scaled to (1 / sqrt(0.35) = 1.69). From scratch, where
crops go down to 8 %, three of ten are enlarged more than they would be from the file."""
MOST_BYTES = 30 * 10**9
"""All files of the cache together; the one not used for the longest time goes first."""
RECENT_SECONDS = 600.0
"""Files used so lately stay: their run may not hold them yet."""
MOST_OF_DISK = 0.5
"""Share of the free disk that a file may take."""
Progress = Callable[[int, int], None]
Made = TypeVar("Made")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, eq=False)
class Kept:
    """Some pictures, decoded, and their truths as the view left them: `HWC` arrays, in memory or on the disk.

    It pickles as a path where it lies on the disk, so that processes share it.
    """

    places: dict[str, int]
    truths: tuple[Any, ...]
    arrays: tuple[Pixels, ...] | None = None
    file: Path | None = None
    rows: tuple[Row, ...] = ()
    """Where each lies in the file: offset, height, width, channels."""

    def __getitem__(self, item: Item) -> tuple[Pixels, Any]:
        """As `read`, in memory of its own."""
        return self.read(item)

    def read(self, item: Item, scratch: Scratch | None = None) -> tuple[Pixels, Any]:
        """An item's picture, not to be written to, and its truth; what is read from the disk lies in `scratch`.

        Raises:
            DiskError: the file is gone, or was cut short.
        """
        at = self.places[item.id]
        if self.arrays is not None:
            return self.arrays[at], self.truths[at]
        try:
            return self._store.read(self.rows[at], scratch), self.truths[at]
        except OSError as error:
            raise self._lost() from error

    def __contains__(self, item: Item) -> bool:
        return item.id in self.places

    @cached_property
    def _store(self) -> Store:
        assert self.file is not None
        return Store(self.file)

    def hold(self) -> Kept:
        """Have the file open from now on: another run will not remove it to make room.

        Raises:
            DiskError: it is gone.
        """
        try:
            _ = self.file and self._store
        except OSError as error:
            raise self._lost() from error
        return self

    def _lost(self) -> DiskError:
        return DiskError(
            f"{self.file}, which holds decoded pictures, cannot be read any more.",
            "A file that stays as it is while a run reads it.",
            "Go on with --resume: it is made anew.",
        )

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
    most: float | None = None,
    data_home: str | None = None,
    progress: Progress = lambda done, total: None,
) -> Kept:
    """Decode these pictures, each once, by several threads, and keep what `view` makes of them. What lies on them
    (boxes, masks) is kept in memory, wherever they are.

    Args:
        where: `memory` or `disk`.
        described: what the view does, for the name of the file.
        shorter: the shorter side that the view needs at least, where JPEGs may be scaled while decoding.
        most: bytes that may be kept in memory; with more, all go to the disk.

    Raises:
        PictureError: a picture cannot be read any more.
        DataError: one was changed since it was examined (where it goes to the disk, under its old hash).
        DiskError: no space, or no permission.
    """

    places = {item.id: n for n, item in enumerate(items)}
    lies = _lies(task, items, root)
    if lies:  # told in the file's own pixels, and as large as the picture
        shorter, most, described = None, None, f"{described}, decoded whole"

    def made(item: Item) -> tuple[Pixels, Any]:
        opened = decoding.open_image if where == "memory" else unchanged
        image = opened(root, item, channels, shorter)
        seen, truth = view(image, task.truth(item, image, root))
        array = np.array(seen)  # its own memory, which torch may share
        return (array if array.ndim == 3 else array[..., None]), truth

    if where == "memory":
        with closing(_parallel(made, items, progress)) as pairs:
            held = _held(pairs, most)
        if held is not None:
            return Kept(places, tuple(truth for _, truth in held), tuple(array for array, _ in held))
        where = "disk"
    file = _file(items, described, channels, data_home)
    rows = rows_of(file, len(items))
    if rows is None:
        make_room(file.parent)
        with closing(_parallel(made, items, progress)) as pairs:
            rows = _written(file, (array for array, _ in pairs), len(items))
        make_room(file.parent)
    if lies:
        with closing(_parallel(lambda item: _viewed(root, item, task, view, channels), items)) as lying:
            truths = tuple(lying)
    else:
        truths = tuple(task.truth(item, Image.new("L", (1, 1)), root) for item in items)
    return Kept(places, truths, file=file, rows=rows).hold()


def _viewed(root: str, item: Item, task: Task, view: View, channels: int) -> Any:
    """An item's truth as the view leaves it, without decoding its picture where the file's head tells its sides."""
    sides = decoding.sides(Path(root, item.path)) if item.frame is None else None
    image = Image.new(_MODES[channels], sides) if sides else decoding.open_image(root, item, channels)
    return view(image, task.truth(item, image, root))[1]


def _lies(task: Task, items: Sequence[Item], root: str) -> bool:
    """Whether these truths lie on their pictures."""
    if task.dense:
        return any(item.truth is not None for item in items)
    return lies_on_picture([task.truth(item, Image.new("L", (1, 1)), root) for item in items[:1]])


def is_made(items: Sequence[Item], described: str, channels: int, data_home: str | None) -> bool:
    """Whether the file that `keep` would make on the disk is there."""
    known = all(item.sha256 for item in items)
    return known and rows_of(_file(items, described, channels, data_home), len(items)) is not None


def unchanged(root: str, item: Item, channels: int, shorter: int | None = None) -> Image.Image:
    """As `decoding.open_image`, of a picture that is still the one that was examined: another would be kept
    under that one's hash.

    Raises:
        PictureError: it cannot be read.
        DataError: it is another one, or was changed while it was read.
    """
    path = Path(root, item.path)
    before = _stamp(path)
    digest = ""
    try:
        if item.frame is not None:
            digest = decoding.look(root, item).sha256
        else:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:  # said better below
        pass
    image = decoding.open_image(root, item, channels, shorter)
    if digest != item.sha256 or before != _stamp(path):
        raise DataError(
            f"{item.id} was changed after it was examined.",
            "Pictures that stay as they are while a run begins.",
            "Start again.",
        )
    return image


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns


def as_image(array: Pixels) -> Image.Image:
    """An `HWC` array as a picture."""
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def lies_on_picture(truth: Any) -> bool:
    """Whether a truth holds boxes, masks or pictures, which the view moves."""
    if isinstance(truth, list | tuple):
        return any(lies_on_picture(part) for part in truth)
    if isinstance(truth, dict):
        return any(lies_on_picture(part) for part in truth.values())
    return isinstance(truth, TVTensor | Image.Image)


def _parallel(
    made: Callable[[Item], Made], items: Sequence[Item], progress: Progress = lambda done, total: None
) -> Generator[Made, None, None]:
    """What is made of the items, in their order; a few ahead, since decoding gives the interpreter free."""
    threads = os.cpu_count() or 1
    waiting = iter(items)
    with ThreadPoolExecutor(threads, thread_name_prefix="foveal-keep") as pool:
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


def _held(pairs: Iterable[tuple[Pixels, Any]], most: float | None) -> list[tuple[Pixels, Any]] | None:
    """All of them; None where they take more than `most` bytes."""
    held, total = [], 0
    for pair in pairs:
        total += pair[0].nbytes
        if most is not None and total > most:
            return None
        held.append(pair)
    return held


def _file(items: Sequence[Item], described: str, channels: int, data_home: str | None) -> Path:
    form = f"foveal pixels {VERSION}, decoder {decoding.VERSION}, Pillow {pillow_version}, {described}, {channels}"
    digest = hashlib.sha256(form.encode())
    for item in items:
        assert item.sha256, "the data set was examined"
        digest.update(item.sha256.encode())
    return home(data_home) / "pixels" / f"{digest.hexdigest()[:32]}.bin"


def _written(file: Path, arrays: Iterable[Pixels], count: int) -> tuple[Row, ...]:
    """The rows of a new file, or of the one that another run has made meanwhile and reads (Windows)."""
    try:
        return write(file, arrays)
    except DiskError as error:
        rows = rows_of(file, count)
        if rows is not None:
            return rows
        raise DiskError(
            error.came,
            "A folder for decoded pictures that you may write, with room for them.",
            "Choose another place with --data-home or FOVEAL_DATA_HOME, free some space, or give --cache off.",
        ) from error


def room(data_home: str | None) -> int:
    """Bytes that a new file of the cache may take; none where it cannot be written."""
    place = home(data_home) / "pixels"
    try:
        while not place.exists() and place != place.parent:
            place = place.parent
        free = shutil.disk_usage(place).free if os.access(place, os.W_OK) else 0
    except OSError:
        return 0
    return min(MOST_BYTES, int(MOST_OF_DISK * free))


def make_room(folder: Path) -> None:
    """Remove the files used least lately, until all are at most `MOST_BYTES`, and what killed processes left.
    Files that are in use stay."""
    sweep(folder)
    files = []
    for file in folder.glob("*.bin"):
        try:
            about = file.stat()
        except OSError:  # another run made room, too
            continue
        files.append((about.st_mtime, about.st_size, file))
    total = 0
    for used, size, file in sorted(files, reverse=True):
        total += size
        if total > MOST_BYTES and time.time() - used > RECENT_SECONDS and not is_held(file):
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
