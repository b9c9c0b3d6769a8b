"""foveal runs diff: in what two runs differ, and which is better."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

from ..events import Epoch
from ..options import TrainOptions
from ..outcomes import Paired, difference, paired
from ..records.run import DATA, MACHINE, OPTIONS, Run
from ..values import PARTS, Dataset, Score
from .judged import alike, judged
from .runs import found

_OF_PLACE = ("out", "runs_dir", "data_home", "save_seconds")
_MACHINE = ("device", "gpu", "processor", "cores", "threads", "platform", "torch_build")


@dataclass(frozen=True)
class Side:
    """One of the two runs. `seconds` are of the whole command where it has ended, else of training."""

    path: str
    name: str
    status: str
    headline: Score | None
    seconds: float | None
    epochs: int
    parent: str = ""


@dataclass(frozen=True)
class Difference:
    """Something that the two have differently, each with its reason where it has one."""

    what: str
    a: Any
    b: Any
    reason_a: str = ""
    reason_b: str = ""


@dataclass(frozen=True)
class DataDifference:
    """Item ids by how they differ, and pictures a split (A's, B's)."""

    same: bool
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    other_picture: tuple[str, ...] = ()
    other_label: tuple[str, ...] = ()
    other_split: tuple[str, ...] = ()
    counts: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class Diff:
    """Two runs beside each other. `says` is which is better and whether that is sure; `paired` is the
    comparison on the pictures that both were judged on; None where there are none."""

    a: Side
    b: Side
    options: tuple[Difference, ...]
    data: DataDifference | None
    versions: tuple[Difference, ...]
    paired: Paired | None
    says: str

    def to_json(self) -> dict[str, Any]:
        found = dataclasses.asdict(self)
        if self.paired is not None:
            found["paired"]["sure"] = self.paired.sure
        return found

    def _repr_html_(self) -> str:
        def rows(parts: Iterable[Difference]) -> str:
            return "".join(
                f"<tr><td>{escape(d.what)}</td><td title='{escape(d.reason_a)}'>{escape(str(d.a))}</td>"
                f"<td title='{escape(d.reason_b)}'>{escape(str(d.b))}</td></tr>"
                for d in parts
            )

        results = (
            Difference("headline", self.a.headline or "", self.b.headline or ""),
            Difference("seconds", self.a.seconds or "", self.b.seconds or ""),
        )
        data = "" if self.data is None else f"<p>{escape(said_of_data(self.data))}</p>"
        head = f"<tr><th></th><th>{escape(self.a.name)}</th><th>{escape(self.b.name)}</th></tr>"
        return (
            f"<p><b>{escape(self.says)}</b></p><table>{head}{rows(results)}{rows(self.options)}"
            f"{rows(self.versions)}</table>{data}"
        )


def diff(
    a: str | os.PathLike[str], b: str | os.PathLike[str], *, runs_dir: str | os.PathLike[str] = "runs"
) -> Diff:
    """In what run `b` differs from run `a`: options, pictures, versions, results.

    Where both were judged on the same pictures they are compared picture by picture. Of runs that
    are not finished what is known so far is compared.

    Args:
        a: a run's folder, or its name in `runs_dir`.
        b: another one.

    Raises:
        RunError: one is no run, or a file of it is damaged.
    """
    one, other = Run.open(found(a, runs_dir)), Run.open(found(b, runs_dir))
    first, second = _side(one), _side(other)
    if first.name == second.name:
        first = dataclasses.replace(first, name=first.path)
        second = dataclasses.replace(second, name=second.path)
    datasets = _dataset(one), _dataset(other)
    both = _paired(one, other, datasets)
    return Diff(
        first,
        second,
        tuple(_options(one, other)),
        None if None in datasets else _data(*datasets),  # type: ignore[arg-type]
        tuple(_versions(one, other)),
        both,
        _says(first, second, both),
    )


def _side(run: Run) -> Side:
    epochs = [event for event in run.events() if isinstance(event, Epoch)]
    result = run.result
    lineage = (run.options.get("lineage") if (run.folder / OPTIONS).exists() else None) or {}
    seconds = result["seconds"] if result and "seconds" in result else None
    return Side(
        str(run.folder),
        run.name,
        run.status,
        run.headline,
        seconds if seconds is not None else epochs[-1].seconds if epochs else None,
        max((event.epoch for event in epochs), default=0),
        str((lineage.get("parent") or {}).get("name", "")),
    )


def _options(a: Run, b: Run) -> Iterable[Difference]:
    """The training options that differ, in the order of `TrainOptions`."""
    values, reasons = [], []
    for run in (a, b):
        there = (run.folder / OPTIONS).exists()
        values.append(dict(run.options.get("train") or {}) if there else {})
        reasons.append({c.option: c.reason for c in run.choices} if there else {})
    known = [field.name for field in dataclasses.fields(TrainOptions)]
    for name in (*known, *sorted({*values[0], *values[1]} - set(known))):
        one, other = values[0].get(name), values[1].get(name)
        if one != other and name not in _OF_PLACE:
            yield Difference(name, one, other, reasons[0].get(name, ""), reasons[1].get(name, ""))


def _dataset(run: Run) -> Dataset | None:
    return run.dataset if (run.folder / DATA).exists() else None


def _data(a: Dataset, b: Dataset) -> DataDifference:
    mine, theirs = {i.id: i for i in a.items}, {i.id: i for i in b.items}
    both = [(mine[key], theirs[key]) for key in mine if key in theirs]
    counts = tuple(
        Difference(part, len(a.part(part)), len(b.part(part)))
        for part in PARTS
        if a.part(part) or b.part(part)
    )
    found = DataDifference(
        False,
        tuple(key for key in mine if key not in theirs),
        tuple(key for key in theirs if key not in mine),
        tuple(x.id for x, y in both if x.sha256 != y.sha256),
        tuple(x.id for x, y in both if x.truth != y.truth),
        tuple(x.id for x, y in both if x.part != y.part),
        counts,
    )
    apart = (found.only_a, found.only_b, found.other_picture, found.other_label, found.other_split)
    return dataclasses.replace(found, same=not any(apart))


def _versions(a: Run, b: Run) -> Iterable[Difference]:
    """What the two were computed with and on, where it differs and is known of both."""
    if not all((run.folder / MACHINE).exists() for run in (a, b)):
        return
    one, other = a.machine, b.machine
    versions = [machine.get("versions") or {} for machine in (one, other)]
    rows = [(key, versions[0].get(key), versions[1].get(key)) for key in sorted({*versions[0], *versions[1]})]
    rows += [(key, one.get(key), other.get(key)) for key in _MACHINE]
    yield from (Difference(what, x, y) for what, x, y in rows if x != y)


def _paired(a: Run, b: Run, datasets: tuple[Dataset | None, Dataset | None]) -> Paired | None:
    """The comparison on the pictures that both were judged on, with the same truths, in the same split."""
    both = alike(judged(a, datasets[0]), judged(b, datasets[1]))
    return None if both is None else paired(*both)


def _says(a: Side, b: Side, both: Paired | None) -> str:
    """Which is better, and whether that is sure."""
    if both is not None:
        return _says_paired(a, b, both)
    for side in (a, b):
        if side.headline is None:
            return f"{side.name} has not been judged yet ({side.status}), so neither can be called better."
    assert a.headline is not None
    assert b.headline is not None
    if a.headline.name != b.headline.name:
        return f"{a.name} is judged by {a.headline.name} and {b.name} by {b.headline.name}: no comparison."
    better, worse = (b, a) if b.headline.better_than(a.headline) else (a, b)
    unfinished = [side.name for side in (a, b) if side.status != "finished"]
    why = (
        f"{' and '.join(unfinished)} {'are' if unfinished[1:] else 'is'} not finished"
        if unfinished
        else "the two were not judged on the same pictures"
    )
    if a.headline.value == b.headline.value:
        return f"Neither is better so far: {a.headline.name} is {a.headline.value:.4f} for both; {why}."
    assert better.headline is not None
    assert worse.headline is not None
    values = f"{better.headline.value:.4f} against {worse.headline.value:.4f}"
    return f"{better.name} has the better {a.headline.name} ({values}), but that is not sure: {why}."


def _says_paired(a: Side, b: Side, both: Paired) -> str:
    where = f"on the {both.count:,} pictures that both were judged on"
    counts = ""
    if both.only_a is not None and both.only_b is not None:
        counts = (
            f"; {both.only_b} only {b.name} got right, {both.only_a} only {a.name} "
            f"(McNemar's p = {both.p:.2g})"
        )
    if both.difference == 0:
        return f"Neither is better {where}{counts}."
    better, worse = (b, a) if (both.difference > 0) == both.higher_is_better else (a, b)
    sign = 1 if better is b else -1
    value, low, high = (sign * n for n in (both.difference, both.low, both.high))
    if sign < 0:
        low, high = high, low
    size = difference(both.name, value, low, high)
    sure = "that is sure for these two models" if both.sure else "that may be chance"
    join = "and" if both.sure else "but"
    return f"{better.name} is better than {worse.name}, {join} {sure}: {size} {where}{counts}."


def said_of_data(data: DataDifference) -> str:
    """In what the pictures differ, in a sentence."""
    if data.same:
        return "The same pictures, labels and split."
    parts = (
        (data.only_a, "only in A"),
        (data.only_b, "only in B"),
        (data.other_picture, "with other content"),
        (data.other_label, "with another label"),
        (data.other_split, "in another split"),
    )
    return "Pictures: " + ", ".join(f"{len(ids):,} {what}" for ids, what in parts if ids) + "."
