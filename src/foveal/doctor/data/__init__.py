"""What pictures and labels themselves show: twins, leaks, odd pictures, labels in doubt, shortcuts, rare classes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.examine import RARE
from ...data.sketches import Sketches, sketch
from ...data.twins import Pair, find
from ...intervals import wilson
from ...records.gathered import gather
from ...records.run import Run
from ...values import Dataset, Evaluation, Item
from . import odd as looks

QUICK = 6000
"""Pictures up to which they are opened where few seconds are to be spent."""
DEEP_SECONDS = 180.0
"""Time for features where none is given."""
FEWEST = 100
"""Pictures with labels below which nothing is said of them."""
TINY = 16
"""Pictures of fewer pixels a side have too little detail: only the same ones are twins."""
PLAIN = 0.6
"""Share of labels that the pixels themselves must tell for labels to be held against them, where it must be quick."""
Progress = Callable[[str, int, int], None]


def examined(
    dataset: Dataset,
    *,
    task: str,
    run: Run | str | Path | None = None,
    evaluation: Evaluation | None = None,
    deep: bool = False,
    seconds: float | None = None,
    progress: Progress | None = None,
    data_home: str | None = None,
) -> dict[str, Any]:
    """What the pictures and labels of a data set that is examined and split show, as plain values.

    Args:
        task: what it is for; labels are looked at for `classify` alone.
        run: a run on it, whose judgement of its test pictures tells more; or that `evaluation` itself.
        deep: also features by the bundled backbone, within `seconds` (default: 3 minutes); labels of all pictures
            are then held against them. Without, against the pixels, where these tell enough.
        progress: told what is being done, how far, of how much.

    Returns:
        `count` of pictures; `counts` of labels by split; `twins` (first, second, distance, mirrored, and where they
        stand); `leaks` (split -> ids that have a twin in training); `odd` (kind -> ids); `labels` in doubt;
        `shortcuts`; `taught` (what pixels tell of training's labels alone); `judged` (a run's score with and without
        leaked pictures); `left` (what was not looked at and why). What could not be told is missing.
    """
    said = progress or (lambda what, done, total: None)
    began = time.monotonic()
    found: dict[str, Any] = {"count": len(dataset.items), "counts": dataset.counts(), "left": {}}
    if evaluation is None and run is not None:
        evaluation = gather(run if isinstance(run, Run) else Run.open(run)).evaluation
    pairs: list[dict[str, Any]] = _equal(dataset.items)
    if deep or len(dataset.items) <= QUICK:
        sketches = sketch(dataset, None, lambda d, t: said("pictures", d, t), data_home)
        pairs = _merged(pairs, _twins(sketches, deep, lambda d, t: said("twins", d, t)))
        found["odd"] = {k: [sketches.items[n].id for n in rows] for k, rows in looks.odd(sketches).items()}
    else:
        sketches = None
        found["left"]["pictures"] = f"{len(dataset.items):,} pictures are too many to open quickly"
    found["twins"] = _placed(pairs, dataset)
    found["leaks"] = leaks(found["twins"])
    names = list(dataset.labels)
    if task == "classify" and sketches is not None and _enough(sketches.items, names):
        groups = groups_of(sketches.items, pairs)
        found.update(_told(dataset, sketches, names, groups, deep, seconds, said))
        if late := found.pop("late", ""):
            found["left"]["labels"] = late
    elif task not in ("classify", "autoencode"):
        found["left"]["labels"] = _unheard(task)
    if evaluation is not None:
        found["judged"] = judged(evaluation, found["leaks"])
        if task == "classify":
            found["confused"] = confused(evaluation)
            found["rare"] = rare(evaluation, found["counts"].get("train", {}))
    found["seconds"] = round(time.monotonic() - began, 2)
    return found


def _unheard(task: str) -> str:
    """Why doubtful labels are not told where truths are no classes of whole pictures."""
    drawn = {
        "detect": "boxes", "instances": "masks of objects", "segment": "masks", "regress": "numbers",
        "multilabel": "labels of several a picture", "upscale": "pairs of pictures",
    }.get(task, "truths")  # fmt: skip
    return (
        f"whether {drawn} are right, as labels are held against features of whole pictures, and these say nothing of "
        "them; "
        + (
            "foveal diagnose RUN --deep holds boxes against those that a network finds which was trained on them"
            if task in ("detect", "instances")
            else "where a trained model and the truth disagree most is shown in its report"
        )
    )


def _enough(items: Sequence[Item], names: Sequence[str]) -> bool:
    borne = {item.truth for item in items if isinstance(item.truth, str)}
    return len(items) >= FEWEST and len(borne & set(names)) >= 2


def _equal(items: Sequence[Item]) -> list[dict[str, Any]]:
    """Pairs of pictures that are the same byte for byte: each with the first of its kind."""
    first: dict[str, Item] = {}
    pairs = []
    for item in items:
        if item.sha256 and item.sha256 in first:
            pairs.append(
                {"first": first[item.sha256].id, "second": item.id, "distance": 0.0, "mirrored": False}
            )
        first.setdefault(item.sha256, item)
    return pairs


def _twins(sketches: Sketches, deep: bool, progress: Callable[[int, int], None]) -> list[dict[str, Any]]:
    """Near duplicates; of tiny pictures, the same ones alone."""
    if len(sketches) < 2:
        return []
    sides = np.minimum(sketches.measures["width"], sketches.measures["height"])
    pairs: list[Pair] = []
    if float(np.median(sides)) < TINY:
        first: dict[bytes, int] = {}
        for n, small in enumerate(sketches.small):
            other = first.setdefault(small.tobytes(), n)
            pairs += [Pair(other, n, 0.0)] if other != n else []
    else:
        pairs, _ = find(sketches.small, progress, quick=not deep)
    return [
        {
            "first": sketches.items[pair.first].id,
            "second": sketches.items[pair.second].id,
            "distance": round(pair.distance, 4),
            "mirrored": pair.mirrored,
        }
        for pair in pairs
    ]


def _merged(one: list[dict[str, Any]], two: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = {(row["first"], row["second"]) for row in one}
    return one + [row for row in two if (row["first"], row["second"]) not in known]


def _placed(pairs: Sequence[Mapping[str, Any]], dataset: Dataset) -> list[dict[str, Any]]:
    """Pairs with the splits and truths of both."""
    items = {item.id: item for item in dataset.items}
    rows = []
    for pair in pairs:
        one, two = items[pair["first"]], items[pair["second"]]
        named = isinstance(one.truth, str) and isinstance(two.truth, str)
        rows.append(
            {**pair, "parts": [one.part, two.part], "labels": [one.truth, two.truth] if named else None}
        )
    return rows


def leaks(twins: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Split -> its pictures that have a twin among the training pictures."""
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for pair in twins:
        ends = list(zip((pair["first"], pair["second"]), pair["parts"], strict=True))
        for (id, part), (_, other) in (ends, ends[::-1]):
            if other == "train" and part in ("val", "test"):
                found[part][id] = None
    return {part: list(ids) for part, ids in found.items()}


