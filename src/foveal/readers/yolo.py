"""YOLO: a text file of boxes or polygons a picture, in shares of its sides, and perhaps a YAML that names classes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ..data.decoding import sides
from ..data.truths import Object, counted
from ..errors import DataError
from ..options import ReadOptions
from ..values import Claim, Dataset
from ._names import label_of, part_of
from ._objects import Gathered, box_of_polygons, split_of_path
from ._tree import Folder, scan

SOURCE = "https://docs.ultralytics.com/datasets/detect/"
_TRIED = 20
_YAML = (".yaml", ".yml")
_NAMED = "YOLO's data.yaml: train, perhaps val and test, and names, a list or a table of numbers and names."
_DECIMALS = 3  # of a pixel
_LARGEST = 2
"""What is larger than that can be no share of a side; it will be pixels."""
_NO_LABELS = ("classes", "readme", "train", "val", "valid", "test", "trainval", "notes", "license", "obj")
"""Text files by these names hold no objects."""
_SLACK = 0.05
"""How far beyond the picture a share may lie in a file that is taken for YOLO's."""


def sniff(path: Path) -> Claim | None:
    """A claim on a data set's YAML, and on a folder with one or with label files that are YOLO's beyond doubt."""
    if path.is_file():
        return Claim("yolo", f"{path.name} names classes and splits") if _is_own_yaml(path) else None
    if not path.is_dir():
        return None
    tree = scan(path)
    pairs = _pairs(tree)
    tried = [label for _, label in pairs if label and (path / label).stat().st_size][:_TRIED]
    looking = sum(_looks(path / label) for label in tried)
    told = _own_yaml(path)
    if not tried or (told is None and looking * 2 <= len(tried)):
        return None
    count = sum(1 for _, label in pairs if label)
    return Claim("yolo", f"{counted(count, 'label file')} of YOLO" + (f", and {told.name}" if told else ""))


def read(path: Path, options: ReadOptions) -> Dataset:
    """The data set; its task is `instances` where at least half of the objects are polygons. A picture without a
    label file has no object.

    Raises:
        DataError: nothing to read, or a line that is no object; naming the file and line.
    """
    file = path if path.is_file() else _own_yaml(path)
    told = _yaml(file) if file is not None else None
    if path.is_file() and told is None:
        raise DataError(
            f"{path} is no YAML that names classes and splits.",
            _NAMED,
            "Give the folder that holds images/ and labels/ instead.",
        )
    root = _root(path, told)
    tree = scan(root)
    pairs = _pairs(tree)
    if not any(label for _, label in pairs):
        raise DataError(
            f"{root} holds no label file beside a picture.",
            "images/NAME.jpg with labels/NAME.txt, or NAME.txt beside NAME.jpg.",
            "Give the folder that holds both, or the data set's YAML.",
        )
    names = _names(root, tree, told)
    found = Gathered("yolo", root.absolute())
    parts = _parts(root, told)
    for picture, label in pairs:
        found.objects[picture] = _objects(root, picture, label, names, found) if label else []
        part = next((part for place, part in parts if _lies_in(picture, place)), "")
        found.parts[picture] = part or split_of_path(picture)
        if not label:
            found.odd.say("unlabelled", picture)
    orphans = sorted(set(_texts(tree)) - {label for _, label in pairs if label})
    for name in orphans:
        if PurePosixPath(name).stem.lower().partition(".")[0] not in _NO_LABELS and _looks(root / name):
            found.odd.say("missing-picture", name)
    why = f"label files of YOLO{f', classes by {file.name}' if told and file else ''}"
    return found.dataset(found.outlines(), why, names.values())


def _texts(tree: Folder) -> list[str]:
    return [name for folder in tree.walk() for name in folder.others if name.lower().endswith(".txt")]


def _pairs(tree: Folder) -> list[tuple[str, str]]:
    """Pictures with their label files (empty where none): in labels/ for images/, else beside the picture."""
    texts = {name[:-4]: name for name in _texts(tree)}
    found = []
    for picture in tree.all_pictures():
        stem = str(PurePosixPath(picture).with_suffix(""))
        parts = list(PurePosixPath(stem).parts)
        mates = [stem]
        for place in reversed(range(len(parts) - 1)):
            if parts[place].lower() in ("images", "imgs"):
                mates.insert(0, "/".join([*parts[:place], "labels", *parts[place + 1 :]]))
        found.append((picture, next((texts[mate] for mate in mates if mate in texts), "")))
    labelled = any(label for _, label in found)
    return [pair for pair in found if pair[1] or _in_images(pair[0])] if labelled else found


def _in_images(picture: str) -> bool:
    return any(part.lower() in ("images", "imgs") for part in PurePosixPath(picture).parts[:-1])


