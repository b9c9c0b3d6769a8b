"""A run beside what others have published on the same data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..doctor.published import Result, World, world
from ..records.gathered import Gathered
from ..values import Score

MOST = 12
"""Published figures that are shown."""
BEGINS = {"scratch": "from scratch", "imagenet": "from ImageNet's weights", "": ""}


@dataclass(frozen=True)
class Row:
    """One figure: whose, how much, how it came about, where it is published. `own` where it is the run's network,
    `this` where it is the run itself."""

    network: str
    value: str
    how: str
    source: str
    own: bool = False
    this: bool = False


@dataclass(frozen=True)
class Published:
    """The section: a sentence that says how the run compares, and the figures from the best down."""

    title: str
    says: str
    rows: tuple[Row, ...]
    more: int
    metric: str


def published(g: Gathered) -> Published | None:
    """What is published on the run's data; None where the data are not known."""
    around = world(g)
    if around is None:
        return None
    score = g.evaluation.headline if g.evaluation else None
    shown = _some(around)
    rows = [(row.value, _row(row, around)) for row in shown]
    if score is not None and any(row.metric == score.name for row in shown):
        how = f"[{_value(score.name, score.low)}, {_value(score.name, score.high)}]"
        rows.append((score.value, Row("this run", _value(score.name, score.value), how, "", this=True)))
    rows.sort(key=lambda pair: -pair[0])
    metrics = " and ".join(dict.fromkeys(_measure(row.metric) for row in shown))
    return Published(
        around.benchmark.title,
        _says(around, score),
        tuple(row for _, row in rows),
        len(around.results) - len(shown),
        metrics,
    )


def _some(around: World) -> Sequence[Result]:
    """The figures of the run's own network, and of others evenly from the best to the worst."""
    own = list(around.own)[:MOST]
    others = sorted((row for row in around.results if row not in own), key=lambda row: -row.value)
    room = MOST - len(own)
    if len(others) > room > 1:
        others = [others[round(n * (len(others) - 1) / (room - 1))] for n in range(room)]
    return [*own, *others[: max(0, room)]]


def _row(row: Result, around: World) -> Row:
    length = f"{row.epochs:,} epochs" if row.epochs else ""
    size = f"{row.size} px" if row.size else ""
    seeds = f"mean of {row.seeds} runs" if row.seeds and row.seeds > 1 else ""
    other = _measure(row.metric) if row.metric not in ("accuracy", "mAP", "mIoU", "PSNR") else ""
    how = [BEGINS[row.start], row.recipe, size, length, seeds, other, row.note]
    return Row(
        row.network,
        _value(row.metric, row.value),
        ", ".join(part for part in dict.fromkeys(how) if part),
        row.source,
        own=row in around.own,
    )


def _says(around: World, score: Score | None) -> str:
    title, row = around.benchmark.title, around.nearest
    if around.apart or row is None or score is None:
        why = "; ".join(around.apart)
        return f"These are pictures of {title}, known {around.why}. Not comparable: {why}."
    theirs, mine = _value(row.metric, row.value), _value(score.name, score.value)
    if around.shortfall(score.high) is not None:
        return (
            f"Published {theirs} for this network on {title}; you have {mine}: look for an error, not for a better "
            "network."
        )
    if score.high >= row.value:
        return f"Published {theirs} for this network on {title}; this run has {mine}: it reaches that."
    return f"Published {theirs} for this network on {title}; this run has {mine}: near enough that nothing is amiss."


def _value(metric: str, value: float) -> str:
    return f"{value:.2f} dB" if metric == "PSNR" else f"{100 * value:.1f}"


def _measure(metric: str) -> str:
    return {"accuracy": "accuracy in per cent", "PSNR": "PSNR"}.get(metric, f"{metric} in hundredths")
