"""Plain pictures, for tasks whose truths are the pictures themselves."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from ..options import ReadOptions
from ..values import Claim, Dataset, Item
from ._names import natural, part_of
from ._tree import Folder, described, scan

SOURCE = "https://www.jmlr.org/papers/v11/vincent10a.html"
ASKED = ("autoencode", "upscale")
"""The tasks that must be asked for, for this reader to be taken; and then only where no other claims the data."""


def sniff(path: Path) -> Claim | None:
    """A claim on any folder with pictures."""
    tree = scan(path) if path.is_dir() else None
    return Claim("pictures", _why(tree)) if tree and tree.bears else None


def read(path: Path, options: ReadOptions) -> Dataset:
    """The data set, every picture its own truth; splits by the names of folders.

    Raises:
        DataError: there are no pictures.
    """
    tree = scan(path) if path.is_dir() else None
    if tree is None or not tree.bears:
        what = f"{path} holds {described(tree)}" if tree else f"{path} is no folder"
        raise DataError(f"{what}.", "A folder with pictures.", "Check the path.")
    items = tuple(Item(name, name, None, _part(name)) for name in sorted(tree.all_pictures(), key=natural))
    return Dataset(str(path.absolute()), "autoencode", "pictures", _why(tree), (), items)


def _part(name: str) -> str:
    told = [part for part in map(part_of, reversed(Path(name).parent.parts)) if part]
    return told[0] if told else ""


def _why(tree: Folder) -> str:
    count = len(tree.all_pictures())
    return f"{count} picture{'s' * (count != 1)} without labels, each its own truth"