def _looks(path: Path) -> bool:
    """Whether every line is a class number and shares of a picture's sides: a box, or a polygon."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    for line in lines[:50]:
        words = line.split()
        if not words:
            continue
        try:
            values = list(map(float, words))
        except ValueError:
            return False
        if not words[0].isdigit() or not (len(words) == 5 or (len(words) >= 7 and len(words) % 2)):
            return False
        if not all(-_SLACK <= value <= 1 + _SLACK for value in values[1:]):
            return False
    return True


def _yaml(path: Path) -> dict[str, Any] | None:
    """The table of a YAML that names splits, and classes; None for any other file.

    Raises:
        DataError: it is no YAML, or names splits but no classes.
    """
    import yaml

    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        said = getattr(error, "problem", None) or "damaged"
        raise DataError(f"{path}{where}, is no YAML ({said}).", _NAMED, "Mend the file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.", _NAMED, "Check the file.") from error
    if not isinstance(told, dict) or not any(part_of(str(key)) for key in told):
        return None
    names = told.get("names")
    if not isinstance(names, list | dict) or not names or not all(str(n).isdigit() for n in _numbers(names)):
        text = path.read_text(encoding="utf-8-sig").splitlines()
        line = next((n for n, one in enumerate(text, 1) if one.startswith("names")), None)
        what = (
            f"{path}, line {line}: the names of classes are no list" if line else f"{path} names no classes"
        )
        raise DataError(
            f"{what}.", _NAMED, "Put the names of the classes into it, such as names: [cat, dog]."
        )
    return told


def _numbers(names: list[Any] | dict[Any, Any]) -> Iterable[Any]:
    return names if isinstance(names, dict) else ()


def _own_yaml(path: Path) -> Path | None:
    found = [file for file in sorted(path.iterdir()) if file.suffix.lower() in _YAML] if path.is_dir() else []
    return next((file for file in found if _is_own_yaml(file)), None)


def _is_own_yaml(path: Path) -> bool:
    """Whether a file looks like the YAML of a data set; damaged ones are answered when they are read."""
    try:
        text = path.read_text(encoding="utf-8-sig") if path.suffix.lower() in _YAML else ""
    except (OSError, UnicodeDecodeError):
        return False
    keys = {line.partition(":")[0].strip() for line in text.splitlines() if line[:1].isalpha()}
    return any(part_of(key) for key in keys) and (
        "names" in keys or "nc" in keys or path.stem.lower() == "data"
    )


def _root(path: Path, told: dict[str, Any] | None) -> Path:
    """The folder that all lies in: what the YAML calls `path`, where it is there, else the YAML's own."""
    base = path.parent if path.is_file() else path
    own = base / str((told or {}).get("path") or ".")
    return own if own.is_dir() and any(own.iterdir()) else base


def _parts(root: Path, told: dict[str, Any] | None) -> list[tuple[str, str]]:
    """(folder or picture, split) as the YAML has them; Roboflow's `../train/images` are meant from here."""
    found = []
    for key, value in (told or {}).items():
        part = part_of(str(key))
        for entry in (value if isinstance(value, list) else [value]) if part else ():
            place = str(entry).replace("\\", "/")
            while place.startswith(("./", "../")):
                place = place.partition("/")[2]
            if place.endswith(".txt") and (root / place).is_file():
                lines = (root / place).read_text(encoding="utf-8-sig").split()
                found += [(line.removeprefix("./"), part or "") for line in lines]
            elif entry:
                found.append((place.rstrip("/"), part or ""))
    return sorted(found, key=lambda pair: -len(pair[0]))


def _lies_in(picture: str, place: str) -> bool:
    return picture == place or picture.startswith(f"{place}/") or place.endswith(f"/{picture}")


def _names(root: Path, tree: Folder, told: dict[str, Any] | None) -> dict[int, str]:
    """Class number -> name: of the YAML, else of classes.txt; empty where neither is there."""
    names = (told or {}).get("names")
    if isinstance(names, dict):
        return {int(number): label_of(str(name)) for number, name in names.items() if str(number).isdigit()}
    if isinstance(names, list):
        return {number: label_of(str(name)) for number, name in enumerate(names)}
    for file in (name for folder in tree.walk() for name in folder.others):
        if PurePosixPath(file).name.lower() in ("classes.txt", "obj.names", "_darknet.labels"):
            lines = (root / file).read_text(encoding="utf-8-sig").splitlines()
            return {number: label_of(line.strip()) for number, line in enumerate(lines) if line.strip()}
    return {}


def _objects(root: Path, picture: str, label: str, names: dict[int, str], found: Gathered) -> list[Object]:
    """The objects of a label file, in pixels of the upright picture."""
    try:
        lines = (root / label).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{root / label} cannot be read: {error}.", "Text in UTF-8.", "Check the file."
        ) from error
    rows = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    size = sides(root / picture) if rows else None
    if size is None:
        return []  # what the picture itself is, is said when it is examined
    made: list[Object] = []
    for number, words in rows:
        values = _values(root / label, number, words)
        kind = int(values[0])
        if names and kind not in names:
            found.odd.say("no-such-class", label)
            continue
        made.append({"label": names.get(kind, str(kind)), **_shape(values[1:], size)})
    return made


def _values(path: Path, number: int, words: Sequence[str]) -> list[float]:
    try:
        values = list(map(float, words))
        right = values[0] == int(values[0]) >= 0 and all(map(math.isfinite, values))
    except (ValueError, OverflowError):
        right, values = False, []
    if not right or not (len(values) == 5 or (len(values) >= 7 and len(values) % 2)):
        raise DataError(
            f"{path}, line {number}, is {' '.join(words)[:100]!r}.",
            "A class number, then x, y, width and height of a box, or the x, y of three or more corners; all in "
            "shares of the picture's sides.",
            "Correct the line, or take it out.",
        )
    if max(values[1:]) > _LARGEST:
        raise DataError(
            f"{path}, line {number}, has {max(values[1:]):g}, as if it were pixels.",
            "Shares of the picture's sides, from 0 to 1.",
            "Divide x and width by the picture's width, y and height by its height.",
        )
    return values


def _shape(values: Sequence[float], size: tuple[int, int]) -> Object:
    width, height = size
    if len(values) == 4:
        x, y, wide, high = values
        left, top = (x - wide / 2) * width, (y - high / 2) * height
        box = [left, top, left + wide * width, top + high * height]
        return {"box": [round(value, _DECIMALS) for value in box]}
    ring = [round(value * size[place % 2], _DECIMALS) for place, value in enumerate(values)]
    return {"box": box_of_polygons([ring]), "polygons": [ring]}
