"""A folder of class folders, with or without train, val and test above or beneath."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ..errors import DataError
from ..options import ReadOptions
from ..values import Claim, Dataset, Issue, Item
from . import masks, pairs
from ._layout import Layout, layout, other_task
from ._names import in_order, natural, shown
from ._tree import Folder, described, scan

SOURCE = "https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html"


def sniff(path: Path) -> Claim | None:
    """A claim where class folders are seen, and not pictures with masks or other mates of the same names."""
    if not path.is_dir():
        return None
    tree = scan(path)
    found = layout(tree)
    return (
        Claim("folder", found.why) if found and not masks.certain(tree) and not pairs.certain(tree) else None
    )


def read(path: Path, options: ReadOptions) -> Dataset:
    """The data set; a picture deeper in a class folder belongs to that class.

    Raises:
        DataError: there are no class folders.
    """
    if not path.is_dir():
        raise DataError(
            f"{path} is a file.",
            "The folder that holds the class folders.",
            f"Give its folder: {path.parent}.",
        )
    tree = scan(path)
    found = layout(tree)
    if found is None:
        raise DataError(
            f"{path} holds {described(tree)}, but no class folders{_unlike(tree)}.",
            "A folder for each class: DATA/cat/1.jpg, DATA/dog/1.jpg; or DATA/train/cat/1.jpg, DATA/val/...",
            "Sort the pictures into one folder a class, or give a CSV with their paths and labels.",
        )
    items = [
        Item(id=name, path=name, truth=label, part=part)
        for part, label, folder in found.classes
        for name in folder.all_pictures()
    ]
    items.sort(key=lambda item: natural(item.id))
    labels = in_order(str(item.truth) for item in items)
    return Dataset(
        root=str(path.absolute()),
        task="classify",
        reader="folder",
        why=found.why,
        labels=labels,
        items=tuple(items),
        issues=(*found.issues, *_oddities(tree, found)),
    )


def _unlike(tree: Folder) -> str:
    other = other_task(tree)
    return f" ({other})" if other else ""


def _oddities(tree: Folder, found: Layout) -> Iterator[Issue]:
    """Files that are no pictures, empty classes, names that clash; each named."""
    others = [name for folder in tree.walk() for name in folder.others]
    if others:
        yield Issue(
            "not-a-picture", "note", f"{_files(len(others))} no picture: {shown(others)}.", tuple(others)
        )
    refused = [pair for folder in tree.walk() for pair in folder.refused]
    if refused:
        reasons = shown([f"{name} ({why})" for name, why in refused])
        yield Issue("not-usable", "warning", f"Left out: {reasons}.", tuple(name for name, _ in refused))
    hidden = sum(folder.hidden for folder in tree.walk())
    if hidden:
        yield Issue("hidden", "note", f"{hidden} hidden file{'s' * (hidden != 1)} or folder skipped.")
    empty = [folder.place for _, _, folder in found.classes if not folder.bears]
    if empty:
        whose = "This class folder holds" if len(empty) == 1 else "These class folders hold"
        says = f"{whose} no picture: {shown(empty)}."
        yield Issue("empty-class", "warning", says, tuple(empty))
    deep = [name for _, _, f in found.classes for sub in f.folders for name in sub.all_pictures()]
    if deep:
        says = (
            f"{len(deep)} pictures lie deeper in a class folder and belong to that class: {shown(deep, 3)}."
        )
        yield Issue("nested", "note", says, tuple(deep))
    yield from _alike(found)


def _alike(found: Layout) -> Iterator[Issue]:
    """Class names that differ only in case or surrounding blanks, which is seldom meant."""
    written: defaultdict[str, set[str]] = defaultdict(set)
    for _, label, folder in found.classes:
        if folder.bears:
            written[label.strip().casefold()].add(label)
    for names in written.values():
        if len(names) > 1:
            pair = " and ".join(map(repr, sorted(names)))
            yield Issue(
                "similar-classes", "warning", f"{pair} count as different classes; are they the same?"
            )


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count} files are"