def groups_of(items: Sequence[Item], pairs: Sequence[Mapping[str, Any]]) -> NDArray[np.int64]:
    """A number a picture, the same for twins and twins of twins."""
    place = {item.id: n for n, item in enumerate(items)}
    root = list(range(len(items)))

    def top(n: int) -> int:
        while root[n] != n:
            root[n] = root[root[n]]
            n = root[n]
        return n

    for pair in pairs:
        if pair["first"] in place and pair["second"] in place:
            root[top(place[pair["second"]])] = top(place[pair["first"]])
    return np.array([top(n) for n in range(len(items))], np.int64)


def _told(
    dataset: Dataset,
    sketches: Sketches,
    names: list[str],
    groups: NDArray[np.int64],
    deep: bool,
    seconds: float | None,
    said: Progress,
) -> dict[str, Any]:
    """What labels and pictures say of each other."""
    from .features import scaled
    from .labels import doubted, told_by
    from .shortcuts import shortcuts, told_from, whole

    index = {name: n for n, name in enumerate(names)}
    rows = np.array([n for n, item in enumerate(sketches.items) if item.truth in index], np.int64)
    labels = np.array([index[str(sketches.items[n].truth)] for n in rows], np.int64)
    kept = Sketches(
        tuple(sketches.items[n] for n in rows),
        sketches.small[rows],
        {name: values[rows] for name, values in sketches.measures.items()},
    )
    said("shortcuts", 0, 1)
    told, plain = shortcuts(kept, labels, len(names), groups[rows])
    found: dict[str, Any] = {"shortcuts": told, "plain": plain}
    learned = np.array([item.part == "train" for item in kept.items])
    if learned.sum() >= FEWEST and not learned.all():
        # training's labels by themselves: those that judge may be right where these are not
        found["taught"] = told_from(whole(kept)[learned], labels[learned], len(names), groups[rows][learned])
    if deep:
        found |= doubted(dataset, kept.items, labels, names, groups[rows], seconds or DEEP_SECONDS, said)
        seen = found["labels"]["count"]
        if seen < len(labels):
            found["late"] = (
                f"{len(labels) - seen:,} of {len(labels):,} labels, for want of time: --minutes gives more"
            )
    elif plain["accuracy"] >= PLAIN:
        found["labels"] = told_by(scaled(whole(kept)), kept.items, labels, names, groups[rows])
        found["labels"]["by"] = "the pixels themselves"
    return found


