"""A dry run: every stage tried for a few steps on a network that is thrown away, the rest reckoned."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from .. import catalog
from ..charts import Band, Curve, Lines, svg
from ..options import Stage
from ..values import Choice, Dataset
from . import Plan
from .measure import Measured, measure
from .range_test import RangeTest
from .trial import placed_network, planned_batches, untouched

WORKER_SECONDS = 3.0
"""Until reading processes have loaded torch, each time some are started (training, validation, judging)."""
SPARE_SHARE, SPARE_SECONDS = 0.02, 2.0
"""What training keeps of --minutes for saving, loading and writing the result."""


@dataclass(frozen=True)
class Rehearsal:
    """What a run with this plan would do, need and take, measured and reckoned; nothing was kept of it.

    `schedule` has the head's rate at every step; `groups` a row for each part of the network in each
    stage; `seconds` are from the command's start; `memory` is in MB (a million bytes).
    """

    choices: tuple[Choice, ...]
    stages: tuple[dict[str, Any], ...]
    schedule: dict[str, tuple[float, ...]]
    groups: tuple[dict[str, Any], ...]
    parameters: dict[str, int]
    seconds: dict[str, float]
    memory: dict[str, Any]
    find_lr: RangeTest | None = None

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @property
    def chart(self) -> Lines:
        """The schedule, stage by stage."""
        steps, rates = self.schedule["steps"], self.schedule["rates"]
        bands, first = [], 1
        for stage in self.stages:
            bands.append(Band(first, first + stage["steps"] - 1, stage["name"]))
            first += stage["steps"]
        curve = Curve("the head's rate", tuple(steps), tuple(rates))
        return Lines("Learning rate", "step", "rate", (curve,), bands=tuple(bands) if bands[1:] else ())

    def _repr_html_(self) -> str:
        s, m = self.seconds, self.memory
        has = f" of {m['machine']:,.0f} MB" if m["machine"] else ""
        rows = "".join(
            f"<tr><td>{escape(c.option)}</td><td>{escape(str(c.value))}</td><td>{escape(c.reason)}</td></tr>"
            for c in self.choices
        )
        curve = f'<div style="max-width:32em">{svg(self.chart)}</div>'
        found = self.find_lr._repr_html_() if self.find_lr is not None else ""
        return (
            f"<p><b>About {s['total']:.0f} s</b>, at most about {m['peak']:,.0f} MB{has} beside the program; "
            f"nothing was trained.</p>{curve}{_table(self.groups)}{found}"
            f"<table><tr><th>option</th><th>value</th><th>reason</th></tr>{rows}</table>"
        )


def _table(rows: Sequence[dict[str, Any]]) -> str:
    names = list(rows[0]) if rows else []
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_cell(value))}</td>" for value in row.values()) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def rehearse(
    dataset: Dataset,
    planned: Plan,
    screen: Callable[[Any], None],
    *,
    began: float | None = None,
    split: Sequence[Choice] = (),
    found: RangeTest | None = None,
) -> Rehearsal:
    """Try the plan out and say what a run would do. `began` is the command's start in Unix seconds,
    `split` the choices made before the plan, `found` the range test that was part of it.

    Writes nothing and leaves every generator as it was.

    Raises:
        OptionError, ModelError, OfflineError, PictureError: as a run with this plan would.
    """
    start = time.time()
    with untouched(planned.fit.device):
        network = placed_network(dataset, planned)
        built = time.time()
        measured = measure(
            network,
            planned.task,
            planned_batches(dataset, planned, "train", augment=True),
            planned_batches(dataset, planned, "val"),
            planned.fit,
            lambda done, total: screen(("rehearsing", done, total)),
        )
    prepared = built - (start if began is None else began)
    spans, seconds = _spans(dataset, planned, measured, prepared)
    rates = [
        rate for span, stage in zip(spans, planned.fit.stages, strict=True) for rate in _rates(span, stage)
    ]
    return Rehearsal(
        (*split, *planned.choices),
        spans,
        {"steps": tuple(range(1, len(rates) + 1)), "rates": tuple(rates)},
        measured.groups,
        measured.parameters,
        seconds,
        measured.memory,
        found,
    )


def _rates(span: dict[str, Any], stage: Stage) -> list[float]:
    """The head's rate at every step of a stage, as the loop sets it."""
    schedule, steps = catalog.find("schedules", stage.schedule), span["steps"]
    return [stage.lr * schedule.factor(n / steps, stage.warmup) for n in range(steps)]


def _spans(
    dataset: Dataset, planned: Plan, measured: Measured, prepared: float
) -> tuple[tuple[dict[str, Any], ...], dict[str, float]]:
    """What each stage takes, and the whole command; `prepared` seconds are gone when training begins.

    Where epochs are planned, as long as they all take: patience may end them sooner. Where minutes are,
    as many epochs as they hold, by the rules of the loop's own clock.
    """
    workers = planned.options.workers or 0
    started = 3 * WORKER_SECONDS if workers else 0.0
    count = {part: len(dataset.part(part)) for part in ("train", "val")}
    per_epoch = max(1, count["train"] // planned.fit.batch)
    judge = planned.fit.after * _both(measured.check_reading, measured.judging, workers) + 2 * measured.saving
    reading, check_reading = measured.reading, measured.check_reading
    if planned.options.cache != "off":  # decoded once, before the first step
        started += per_epoch * measured.decoding + count["val"] * check_reading
        reading, check_reading = reading - measured.decoding, 0.0
    check = count["val"] * _both(check_reading, measured.checking, workers)
    stages = planned.fit.stages
    each = [
        measured.saving if stage.solve
        else per_epoch * _both(reading, step, workers) + check + measured.saving
        for stage, step in zip(stages, measured.steps, strict=True)
    ]  # fmt: skip
    seeing = _both(reading / planned.fit.batch, measured.checking, workers)
    once = [stage.views and stage.views * count["train"] * seeing + check for stage in stages]
    started += sum(once)
    epochs = [float(stage.epochs) for stage in stages]
    minutes = planned.options.minutes
    if minutes is not None:
        left = minutes * 60 * (1 - SPARE_SHARE) - SPARE_SECONDS - prepared - started - judge
        shares = sum(stage.share for stage in stages)
        epochs = [
            max(0.0, left) * stage.share / shares / one for stage, one in zip(stages, each, strict=True)
        ]
        # a stage makes one step at least
        epochs = [max(1 / per_epoch, round(share * per_epoch) / per_epoch) for share in epochs]
    spans = tuple(
        {
            "name": stage.name,
            "trainable": stage.trainable,
            "epochs": round(length, 2) if minutes is not None else stage.epochs,
            "steps": 1 if stage.solve else round(length * per_epoch),
            "steps_per_epoch": 1 if stage.solve else per_epoch,
            "schedule": stage.schedule,
            "warmup": stage.warmup,
            "lr": stage.lr,
            "seconds": before + length * one,
        }
        for stage, length, one, before in zip(stages, epochs, each, once, strict=True)
    )
    train = started + sum(length * one for length, one in zip(epochs, each, strict=True))
    seconds = {"prepare": prepared, "train": train, "judge": judge}
    parts = {"epoch": each[-1], "check": check, "save": measured.saving}
    return spans, {**seconds, "total": sum(seconds.values()), **parts}


def _both(reading: float, computing: float, workers: int) -> float:
    """Seconds of reading and computing: one after the other, or beside each other in processes."""
    return max(reading / workers, computing) if workers else reading + computing
