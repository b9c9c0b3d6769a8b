"""COCO JSON: boxes, polygons, run lengths, crowds; one file or one a split."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..data.truths import Object
from ..errors import DataError
from ..options import ReadOptions
from ..values import Claim, Dataset
from ._names import shown
from ._objects import Gathered, Pictures, box_of_polygons, split_of, split_of_path
from ._tree import Folder, scan

SOURCE = "https://cocodataset.org/#format-data"
_KEYS = ("images", "annotations", "categories")
_HEAD = 1 << 16


def sniff(path: Path) -> Claim | None:
    """A claim on a COCO file, and on a folder that holds some."""
    if path.is_file():
        if path.suffix.lower() == ".json" and _looks(path):
            return Claim("coco", f"{path.name} is COCO's JSON")
        return None
    if not path.is_dir():
        return None
    names = [name for name in _candidates(scan(path)) if _looks(path / name)]
    return Claim("coco", f"COCO's JSON: {shown(names, 3)}") if names else None


def read(path: Path, options: ReadOptions) -> Dataset:
    """The data set; its task is `instances` where at least half of the objects have outlines, else `detect`.

    Raises:
        DataError: no such file, or one that is no COCO; naming it and the entry.
    """
    root, files = _files(path)
    tree = scan(root)
    pictures, found = Pictures(tree), Gathered("coco", root.absolute())
    names: dict[str, None] = {}
    for file in files:
        names.update(dict.fromkeys(_gather(root, file, pictures, found)))
    folders = {PurePosixPath(place).parent for place in found.objects}
    for name in tree.all_pictures():
        if name not in found.objects and PurePosixPath(name).parent in folders:
            found.odd.say("unlisted", name)
    if path.is_file():  # a file that is given is all there is, whichever split it was once
        found.parts = dict.fromkeys(found.parts, "")
    why = f"COCO's JSON ({shown([PurePosixPath(name).name for name in files], 3)})"
    return found.dataset(found.outlines(), why, names)


def _candidates(tree: Folder) -> list[str]:
    """The JSON files of a tree, not too deep; where some are called instances..., those alone."""
    found = [
        name
        for folder in tree.walk()
        if folder.place.count("/") < 2
        for name in folder.others
        if name.lower().endswith(".json")
    ]
    own = [name for name in found if PurePosixPath(name).name.startswith("instances")]
    return own or found


def _looks(path: Path) -> bool:
    """Whether a file looks like COCO's: its keys are there, in its first bytes or, in a small one, anywhere."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    if not head.lstrip().startswith(b"{") or not any(f'"{key}"'.encode() in head for key in _KEYS):
        return False
    try:
        told = _load(path, path.stat().st_mtime_ns)
    except (DataError, OSError):
        return True  # said well when it is read
    return all(isinstance(told.get(key), list) for key in _KEYS) and (
        not told["annotations"]
        or any("bbox" in one or "segmentation" in one for one in told["annotations"][:20])
    )


@functools.lru_cache(maxsize=8)
def _load(path: Path, changed: int) -> Mapping[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} is no JSON: {error.msg} in line {error.lineno}, column {error.colno}.",
            "COCO's JSON: an object with images, annotations and categories.",
            "Write the file again; it may have been cut off.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read: {error}.", "A text file in UTF-8.", "Check the file."
        ) from error
    if not isinstance(told, dict) or not all(isinstance(told.get(key), list) for key in _KEYS):
        there = ", ".join(map(str, told)) if isinstance(told, dict) else type(told).__name__
        raise DataError(
            f"{path} is no COCO: it holds {there[:200] or 'nothing'}.",
            "An object with the lists images, annotations and categories.",
            "See https://cocodataset.org/#format-data.",
        )
    return told


def _files(path: Path) -> tuple[Path, list[str]]:
    """The folder that holds all, and the JSON files in it."""
    if path.is_dir():
        names = [name for name in _candidates(scan(path)) if _looks(path / name)]
        if not names:
            raise DataError(
                f"{path} holds no COCO JSON.",
                "A JSON file with images, annotations and categories, and the pictures it lists.",
                "Give the JSON file itself, or another folder.",
            )
        return path, names
    if not path.is_file():
        raise DataError(f"There is no {path}.", "A COCO JSON file, or its folder.", "Check the path.")
    images = _load(path, path.stat().st_mtime_ns)["images"]
    first = str(images[0].get("file_name", "")) if images and isinstance(images[0], Mapping) else ""
    for root in (path.parent, path.parent.parent):  # annotations/x.json beside images/
        if first and Pictures(scan(root)).named(first):
            return root, [path.relative_to(root).as_posix()]
    return path.parent, [path.name]


