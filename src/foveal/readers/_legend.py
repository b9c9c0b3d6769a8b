"""What the values of masks mean: from a file of classes, or by looking at the values themselves."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..data.mask_files import COLOUR, value_of
from ..errors import DataError
from ..values import Issue
from ._names import label_of, shown
from ._tree import Folder

FILES = frozenset((
    "class_dict", "classes", "class_names", "classnames", "labels", "label_names", "labelmap", "label_map", "codes",
    "class_colors", "class_colours", "label_colors", "label_colours", "colors", "colours", "legend", "palette",
    "categories", "mask_classes", "_classes", "obj_names", "names",
))  # fmt: skip
"""Names, without suffix, of files that tell classes."""
_SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".names")
_VOID = frozenset((
    "void", "ignore", "ignored", "unlabelled", "unlabeled", "unlabelled area", "dont care", "don't care", "dontcare",
    "not classified", "unclassified", "unannotated", "__ignore__",
))  # fmt: skip
_HEADS = frozenset(("name", "names", "label", "labels", "class", "classes", "id", "index", "r", "g", "b", "value",
                    "color", "colour", "pixel value", "red", "green", "blue"))  # fmt: skip
MOST = 200
"""Different values beyond which masks are no masks of classes (COCO-Stuff has 182)."""
_SOLID = 0.5
"""Share of the pixels that are black or white in masks of two classes, however blurred their edges."""
_MANY, _RARE = 16, 0.01
"""Greys between them that are too many for classes, and the share below which one is none."""
_CAMVID = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist", None,
)  # fmt: skip
_TRIMAP = {1: "foreground", 2: "background", 3: None}

Legend = dict[str, str | None]


@dataclass(frozen=True)
class Declared:
    """What a file says: names by index, and by colour, `None` for what does not count."""

    file: str
    by_index: dict[int, str | None]
    by_colour: dict[int, str | None]


@dataclass
class Read:
    """A legend, where it is from, and what is odd about the values."""

    legend: Legend
    why: str
    issues: list[Issue] = field(default_factory=list)


def declared(tree: Folder, root: Path, folders: Sequence[str]) -> Declared | None:
    """What the file of classes says that lies nearest to the top, or beside the masks.

    Raises:
        DataError: it is damaged, or names nothing.
    """
    found = [
        name
        for folder in tree.walk()
        for name in folder.others
        if PurePosixPath(name).stem.lower() in FILES
        and PurePosixPath(name).suffix.lower() in _SUFFIXES
        and (name.count("/") < 2 or str(PurePosixPath(name).parent) in folders)
    ]
    if not found:
        return None
    name = min(found, key=lambda one: (one.count("/"), one))
    try:
        text = (root / name).read_text(encoding="utf-8-sig")
        rows = _json_rows(json.loads(text)) if name.lower().endswith(".json") else _rows(text)
    except (OSError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise _unreadable(root / name, f"{line}: {error}") from error
    by_index: dict[int, str | None] = {}
    by_colour: dict[int, str | None] = {}
    for place, (label, numbers) in enumerate(rows):
        meaning = None if label.strip().lower().replace("_", " ") in _VOID else label_of(label.strip())
        by_index[numbers[0] if len(numbers) in (1, 4) else place] = meaning
        if len(numbers) >= 3:
            red, green, blue = numbers[-3:]
            by_colour[COLOUR + (red << 16) + (green << 8) + blue] = meaning
    if not by_index:
        raise _unreadable(root / name, ": it names no class")
    return Declared(name, by_index, by_colour)


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        f"The file of classes {path} cannot be read{why}.",
        "A line for each class: its name, or its value and name, or its name and red, green and blue; or JSON.",
        "Correct it, or give it another name if it tells something else.",
    )


def _rows(text: str) -> list[tuple[str, list[int]]]:
    """(name, numbers) of each line: `road,128,64,128`, `3 car`, `car`, `car:0,0,255::`."""
    found = []
    for number, line in enumerate(text.splitlines()):
        plain = line.partition("#")[0].strip() if not re.search(r"#[0-9a-fA-F]{6}\b", line) else line.strip()
        plain = re.sub(r"#([0-9a-fA-F]{6})\b", lambda m: " ".join(map(str, bytes.fromhex(m[1]))), plain)
        if not plain:
            continue
        separator = next((one for one in (",", ";", "\t", ":") if one in plain), None)
        words = re.split(r"[,;\t:]", plain) if separator else plain.split()
        words = [word.strip().strip("\"'") for word in words if word.strip()]
        if separator == ":":
            words = [
                part
                for word in words
                for part in (word.split() if word.replace(" ", "").isdigit() else [word])
            ]
        if number == 0 and all(word.lower() in _HEADS for word in words):
            continue
        numbers = [int(word) for word in words if word.isdigit() and int(word) < 1 << 16]
        names = [word for word in words if not word.isdigit()]
        if names:
            joined = names[0] if separator else " ".join(names)
            found.append((joined, numbers if len(numbers) in (1, 3, 4) else []))
        elif len(words) == 1:
            found.append((words[0], []))
    return found


def _json_rows(told: Any) -> list[tuple[str, list[int]]]:
    """The same of JSON: a list of names or of tables with name and id or colour, or a table either way round."""
    if isinstance(told, Mapping):
        for inner in ("classes", "labels", "categories", "names"):
            if isinstance(told.get(inner), list | dict):
                return _json_rows(told[inner])
        rows = []
        for key, value in told.items():
            if isinstance(value, Mapping):
                rows += _json_rows([{"name": key, **value}])
            elif isinstance(value, str):
                numbers = _numbers(key)
                rows.append((value, numbers) if numbers else (key, _numbers(value)))
            else:
                rows.append((key, _numbers(value)))
        return rows
    if not isinstance(told, list):
        raise ValueError("neither a list nor a table")
    rows = []
    for one in told:
        if isinstance(one, str):
            rows.append((one, []))
        elif isinstance(one, Mapping):
            low = {str(key).lower(): value for key, value in one.items()}
            name = next((low[key] for key in ("name", "label", "class", "title") if key in low), None)
            if isinstance(name, str):
                value = next(
                    (low[k] for k in ("id", "index", "value", "trainid") if isinstance(low.get(k), int)), None
                )
                colour = next((_numbers(low[k]) for k in ("color", "colour", "rgb") if k in low), [])
                rows.append(
                    (name, [*([] if value is None else [value]), *(colour if len(colour) == 3 else [])])
                )
    return rows


def _numbers(value: Any) -> list[int]:
    """An index or a colour, however it is written."""
    if isinstance(value, str):
        if re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            return list(bytes.fromhex(value[1:]))
        plain = value.strip("()[] ")
        return [int(word) for word in re.split(r"[,\s]+", plain)] if re.fullmatch(r"[\d,\s]+", plain) else []
    if isinstance(value, bool):
        return []
    if isinstance(value, int):
        return [value]
    return (
        [int(one) for one in value]
        if isinstance(value, list) and all(isinstance(o, int) for o in value)
        else []
    )


def told(counts: Counter[int], where: Mapping[int, Sequence[str]], said: Declared) -> Read:
    """The legend by a file; values that it lacks are named.

    Raises:
        DataError: the file names none of the values.
    """
    colours = any(code >= COLOUR for code in counts)
    table = {**said.by_index, **said.by_colour} if said.by_colour and colours else dict(said.by_index)
    if colours:  # what is grey everywhere in one mask is a colour in the next
        table.update({code & 255: label for code, label in said.by_colour.items() if _is_grey(code)})
    elif said.by_colour and all(map(_is_grey, said.by_colour)):
        greys = {code & 255: label for code, label in said.by_colour.items()}
        table = greys if set(counts) <= {*greys, 255} else table
    legend = {value_of(code): table[code] for code in table if code in counts}
    lacking = sorted(code for code in counts if code not in table)
    if not any(legend.values()):
        raise DataError(
            f"The file of classes {said.file} names none of the values in the masks: "
            f"{shown([value_of(code) for code in sorted(counts)], 8)}.",
            "A class for each value of the masks' pixels: its index, its grey or its colour.",
            "Correct the file, or move it away: then classes are named after their values.",
        )
    issues = []
    if 255 in lacking and not colours:  # the usual value of what does not count
        legend["255"] = None
        lacking = [code for code in lacking if code != 255]
    if lacking:
        issues.append(_undeclared(counts, where, lacking, f"that {said.file} does not name"))
    unused = [label for code, label in table.items() if label and label not in legend.values()]
    if unused:
        says = f"{len(set(unused))} classes in {said.file} are in no mask: {shown(dict.fromkeys(unused))}."
        issues.append(Issue("unused-class", "note", says))
    return Read(legend, f"classes by {said.file}", issues)


def seen(counts: Counter[int], where: Mapping[int, Sequence[str]], folder: str, data: str) -> Read:
    """The legend by the values alone. `folder` is the masks' folder, `data` the data set's.

    Raises:
        DataError: there are so many values that they can be no classes.
    """
    values, total = sorted(counts), sum(counts.values())
    colours = [code for code in values if code >= COLOUR]
    last = PurePosixPath(folder.lower()).name
    if not colours:
        between = [value for value in values if 0 < value < 255]
        if _is_blurred(counts, between, total):
            issue = _undeclared(counts, where, between, "between 0 and 255, as of blurred edges or a JPEG")
            return Read(
                {"0": "background", "255": "foreground"}, "black background, white foreground", [issue]
            )
        if last in ("trimaps", "trimap") and set(values) <= set(_TRIMAP):
            legend = {str(value): _TRIMAP[value] for value in values}
            return Read(legend, "trimaps as of the Oxford pets: 1 foreground, 2 background, 3 not classified")
        if data.lower() == "camvid" and last.endswith("annot") and max(values) < len(_CAMVID):
            legend = {str(value): _CAMVID[value] for value in values}
            return Read(legend, "classes as of SegNet's CamVid, 11 is void")
    plain = [value for value in values if value != 255]
    # numbers of classes follow each other; greys of a picture lie anywhere
    if len(values) > MOST or (len(values) > 64 and not colours and max(plain) + 1 > 1.2 * len(plain)):
        raise DataError(
            f"The masks in {folder or data} have {len(values):,} different values, such as "
            f"{shown([value_of(code) for code in values], 8)}.",
            f"At most {MOST} classes, each of one value or colour, in a lossless picture such as PNG; or numbers of "
            "objects in a folder called instances/ or ids/.",
            "If they are JPEGs, make the masks again as PNG; if the values are numbers of objects, rename the folder.",
        )
    if colours:
        return _coloured(values)
    return _indexed(values)


def _is_blurred(counts: Counter[int], between: Sequence[int], total: int) -> bool:
    """Whether these greys are edges between black and white, rather than classes: most pixels are one or the other,
    some greys lie nearer to white, and they are many or each of them is rare."""
    if not (counts[0] and counts[255] and any(value > 127 for value in between)):
        return False
    if (counts[0] + counts[255]) / total <= _SOLID:
        return False
    return len(between) > _MANY or all(counts[value] < _RARE * total for value in between)


def _coloured(values: Sequence[int]) -> Read:
    """Classes by colours, named after them; the greys among colours are those of masks without another colour."""
    legend: Legend = {}
    for code in values:
        colour = code if code >= COLOUR else COLOUR + code * 0x010101
        legend[value_of(code)] = value_of(colour)
    for code in values:  # black in a mask with colours is #000000, in one without it is 0
        if code >= COLOUR and _is_grey(code):
            legend.setdefault(str(code & 255), value_of(code))
    return Read(legend, f"{len(set(legend.values()))} colours, no file of classes to name them")


def _indexed(values: Sequence[int]) -> Read:
    plain = [value for value in values if value != 255]
    if set(values) <= {0, 255}:
        names: Legend = {"0": "background", "255": "foreground"}
        return Read({str(v): names[str(v)] for v in values}, "black background, white foreground")
    ignored = 255 in values and max(plain) < 4 * len(plain) + 16
    if set(plain) <= {0, 1}:
        names = {"0": "background", "1": "foreground", "255": None}
        why = "0 background, 1 foreground" + (", 255 does not count" if ignored else "")
        return Read({str(v): names[str(v)] for v in values}, why)
    legend = {str(v): None if v == 255 and ignored else f"class {v}" for v in values}
    named = len([one for one in legend.values() if one])
    return Read(
        legend,
        f"{named} values, no file of classes to name them" + ("; 255 does not count" if ignored else ""),
    )


def _undeclared(
    counts: Counter[int], where: Mapping[int, Sequence[str]], codes: Sequence[int], what: str
) -> Issue:
    ids = tuple(dict.fromkeys(id for code in codes for id in where.get(code, ())))
    share = sum(counts[code] for code in codes) / sum(counts.values())
    says = (
        f"{len(codes)} value{'s' * (len(codes) != 1)} {what} ({shown([value_of(code) for code in codes])}), "
        f"{share:.2%} of the pixels, in {len(ids)} mask{'s' * (len(ids) != 1)}: these pixels neither teach nor count"
    )
    return Issue("mask-values", "warning", f"{says}: {shown(ids, 3)}.", ids)


def _is_grey(code: int) -> bool:
    red, green, blue = code >> 16 & 255, code >> 8 & 255, code & 255
    return red == green == blue
