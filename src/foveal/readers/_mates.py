"""Pictures and what belongs to them in folders side by side: masks, or other pictures, found by their names."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

from PIL import Image

from ..errors import DataError
from ..values import Issue
from ._names import natural, part_of, shown
from ._tree import Folder

Key = tuple[str, ...]
Value = TypeVar("Value")
Result = TypeVar("Result")
_HERE = "*"
_TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap the sides."""
_ORIENTATION = 0x0112
TOLERATED = 0.1
"""Share of pictures with mates that cannot be used above which something else must be wrong."""


@dataclass(frozen=True)
class Side:
    """How one of two sides is called: folders of these names, folders whose names end so after the name of the other
    side or of a split, and files whose names begin or end so."""

    words: frozenset[str]
    ends: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def key(self, place: str) -> Key | None:
        """A folder's place with what makes it this side's put as `*`; None where nothing does."""
        found: list[str] = []
        for name in PurePosixPath(place.lower()).parts:
            stem = self._without_end(name)
            if name in self.words:
                found += [_HERE] * (found[-1:] != [_HERE])
            elif stem is not None:
                found += [stem, _HERE]
            else:
                found.append(name)
        return tuple(found) if _HERE in found else None

    def _without_end(self, name: str) -> str | None:
        for end in self.ends:
            stem = name[: -len(end)].rstrip("_-. ")
            if name.endswith(end) and stem and (end[0] in "_-" or len(end) > 1 or part_of(stem)):
                return stem
        return None

    def stems(self, path: str) -> list[str]:
        """A file's names without its suffix, as it is first, then without what makes it this side's."""
        stem = PurePosixPath(path).stem
        low = stem.lower()
        found = [stem]
        found += [stem[: -len(end)] for end in self.after if low.endswith(end) and len(stem) > len(end)]
        found += [
            stem[len(start) :] for start in self.before if low.startswith(start) and len(stem) > len(start)
        ]
        return found


@dataclass
class Mates:
    """Pictures with their mates, those of either side that have none, and the folders (first, second) they lie in."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    astray: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)
    """Pictures for which there is more than one mate; the first counts."""
    folders: list[tuple[str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there are pairs, for at least half of the pictures."""
        return bool(self.pairs) and len(self.pairs) >= len(self.alone)


def mates(tree: Folder, first: Side, second: Side) -> Mates:
    """Which pictures belong together, `second` to `first`, by their folders and names."""
    seconds: defaultdict[Key, list[Folder]] = defaultdict(list)
    firsts: defaultdict[Key, list[Folder]] = defaultdict(list)
    for folder in tree.walk():
        if folder.pictures:
            key = second.key(folder.place)
            if key is not None:
                seconds[key].append(folder)
            else:
                own = first.key(folder.place)
                firsts[own or tuple(PurePosixPath(folder.place.lower()).parts)].append(folder)
    made = Mates()
    for key, folders in seconds.items():
        bare = tuple(name for name in key if name != _HERE)
        beside = [*firsts.get(key, ()), *(firsts.get(bare, ()) if bare != key else ())]
        if beside:
            _match(beside, folders, first, second, made)
    made.pairs.sort(key=lambda pair: natural(pair[0]))
    return made


def beside(tree: Folder, second: Side) -> Mates:
    """The same where both lie in one folder, told apart by the ends of their names."""
    made = Mates()
    for folder in tree.walk():
        marked = {name for name in folder.pictures if _is_marked(name, second)}
        plain = {PurePosixPath(name).stem: name for name in folder.pictures if name not in marked}
        if not marked:
            continue
        taken: set[str] = set()
        for name in sorted(marked):
            mate = next((plain[stem] for stem in second.stems(name)[1:] if stem in plain), None)
            if mate is None:
                made.astray.append(name)
            elif mate in taken:
                made.several.append(mate)
            else:
                taken.add(mate)
                made.pairs.append((mate, name))
        made.alone += [name for name in plain.values() if name not in taken]
        made.folders.append((folder.place, folder.place))
    made.pairs.sort(key=lambda pair: natural(pair[0]))
    return made


