"""What stands beside a run in a comparison, and the sentences that a comparison can answer for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .. import catalog
from ..errors import FovealError
from ..events import Epoch
from ..outcomes import SURE, difference
from ..records.run import Run
from ..values import Dataset, Score


@dataclass(frozen=True)
class Row:
    """One run in short, or a network that could not be trained, with its reason in `failed`.

    `parameters` are those that a prediction passes, `multiply_adds` those of one picture; `seconds` of the whole
    command, `best_seconds` of training until the epoch that was kept; `pictures` of the training split. The
    published accuracy is the network's top-1 on ImageNet, 0 to 1, with its source.
    """

    name: str
    network: str
    path: str = ""
    data: str = ""
    headline: Score | None = None
    parameters: int | None = None
    training_parameters: int | None = None
    """With auxiliary heads, which only training passes."""
    multiply_adds: int | None = None
    size: int | None = None
    stem: str = ""
    seconds: float | None = None
    best_seconds: float | None = None
    epochs: int = 0
    pictures: int = 0
    recipe: str = ""
    year: int | None = None
    published: float | None = None
    published_source: str = ""
    failed: str = ""


@dataclass(frozen=True)
class Pair:
    """Run `b` against run `a` on the `count` pictures that both were judged on: the mean difference b - a of
    `measure` with its 95 % interval; `p` by itself, and `p_of_all` with all pairs judged together (Holm 1979)."""

    a: str
    b: str
    measure: str
    higher_is_better: bool
    count: int
    difference: float
    low: float
    high: float
    p: float
    p_of_all: float

    @property
    def shown(self) -> bool:
        """Whether the two can be told apart, among so many pairs."""
        return (self.low > 0 or self.high < 0) and self.p_of_all < SURE

    @property
    def better(self) -> str:
        """The one that these pictures show to be better; empty where they show nothing."""
        if not self.shown:
            return ""
        return self.b if (self.difference > 0) == self.higher_is_better else self.a

    @property
    def says(self) -> str:
        """The difference in words."""
        return difference(self.measure, self.difference, self.low, self.high)


def row(run: Run, name: str, dataset: Dataset) -> Row:
    """A finished run in short; its network is built and traced once to be counted."""
    options, result = run.options, run.result or {}
    architecture: dict[str, Any] = options["architecture"]
    epochs = [event for event in run.events() if isinstance(event, Epoch)]
    kept = [event for event in epochs if event.best]
    passed, all_, work = _counted(architecture)
    recipe = next((choice.reason for choice in run.choices if choice.option == "recipe"), "")
    return Row(
        name=name,
        network=str(architecture["name"]),
        path=str(run.folder),
        data=str(options.get("data") or ""),
        headline=run.headline,
        parameters=passed,
        training_parameters=all_,
        multiply_adds=work,
        size=int(architecture["size"]),
        stem=str(architecture.get("stem", "published")),
        seconds=max(result.get("seconds") or 0.0, trained_seconds(epochs)),
        best_seconds=kept[-1].seconds if kept else None,
        epochs=max((event.epoch for event in epochs), default=0),
        pictures=len(dataset.part("train")),
        recipe=recipe,
        **published(str(architecture["name"])),
    )


def trained_seconds(epochs: Sequence[Epoch]) -> float:
    """Seconds of training over all attempts, which a resumed run's result does not count."""
    return epochs[-1].seconds if epochs else 0.0


def published(network: str) -> dict[str, Any]:
    """What is published of a network, where its architecture says so; for a `Row`."""
    try:
        family = catalog.find("architectures", network)
        about = family.about(network) if hasattr(family, "about") else None
    except FovealError:  # a network of one's own
        return {}
    if about is None:
        return {}
    return {"year": about.year, "published": about.accuracy, "published_source": about.source}


def _counted(architecture: dict[str, Any]) -> tuple[int, int, int]:
    """Parameters that a prediction passes, all of them, and multiply-adds of one picture."""
    import torch

    from ..structure.graph import trace

    told = dict(architecture)
    name = told.pop("name")
    with torch.random.fork_rng(devices=[]):
        network = catalog.find("architectures", name).build(name, **told)
    graph = trace(network, (1, told["channels"], told["size"], told["size"]))
    sizes = {key: parameter.numel() for key, parameter in network.named_parameters()}
    passed = frozenset[str]().union(*(operation.weights for operation in graph.operations))
    work = sum(operation.multiply_adds for operation in graph.operations)
    return sum(sizes[key] for key in passed), sum(sizes.values()), work


def shown(rows: Sequence[Row], pairs: Sequence[Pair]) -> Iterable[str]:
    """Which are better than which, and between which nothing is shown. `rows` best first."""
    order = [row.name for row in rows]
    above: dict[tuple[str, ...], list[str]] = {}
    for name in order:
        worse = {pair.a if pair.better == pair.b else pair.b for pair in pairs if pair.better == name}
        if worse:
            above.setdefault(tuple(n for n in order if n in worse), []).append(name)
    for worse_ones, better in above.items():
        yield f"{listed(better)} {'are each' if better[1:] else 'is'} better than {listed(worse_ones)}."
    for alike in cliques(order, [(p.a, p.b) for p in pairs if not p.shown]):
        yield f"Between {listed(alike)} nothing is shown."


def limits(rows: Sequence[Row], pairs: Sequence[Pair], apart: Sequence[tuple[str, str]]) -> Iterable[str]:
    """How far what is shown goes; `apart` are pairs that were not judged on the same pictures."""
    if apart:
        told = "; ".join(f"{a} and {b}" for a, b in apart)
        yield f"Not judged on the same pictures, so not compared: {told}."
    if len(pairs) > 1:
        yield (
            f"All {len(pairs)} pairs are judged together (Holm 1979): of such comparisons among networks that are "
            "equally good, at most 5 in 100 would name any difference at all."
        )
    elif pairs:
        yield "A difference is named where chance alone would bring one so large less than 5 times in 100."
    if pairs:
        yield (
            f"The intervals are of the {max(pair.count for pair in pairs):,} pictures that were judged. Each network "
            "was trained once: another --seed would move each of them, by how much is not in these intervals."
        )
    if any(one.published is not None for one in rows):
        yield (
            "Published accuracies are of other data: ImageNet, 1,000 classes and 1.28 million training pictures, "
            "most at 224 pixels. They say what a network can do with plenty, not what it should do here."
        )


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def cliques(order: Sequence[str], same: Sequence[tuple[str, str]]) -> list[list[str]]:
    """The largest groups of two or more in which no pair is told apart, in this order. Bron & Kerbosch (1973)."""
    linked = {name: {b if a == name else a for a, b in same if name in (a, b)} for name in order}

    def grow(chosen: set[str], open_: set[str], done: set[str]) -> Iterator[set[str]]:
        if not open_ and not done and len(chosen) > 1:
            yield chosen
        for name in [n for n in order if n in open_]:
            yield from grow(chosen | {name}, open_ & linked[name], done & linked[name])
            open_, done = open_ - {name}, done | {name}

    return [[name for name in order if name in group] for group in grow(set(), set(order), set())]
