"""Results that others have published on known data, and whether a run may be held against them."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .. import catalog
from ..errors import FovealError
from ..records.gathered import Gathered
from . import recognised

TABLE = Path(__file__).with_suffix(".json")
"""Every row with its source; values are in Foveal's own units (accuracy, mAP, mIoU from 0 to 1, PSNR in dB)."""
WHOLE = 0.75
"""Share of a data set's training pictures from which a run was trained on it: some of them may have steered it."""
JUDGED = 0.95
"""Share of its test pictures that a run must have been judged on."""
NEAR = 0.15
"""A picture's side may differ by this share."""
SAME = 0.8
"""Share of the pictures that judge that must be known test pictures, where their pixels tell."""
LONG, SHORT, FEWEST = 0.5, 0.1, 15
"""Shares of the published epochs from which a run is as long, or long enough for a gap that is glaring; a short one
has at least so many epochs."""
ENOUGH = {"scratch": 30, "imagenet": 5}
"""Epochs that are long enough where nobody says how long the published training was, by where it started."""
GAP, RATIO = (0.05, 0.15), (1.5, 3.0)
"""A shortfall is told from this many hundredths, and times the published error: of a long run, and of a short one."""
DECIBELS = (1.0, 2.0)


@dataclass(frozen=True)
class Result:
    """A published figure. `like` is the network's name in Foveal, where it has it; `start` is `scratch`, `imagenet`
    (its weights), or empty where that says nothing; `size` the pictures' side in pixels, where it is not
    the data's own; `epochs` what training took, where that is said."""

    data: str
    network: str
    metric: str
    value: float
    start: str
    source: str
    like: str = ""
    stem: str = ""
    epochs: int | None = None
    size: int | None = None
    seeds: int | None = None
    recipe: str = ""
    note: str = ""
    scale: int | None = None


@dataclass(frozen=True)
class Benchmark:
    """A known data set: what it is called, how many pictures it has, and what they are of."""

    key: str
    title: str
    names: tuple[str, ...]
    train: int | None = None
    val: int | None = None
    test: int | None = None
    all: int | None = None
    side: int | None = None
    labels: tuple[str, ...] = ()
    classes: int | None = None


@dataclass(frozen=True)
class World:
    """What is published on a run's data. `own` are the figures of its own network, and `apart` what stands between
    any of these and the run; where that is nothing, `short` says how large a shortfall must be."""

    benchmark: Benchmark
    why: str
    results: tuple[Result, ...]
    own: tuple[Result, ...]
    apart: tuple[str, ...]
    length: Literal["long", "short", ""] = ""
    nearest: Result | None = None
    """The lowest figure of its own network, as a run that reaches that is all right."""

    def shortfall(self, high: float) -> float | None:
        """How far the upper end of a run's interval lies below the figure of its own network; None where that is no
        cause for alarm, or cannot be said."""
        if self.nearest is None or self.apart or not self.length:
            return None
        short = self.length == "short"
        gap, value = self.nearest.value - high, self.nearest.value
        if self.nearest.metric == "PSNR":
            return gap if gap >= DECIBELS[short] else None
        far = gap >= GAP[short] and (1 - high) >= RATIO[short] * (1 - value)
        return gap if far else None


@functools.cache
def table() -> tuple[Mapping[str, Benchmark], tuple[Result, ...]]:
    """The data sets by key, and every published result."""
    read = json.loads(TABLE.read_text(encoding="utf-8"))
    rows: dict[str, dict[str, Any]] = read["data"]
    known = {}
    for key, row in rows.items():
        told: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        known[key] = Benchmark(key, **told)
    return known, tuple(Result(**row) for row in read["results"])


@dataclass(frozen=True)
class Known:
    """The known data set that a run was trained on, and how that is known; where its pictures are marked and can
    still be read, also how many of those that judge are its test pictures."""

    benchmark: Benchmark
    why: str
    seen: recognised.Seen | None = None


def benchmark_of(g: Gathered) -> Known | None:
    """The known data set that a run was trained on: by its pictures, where those can be read and are as they were
    published; by its class names; or by its name where its classes and its pictures' size agree with that."""
    data = g.dataset
    if data is None:
        return None
    known = table()[0]
    called = next(((one, why) for one in known.values() if (why := _called(g, one))), None)
    marks = recognised.table()
    marked = [known[key] for key in marks if _fits(g, known[key]) and recognised.possible(data, marks[key])]
    marked.sort(key=lambda one: called is None or one is not called[0])  # the likeliest first
    looked: dict[str, recognised.Seen] = {}
    for one in marked:
        seen = recognised.seen(data, marks[one.key])
        if seen is None:
            break
        if seen.known:
            return Known(one, "by its pictures", seen)
        looked[one.key] = seen
    return Known(*called, looked.get(called[0].key)) if called else None


