"""Objects as they were told, held against their pictures: what can be mended is, and all of it is said."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..charts.run_lengths import decoded
from ..errors import DataError
from ..values import Issue, Item

TASKS = ("detect", "instances", "segment")
"""Whose truths may be lists of objects."""
SLACK = 1.0
"""Pixels that a box may reach over the border without a word: pixels are counted from 0 or from 1."""
WORKING, SMALLEST = 640, 2
"""A picture's longer side at work, and the side in pixels below which an object vanishes there."""
_SHOWN = 5

Object = dict[str, Any]
Kind = tuple[Literal["note", "warning", "error"], str, str]
"""An oddity's severity, what is counted, and what is said of those."""

_BOX_ALONE = "as instances, such neither teach nor count"
_TURNED = (
    "whose labels are told for its sides the other way round, as if it lay where it stands; look whether they fit, "
    "and save the picture upright if not"
)
_TOO_SMALL = (
    f"of less than {SMALLEST} pixels with the picture's longer side at {WORKING}, too small to be seen there"
)
KINDS: Mapping[str, Kind] = {
    "box-corners": ("warning", "box", "with corners in the wrong order, which are put right"),
    "box-off-canvas": ("warning", "box", "reaching over the border of the picture, clipped to it"),
    "box-outside": ("warning", "box", "outside the picture, left out"),
    "box-no-area": ("warning", "box", "of no area, left out"),
    "object-twice": ("warning", "object", "told twice, with the same label and place, counted once"),
    "polygon-points": ("warning", "polygon", "of fewer than 3 points, left out"),
    "rle-size": ("warning", "object", f"with run lengths of another size than the picture; {_BOX_ALONE}"),
    "rle-broken": ("warning", "object", f"with run lengths that do not fill the picture; {_BOX_ALONE}"),
    "no-outline": ("warning", "object", f"with a box and without an outline; {_BOX_ALONE}"),
    "told-size": ("warning", "picture", "of other sides than its labels say; its own count"),
    "told-turned": ("warning", "picture", _TURNED),
    "object-vanishes": ("note", "object", _TOO_SMALL),
}


