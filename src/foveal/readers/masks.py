"""Pictures with masks: a class for every pixel, or a mask or a number for every object."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..data.mask_files import COLOUR, code_of, counted, open_mask
from ..errors import DataError, PictureError
from ..options import ReadOptions
from ..values import Claim, Dataset, Issue, Item
from . import _legend
from ._mates import Mates, Side, beside, each, mates, odd_mates, refuse_many, sides_of, split_lists, split_of
from ._names import natural, shown
from ._tree import Folder, described, scan

SOURCE = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html#SECTION00050000000000000000"
PICTURES = Side(
    frozenset((
        "images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "inputs", "input", "original_images",
        "rgb",
    )),
    ends=("_images", "_image", "_imgs", "_img", "-images", "images"),
    before=("image_", "img_"),
    after=("_image", "_img", "_sat", "_rgb"),
)  # fmt: skip
_ENDS = (
    "_masks", "_mask", "_labels", "_label", "_annot", "_annotations", "_gt", "_segmentation", "-masks", "-labels",
    "annot", "masks", "mask", "labels",
)  # fmt: skip
_STEMS = (
    "_mask", "_masks", "_label", "_labels", "_seg", "_segmentation", "_gt", "_l", "_p", "_annotation", "-mask",
    ".mask", "_manual1",
)  # fmt: skip
MASKS = Side(
    frozenset((
        "masks", "mask", "labels", "label", "annotations", "annotation", "annots", "annot", "segmentation",
        "segmentations", "segmentationclass", "segmentationclasspng", "gt", "groundtruth", "ground_truth", "targets",
        "target", "trimaps", "trimap", "segments", "label_images_semantic", "1st_manual",
    )),
    ends=_ENDS, before=("mask_", "label_", "gt_"), after=_STEMS,
)  # fmt: skip
IDS = Side(
    frozenset(("instances", "instance", "ids", "instance_masks", "instance_ids", "segmentationobject")),
    ends=("_instances", "_ids", "-instances"),
    before=("mask_", "label_"),
    after=(*_STEMS, "_instances", "_ids"),
)
_BESIDE = Side(frozenset(), after=("_mask", "_masks", "_label", "_labels", "_seg", "_gt", "-mask", ".mask"))
OBJECT = "object"
_ALLOWED = (
    "Pictures with masks of the same names: images/1.jpg and masks/1.png (also under train/, val/ and test/, or in "
    "train/ and trainannot/), or 1.jpg and 1_mask.png; for objects 1/images/1.png and a file for each in 1/masks/, or "
    "instances/1.png with their numbers."
)


@dataclass(frozen=True)
class _Found:
    """How masks belong to pictures: one each (of classes or of numbers of objects), or one for every object."""

    kind: str
    why: str
    mates: Mates
    objects: dict[str, list[str]] = field(default_factory=dict)
    """Pictures and the masks of their objects, one file each."""


@dataclass
class _Mask:
    """A mask as it was opened: its sides, pixels of each value, the box round each, or why it cannot be used."""

    size: tuple[int, int] = (0, 0)
    counts: dict[int, int] = field(default_factory=dict)
    boxes: dict[int, list[float]] = field(default_factory=dict)
    error: str = ""


def sniff(path: Path) -> Claim | None:
    """A claim where pictures lie beside masks of their names."""
    found = _found(scan(path)) if path.is_dir() else None
    return Claim("masks", found.why) if found else None


def certain(tree: Folder) -> bool:
    """Whether folders say that these are pictures and their masks."""
    found = _found(tree)
    return found is not None and (
        found.kind == "files" or found.mates.folders[0][0] != found.mates.folders[0][1]
    )


def read(path: Path, options: ReadOptions) -> Dataset:
    """The data set, `segment` or `instances`; every mask is opened once for its values, of pictures only the header.

    Raises:
        DataError: no picture has a mask, or more than a tenth of those that do cannot be used; naming the files.
    """
    tree = scan(path) if path.is_dir() else None
    found = _found(tree) if tree else None
    if tree is None or found is None:
        what = (
            f"{path} holds {described(tree)}, but no pictures with masks"
            if tree
            else f"{path} is a file or nothing"
        )
        raise DataError(
            f"{what}.", _ALLOWED, "Check the path, and that masks are called like their pictures."
        )
    root = path.absolute()
    lists = split_lists(tree, root)
    part = {name: split_of(name, PICTURES, lists) for name, _ in found.mates.pairs}
    part |= {name: split_of(name, PICTURES, lists) for name in found.objects}
    if found.kind == "files":
        made, issues = _files(root, found, part)
    elif found.kind == "ids":
        made, issues = _numbers(root, found, part)
    else:
        return _classes(root, tree, found, part)
    return Dataset(str(root), "instances", "masks", found.why, (OBJECT,), tuple(made), tuple(issues))


def _found(tree: Folder) -> _Found | None:
    """The layout of a tree, or None where it holds no masks."""
    if not tree.bears:
        return None
    classes, ids = mates(tree, PICTURES, MASKS), mates(tree, PICTURES, IDS)
    if classes and not any(_are_pairs(*folders) for folders in classes.folders):
        places = shown(sorted({f"{second or '.'}/" for _, second in classes.folders}), 3)
        return _Found(
            "classes", f"{len(classes.pairs)} pictures with masks of their names in {places}", classes
        )
    if ids:
        places = shown(sorted({f"{second or '.'}/" for _, second in ids.folders}), 3)
        why = f"{len(ids.pairs)} pictures with numbers of objects in {places}"
        return _Found("ids", why, ids)
    objects = _objects(tree)
    if objects:
        count = sum(map(len, objects.values()))
        return _Found(
            "files", f"{len(objects)} pictures with {count} masks, a file for each object", Mates(), objects
        )
    near = beside(tree, _BESIDE)
    if near:
        return _Found(
            "classes", f"{len(near.pairs)} pictures with masks beside them, as {near.pairs[0][1]}", near
        )
    return None


def _are_pairs(first: str, second: str) -> bool:
    """Whether folders are called as those of pairs are (`pairs`), so that the second holds pictures."""
    inputs, targets = (set(PurePosixPath(place.lower()).parts) for place in (first, second))
    return bool(inputs & {"input", "inputs"} and targets & {"target", "targets", "gt", "groundtruth"})


def _objects(tree: Folder) -> dict[str, list[str]]:
    """Pictures whose masks have a folder of their own: 1/images/1.png with 1/masks/, or images/1.png with masks/1/."""
    single: dict[tuple[str, ...], str] = {}
    named: dict[tuple[str, ...], str] = {}
    masks: dict[tuple[str, ...], list[str]] = {}
    for folder in tree.walk():
        if not folder.pictures:
            continue
        mask, own = MASKS.key(folder.place), PICTURES.key(folder.place)
        if mask is not None:
            masks[mask] = folder.pictures
        elif own is not None:
            if len(folder.pictures) == 1:
                single[own] = folder.pictures[0]
            named |= {(*own, PurePosixPath(name).stem.lower()): name for name in folder.pictures}
    found = {single[key]: names for key, names in masks.items() if key in single}
    found |= {named[key]: names for key, names in masks.items() if key in named}
    found = {name: others for name, others in found.items() if not _are_pairs(name, others[0])}
    return dict(sorted(found.items(), key=lambda pair: natural(pair[0])))


def _opened(path: Path, boxes: bool = False) -> _Mask:
    try:
        pixels = open_mask(path)
    except PictureError as error:
        return _Mask(error=error.came)
    made = _Mask((pixels.shape[1], pixels.shape[0]), counted(pixels))
    if boxes and pixels.ndim == 2:
        for code in made.counts:
            rows, columns = (np.flatnonzero((pixels == code).any(axis)) for axis in (1, 0))
            made.boxes[code] = [float(v) for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)]
    return made


def _usable(
    root: Path, pairs: Sequence[tuple[str, str]], masks: Sequence[_Mask]
) -> tuple[list[int], list[Issue]]:
    """Which pairs can be used, and a word on the others.

    Raises:
        DataError: more than a tenth cannot.
    """
    pictures = dict.fromkeys(name for name, _ in pairs)
    sizes = dict(zip(pictures, each([root / name for name in pictures], sides_of), strict=True))
    kept, broken, wrong = [], list[tuple[str, str]](), list[tuple[str, str]]()
    for place, ((name, other), mask) in enumerate(zip(pairs, masks, strict=True)):
        size = sizes[name]
        if mask.error:
            broken.append((name, mask.error.rstrip(".")))
        elif size is not None and size != mask.size:
            says = f"{other} is {mask.size[0]} x {mask.size[1]} pixels, its picture {size[0]} x {size[1]}"
            wrong.append((name, says))
        else:
            kept.append(place)
    issues = []
    for kind, what, odd in (
        ("mask-broken", "cannot be read", broken),
        ("mask-size", "are of another size", wrong),
    ):
        named = [text for _, text in odd]
        refuse_many(
            root, what, named, len(pairs),
            "Masks in lossless files, of the same size as their pictures; at most a tenth may be wrong.",
            "Correct these masks, or leave their pictures out with --exclude.",
        )  # fmt: skip
        if odd:
            count = f"{len(odd)} of {len(pairs)} masks {what}, left out"
            issues.append(
                Issue(kind, "warning", f"{count}: {shown(named, 3)}.", tuple(name for name, _ in odd))
            )
    return kept, issues


def _classes(root: Path, tree: Folder, found: _Found, part: Mapping[str, str]) -> Dataset:
    """A class for every pixel."""
    pairs = found.mates.pairs
    masks = each([root / other for _, other in pairs], _opened)
    kept, issues = _usable(root, pairs, masks)
    counts: Counter[int] = Counter()
    where: defaultdict[int, list[str]] = defaultdict(list)
    for place in kept:
        counts.update(masks[place].counts)
        for code in masks[place].counts:
            where[code].append(pairs[place][1])
    folder = found.mates.folders[0][1]
    said = _legend.declared(tree, root, [second for _, second in found.mates.folders])
    legend = _legend.told(counts, where, said) if said else _legend.seen(counts, where, folder, root.name)
    items = tuple(
        Item(pairs[p][0], pairs[p][0], {"mask": pairs[p][1], "legend": legend.legend}, part[pairs[p][0]])
        for p in kept
    )
    labels = tuple(dict.fromkeys(label for label in legend.legend.values() if label))
    shows = {pairs[p][0]: _shown(masks[p], legend.legend) for p in kept}
    issues += [*legend.issues, *odd_mates(found.mates, "mask"), *_dull(shows, labels), *_split(items, shows)]
    return Dataset(str(root), "segment", "masks", f"{found.why}; {legend.why}", labels, items, tuple(issues))


def _shown(mask: _Mask, legend: Mapping[str, str | None]) -> set[str]:
    """The labels that a mask shows."""
    return {label for value, label in legend.items() if label and code_of(value) in mask.counts}


def _dull(shows: Mapping[str, set[str]], labels: Sequence[str]) -> Iterator[Issue]:
    """Masks that show one class only."""
    one = [name for name, seen in shows.items() if len(seen) < 2]
    if one and len(labels) > 1:
        count = "1 mask shows" if len(one) == 1 else f"{len(one)} masks show"
        yield Issue("one-value", "note", f"{count} one class only: {shown(one, 3)}.", tuple(one))


def _split(items: Sequence[Item], shows: Mapping[str, set[str]]) -> Iterator[Issue]:
    """Classes that are in one of the given splits and not in another."""
    has: defaultdict[str, set[str]] = defaultdict(set)
    for item in items:
        has[item.part] |= shows[item.id]
    if "train" not in has:
        return
    for other in ("val", "test"):
        for label in sorted(has.get(other, set()) - has["train"]):
            names = tuple(item.id for item in items if item.part == other and label in shows[item.id])
            says = f"Class {label!r} is in {other} but not in train, so that it cannot be learned: {shown(names, 3)}."
            yield Issue("class-not-in-train", "warning", says, names)
        lacking = sorted(has["train"] - has[other]) if other in has else []
        if lacking:
            says = f"{other} shows nothing of what train does of {shown(lacking)}: no score there tells of these."
            yield Issue("class-only-in-train", "note", says)


def _files(root: Path, found: _Found, part: Mapping[str, str]) -> tuple[list[Item], list[Issue]]:
    """A file for every object."""
    pairs = [(name, other) for name, others in found.objects.items() for other in others]
    masks = each([root / other for _, other in pairs], lambda path: _opened(path, boxes=True))
    kept, issues = _usable(root, pairs, masks)
    objects: dict[str, list[dict[str, Any]]] = {name: [] for name in found.objects}
    empty = []
    for place in kept:
        picture, other = pairs[place]
        inside = [box for code, box in masks[place].boxes.items() if code]
        area = sum(count for code, count in masks[place].counts.items() if code not in (0, COLOUR))
        if not area:
            empty.append(other)
            continue
        one: dict[str, Any] = {"label": OBJECT, "mask": other, "area": area}
        if inside:
            x0, y0, x1, y1 = zip(*inside, strict=True)
            one["box"] = [min(x0), min(y0), max(x1), max(y1)]
        objects[picture].append(one)
    if empty:
        count = f"{len(empty)} mask{'s' * (len(empty) != 1)} without a pixel of an object, left out"
        issues.append(Issue("mask-empty", "warning", f"{count}: {shown(empty, 3)}.", tuple(empty)))
    return [Item(name, name, truth, part[name]) for name, truth in objects.items()], issues


def _numbers(root: Path, found: _Found, part: Mapping[str, str]) -> tuple[list[Item], list[Issue]]:
    """A number for every object: 0 is none, and 255 where numbers do not go so far."""
    pairs = found.mates.pairs
    masks = each([root / other for _, other in pairs], lambda path: _opened(path, boxes=True))
    kept, issues = _usable(root, pairs, masks)
    coloured = [pairs[p][1] for p in kept if any(code >= COLOUR for code in masks[p].counts)]
    if coloured:
        raise DataError(
            f"{len(coloured)} of {len(kept)} masks of numbers of objects in {root} have colours: {shown(coloured, 3)}.",
            "Grey or indexed masks, 8 or 16 bits deep, each object's pixels of one number.",
            "Number the objects, or name the folder masks/ if the colours are classes.",
        )
    items = []
    border = not any(254 in masks[p].counts for p in kept)
    for place in kept:
        name, other = pairs[place]
        codes = [code for code in masks[place].counts if code and not (code == 255 and border)]
        truth = [
            {"label": OBJECT, "mask": other, "value": code, "box": masks[place].boxes[code],
             "area": masks[place].counts[code]}
            for code in codes
        ]  # fmt: skip
        items.append(Item(name, name, truth, part[name]))
    return items, [*issues, *odd_mates(found.mates, "mask")]