def _called(g: Gathered, one: Benchmark) -> str:
    """How a run's data are known to be this set by what they are called; empty where they are not."""
    if g.dataset is None or not _fits(g, one):
        return ""
    labels = {label.lower() for label in g.dataset.labels}
    if one.labels and labels == {label.lower() for label in one.labels}:
        return "by the names of its classes"
    fit = (one.classes or len(one.labels) or len(labels)) == len(labels)
    return "by its name" if fit and str(g.options.get("data") or "").lower() in one.names else ""


def _fits(g: Gathered, one: Benchmark) -> bool:
    """Whether the pictures can be of this set: of its size, and not more of them than it has."""
    facts, data = g.facts, g.dataset
    if data is None or (one.side and facts is not None and {facts.min_side, facts.max_side} != {one.side}):
        return False
    total = one.all or sum(n or 0 for n in (one.train, one.val, one.test))
    return len(data.items) <= total or one.train is None


def world(g: Gathered) -> World | None:
    """What is published on the data of a run; None where nobody knows them, or nothing is published."""
    found = benchmark_of(g)
    if found is None:
        return None
    one = found.benchmark
    results = tuple(row for row in table()[1] if row.data == one.key and _same_task(g, row))
    if one.key == "imagenet":
        results += tuple(_imagenet(g.network))
    if not results:
        return None
    own = tuple(row for row in results if row.like and row.like == g.network and not _otherwise(g, row, one))
    metric = g.evaluation.headline.name if g.evaluation else ""
    alike = [row for row in own if row.metric == metric]
    nearest = min(alike, key=lambda row: row.value, default=None)
    length = _length(g, nearest) if nearest else ""
    apart = (*_apart(g, one, nearest, length), *_otherwise_judged(found))
    return World(one, found.why, results, own, apart, length, nearest)


def _same_task(g: Gathered, row: Result) -> bool:
    return row.scale is None or row.scale == g.task.get("scale")


def _imagenet(network: str) -> Iterator[Result]:
    """What a network's own publishers say of it, where it says so itself."""
    try:
        family = catalog.find("architectures", network)
        about = family.about(network) if hasattr(family, "about") else None
    except FovealError:
        return
    if about is not None and about.accuracy is not None:
        yield Result(
            "imagenet", network, "accuracy", about.accuracy, "scratch", about.source, like=network, epochs=90
        )


def _otherwise(g: Gathered, row: Result, one: Benchmark) -> bool:
    """Whether the same network was trained in another way: from other weights, with other first layers, on pictures
    of another size."""
    start = "scratch" if g.options.get("origin") is None else "imagenet"
    architecture: Any = g.options.get("architecture") or {}
    stem = str(architecture.get("stem", "published"))
    side = row.size or one.side
    far = bool(side and g.size and abs(g.size - side) > NEAR * side)
    return row.start != start or bool(row.stem and row.stem != stem) or far


def _length(g: Gathered, row: Result) -> Literal["long", "short", ""]:
    """Whether a run was trained as long as the published one, or at least long enough for a glaring gap."""
    done = g.epochs[-1].epoch if g.epochs else 0
    if row.epochs is None:
        return "long" if done >= ENOUGH.get(row.start, 30) else ""
    if done >= LONG * row.epochs:
        return "long"
    return "short" if done >= max(FEWEST, SHORT * row.epochs) else ""


def _apart(g: Gathered, one: Benchmark, row: Result | None, length: str) -> Iterator[str]:
    """What makes a run no match for what is published, each in a clause."""
    data, judged = g.dataset, g.evaluation
    assert data is not None
    has_test = bool(data.part("test"))
    trained = len(data.part("train")) + (len(data.part("val")) if has_test else 0)
    official = one.train if one.train is not None else one.all
    if official and one.all is None and trained < WHOLE * official:
        yield f"{trained:,} of its {official:,} training pictures"
    if official and one.all is not None and len(data.items) < JUDGED * official:
        yield f"{len(data.items):,} of its {official:,} pictures"
    if judged is None or g.status not in ("finished", "diverged"):
        yield "the run has not come to its end"
        return
    if one.test and judged.count < JUDGED * one.test:
        yield f"judged on {judged.count:,} of its {one.test:,} test pictures"
    if row is None:
        yield "nobody has published this network in this setting"
    elif not length:
        done = g.epochs[-1].epoch if g.epochs else 0
        after = f", published after {row.epochs:,}" if row.epochs else ""
        yield f"trained for {done:,} epoch{'' if done == 1 else 's'}{after}"


def _otherwise_judged(found: Known) -> Iterator[str]:
    """What the pictures that judge are, where they are others than the known test pictures."""
    seen, title = found.seen, found.benchmark.title
    if seen is None or seen.share >= SAME or seen.expected < recognised.FEWEST:
        return
    if seen.known:
        yield f"about {100 * seen.share:.0f} % of the pictures that judge are test pictures of {title}"
    else:
        yield (
            f"not one of {seen.looked:,} pictures that were looked at is a test picture of {title} as it was "
            "published: these are others, or were saved anew with loss"
        )