class Oddities:
    """What is odd about labels, kind by kind: ids of items (or names of files), and a word for each."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self.kinds = kinds
        self.found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)

    def say(self, kind: str, id: str, more: str = "") -> None:
        self.found[kind].append((id, f"{id} ({more})" if more else id))

    def names(self, kind: str) -> list[str]:
        """The ids that something of this kind was said of, as often as it was."""
        return [id for id, _ in self.found.get(kind, ())]

    def issues(self) -> list[Issue]:
        """One for each kind that was seen, in the order of the kinds."""
        return [self._issue(kind) for kind in self.kinds if self.found.get(kind)]

    def _issue(self, kind: str) -> Issue:
        severity, unit, says = self.kinds[kind]
        found = self.found[kind]
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        names = ", ".join(text for _, text in found[:_SHOWN]) + more
        return Issue(
            kind,
            severity,
            f"{counted(len(found), unit)} {says}: {names}.",
            tuple(dict.fromkeys(id for id, _ in found)),
        )


def counted(count: int, unit: str) -> str:
    """`1 box`, `2 boxes`, `1,200 pictures`."""
    many = f"{unit}es" if unit.endswith(("s", "x")) else f"{unit}s"
    return f"{count:,} {unit if count == 1 else many}"


def checked(
    task: str, items: Sequence[Item], sizes: Mapping[str, tuple[int, int]]
) -> tuple[tuple[Item, ...], list[Issue]]:
    """The items with their objects mended, and what was odd; other truths than objects stay as they are.

    `sizes` are (width, height) in pixels of the upright pictures by items' ids. Corners are sorted, boxes clipped;
    what has no area, lies outside or is told twice is left out. In instances, what has no usable outline is ignored.

    Raises:
        DataError: there is not one object left in all the pictures.
    """
    odd = Oddities(KINDS)
    mended = []
    before = after = 0
    for item in items:
        if task in TASKS and is_objects(item.truth):
            kept = _mended(item, task != "detect", sizes[item.id], odd)
            before, after = before + len(item.truth), after + len(kept)
            mended.append(dataclasses.replace(item, truth=kept))
        else:
            mended.append(item)
    if before and not after:
        told = "\n".join(f"  {issue.says}" for issue in odd.issues())
        raise DataError(
            f"Not one of {counted(before, 'object')} can be used:\n{told}",
            "Boxes and outlines in pixels of their pictures.",
            "Check the label files, and that they belong to these pictures.",
        )
    return tuple(mended), odd.issues()


def is_objects(truth: Any) -> bool:
    """Whether a truth is a list of objects, which may be empty."""
    return isinstance(truth, list) and all(isinstance(one, Mapping) for one in truth)


def _mended(item: Item, outlines: bool, size: tuple[int, int], odd: Oddities) -> list[Object]:
    kept: list[Object] = []
    seen: set[str] = set()
    told = {tuple(one["on"]) for one in item.truth if "on" in one}
    for sides in sorted(told - {size}):
        kind = "told-turned" if sides == size[::-1] else "told-size"
        odd.say(kind, item.id, f"{sides[0]} x {sides[1]}, not {size[0]} x {size[1]}")
    for one in item.truth:
        plain = {name: value for name, value in one.items() if name != "on"}
        outlined = _outlined(item.id, plain, size, odd) if outlines else plain
        if outlined is None:
            continue
        boxed = _boxed(item.id, outlined, size, odd) if "box" in outlined else outlined
        if boxed is None:
            continue
        mark = json.dumps(boxed, sort_keys=True)
        if mark in seen:
            odd.say("object-twice", item.id, _called(boxed))
            continue
        seen.add(mark)
        kept.append(boxed)
    return kept


def _outlined(id: str, one: Object, size: tuple[int, int], odd: Oddities) -> Object | None:
    """The object with an outline that can be used; ignored where it has none, None where it has no box either."""
    if "mask" in one:
        return one
    if "rle" in one:
        same = list(one["rle"].get("size") or ()) == [size[1], size[0]]
        if same and _is_whole(one["rle"]):
            return one
        odd.say("rle-broken" if same else "rle-size", id, _called(one))
        return _ignored(one, "rle")
    if "polygons" in one:
        whole = [points for points in one["polygons"] if len(points) >= 6]
        for _ in range(len(one["polygons"]) - len(whole)):
            odd.say("polygon-points", id, _called(one))
        return {**one, "polygons": whole} if whole else _ignored(one, "polygons")
    odd.say("no-outline", id, _called(one))
    return _ignored(one, "")


def _is_whole(rle: Mapping[str, Any]) -> bool:
    try:
        decoded(rle)
    except (ValueError, IndexError, TypeError, KeyError):
        return False
    return True


def _ignored(one: Object, without: str) -> Object | None:
    kept = {name: value for name, value in one.items() if name != without}
    return {**kept, "ignore": True} if "box" in kept else None


def _boxed(id: str, one: Object, size: tuple[int, int], odd: Oddities) -> Object | None:
    """The object with its box in order and on the picture, or None where nothing of it is."""
    width, height = size
    x0, y0, x1, y1 = one["box"]
    if x0 > x1 or y0 > y1:
        odd.say("box-corners", id, _called(one))
        x0, y0, x1, y1 = min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
    if not (x1 > x0 and y1 > y0):
        odd.say("box-no-area", id, _called(one))
        return None
    left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    if left >= right or top >= bottom:
        odd.say("box-outside", id, _called(one))
        return None
    if max(left - x0, top - y0, x1 - right, y1 - bottom) > SLACK:
        odd.say("box-off-canvas", id, _called(one))
    if min(right - left, bottom - top) * WORKING / max(size) < SMALLEST:
        odd.say("object-vanishes", id, _called(one))
    return {**one, "box": [left, top, right, bottom]}


def _called(one: Mapping[str, Any]) -> str:
    """An object in a few words: its label and its box as it was told."""
    at = " at " + ", ".join(f"{value:.5g}" for value in one["box"]) if "box" in one else ""
    return f"{one['label']}{at}"