def _is_marked(name: str, side: Side) -> bool:
    return len(side.stems(name)) > 1


def _match(
    firsts: Sequence[Folder], seconds: Sequence[Folder], first: Side, second: Side, made: Mates
) -> None:
    known: dict[str, str] = {}
    pictures = [name for folder in firsts for name in folder.pictures]
    others = [name for folder in seconds for name in folder.pictures]
    named = [(stem, level, name) for name in pictures for level, stem in enumerate(first.stems(name))]
    for stem, _, name in sorted(named, key=lambda one: one[1]):  # whole names go first
        known.setdefault(stem, name)
    found: defaultdict[str, list[str]] = defaultdict(list)
    for other in others:
        mate = next((known[stem] for stem in second.stems(other) if stem in known), None)
        if mate is None:
            made.astray.append(other)
        else:
            found[mate].append(other)
    for name in pictures:
        if name in found:
            made.pairs.append((name, found[name][0]))
            made.several += [name] * (len(found[name]) > 1)
        else:
            made.alone.append(name)
    made.folders += [(firsts[0].place, seconds[0].place)]


def split_lists(tree: Folder, root: Path) -> dict[str, str]:
    """Name without suffix -> split, from text files called after splits that list names, one a line."""
    told: dict[str, str] = {}
    for folder in tree.walk():
        for name in folder.others:
            stem = PurePosixPath(name).stem.lower()
            part = part_of("train" if stem == "trainval" else stem)
            if name.lower().endswith(".txt") and part:
                try:
                    lines = (root / name).read_text(encoding="utf-8-sig").splitlines()
                except (OSError, UnicodeDecodeError):
                    continue
                for line in lines:
                    words = line.split()
                    if words:
                        told.setdefault(PurePosixPath(words[0]).stem, part)
    return told


def split_of(place: str, side: Side, lists: dict[str, str]) -> str:
    """A picture's split: that of a folder it lies in, else that of a list; empty where neither tells."""
    folders = side.key(str(PurePosixPath(place).parent)) or PurePosixPath(place.lower()).parent.parts
    told = [part for part in map(part_of, reversed(folders)) if part]
    return told[0] if told else lists.get(PurePosixPath(place).stem, "")


def sides_of(path: Path) -> tuple[int, int] | None:
    """Width and height of an upright picture, from its header; None where that cannot be read."""
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(_ORIENTATION, 1) in _TURNED
            return (image.height, image.width) if turned else image.size
    except Exception:  # Pillow's parsers raise anything; the examination says what is wrong
        return None


def each(work: Iterable[Value], done: Callable[[Value], Result]) -> list[Result]:
    """`done` of each, in order, by several threads: decoding gives the interpreter free."""
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1), thread_name_prefix="foveal-read") as pool:
        return list(pool.map(done, work))


def odd_mates(made: Mates, what: str) -> list[Issue]:
    """Pictures without a mate, mates without a picture, and pictures with several, with counts and names."""
    says = "belong to no picture, left out"
    found = [
        ("no-mate", "picture", f"without a {what}, left out", made.alone),
        (
            "no-picture",
            what,
            says if len(made.astray) != 1 else says.replace("belong", "belongs"),
            made.astray,
        ),
        ("several-mates", "picture", f"with more than one {what}, of which the first counts", made.several),
    ]
    issues = []
    for kind, unit, text, names in found:
        if names:
            count = f"{len(names)} {unit}{'s' * (len(names) != 1)}"
            issues.append(Issue(kind, "warning", f"{count} {text}: {shown(names, 3)}.", tuple(names)))
    return issues


def refuse_many(root: Path, what: str, says: Sequence[str], whole: int, allowed: str, todo: str) -> None:
    """A word on too many masks that cannot be used.

    Raises:
        DataError: more than a tenth of the `whole`.
    """
    if len(says) > TOLERATED * whole:
        listed = "\n".join(f"  {one}" for one in says[:5])
        more = f"\n  and {len(says) - 5} more" if len(says) > 5 else ""
        raise DataError(f"{len(says)} of {whole} masks in {root} {what}:\n{listed}{more}", allowed, todo)