def _gather(root: Path, file: str, pictures: Pictures, found: Gathered) -> list[str]:
    """Put a file's pictures and objects to the others; returns the names of its classes."""
    path = root / file
    told = _load(path, path.stat().st_mtime_ns)
    part = split_of(PurePosixPath(file).stem) or split_of_path(file)
    near = PurePosixPath(file).parent.as_posix()
    places: dict[Any, str] = {}
    sides: dict[Any, list[int]] = {}
    for number, one in enumerate(told["images"]):
        if not isinstance(one, Mapping) or "id" not in one or not one.get("file_name"):
            raise _wrong(path, f"images[{number}]", "an id and a file_name", one)
        place = pictures.named(str(one["file_name"]), near, part)
        if place is None:
            found.odd.say("missing-picture", str(one["file_name"]))
            continue
        if place in found.objects and place not in places.values() and found.objects[place]:
            found.odd.say("told-twice", place)
            continue
        places[one["id"]] = place
        on = [side for side in (one.get("width"), one.get("height")) if isinstance(side, int) and side > 0]
        if len(on) == 2:
            sides[one["id"]] = on
        found.objects.setdefault(place, [])
        found.parts[place] = part or split_of_path(place)
    listed = {one["id"] for one in told["images"]}
    names = {}
    for number, one in enumerate(told["categories"]):
        if not isinstance(one, Mapping) or "id" not in one or not str(one.get("name", "")).strip():
            raise _wrong(path, f"categories[{number}]", "an id and a name", one)
        names[one["id"]] = str(one["name"]).strip()
    for number, one in enumerate(told["annotations"]):
        if not isinstance(one, Mapping) or "image_id" not in one or "category_id" not in one:
            raise _wrong(path, f"annotations[{number}]", "an image_id and a category_id", one)
        if one["image_id"] not in listed:
            found.odd.say("no-such-picture", f"{file} {number}")
        elif one["image_id"] in places:
            place = places[one["image_id"]]
            if one["category_id"] not in names:
                found.odd.say("no-such-class", place)
                continue
            made = _object(path, number, one, names[one["category_id"]], place, found)
            if one["image_id"] in sides:
                made["on"] = sides[one["image_id"]]
            found.objects[place].append(made)
    return list(names.values())


def _object(
    path: Path, number: int, one: Mapping[str, Any], label: str, place: str, found: Gathered
) -> Object:
    """An annotation as an object."""
    made: Object = {"label": label}
    shape = one.get("segmentation")
    if isinstance(shape, Mapping) and shape.get("counts") and len(shape.get("size") or ()) == 2:
        made["rle"] = {"size": list(shape["size"]), "counts": shape["counts"]}
    elif isinstance(shape, list) and shape:
        rings = [ring for ring in ([shape] if isinstance(shape[0], int | float) else shape) if ring]
        if not all(isinstance(ring, list) and len(ring) % 2 == 0 for ring in rings):
            raise _wrong(path, f"annotations[{number}]", "a segmentation of lists of x, y, x, y, ...", one)
        if rings:
            made["polygons"] = [list(map(float, ring)) for ring in rings]
    box = one.get("bbox")
    if isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box):
        x, y, wide, high = map(float, box)
        made["box"] = [x, y, x + wide, y + high]
    elif "polygons" in made:
        made["box"] = box_of_polygons(made["polygons"])
    elif "rle" not in made:
        raise _wrong(path, f"annotations[{number}]", "a bbox of x, y, width, height, or a segmentation", one)
    else:
        from pycocotools import mask as coco

        runs = made["rle"]
        packed = coco.frPyObjects(runs, *runs["size"]) if isinstance(runs["counts"], list) else runs
        x, y, wide, high = map(float, coco.toBbox(packed))
        made["box"] = [x, y, x + wide, y + high]
    if not all(map(math.isfinite, made["box"])):
        raise _wrong(path, f"annotations[{number}]", "finite numbers", one)
    if isinstance(one.get("area"), int | float) and one["area"] > 0:
        made["area"] = float(one["area"])
    if one.get("iscrowd"):
        made["crowd"] = True
    if one.get("ignore"):
        made["ignore"] = True
    return made


def _wrong(path: Path, where: str, wanted: str, came: Any) -> DataError:
    return DataError(
        f"{path}, {where}, is {json.dumps(came)[:160]}.",
        f"Each has {wanted}.",
        "Correct the file; see https://cocodataset.org/#format-data.",
    )
