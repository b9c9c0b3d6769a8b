"""What lies in a folder: one look at the whole tree, no picture opened, safe against loops of links."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError
from ._names import is_hidden, is_picture, is_printable, natural

MAX_DEPTH = 20


@dataclass
class Folder:
    """A folder's own files and the folders beneath; names are relative to the root, with `/`."""

    name: str
    place: str = ""
    pictures: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    hidden: int = 0
    folders: list[Folder] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Entries that cannot be used, and why."""

    def walk(self) -> Iterator[Folder]:
        """This folder and all beneath, in order."""
        yield self
        for folder in self.folders:
            yield from folder.walk()

    def all_pictures(self) -> list[str]:
        return [name for folder in self.walk() for name in folder.pictures]

    @property
    def bears(self) -> bool:
        """Whether there is a picture in it or beneath."""
        return bool(self.pictures) or any(folder.bears for folder in self.folders)

    @property
    def bearing(self) -> list[Folder]:
        """The folders directly beneath that bear pictures."""
        return [folder for folder in self.folders if folder.bears]


def scan(path: Path) -> Folder:
    """The tree under a folder.

    Raises:
        DataError: the folder itself cannot be listed.
    """
    root = Folder(path.name)
    try:
        _fill(root, str(path), ())
    except OSError as error:
        raise DataError(
            f"The folder {path} cannot be read: {error.strerror}.",
            "A folder that you may list.",
            "Change its permissions, or copy it to a place of yours.",
        ) from error
    return root


def _fill(folder: Folder, path: str, above: tuple[tuple[int, int], ...]) -> None:
    about = os.stat(path)  # noqa: PTH116
    mark = (about.st_dev, about.st_ino)
    with os.scandir(path) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        place = f"{folder.place}/{entry.name}" if folder.place else entry.name
        if not is_printable(entry.name):
            seen = place.encode("utf-8", "backslashreplace").decode()
            folder.refused.append((seen, "its name is not valid UTF-8; rename it"))
        elif is_hidden(entry.name):
            folder.hidden += 1
        elif _is_folder(entry):
            _descend(folder, entry, place, (*above, mark))
        elif is_picture(entry.path):
            folder.pictures.append(place)
        else:
            folder.others.append(place)
    folder.folders.sort(key=lambda child: natural(child.name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _descend(folder: Folder, entry: os.DirEntry[str], place: str, above: tuple[tuple[int, int], ...]) -> None:
    child = Folder(entry.name, place)
    try:
        about = os.stat(entry.path)  # noqa: PTH116
        if (about.st_dev, about.st_ino) in above:
            folder.refused.append((place, "a link to a folder that it lies in"))
            return
        if len(above) > MAX_DEPTH:
            folder.refused.append((place, f"more than {MAX_DEPTH} folders deep"))
            return
        _fill(child, entry.path, above)
    except OSError as error:
        folder.refused.append((place, f"cannot be read: {error.strerror}"))
        return
    folder.folders.append(child)


def described(tree: Folder) -> str:
    """What was found, in a few words: `12 files, none a picture`."""
    pictures = len(tree.all_pictures())
    others = sum(len(folder.others) for folder in tree.walk())
    folders = sum(1 for _ in tree.walk()) - 1
    refused = sum(len(folder.refused) for folder in tree.walk())
    if not pictures + others + folders + refused:
        return "nothing" + (" but hidden files" if tree.hidden else "")
    said = [f"{folders} folder{'s' * (folders != 1)}"] if folders else []
    if pictures:
        said.append(f"{pictures} picture{'s' * (pictures != 1)}")
        said += [f"{others} other file{'s' * (others != 1)}"] if others else []
    elif others:
        said.append(f"{others} file{'s' * (others != 1)}, none a picture")
    else:
        said.append("no files")
    said += [f"{refused} that cannot be read"] if refused else []
    return " and ".join(said)
