"""Looks at every picture once: what cannot be read is left out and named, what is odd is said."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import DataError, PictureError
from ..values import Dataset, Facts, Issue, Item
from . import looks, truths
from .decoding import Look
from .fingerprint import fingerprint

Progress = Callable[[int, int], None]

TOLERATED = 0.1  # share of unreadable pictures above which something else must be wrong
RARE = 10.0
"""Times as many pictures as a rare class has, that the most common class has (SageMaker's ClassImbalance)."""
_AT_ONCE = 32  # pictures a thread takes together
_SAYS = {
    "16-bit": "are deeper than 8 bit and are scaled to it by their bit depth",
    "alpha": "have transparent parts, which are laid over white unless the network takes 4 channels",
    "animated": "are animated; the first frame counts",
    "cmyk": "are CMYK, as for print, and are converted to RGB",
    "exif-orientation": "are stored turned and are set upright, as their EXIF orientation says",
    "float": "hold floating-point values and are scaled to 8 bit",
    "palette": "have a palette and are converted to full colour",
    "wrong-extension": "have a suffix that names another format than their content, which counts",
}
_BROKEN = {
    "missing": "not there",
    "empty": "empty files",
    "not-an-image": "no pictures",
    "truncated": "truncated",
    "too-large": "too large",
    "unreadable": "not readable",
}


def examine(dataset: Dataset, progress: Progress | None = None, *, data_home: str | None = None) -> Dataset:
    """The data set without unreadable pictures, with every item's hash, issues, facts and fingerprint; objects are
    held against their pictures and mended (`truths.checked`).

    `progress` is told (pictures done, pictures in all) from this thread. What was found is kept
    under the data home, so that files that have not changed are not decoded again.

    Raises:
        DataError: more than a tenth of the pictures, or all, cannot be read, or a container cannot; or not one
            of the objects told can be used.
    """
    results = _look_at_all(dataset, progress or (lambda done, total: None), data_home)
    broken = {i.id: r for i, r in zip(dataset.items, results, strict=True) if isinstance(r, PictureError)}
    seen = [(i, r) for i, r in zip(dataset.items, results, strict=True) if isinstance(r, Look)]
    if len(broken) > TOLERATED * len(dataset.items) or not seen:
        raise _too_many(dataset, broken)
    items = tuple(dataclasses.replace(item, sha256=found.sha256) for item, found in seen)
    found_in = {item.id: found for item, found in seen}
    sizes = {id: (found.width, found.height) for id, found in found_in.items()}
    items, mended = truths.checked(dataset.task, items, sizes)
    odd = (*_left_out(broken), *_oddities(found_in), *_tiny(found_in), *_duplicates(items))
    rare = _rare(items) if dataset.task == "classify" else ()
    return dataclasses.replace(
        dataset,
        items=items,
        issues=(*dataset.issues, *mended, *odd, *rare),
        facts=_facts([found for _, found in seen]),
        fingerprint=fingerprint(items),
    )


def changed(dataset: Dataset, progress: Progress | None = None, *, data_home: str | None = None) -> list[str]:
    """The ids of the pictures whose content is not what it was when they were examined, or that are gone."""
    fresh = examine(dataclasses.replace(dataset, issues=()), progress, data_home=data_home)
    now = {item.id: item.sha256 for item in fresh.items}
    return [item.id for item in dataset.items if now.get(item.id) != item.sha256]


def _look_at_all(dataset: Dataset, progress: Progress, data_home: str | None) -> list[Look | PictureError]:
    """One result an item, in order; several threads, since decoding gives the interpreter free."""
    total = len(dataset.items)
    known = looks.Known(dataset.root, data_home)
    pieces = [dataset.items[start : start + _AT_ONCE] for start in range(0, total, _AT_ONCE)]
    stop = threading.Event()

    def judge(piece: Sequence[Item]) -> list[Look | PictureError]:
        return [] if stop.is_set() else [_judged(known, item) for item in piece]

    results: list[Look | PictureError] = []
    threads = min(os.cpu_count() or 1, max(1, len(pieces)))
    try:
        with ThreadPoolExecutor(threads, thread_name_prefix="foveal-examine") as pool:
            try:
                progress(0, total)
                for piece in pool.map(judge, pieces):
                    results += piece
                    progress(len(results), total)
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        known.save(dataset.items[: len(results)])  # also when interrupted: what is known stays known
    return results


def _judged(known: looks.Known, item: Item) -> Look | PictureError:
    try:
        return known.look(item)
    except PictureError as error:
        return error


def _too_many(dataset: Dataset, broken: dict[str, PictureError]) -> DataError:
    if dataset.items and not Path(dataset.root).exists():
        return DataError(
            f"The folder {dataset.root} is no longer there, and with it its {_pictures(len(dataset.items))}.",
            "The pictures where they were.",
            "Put them back there, or train a new run on them where they are now: foveal train DATA",
        )
    if not dataset.items:
        return DataError(
            f"{dataset.root} holds no pictures.",
            "At least two pictures of at least two classes.",
            "Check the path.",
        )
    shown = "\n".join(f"  {error.came}" for error in list(broken.values())[:5])
    more = f"\n  and {len(broken) - 5} more" if len(broken) > 5 else ""
    first = next(iter(broken.values()))
    todo = first.todo if len(broken) == 1 else "Remove these files, or copy or download them again."
    return DataError(
        f"{len(broken)} of {len(dataset.items)} pictures in {dataset.root} cannot be read:\n{shown}{more}",
        "At most a tenth may be unreadable; they are then left out and named.",
        f"{todo} If the pictures are right, check the path, and that all have been copied.",
    )


def _left_out(broken: dict[str, PictureError]) -> Iterable[Issue]:
    by_kind: defaultdict[str, list[str]] = defaultdict(list)
    for id, error in broken.items():
        by_kind[error.kind].append(id)
    for kind, ids in sorted(by_kind.items()):
        reasons = "; ".join(broken[id].came.rstrip(".") for id in ids[:3])
        more = f"; and {len(ids) - 3} more" if len(ids) > 3 else ""
        yield Issue(
            kind,
            "warning",
            f"{_pictures(len(ids))} left out, {_BROKEN.get(kind, kind)}: {reasons}{more}.",
            tuple(ids),
        )


def _oddities(found: dict[str, Look]) -> Iterable[Issue]:
    by_kind: defaultdict[str, list[str]] = defaultdict(list)
    for id, seen in found.items():
        for kind in seen.notes:
            by_kind[kind].append(id)
    for kind, ids in sorted(by_kind.items()):
        says = _SAYS[kind]
        if len(ids) == 1:
            for many, one in (("are ", "is "), ("have ", "has "), ("hold ", "holds "), ("their ", "its ")):
                says = says.replace(many, one)
        yield Issue(kind, "note", f"{_pictures(len(ids))} {says}.", tuple(ids))


def _tiny(found: dict[str, Look]) -> Iterable[Issue]:
    """Pictures of a single pixel's width or height."""
    ids = tuple(id for id, seen in found.items() if min(seen.width, seen.height) == 1)
    if ids:
        yield Issue(
            "tiny",
            "warning",
            f"{_times(len(ids), 'picture is', 'pictures are')} a single pixel wide or high, as placeholders and failed "
            "downloads are: there is nothing to be seen.",
            ids,
        )


def _duplicates(items: Sequence[Item]) -> Iterable[Issue]:
    """Byte-identical pictures: harmless, under two labels, or on both sides of a given split."""
    groups: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.sha256].append(item)
    plain, torn, leaks = [], [], []
    for group in groups.values():
        if len(group) > 1:
            two_labels = len({json.dumps(item.truth) for item in group}) > 1
            two_parts = len({item.part for item in group}) > 1
            torn += [group] * two_labels
            leaks += [group] * two_parts
            plain += [group] * (not two_labels and not two_parts)
    if plain:
        extra = sum(len(g) for g in plain) - len(plain)
        yield Issue(
            "duplicates",
            "note",
            f"{_pictures(extra)} more than once, byte for byte; copies stay on one side of the split.",
            _ids(plain),
        )
    if torn:
        named = all(isinstance(item.truth, str) for group in torn for item in group)
        two, wrong = ("under two labels", "One label") if named else ("with different truths", "One of them")
        yield Issue(
            "duplicate-labels",
            "warning",
            f"{_times(len(torn), 'picture stands', 'pictures stand')} {two}, byte for byte the "
            f"same ({_named(torn)}). {wrong} must be wrong.",
            _ids(torn),
        )
    if leaks:
        pairs = Counter(" and ".join(sorted({item.part or "no split" for item in g})) for g in leaks)
        where = ", ".join(f"{n} in {pair}" for pair, n in sorted(pairs.items()))
        yield Issue(
            "duplicate-splits",
            "warning",
            f"{_times(len(leaks), 'picture is', 'pictures are')} in two splits, byte for byte the same "
            f"({where}): {_named(leaks)}. A score on them is too good.",
            _ids(leaks),
        )


