"""Data that needs no files: `digits` (scikit-learn's), and `shapes`, which are rendered."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import containers, home, keep, keep_array, shapes
from ..errors import DataError, FovealError
from ..options import ReadOptions
from ..values import Claim, Dataset, Item

SOURCE = "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits"
SETS = ("digits", *shapes.LEVELS)
_FILES = ("digits/images.npy", "digits/labels.npy")
# Of both arrays' bytes: a file that is not exactly ours is written anew.
_SHA256 = "a19cb3d96bba7deace8ee5a513a6eb7bad0403d528f00bf4d351b6a7a55baa91"
PARTS = {"train": 300, "val": 50, "test": 50}
"""Rendered pictures of each split."""
VERSION = 1
"""Raised when the same name would mean other pictures than before."""
_DESCRIBED = {
    "shapes-easy": "large, apart, on plain backgrounds",
    "shapes": "some partly covered, on textured backgrounds",
    "shapes-hard": "small, crowded and cut off, of little contrast, in noise",
    "shapes-one": "one a picture",
}


def sniff(path: Path) -> Claim | None:
    """A claim on the names in SETS, where no file or folder has that name."""
    name = path.name.lower()
    if name not in SETS or path.parent != Path() or path.exists():
        return None
    what = "scikit-learn's handwritten digits" if name == "digits" else f"rendered shapes: {_DESCRIBED[name]}"
    return Claim("builtin", f"{name} is built in ({what})")


def named_for(path: Path, task: str | None) -> Path:
    """The name of the set that suits a task: one shape a picture where a picture has one class."""
    return Path("shapes-one") if task == "classify" and path.name.lower() == "shapes" else path


def read(path: Path, options: ReadOptions) -> Dataset:
    """The digits, whose 0..16 shades become 0..255, or shapes. They are written once into the data home.

    Raises:
        DataError: another name than those in SETS.
        DiskError: the data home cannot be written.
    """
    name = path.name.lower()
    if name not in SETS:
        raise DataError(f"{path} is not built in.", f"Built in: {', '.join(SETS)}.", "foveal inspect digits")
    root = home(options.data_home)
    return _digits(root) if name == "digits" else _shapes(root, name)


def _digits(root: Path) -> Dataset:
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


def _digest(*arrays: NDArray[np.uint8]) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def _shapes(root: Path, name: str) -> Dataset:
    place = f"shapes/{name}-{VERSION}.npy"
    truths = _rendered_before(root, place)
    if truths is None:
        truths = _render(root, name, place)
    parts = [part for part, count in PARTS.items() for _ in range(count)]
    items = tuple(
        Item(id=f"{name}/{part}/{number:04d}", path=place, truth=truth, part=part, frame=number)
        for number, (part, truth) in enumerate(zip(parts, truths, strict=True))
    )
    return Dataset(
        root=str(root),
        task="instances",
        reader="builtin",
        why=f"the built-in {name}: {len(items)} rendered pictures of {shapes.SIDE} x {shapes.SIDE} pixels with "
        f"{' and '.join([', '.join(f'{kind}s' for kind in shapes.KINDS[:-1]), f'{shapes.KINDS[-1]}s'])}, "
        f"{_DESCRIBED[name]}",
        labels=shapes.KINDS,
        items=items,
    )


def _rendered_before(root: Path, place: str) -> list[Any] | None:
    """The truths, if the pictures are those that they were written with."""
    try:
        told = json.loads((root / place).with_suffix(".json").read_bytes())
        text = json.dumps(told["truths"]).encode()
        whole = hashlib.sha256(text).hexdigest() == told["truths_sha256"]
        if not whole or _digest(containers.pictures(root / place)) != told["pictures_sha256"]:
            return None
    except (OSError, ValueError, KeyError, TypeError, FovealError):
        return None
    truths: list[Any] = told["truths"]
    return truths


def _render(root: Path, name: str, place: str) -> list[Any]:
    """Renders and writes the pictures, and then their truths with what both must be like."""
    number = list(shapes.LEVELS).index(name)
    made = [shapes.render(shapes.LEVELS[name], (VERSION, number, n)) for n in range(sum(PARTS.values()))]
    images = np.stack([image for image, _ in made])
    truths = [shapes.truth(objects) for _, objects in made]
    keep_array(root / place, images)
    text = json.dumps(truths)
    told = {"truths_sha256": hashlib.sha256(text.encode()).hexdigest(), "pictures_sha256": _digest(images)}
    keep((root / place).with_suffix(".json"), json.dumps({**told, "truths": truths}).encode())
    return truths
