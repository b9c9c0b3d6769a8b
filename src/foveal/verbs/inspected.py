"""What lies on a data set's pictures, in numbers: objects and their sizes, shares of classes. Loads no torch."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..errors import PictureError
from ..values import PARTS, Dataset, Item

SMALL, LARGE = 32**2, 96**2
"""Areas in pixels below which COCO calls an object small, and from which on large (Lin et al. 2014)."""


def described(numbers: Sequence[float]) -> dict[str, int | float]:
    """What describes numbers: how many they are, their range and quarters, mean and standard deviation."""
    one = sorted(numbers)
    quarters = statistics.quantiles(one, n=4, method="inclusive") if one[1:] else [one[0]] * 3
    return {
        "count": len(one),
        "min": one[0],
        **dict(zip(("quarter", "median", "three_quarters"), quarters, strict=True)),
        "max": one[-1],
        "mean": statistics.fmean(one),
        "sd": statistics.pstdev(one),
    }


def objects_of(dataset: Dataset) -> dict[str, Any] | None:
    """What there is to say of objects, None where truths are others: how many a picture has and how many pictures have
    none, by split; the side of a square of each one's area in pixels, by label; COCO's small, medium and large ones;
    and those that do not count. Areas are those told, else those of boxes; where neither is told, of none."""
    listed = [item for item in dataset.items if isinstance(item.truth, list | tuple)]
    if dataset.task not in ("detect", "instances") or not listed:
        return None
    things = [one for item in listed for one in item.truth]
    areas = [(str(one.get("label")), area) for one in things if (area := area_of(one)) is not None]
    sizes = {
        label: described([math.sqrt(area) for name, area in areas if name == label])
        for label in dataset.labels
        if any(name == label for name, _ in areas)
    }
    return {
        "count": len(things),
        "per_picture": {
            part: described([len(item.truth) for item in rows]) for part, rows in _parts(listed).items()
        },
        "empty": {part: sum(not item.truth for item in rows) for part, rows in _parts(listed).items()},
        "sides": sizes,
        "small": sum(area < SMALL for _, area in areas),
        "medium": sum(SMALL <= area < LARGE for _, area in areas),
        "large": sum(area >= LARGE for _, area in areas),
        "ignored": sum(bool(one.get("crowd") or one.get("ignore")) for one in things),
    }


def _parts(items: Sequence[Item]) -> dict[str, list[Item]]:
    return {part: rows for part in PARTS if (rows := [item for item in items if item.part == part])}


def area_of(one: Mapping[str, Any]) -> float | None:
    """An object's area in pixels as it is told, else its box's; None where neither is told."""
    if one.get("area"):
        return float(one["area"])
    if "box" not in one:
        return None
    x0, y0, x1, y1 = one["box"]
    return max(0.0, float(x1 - x0)) * max(0.0, float(y1 - y0))


def classes_of(dataset: Dataset) -> dict[str, Any] | None:
    """What there is to say of masks of classes, None where truths are others: on how many pictures each label is, and
    its share of the pixels that count, by split; and the share of all pixels that do not count. Opens every mask."""
    masked = [item for item in dataset.items if isinstance(item.truth, Mapping) and "mask" in item.truth]
    if not masked:
        return None
    with ThreadPoolExecutor() as pool:
        counted = list(pool.map(lambda item: counts_in(dataset.root, item.truth), masked))
    pictures: dict[str, dict[str, int]] = {}
    pixels: dict[str, Counter[str]] = {}
    told = passed = 0
    for item, (counts, ignored) in zip(masked, counted, strict=True):
        row = pictures.setdefault(item.part, dict.fromkeys(dataset.labels, 0))
        for label in counts:
            row[label] = row.get(label, 0) + 1
        pixels.setdefault(item.part, Counter()).update(counts)
        told, passed = told + counts.total(), passed + ignored
    parts = [part for part in PARTS if part in pictures]
    return {
        "pictures": {part: pictures[part] for part in parts},
        "shares": {
            part: {label: pixels[part][label] / max(1, pixels[part].total()) for label in dataset.labels}
            for part in parts
        },
        "ignored": passed / max(1, told + passed),
    }


def counts_in(root: str, truth: Mapping[str, Any]) -> tuple[Counter[str], int]:
    """How many pixels of a mask each label has, and how many do not count; none where it cannot be read."""
    from ..data.mask_files import code_of, counted, open_mask

    counts, ignored = Counter[str](), 0
    try:
        found = counted(open_mask(Path(root, str(truth["mask"]))))
    except PictureError:
        return counts, ignored
    legend = {code_of(value): label for value, label in truth["legend"].items()}
    for code, count in found.items():
        label = legend.get(code)
        if label is None:
            ignored += count
        else:
            counts[label] += count
    return counts, ignored