def _rare(items: Sequence[Item]) -> Iterable[Issue]:
    """Classes with hardly any pictures beside the most common one; what they cost is told by a trained model."""
    counts = Counter(item.truth for item in items if isinstance(item.truth, str))
    most = max(counts, key=lambda name: counts[name], default="")
    rare = sorted((count, name) for name, count in counts.items() if count * RARE <= counts[most])
    if rare:
        shown = ", ".join(f"{name} ({count})" for count, name in rare[:5])
        more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
        yield Issue(
            "imbalance",
            "note",
            f"{_times(len(rare), 'class has', 'classes have')} at most a tenth of the pictures of {most} "
            f"({counts[most]}): {shown}{more}. --balance sampling draws them more often.",
        )


def _facts(found: Sequence[Look]) -> Facts:
    return Facts(
        width=round(statistics.median(one.width for one in found)),
        height=round(statistics.median(one.height for one in found)),
        min_side=min(min(one.width, one.height) for one in found),
        max_side=max(max(one.width, one.height) for one in found),
        grey=all(one.grey for one in found),
        bytes=sum(one.bytes for one in found),
    )


def _ids(groups: Sequence[Sequence[Item]]) -> tuple[str, ...]:
    return tuple(item.id for group in groups for item in group)


def _named(groups: Sequence[Sequence[Item]]) -> str:
    shown = "; ".join(" = ".join(item.id for item in group) for group in groups[:3])
    return shown + (f"; and {len(groups) - 3} more" if len(groups) > 3 else "")


def _times(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _pictures(count: int) -> str:
    return _times(count, "picture", "pictures")