def judged(evaluation: Evaluation, leaked: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A run's share of right answers on all judged pictures, and on those without a twin in training, with intervals;
    empty where truths are no classes."""
    rows = [e for e in evaluation.examples if isinstance(e.get("truth"), str)]
    if not rows:
        return {}
    gone = {id for ids in leaked.values() for id in ids}
    apart = [row for row in rows if row["id"] not in gone]
    made: dict[str, Any] = {"split": evaluation.headline.split}
    for name, some in (("all", rows), ("without", apart)):
        right = sum(row["predicted"] == row["truth"] for row in some)
        share = right / max(1, len(some))
        low, high = wilson(share, len(some)) if some else (0.0, 1.0)
        made[name] = {"count": len(some), "right": right, "accuracy": share, "low": low, "high": high}
    return made


def confused(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Labels whose pictures are mostly called by one other name: how many there are, and the share called so."""
    by_truth: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in evaluation.examples:
        if isinstance(row.get("truth"), str) and isinstance(row.get("predicted"), str):
            by_truth[row["truth"]][row["predicted"]] += 1
    found = []
    for truth, said in by_truth.items():
        name, often = max(said.items(), key=lambda pair: pair[1])
        count = sum(said.values())
        found.append({"truth": truth, "called": name, "count": count, "share": often / count})
    return found


def rare(evaluation: Evaluation, counts: Mapping[str, int]) -> dict[str, Any]:
    """How often the pictures of rare classes are recognised, beside those of the others, with intervals; empty where
    no class is rare."""
    most = max(counts.values(), default=0)
    names = {name for name, count in counts.items() if count * RARE <= most}
    rows = [e for e in evaluation.examples if isinstance(e.get("truth"), str)]
    made: dict[str, Any] = {"names": sorted(names), "most": most, "least": min(counts.values(), default=0)}
    for key, some in (
        ("few", [row for row in rows if row["truth"] in names]),
        ("many", [row for row in rows if row["truth"] not in names]),
    ):
        if not some:
            return {}
        share = sum(row["predicted"] == row["truth"] for row in some) / len(some)
        low, high = wilson(share, len(some))
        made[key] = {"count": len(some), "recall": share, "low": low, "high": high}
    return made
