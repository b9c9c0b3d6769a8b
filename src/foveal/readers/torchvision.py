"""The data sets that torchvision knows by name, downloaded once into the data home."""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import containers, home, keep, keep_array
from ..errors import DataError, DiskError, FovealError, OfflineError, UnknownNameError, writing
from ..options import ReadOptions
from ..values import Claim, Dataset, Item
from ._names import in_order, label_of

SOURCE = "https://docs.pytorch.org/vision/stable/datasets.html#image-classification"


@dataclass(frozen=True, slots=True)
class _Set:
    """torchvision's class, its arguments for each split, and where its files lie below its root."""

    cls: str
    parts: dict[str, dict[str, Any]]
    folder: str


_TRAIN = {"train": {"train": True}, "test": {"train": False}}
_SPLIT = {"train": {"split": "train"}, "test": {"split": "test"}}
_THREE = {"train": {"split": "train"}, "val": {"split": "val"}, "test": {"split": "test"}}
_ALL: dict[str, dict[str, Any]] = {"": {}}

SETS = {
    "caltech101": _Set("Caltech101", _ALL, "caltech101"),
    "caltech256": _Set("Caltech256", _ALL, "caltech256"),
    "cifar10": _Set("CIFAR10", _TRAIN, "cifar-10-batches-py"),
    "cifar100": _Set("CIFAR100", _TRAIN, "cifar-100-python"),
    "country211": _Set("Country211", {**_THREE, "val": {"split": "valid"}}, "country211"),
    "dtd": _Set("DTD", _THREE, "dtd"),
    "eurosat": _Set("EuroSAT", _ALL, "eurosat/2750"),
    "fashion-mnist": _Set("FashionMNIST", _TRAIN, "FashionMNIST/raw"),
    "fgvc-aircraft": _Set("FGVCAircraft", _THREE, "fgvc-aircraft-2013b"),
    "flowers102": _Set("Flowers102", _THREE, "flowers-102"),
    "food101": _Set("Food101", _SPLIT, "food-101"),
    "gtsrb": _Set("GTSRB", _SPLIT, "gtsrb"),
    "imagenette": _Set("Imagenette", {"train": {"split": "train"}, "test": {"split": "val"}}, "imagenette2"),
    "kmnist": _Set("KMNIST", _TRAIN, "KMNIST/raw"),
    "mnist": _Set("MNIST", _TRAIN, "MNIST/raw"),
    "oxford-pets": _Set("OxfordIIITPet", {**_SPLIT, "train": {"split": "trainval"}}, "oxford-iiit-pet"),
    "rendered-sst2": _Set("RenderedSST2", _THREE, "rendered-sst2"),
    "semeion": _Set("SEMEION", _ALL, "."),
    "stl10": _Set("STL10", _SPLIT, "stl10_binary"),
    "sun397": _Set("SUN397", _ALL, "SUN397"),
    "svhn": _Set("SVHN", _SPLIT, "."),
    "usps": _Set("USPS", _TRAIN, "."),
}


def sniff(path: Path) -> Claim | None:
    """A claim on a known name, where no file or folder has that name."""
    name = _canonical(path)
    if name and not path.exists():
        return Claim("torchvision", f"{name} is a data set that torchvision knows ({SETS[name].cls})")
    return None


def read(path: Path, options: ReadOptions) -> Dataset:
    """The data set, from the data home where it lies there, downloaded otherwise.

    Raises:
        UnknownNameError: no known name.
        OfflineError: it is not there and cannot be downloaded.
        DataError: torchvision needs another package to read it.
    """
    name = _canonical(path)
    if name is None:
        raise UnknownNameError("torchvision data set", path.name, SETS)
    root = home(options.data_home)
    kept = _kept(root, name)
    if kept is None:
        kept = {
            part: _listed(_made(name, part, root), root, f"{name}-{part or 'all'}")
            for part in SETS[name].parts
        }
        _keep(root, name, kept)
    items = tuple(
        Item(id=_id(part, place, frame), path=place, truth=label, part=part, frame=frame)
        for part, rows in kept.items()
        for place, frame, label in rows
    )
    return Dataset(
        root=str(root),
        task="classify",
        reader="torchvision",
        why=f"{name}, as torchvision reads it, from {root}",
        labels=in_order(str(item.truth) for item in items),
        items=items,
    )


Row = tuple[str, int | None, str]
"""Path below the root, frame in it if a container, class name."""


def _canonical(path: Path) -> str | None:
    """`Fashion_MNIST`, `FashionMNIST` -> `fashion-mnist`."""
    plain = re.sub(r"[-_ ]", "", path.name.lower())
    if path.parent != Path():
        return None
    for name, known in SETS.items():
        if plain in (name.replace("-", ""), known.cls.lower()):
            return name
    return None


def _id(part: str, place: str, frame: int | None) -> str:
    return place if frame is None else f"{part or 'all'}/{frame:05d}"


