"""How a dry run is drawn: the schedule, what is trained, what it takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from ..values import span
from .console import row, table, text
from .plot import curve, has_braille
from .screen import NARROW

WIDEST, PILED = 76, 100_000


def rehearsal(console: Console, doc: Mapping[str, Any]) -> None:
    """The document of `foveal train --dry-run`."""
    console.print()
    if doc.get("find_lr"):
        found_rate(console, doc["find_lr"])
    _schedule(console, doc)
    _groups(console, doc)
    _costs(console, doc)
    console.print(text("Nothing was trained and nothing was written: this was a dry run.", "bold"))


def found_rate(console: Console, found: Mapping[str, Any]) -> None:
    """The curve of a range test, and what follows from it."""
    console.print(text("Range test: loss over learning rate", "bold"))
    rates, smoothed = found["rates"], [math.nan if v is None else v for v in found["smoothed"]]
    worst = 1.5 * next((loss for loss in smoothed if math.isfinite(loss)), 1.0)
    # what explodes at the end would press the rest flat
    drawn = [(rate, min(loss, worst)) for rate, loss in zip(rates, smoothed, strict=True)]
    _plot(console, drawn, "rate", "loss", log_x=True, mark=found["suggestion"])
    console.print(text(found["reason"]))
    console.print()


def _schedule(console: Console, doc: Mapping[str, Any]) -> None:
    console.print(text("Schedule", "bold"))
    wide = console.width >= NARROW
    columns = {"stage": "left", "trains": "left", "epochs": "right", "steps": "right", "schedule": "left"}
    columns |= {"peak rate": "right", "time": "right"}
    shown = table(
        columns if wide else {name: columns[name] for name in ("stage", "steps", "schedule", "time")}
    )
    for stage in doc["stages"]:
        name, steps, time = stage["name"], f"{stage['steps']:,}", span(stage["seconds"])
        schedule = stage["schedule"]
        if not wide:
            row(shown, name, steps, schedule, time)
            continue
        schedule += f", warm-up {stage['warmup']:.0%}" if stage["warmup"] else ""
        row(
            shown,
            name,
            stage["trainable"],
            f"{stage['epochs']:g}",
            steps,
            schedule,
            f"{stage['lr']:.3g}",
            time,
        )
    console.print(shown)
    schedule = doc["schedule"]
    points = list(zip(schedule["steps"], schedule["rates"], strict=True))
    step = -(-len(points) // PILED)
    _plot(console, points[::step], "step", "rate")
    console.print()


def _plot(
    console: Console,
    points: list[tuple[float, float]],
    x: str,
    y: str,
    *,
    log_x: bool = False,
    mark: float | None = None,
) -> None:
    lines = curve(
        [a for a, _ in points],
        [b for _, b in points],
        width=min(WIDEST, console.width - 1),
        x=x,
        y=y,
        log_x=log_x,
        mark=mark,
        dots=has_braille(console),
    )
    for line in lines:
        console.print(text(line), no_wrap=True, overflow="ignore", crop=False)


def _groups(console: Console, doc: Mapping[str, Any]) -> None:
    counts = doc["parameters"]
    whole = counts["trainable"] == counts["total"]
    of = "all of them trained" if whole else f"of which at most {counts['trainable']:,} are trained"
    console.print(text(f"Parameters: {counts['total']:,}, {of}", "bold"))
    several = len(doc["stages"]) > 1
    frozen = any(group["frozen"] for group in doc["groups"])
    columns = {"stage": "left"} if several else {}
    columns |= {"layers": "left", "trained": "right"} | ({"frozen": "right"} if frozen else {})
    shown = table(columns | {"peak rate": "right", "decay": "right"})
    for group in doc["groups"]:
        rate, decay = group["rate"], group["weight_decay"]
        row(
            shown,
            *([group["stage"]] if several else []),
            *(group["layers"], f"{group['trainable']:,}" if group["trainable"] else ""),
            *([f"{group['frozen']:,}" if group["frozen"] else ""] if frozen else []),
            *("" if rate is None else f"{rate:.3g}", "" if decay is None else f"{decay:g}"),
        )
    console.print(shown)
    console.print(text("Norms and biases have no weight decay.", "dim"))
    console.print()


def _costs(console: Console, doc: Mapping[str, Any]) -> None:
    s, m = doc["seconds"], doc["memory"]
    console.print(text(f"Time: about {span(s['total'])}, less where patience ends it sooner", "bold"))
    each = f"{span(s['epoch'])} an epoch, of which judging the validation pictures {span(s['check'])}"
    console.print(
        text(f"  {span(s['train'])} of training ({each}), {span(s['judge'])} to judge the best model")
    )
    has = "" if m["machine"] is None else f" of {m['machine']:,.0f} MB"
    tight = m["machine"] is not None and m["peak"] > 0.8 * m["machine"]
    console.print(text(f"Memory: at most about {m['peak']:,.0f} MB{has}, beside the program itself", "bold"))
    names = ("weights", "gradients", "optimizer", "activations", "batch", "average")
    parts = ", ".join(f"{name} {m[name]:,.0f}" for name in names if m[name] >= 0.5)
    console.print(text(f"  {parts} (MB)"))
    if m["pieces"] > 1:
        console.print(text(f"  each batch in {m['pieces']} pieces, whose gradients are summed"))
    if tight:
        console.print(text("  This is close to all there is: give a smaller --size or --batch.", "yellow"))
    console.print()
