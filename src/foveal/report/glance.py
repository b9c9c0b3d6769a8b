"""The data at a glance, and what augmentation makes of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import catalog
from ..errors import FovealError
from ..options import TrainOptions, make
from ..records.gathered import Gathered
from ..sheet import with_truth
from ..values import PARTS, Dataset, Issue, Item, Preprocessing, labels_of
from .thumbs import Album, Level, Shot, shot_of
from .words import label, number, pictures, size

CLASSES = 40
"""Classes whose pictures are shown; counts are shown of up to `ROWS`."""
ROWS = 400
SHOTS = 240


@dataclass(frozen=True)
class ClassRow:
    """One class: its pictures in each split, and some of them."""

    name: str
    counts: tuple[int, ...]
    total: int
    share: float
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Glance:
    parts: tuple[str, ...]
    totals: tuple[int, ...]
    rows: tuple[ClassRow, ...]
    more: int
    facts: tuple[tuple[str, str], ...]
    issues: tuple[Issue, ...]
    shots: tuple[tuple[Shot, str], ...] = ()
    """Pictures with their truths, where there are no classes to sort them by."""


def glance(g: Gathered, album: Album, level: Level) -> Glance | None:
    """What was learned from, as it lies on the disk."""
    data = g.dataset
    if data is None:
        return None
    parts = tuple(p for p in PARTS if data.part(p)) or ("",)
    counts = data.counts()
    names = list(data.labels) if g.kind not in ("numbers", "masks", "pictures") else []
    totals = {name: sum(counts.get(p, {}).get(name, 0) for p in parts) for name in names}
    largest = max(totals.values(), default=0) or 1
    samples = _samples(data.part("train") or data.items)
    each = min(level.samples, max(1, SHOTS // max(1, min(len(names), CLASSES)))) if level.samples else 0
    rows = tuple(
        ClassRow(
            name,
            tuple(counts.get(p, {}).get(name, 0) for p in parts),
            totals[name],
            totals[name] / largest,
            tuple(album.shot(i, level) for i in _spread(samples.get(name, []), each)) if n < CLASSES else (),
        )
        for n, name in enumerate(names[:ROWS])
    )
    shots: tuple[tuple[Shot, str], ...] = ()
    if g.kind == "numbers":
        items = sorted(data.part("train") or data.items, key=lambda item: float(item.truth or 0))
        some = _spread(items, 2 * level.samples)
        shots = tuple((album.shot(item.id, level), label(float(item.truth))) for item in some)
    elif g.kind in ("masks", "pictures"):
        some = _spread(data.part("train") or data.items, 2 * level.samples)
        shots = tuple((album.shot(item.id, level), item.id) for item in some)
    order = {"error": 0, "warning": 1, "note": 2}
    issues = tuple(sorted(data.issues, key=lambda issue: order.get(issue.severity, 3)))
    totals_of = tuple(len(data.part(p)) if p else len(data.items) for p in parts)
    return Glance(parts, totals_of, rows, max(0, len(names) - ROWS), _facts(data), issues, shots)


def _samples(items: Sequence[Item]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for item in items:
        for name in dict.fromkeys(labels_of(item.truth)):
            found[name].append(item.id)
    return found


def _spread(values: Sequence[Any], count: int) -> list[Any]:
    """`count` of the values, evenly far apart: neighbours are often of one series."""
    if count <= 0 or not values:
        return []
    step = len(values) / count
    return [values[int(n * step)] for n in range(count)] if step >= 1 else list(values)


def _facts(data: Dataset) -> tuple[tuple[str, str], ...]:
    rows = [("Pictures", f"{len(data.items):,}"), ("Read as", f"{data.reader}: {data.why}")]
    if data.facts:
        f = data.facts
        same = f.min_side == f.max_side
        sides = f"{f.width} × {f.height} pixels" + (
            "" if same else f" at the median; sides from {f.min_side} to {f.max_side}"
        )
        rows += [("Size", sides), ("Colour", "grey" if f.grey else "colour"), ("On the disk", size(f.bytes))]
    if data.column:
        rows.append(("Column", data.column))
    rows.append(("Place", data.root))
    return tuple(rows)


@dataclass(frozen=True)
class Sheet:
    """Training pictures as they are, each with what augmentation makes of it."""

    rows: tuple[tuple[Shot, tuple[Shot, ...]], ...]
    says: str


def sheet(g: Gathered, level: Level, seed: int = 0) -> Sheet | None:
    """A contact sheet of the run's own augmentation; None where that cannot be shown."""
    if g.dataset is None or g.facts is None or not level.sheet:
        return None
    try:
        options = make(
            TrainOptions, {k: v for k, v in g.train.items() if k in TrainOptions.__dataclass_fields__}
        )
        preprocessing = Preprocessing.from_json(g.options["preprocessing"])
        rows = _varied(g, g.dataset, options, preprocessing, level, seed)
    except (FovealError, KeyError, TypeError, ValueError, OSError):
        return None  # a run of another version, or pictures that are gone: the page does without
    if not rows:
        return None
    mixed = [name for name in ("mixup", "cutmix", "erase") if getattr(options, name, None)]
    names = {"mixup": "MixUp", "cutmix": "CutMix", "erase": "random erasing"}
    flipped = ", mirrored at random" if options.flip else ""
    says = f"{options.augment or 'none'}{flipped}: the first of each row is as evaluation sees it."
    if mixed:
        listed, be = " and ".join(names[m] for m in mixed), "is" if len(mixed) == 1 else "are"
        says += f" {listed} came on top in training and {be} not shown."
    return Sheet(tuple(rows), says)


def _varied(
    g: Gathered, data: Dataset, options: TrainOptions, preprocessing: Preprocessing, level: Level, seed: int
) -> list[tuple[Shot, tuple[Shot, ...]]]:
    from ..data.decoding import open_image
    from ..machine.device import seeded
    from ..plan.view import training_view

    assert data.facts is not None
    told = dict(g.task)
    task = catalog.find("tasks", told.pop("name")).build(**told)
    seen = task.view(preprocessing)
    view = training_view(preprocessing, data.facts, options, scratch=g.options.get("origin") is None)
    rows: list[tuple[Shot, tuple[Shot, ...]]] = []
    for item in _spread(data.part("train"), 4):
        try:
            image = open_image(data.root, item, preprocessing.channels)
            truth = task.truth(item, image, data.root) if task.dense else None
        except FovealError:
            continue
        with seeded(seed + len(rows)):
            made = [view(image, truth) for _ in range(level.sheet)]
        name = item.id if task.dense else f"{label(item.truth)}: {item.id}"
        side = max(level.side, preprocessing.size)
        pairs = [seen(image, truth), *made]
        first, *others = (
            shot_of(with_truth(picture, told, task.labels, side), level, name) for picture, told in pairs
        )
        rows.append((first, tuple(others)))
    return rows


def told(g: Gathered) -> str:
    """The data in a clause: how many pictures of what."""
    if g.dataset is None:
        return ""
    count = len(g.dataset.part("train") or g.dataset.items)
    what = (
        f" of {len(g.labels):,} classes"
        if g.kind in ("classes", "masks")
        else f" with {len(g.labels):,} labels"
    )
    if g.kind == "objects":
        objects = sum(g.dataset.counts().get("train", {}).values())
        what = f" with {objects:,} objects of {len(g.labels):,} classes"
    return pictures(count, "training") + ("" if g.kind in ("numbers", "pictures") else what)


def smallest(g: Gathered) -> str:
    """The fewest training pictures that any class has."""
    counts = g.dataset.counts().get("train", {}) if g.dataset else {}
    return number(min(counts.values())) if counts else ""
