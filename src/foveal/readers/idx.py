"""IDX files as MNIST ships them: train-images-idx3-ubyte and its labels, plain or gzipped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ..data import containers
from ..errors import DataError
from ..options import ReadOptions
from ..values import Claim, Dataset, Item
from ._names import in_order

SOURCE = "http://yann.lecun.com/exdb/mnist/"
_NAME = re.compile(
    r"(?P<set>.*?)(?P<part>train|t10k|test)-(?P<what>images|labels)[-.]idx[134]-ubyte(\.gz)?", re.I
)
_ALLOWED = (
    "Pairs of files such as train-images-idx3-ubyte and train-labels-idx1-ubyte, and the same with t10k or "
    "test; plain or .gz."
)


class _File(NamedTuple):
    set: str
    part: str
    what: str
    path: Path


def sniff(path: Path) -> Claim | None:
    """A claim where files named as MNIST's are seen."""
    files = _files(path)
    named = [file.path.name for file in files if file.what == "images"]
    return Claim("idx", f"IDX files: {', '.join(sorted(named))}") if named else None


def read(path: Path, options: ReadOptions) -> Dataset:
    """The data set, labels named after their numbers; headers and lengths are checked.

    Raises:
        DataError: a file is missing, damaged, or does not match its mate.
    """
    files = _files(path)
    sets = sorted({file.set for file in files if file.what == "images"})
    if not sets:
        raise DataError(
            f"{path} holds no IDX files of pictures.", _ALLOWED, "Check the path and the files' names."
        )
    if len(sets) > 1:
        raise DataError(
            f"{path} holds {len(sets)} data sets: {', '.join(sets)}.",
            "One data set a folder.",
            "Move each into a folder of its own, or give one of the files.",
        )
    root = files[0].path.parent
    items: list[Item] = []
    for part in ("train", "test"):
        pair = {file.what: file.path for file in files if file.part == part and file.set == sets[0]}
        if pair:
            items += _items(part, pair, root)
    return Dataset(
        root=str(root.absolute()),
        task="classify",
        reader="idx",
        why=f"IDX files of {' and '.join(sorted({item.part for item in items}))} pictures with labels",
        labels=in_order(str(item.truth) for item in items),
        items=tuple(items),
    )


def _items(part: str, pair: dict[str, Path], root: Path) -> list[Item]:
    for what, mate in (("images", "labels"), ("labels", "images")):
        if what not in pair:
            raise DataError(
                f"{pair[mate]} has no {what} beside it.", _ALLOWED, f"Put the file with the {what} there."
            )
    count = containers.count(pair["images"])
    labels = containers.numbers(pair["labels"])
    if count != len(labels):
        raise DataError(
            f"{pair['images']} holds {count} pictures, but {pair['labels'].name} {len(labels)} labels.",
            "One label a picture.",
            "Copy or download both files again.",
        )
    place = pair["images"].relative_to(root).as_posix()
    return [
        Item(id=f"{part}/{number:05d}", path=place, truth=str(label), part=part, frame=number)
        for number, label in enumerate(labels.tolist())
    ]


def _files(path: Path) -> list[_File]:
    """The IDX files of a folder, or of `raw` beneath; those of one set where a file is given."""
    given = _NAME.fullmatch(path.name) if path.is_file() else None
    if given:
        return [file for file in _files(path.parent) if file.set == given["set"]]
    for folder in (path, path / "raw"):
        found: dict[tuple[str, str, str], _File] = {}
        try:
            names = sorted(
                folder.iterdir(), key=lambda file: (file.suffix == ".gz", file.name)
            )  # plain ones first
        except OSError:
            continue
        for file in names:
            match = _NAME.fullmatch(file.name)
            if match and file.is_file():
                part = "train" if match["part"].lower() == "train" else "test"
                key = (match["set"], part, match["what"].lower())
                found.setdefault(key, _File(*key, file))
        if found:
            return list(found.values())
    return []
