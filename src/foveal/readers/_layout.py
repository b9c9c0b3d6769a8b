"""Which class folders and splits a tree of folders holds; what it holds if not those."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ..values import PARTS, Issue
from ._names import label_of, part_of, shown
from ._tree import Folder

_PICTURE_WORDS = frozenset(
    ("images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "inputs", "input")
)
TRUTH_WORDS = frozenset((
    "labels", "label", "masks", "mask", "annotations", "annotation", "annots", "annot", "segmentation",
    "segmentations", "segmentationclass", "segmentationobject", "imagesets", "gt", "groundtruth",
    "ground_truth", "targets", "target",
))  # fmt: skip
_GENERIC = _PICTURE_WORDS | {"data", "dataset", "all", "raw", "files"}
_MASK_ENDS = ("annot", "_annot", "_mask", "_masks", "mask", "masks", "_label", "_labels", "labels", "_gt")


@dataclass
class Layout:
    """Class folders: (split or empty, label, folder), and what is odd around them."""

    classes: list[tuple[str, str, Folder]]
    why: str
    issues: list[Issue] = field(default_factory=list)


def layout(root: Folder) -> Layout | None:
    """The class folders of a tree, or None where it holds none."""
    if other_task(root):
        return None
    top = root
    while len(top.bearing) == 1 and not top.pictures and _is_wrapper(top.bearing[0]):
        top = top.bearing[0]
    found = _parts_beneath(top) or _parts_above(top) or _classes(top)
    if found is None:
        return None
    if top is not root:
        found.why += f" (under {top.place}/)"
    found.issues += _beside(root, top, found)
    return found


def other_task(tree: Folder, depth: int = 3) -> str | None:
    """What a tree looks like that is not made for classification, or None."""
    names = {folder.name.lower() for folder in tree.folders}
    if names & _PICTURE_WORDS and names & TRUTH_WORDS:
        pair = [sorted(names & words)[0] for words in (_PICTURE_WORDS, TRUTH_WORDS)]
        return f"folders {pair[0]!r} and {pair[1]!r} side by side, as for detection or segmentation"
    for name in sorted(names):
        mate = next((name + end for end in _MASK_ENDS if name + end in names), None)
        if mate:
            return f"folders {name!r} and {mate!r} side by side, as pictures and their masks"
    stems = {PurePosixPath(name).stem for name in tree.others if name.lower().endswith((".xml", ".txt"))}
    twins = sum(PurePosixPath(name).stem in stems for name in tree.pictures) if stems else 0
    if twins and twins * 2 >= len(tree.pictures):
        return "an .xml or .txt file beside each picture, as for detection"
    if depth:
        for folder in tree.folders:
            found = other_task(folder, depth - 1)
            if found:
                return found
    return None


def _is_wrapper(folder: Folder) -> bool:
    return not folder.pictures and bool(folder.bearing) and part_of(folder.name) is None


def _is_part(folder: Folder) -> bool:
    """Whether it is named after a split, with or without a year: `train2017`."""
    return part_of(folder.name.rstrip("0123456789")) is not None


def _parts_beneath(top: Folder) -> Layout | None:
    """DATA/train/cat/1.jpg"""
    named = [folder for folder in top.bearing if part_of(folder.name)]
    parts = [folder for folder in named if folder.bearing]
    if not parts or (len(named) == 1 and len(top.bearing) > 2):  # a class that happens to be called train
        return None
    classes = [(part_of(p.name) or "", label_of(c.name), c) for p in parts for c in p.folders]
    parts.sort(key=lambda part: PARTS.index(part_of(part.name) or "train"))
    return Layout(classes, f"class folders under {shown([f'{part.name}/' for part in parts])}")


def _parts_above(top: Folder) -> Layout | None:
    """DATA/cat/train/1.jpg"""
    bearing = top.bearing
    if not bearing or any(f.pictures or not all(part_of(p.name) for p in f.bearing) for f in bearing):
        return None
    classes = [(part_of(p.name) or "", label_of(c.name), p) for c in top.folders for p in c.folders]
    return Layout(classes, f"{len(bearing)} class folders, each with its own splits")


def _classes(top: Folder) -> Layout | None:
    """DATA/cat/1.jpg"""
    bearing = top.bearing
    flat_parts = [folder for folder in bearing if _is_part(folder) and folder.pictures]
    if not bearing or len(flat_parts) > 1:
        return None
    if len(bearing) == 1 and (bearing[0].name.lower() in _GENERIC or _is_part(bearing[0])):
        return None
    if len(bearing) == 1 and len(top.pictures) > len(bearing[0].all_pictures()):
        return None
    if len(bearing) == 1 and any(name.lower().endswith((".csv", ".tsv", ".json")) for name in top.others):
        return None  # the table's pictures, rather than a class
    classes = [("", label_of(folder.name), folder) for folder in top.folders]
    return Layout(classes, f"{len(bearing)} class folder{'s' * (len(bearing) != 1)}")


def _beside(root: Folder, top: Folder, found: Layout) -> Iterator[Issue]:
    """What lies around the class folders and is not read."""
    inside = {id(sub) for _, _, folder in found.classes for sub in folder.walk()}
    ways = _ways(top, inside)
    loose = [name for f in root.walk() if id(f) not in inside and id(f) in ways for name in f.pictures]
    if loose:
        yield _issue("unlabelled", "warning", "lying outside any class folder, left out", loose)
    for folder in _astray(top, inside, ways):
        says = f"{{}} in the folder {folder.place}/, which is neither a class nor a split, left out"
        yield _issue("ignored-folder", "warning", says, folder.all_pictures())


def _ways(top: Folder, inside: set[int]) -> set[int]:
    """The folders on the way to class folders, and splits that hold pictures without classes."""
    ways = {id(top)}
    for folder in top.walk():
        if any(id(child) in inside for child in folder.folders):
            ways.add(id(folder))
    ways |= {id(folder) for folder in top.folders if part_of(folder.name) and id(folder) not in inside}
    return ways


def _astray(top: Folder, inside: set[int], ways: set[int]) -> Iterator[Folder]:
    for folder in top.folders:
        if folder.bears and id(folder) not in inside and id(folder) not in ways:
            yield folder


def _issue(kind: str, severity: str, says: str, names: list[str]) -> Issue:
    count = f"{len(names)} picture{'s' * (len(names) != 1)}"
    text = says.format(count) if "{}" in says else f"{count} {says}"
    return Issue(
        kind, "warning" if severity == "warning" else "note", f"{text}: {shown(names)}.", tuple(names)
    )
