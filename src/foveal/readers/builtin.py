"""Data that comes with an installed package: `digits`, 1,797 real handwritten digits of 8 x 8 pixels."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data import containers, home, keep_array
from ..errors import DataError, FovealError
from ..options import ReadOptions
from ..values import Claim, Dataset, Item

SOURCE = "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits"
SETS = ("digits",)
_FILES = ("digits/images.npy", "digits/labels.npy")
# Of both arrays' bytes: a file that is not exactly ours is written anew.
_SHA256 = "a19cb3d96bba7deace8ee5a513a6eb7bad0403d528f00bf4d351b6a7a55baa91"


def sniff(path: Path) -> Claim | None:
    """A claim on the names in SETS, where no file or folder has that name."""
    if path.name.lower() in SETS and path.parent == Path() and not path.exists():
        return Claim("builtin", f"{path.name.lower()} is built in (scikit-learn's handwritten digits)")
    return None


def read(path: Path, options: ReadOptions) -> Dataset:
    """The digits; 0..16 shades become 0..255. They are written once into the data home.

    Raises:
        DataError: another name than those in SETS.
        DiskError: the data home cannot be written.
    """
    if path.name.lower() not in SETS:
        raise DataError(f"{path} is not built in.", f"Built in: {', '.join(SETS)}.", "foveal inspect digits")
    root = home(options.data_home)
    labels = _known(root)
    if labels is None:
        labels = _write(root)
    items = tuple(
        Item(id=f"digits/{number:04d}", path=_FILES[0], truth=str(label), frame=number)
        for number, label in enumerate(labels.tolist())
    )
    return Dataset(
        root=str(root),
        task="classify",
        reader="builtin",
        why="the built-in handwritten digits: 1,797 grey pictures of 8 x 8 pixels, 10 classes",
        labels=tuple("0123456789"),
        items=items,
    )


def _known(root: Path) -> NDArray[np.uint8] | None:
    """The labels, if both files are there and exactly right."""
    if not all((root / name).is_file() for name in _FILES):
        return None
    try:
        images, labels = containers.pictures(root / _FILES[0]), containers.numbers(root / _FILES[1])
    except FovealError:
        return None
    return labels if _digest(images, labels) == _SHA256 else None


def _write(root: Path) -> NDArray[np.uint8]:
    from sklearn.datasets import load_digits

    shades, classes = load_digits(return_X_y=True)
    images: NDArray[np.uint8] = np.rint(shades.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    labels: NDArray[np.uint8] = classes.astype(np.uint8)
    for name, values in zip(_FILES, (images, labels), strict=True):
        keep_array(root / name, values)
    return labels


def _digest(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> str:
    return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