def _made(name: str, part: str, root: Path) -> Any:
    """torchvision's data set object: as it lies there, else after a download."""
    from torchvision import datasets

    known = SETS[name]
    make = getattr(datasets, known.cls)
    arguments = known.parts[part]
    with contextlib.redirect_stdout(sys.stderr):  # torchvision prints, and stdout may be a JSON document
        with _needing(name), contextlib.suppress(RuntimeError, OSError, ValueError):
            return make(str(root), **arguments)
        with writing(root):
            root.mkdir(parents=True, exist_ok=True)
        with _needing(name), _online(name, root):
            return make(str(root), **arguments, download=True)


@contextlib.contextmanager
def _online(name: str, root: Path) -> Iterator[None]:
    """Turns a failed download into an OfflineError; no read waits longer than half a minute."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)
    try:
        with writing(root):
            yield
    except DiskError:
        raise
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        place = root / SETS[name].folder
        raise OfflineError(
            f"{name} is not in {root} and could not be downloaded ({type(error).__name__}: {error}).",
            f"Its unpacked files in {place}, or a network.",
            f"Copy them there from a machine with a network (torchvision.datasets.{SETS[name].cls} "
            "downloads them), or give another folder with --data-home.",
        ) from error
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def _needing(name: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise DataError(
            f"torchvision needs the package {error.name} to read {name}.",
            "That package beside torchvision.",
            f"pip install {error.name}",
        ) from error


def _listed(found: Any, root: Path, stem: str) -> list[Row]:
    """A torchvision data set as rows: its files where it has files, else its arrays, written once as .npy."""
    files = _files(found)
    if files is not None:
        names = _class_names(found)
        rows: list[Row] = []
        for file, label in files:
            path = Path(file).absolute()
            place = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
            rows.append((place, None, names(int(label))))
        return rows
    images, labels = _arrays(found)
    if images is None:
        return _drawn(found, root, stem)
    place = f"arrays/{stem}.npy"
    keep_array(root / place, images)
    names = _class_names(found)
    return [(place, number, names(int(label))) for number, label in enumerate(labels)]


def _files(found: Any) -> list[tuple[Any, int]] | None:
    """(file, class) pairs, by the names that torchvision's classes use."""
    for samples in ("samples", "_samples"):
        pairs = getattr(found, samples, None)
        if pairs and isinstance(pairs[0][0], str | Path):
            return [(pair[0], pair[1]) for pair in pairs]
    labels = getattr(found, "_labels", None)
    for files in ("_image_files", "_images"):
        paths = getattr(found, files, None)
        if paths and labels is not None and isinstance(paths[0], str | Path):
            return list(zip(paths, labels, strict=True))
    return None


def _arrays(found: Any) -> tuple[NDArray[np.uint8] | None, list[int]]:
    """Pictures `NHW` or `NHWC` and their classes, where the object holds them all in memory."""
    data = getattr(found, "data", None)
    labels = getattr(found, "targets", None)
    labels = getattr(found, "labels", None) if labels is None else labels
    if data is None or labels is None:
        return None, []
    images = np.asarray(data)
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        return None, []
    if images.ndim == 4 and images.shape[-1] not in (1, 3, 4):
        images = images.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), [int(label) for label in labels]


def _drawn(found: Any, root: Path, stem: str) -> list[Row]:
    """The way that always goes: every picture as a PNG."""
    names = _class_names(found)
    rows: list[Row] = []
    for number in range(len(found)):
        image, label = found[number]
        place = f"drawn/{stem}/{number:06d}.png"
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        keep(root / place, buffer.getvalue())
        rows.append((place, None, names(int(label))))
    return rows


def _class_names(found: Any) -> Callable[[int], str]:
    """Class number -> name. MNIST's `3 - three` becomes `3`, as its IDX files are read."""
    classes = getattr(found, "classes", None) or getattr(found, "categories", None)
    if not classes:
        return str
    names = [", ".join(name) if isinstance(name, list | tuple) else str(name) for name in classes]
    plain = [label_of(re.sub(r"^(\d+) - .*", r"\1", name)) for name in names]
    return plain.__getitem__


def _keep(root: Path, name: str, kept: dict[str, list[Row]]) -> None:
    """Remembers the rows, so that the next read needs neither torchvision nor its checks."""
    keep(root / "arrays" / f"{name}.json", json.dumps({"set": name, "version": 1, "parts": kept}).encode())


def _kept(root: Path, name: str) -> dict[str, list[Row]] | None:
    """The rows of before, if they are whole and what they name is still there."""
    try:
        told = json.loads((root / "arrays" / f"{name}.json").read_bytes())
        if told["set"] != name or told["version"] != 1 or set(told["parts"]) != set(SETS[name].parts):
            return None
        kept = {part: [(str(p), f, str(t)) for p, f, t in rows] for part, rows in told["parts"].items()}
        for rows in kept.values():
            place, frame, _ = rows[-1]
            if frame is not None and containers.count(root / place) != len(rows):
                return None
            if frame is None and not (root / place).is_file():
                return None
    except (OSError, ValueError, KeyError, TypeError, IndexError, FovealError):
        return None
    return kept
