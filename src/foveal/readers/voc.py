"""Pascal VOC: an XML file a picture, with its boxes; splits in ImageSets/Main or by folders."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from ..data.truths import Object
from ..errors import DataError
from ..options import ReadOptions
from ..values import Claim, Dataset
from ._names import PICTURES, label_of, shown
from ._objects import Gathered, Pictures, split_of_path
from ._tree import Folder, scan

SOURCE = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html"
SAMPLED = 20  # XML files looked into before the folder is claimed
_ALLOWED = "An XML file a picture: <annotation>, and in it for each object <object>, <name> and <bndbox>."
_LISTS = {
    "trainval": "train",
    "train": "train",
    "val": "val",
    "test": "test",
}  # later ones come before earlier


def sniff(path: Path) -> Claim | None:
    """A claim where XML files with annotations are seen."""
    if not path.is_dir():
        return None
    names = _xml(scan(path))
    some = names[:: max(1, len(names) // SAMPLED)]
    if not names or sum(_looks(path / name) for name in some) * 2 <= len(some):
        return None
    folders = {PurePosixPath(name).parent.as_posix() for name in names}
    where = shown(sorted("the folder" if folder == "." else f"{folder}/" for folder in folders), 3)
    return Claim("voc", f"Pascal VOC's XML: {len(names):,} files in {where}")


def read(path: Path, options: ReadOptions) -> Dataset:
    """The data set. VOC counts pixels from 1, the last one included (its development kit takes a box's width for
    `xmax - xmin + 1`): a box lies here from `xmin - 1` to `xmax`. Objects that are difficult are ignored.

    Raises:
        DataError: an XML file that is damaged or lacks something; named with its line.
    """
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise DataError(f"{path} {what}.", "A folder of pictures and XML files.", "Give the folder.")
    tree = scan(path)
    names = [name for name in _xml(tree) if _looks(path / name) or not _holds_other(path / name)]
    if not names:
        raise DataError(f"{path} holds no XML file of annotations.", _ALLOWED, "Check the path.")
    pictures, found = Pictures(tree), Gathered("voc", path.absolute())
    lists = _Lists.of(path, tree)
    for name in names:
        _gather(path, name, pictures, lists, found)
    _bare(pictures, lists, found)
    sets = f", splits in {shown(sorted(lists.files), 4)}" if lists.files else ""
    return found.dataset("detect", f"Pascal VOC's XML, {len(names):,} files{sets}")


def _xml(tree: Folder) -> list[str]:
    return [name for folder in tree.walk() for name in folder.others if name.lower().endswith(".xml")]


def _looks(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return b"<annotation" in stream.read(2000)
    except OSError:
        return False


def _holds_other(path: Path) -> bool:
    """Whether it is sound XML of something else."""
    try:
        return ElementTree.parse(path).getroot().tag != "annotation"
    except (ElementTree.ParseError, OSError):
        return False


@dataclass
class _Lists:
    """What ImageSets/Main says of the pictures beside it: (folder of it all, stem) -> split."""

    parts: dict[tuple[str, str], str]
    bases: list[str]
    files: list[str]

    @classmethod
    def of(cls, root: Path, tree: Folder) -> _Lists:
        told = cls({}, [], [])
        at = {name: root / name for folder in tree.walk() for name in folder.others}
        for list_, part in _LISTS.items():
            for name, file in at.items():
                pure = PurePosixPath(name)
                if pure.name != f"{list_}.txt" or pure.parent.name not in ("Main", "ImageSets"):
                    continue
                above = pure.parent.parent if pure.parent.name == "Main" else pure.parent
                base = above.parent.as_posix() if above.name == "ImageSets" else ""
                if above.name != "ImageSets":
                    continue
                told.files.append(name)
                told.bases.append(base)
                for line in file.read_text(encoding="utf-8-sig", errors="replace").splitlines():
                    if line.split():
                        told.parts[base, _stem(line.split()[0])] = part
        told.bases = sorted(set(told.bases), key=len, reverse=True)
        return told

    def base(self, place: str) -> str | None:
        """The folder whose lists speak of what lies at this place."""
        return next((one for one in self.bases if one == "." or place.startswith(f"{one}/")), None)

    def part(self, place: str) -> str | None:
        """The split of what lies there, by the list or by its folders; None where lists leave it out."""
        base = self.base(place)
        return split_of_path(place) if base is None else self.parts.get((base, PurePosixPath(place).stem))


def _stem(name: str) -> str:
    pure = PurePosixPath(name)
    return pure.stem if pure.suffix.lower() in PICTURES else pure.name


def _gather(root: Path, name: str, pictures: Pictures, lists: _Lists, found: Gathered) -> None:
    """Put one file's picture and objects to the others."""
    told = _parsed(root / name)
    near = PurePosixPath(name).parent.as_posix()
    own = PurePosixPath((told.findtext("filename") or "").strip())
    part = lists.part(name)
    if part is None:
        return  # which is said of its picture
    # The file's own name comes first: what stands in <filename> is often that of before a renaming.
    place = pictures.stemmed(PurePosixPath(name).stem, near, part) or pictures.named(own.name, near, part)
    if place is None:
        found.odd.say("missing-picture", name)
        return
    if found.objects.get(place):
        found.odd.say("told-twice", place)
        return
    sides = _sides(told)
    if sides is None:
        found.odd.say("size-untold", name)
    found.parts[place] = part or (split_of_path(place) if lists.base(name) is None else "")
    found.objects[place] = list(_objects(root / name, told, sides, place, found))


