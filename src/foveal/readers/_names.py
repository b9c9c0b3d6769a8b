"""Names as people write them: splits, labels, natural order, picture files."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable

from ..data.decoding import starts_as_picture

_PARTS = {
    "train": "train", "training": "train", "trn": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val", "eval": "val",
    "test": "test", "testing": "test", "tst": "test",
}  # fmt: skip
PICTURES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".j2k", ".png", ".apng", ".gif", ".bmp", ".dib", ".tif",
    ".tiff", ".webp", ".avif", ".avifs", ".heic", ".heif", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico",
    ".icns", ".pcx", ".sgi", ".qoi", ".dds", ".psd",
))  # fmt: skip
# Seen beside pictures and never one; other suffixes are judged by the file's first bytes.
_NEVER = frozenset((
    ".txt", ".csv", ".tsv", ".json", ".xml", ".md", ".rst", ".html", ".htm", ".py", ".ipynb", ".npy",
    ".npz", ".mat", ".pkl", ".pt", ".pth", ".db", ".ini", ".yaml", ".yml", ".log", ".zip", ".gz", ".tar",
    ".pdf", ".doc", ".docx", ".xlsx", ".mp4", ".avi", ".mov", ".h5", ".hdf5", ".parquet", ".cfg", ".lst",
    ".part",
))  # fmt: skip
_JUNK = frozenset(("thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin"))


def part_of(name: str) -> str | None:
    """`train`, `val` or `test` for any usual name of that split, in any case."""
    return _PARTS.get(name.strip().lower())


def label_of(name: str) -> str:
    """A folder's or cell's name as a class name: composed (NFC), so that it is the same on every system."""
    return unicodedata.normalize("NFC", name)


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts `2` before `10` and `img2` before `img10`."""
    pieces = re.split(r"(\d+)", name)
    key = [
        (0, int(piece), "") if place % 2 else (1, 0, piece.casefold()) for place, piece in enumerate(pieces)
    ]
    return key, name


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Distinct labels in natural order."""
    return tuple(sorted(set(labels), key=natural))


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _JUNK


def is_picture(path: str) -> bool:
    """By the suffix; a file with an unknown one is judged by its first bytes."""
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 - runs for every file
    if suffix in PICTURES or suffix in _NEVER:
        return suffix in PICTURES
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - runs for many files
            return starts_as_picture(file.read(32))
    except OSError:
        return False


def is_printable(name: str) -> bool:
    """Whether a name is text at all: bytes that are no UTF-8 come as lone surrogates."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def shown(names: Iterable[str], most: int = 5) -> str:
    """A few names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
