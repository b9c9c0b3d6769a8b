"""What readers of objects share: pictures found by the names that labels give them, and the data set they make."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..data.truths import Kind, Object, Oddities, counted
from ..errors import DataError
from ..values import Dataset, Item
from ._layout import TRUTH_WORDS
from ._names import in_order, natural, part_of, shown
from ._tree import Folder

NAMELESS = 0.1
"""Share of objects whose class has no name above which the names must be those of other labels."""


@dataclass
class Pictures:
    """The pictures of a tree, found by what a label file calls them."""

    tree: Folder
    by_name: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    by_stem: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for path in self.tree.all_pictures():
            self.by_name[PurePosixPath(path).name].append(path)
            self.by_stem[PurePosixPath(path).stem].append(path)

    def named(self, name: str, near: str = "", part: str = "") -> str | None:
        """The picture of this file name, with or without folders. Of several those come first whose folders agree
        with the name's, then those nearest to the folder `near`, then those of the split `part`."""
        parts = PurePosixPath(name.replace("\\", "/")).parts
        found = self.by_name.get(parts[-1], []) if parts else []
        return self._best(found, parts[:-1], near, part)

    def stemmed(self, stem: str, near: str = "", part: str = "") -> str | None:
        """The picture whose name is this one but for its suffix."""
        return self._best(self.by_stem.get(stem, []), (), near, part)

    def _best(self, found: Sequence[str], folders: Sequence[str], near: str, part: str) -> str | None:
        if len(found) < 2:
            return found[0] if found else None

        def agrees(path: str) -> tuple[int, int, int, int]:
            own = PurePosixPath(path).parent.parts
            picture = -sum(one.lower() in TRUTH_WORDS for one in own)  # a mask may have the same name
            tail = sum(a == b for a, b in zip(reversed(own), reversed(folders), strict=False))
            common = 0
            for a, b in zip(own, PurePosixPath(near).parts, strict=False):
                if a != b:
                    break
                common += 1
            return tail, picture, sum(split_of(one) == part for one in own) if part else 0, common

        return max(found, key=agrees)


def split_of(name: str) -> str:
    """The split that a file's or folder's name tells: `instances_train2017` -> `train`; empty where none."""
    words = "".join(char if char.isalpha() else " " for char in name).split()
    told = [part for part in map(part_of, words) if part]
    return told[0] if len(told) == 1 else ""


def split_of_path(path: str) -> str:
    """The split that one of a path's folders tells, the innermost first."""
    for folder in reversed(PurePosixPath(path).parent.parts):
        if part_of(folder):
            return part_of(folder) or ""
    return ""


KINDS: Mapping[str, Kind] = {
    "missing-picture": ("warning", "picture", "with labels but not there, left out"),
    "told-twice": ("warning", "picture", "with labels in two files, of which the first counts"),
    "no-such-picture": ("warning", "object", "of a picture that is not listed, left out"),
    "no-such-class": ("warning", "object", "of a class without a name, left out"),
    "no-place": ("warning", "object", "without a box, left out"),
    "outline-left-out": ("warning", "outline", "among many more boxes, left out: boxes alone count"),
    "unlisted": ("note", "picture", "that no list of the labels has, left out"),
    "unlabelled": ("note", "picture", "without a label file"),
    "size-untold": ("note", "label file", "without width and height; the pictures' own count"),
    "unused-class": ("note", "class", "with a name but without an object"),
    "background": ("note", "picture", "without an object, as background"),
}


@dataclass
class Gathered:
    """Pictures with their objects as they are found, and what is odd about them."""

    reader: str
    root: Path
    objects: dict[str, list[Object]] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    odd: Oddities = field(default_factory=lambda: Oddities(KINDS))

    def dataset(self, task: str, why: str, names: Iterable[str] = ()) -> Dataset:
        """The data set, pictures in natural order; `names` are the classes that were declared.

        Raises:
            DataError: there is no picture, or none has an object; or most pictures that are told are not there;
                or more than a tenth of the objects have a class without a name.
        """
        self._refuse_missing()
        self._refuse_nameless()
        counts = Counter(str(one["label"]) for found in self.objects.values() for one in found)
        if not counts:
            told = " ".join(issue.says for issue in self.odd.issues())
            raise DataError(
                f"{self.root} holds {counted(len(self.objects), 'picture')}, and no object on any of them."
                + f" {told}" * bool(told),
                "Pictures, some of them with labelled objects that can be used.",
                "Check that the labels belong to these pictures.",
            )
        for name in dict.fromkeys(names):
            if not counts[name]:
                self.odd.say("unused-class", name)
        items = tuple(
            Item(id=path, path=path, truth=found, part=self.parts.get(path, ""))
            for path, found in sorted(self.objects.items(), key=lambda pair: natural(pair[0]))
        )
        for item in items:
            if not item.truth:
                self.odd.say("background", item.id)
        return Dataset(
            root=str(self.root), task=task, reader=self.reader, why=why, labels=in_order(counts), items=items,
            issues=tuple(self.odd.issues()),
        )  # fmt: skip

    def outlines(self) -> str:
        """The task: `instances` where at least half of the objects (crowds aside) have outlines, else `detect`, the
        outlines of the others then left out."""
        every = [one for found in self.objects.values() for one in found]
        solid = [one for one in every if not one.get("crowd")]
        drawn = sum("polygons" in one or "rle" in one for one in solid)
        if drawn and drawn * 2 >= len(solid):
            return "instances"
        for place, found in self.objects.items():
            for one in found:
                if "polygons" in one and not one.get("crowd"):
                    self.odd.say("outline-left-out", place)
                one.pop("polygons", None)
                one.pop("rle", None)
        return "detect"

    def _refuse_missing(self) -> None:
        """Labels of more pictures that are missing than there are: the place must be wrong."""
        gone = self.odd.names("missing-picture")
        if gone and len(gone) >= len(self.objects):
            raise DataError(
                f"{self.root}: of {len(gone) + len(self.objects):,} pictures that have labels {len(gone):,} are not "
                f"there: {shown(gone, 3)}.",
                "Labels beside their pictures, or in a folder next to them; at most half may be without.",
                "Give the folder that holds both, or copy the pictures there.",
            )

    def _refuse_nameless(self) -> None:
        """More than a tenth of the objects are of classes without a name."""
        places = self.odd.names("no-such-class")
        count = len(places) + sum(map(len, self.objects.values()))
        if len(places) > NAMELESS * count:
            raise DataError(
                f"{self.root}: {len(places):,} of {count:,} objects have a class that is not among the names: "
                f"{shown(dict.fromkeys(places), 3)}.",
                "A name for every class; at most a tenth of the objects may be without, and are then left out.",
                "Check that the names belong to these labels, and that class numbers start where the names do.",
            )


def box_of_polygons(polygons: Sequence[Sequence[float]]) -> list[float]:
    """The box round some polygons of x, y, x, y, ..."""
    across = [x for one in polygons for x in one[0::2]]
    down = [y for one in polygons for y in one[1::2]]
    return [min(across), min(down), max(across), max(down)]