def _parsed(path: Path) -> ElementTree.Element:
    try:
        told = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        line, column = error.position
        said = str(error).partition(":")[0]
        raise DataError(
            f"{path}, line {line}, column {column + 1}: no XML ({said}).",
            _ALLOWED,
            "Mend the file, or write or copy it again; it may have been cut off.",
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.", _ALLOWED, "Check the file.") from error
    if told.tag != "annotation":
        raise DataError(f"{path}, line 1, holds <{told.tag}>.", _ALLOWED, "Leave the file out.")
    return told


def _sides(told: ElementTree.Element) -> list[int] | None:
    """Width and height that a file tells, where they can be any."""
    try:
        sides = [int(float(told.findtext(f"size/{side}") or 0)) for side in ("width", "height")]
    except (ValueError, OverflowError):
        return None
    return sides if min(sides) > 0 else None


def _objects(
    path: Path, told: ElementTree.Element, sides: list[int] | None, place: str, found: Gathered
) -> Iterator[Object]:
    for number, one in enumerate(told.findall("object")):
        label = label_of((one.findtext("name") or "").strip())
        if not label:
            raise _wrong(path, number, "has no <name>")
        box = one.find("bndbox")
        if box is None:
            found.odd.say("no-place", place)
            continue
        made: Object = {"label": label, "box": _edges(path, number, box)}
        if (one.findtext("difficult") or "").strip() == "1":
            made["ignore"] = True
        if sides is not None:
            made["on"] = sides
        yield made


def _edges(path: Path, number: int, box: ElementTree.Element) -> list[float]:
    """x0, y0, x1, y1 from the first and last pixels, counted from 1."""
    ends: list[tuple[float, float]] = []
    for axis in "xy":
        pair = []
        for end in ("min", "max"):
            told = (box.findtext(axis + end) or "").strip()
            try:
                pair.append(float(told))
            except ValueError:
                pair.append(math.nan)
            if not math.isfinite(pair[-1]):
                what = f"has {told!r} for" if told else "lacks"
                raise _wrong(path, number, f"{what} <{axis}{end}>")
        first, last = pair
        if first < last:
            ends.append((first - 1, last))
        elif first > last:  # told the wrong way round, which the checks of all objects put right and count
            ends.append((first, last - 1))
        else:  # both sides on one pixel come from a click, not from a frame: of no area, as the checks find
            ends.append((last, last))
    (x0, x1), (y0, y1) = ends
    return [x0, y0, x1, y1]


def _wrong(path: Path, number: int, what: str) -> DataError:
    """Says in which line the object begins."""
    parts = path.read_text(encoding="utf-8-sig", errors="replace").split("<object")
    line = sum(part.count("\n") for part in parts[: number + 1]) + 1
    return DataError(
        f"{path}, line {line}: object {number + 1} {what}.",
        "Each object has a <name> and a <bndbox> of the numbers xmin, ymin, xmax, ymax.",
        "Correct the file, or take it and its picture away.",
    )


def _bare(pictures: Pictures, lists: _Lists, found: Gathered) -> None:
    """Pictures without an XML file, where others with one lie: they show none of the objects."""
    folders = {PurePosixPath(place).parent for place in found.objects}
    for place in pictures.tree.all_pictures():
        if place in found.objects or PurePosixPath(place).parent not in folders:
            continue
        part = lists.part(place)
        if part is None:
            found.odd.say("unlisted", place)
        else:
            found.objects[place], found.parts[place] = [], part
            found.odd.say("unlabelled", place)
