"""How far probabilities can be believed, and numbers: predicted against true."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..charts import Bars, Chart, Curve, Lines, Mark, finite
from ..intervals import wilson
from ..records.gathered import Gathered
from ..values import Evaluation
from .words import number, percent, pictures, split_name

BINS = 10


@dataclass(frozen=True)
class Calibration:
    """The diagram, how many pictures stand behind each point, and what is known in words."""

    charts: tuple[Chart, ...]
    says: tuple[str, ...]
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What the temperature changed, before and after it: (what, a value a column)."""
    note: str = ""
    far: tuple[str, ...] = ()


def calibration(g: Gathered) -> Calibration | None:
    """For tasks whose answers carry one probability each; None otherwise."""
    judged = g.evaluation
    if judged is None or g.kind != "classes":
        return None
    pairs = [
        (float(row["probability"]), row.get("truth") == row.get("predicted"))
        for row in judged.examples
        if isinstance(row.get("probability"), int | float)
    ]
    if not pairs:
        return None
    charts = _reliability(pairs)
    says = [_in_words(judged, pairs)]
    t = g.trust.get("temperature")
    if isinstance(t, int | float):
        which = "softer" if t > 1 else "sharper"
        says.append(
            f"Outputs are divided by a temperature of {t:.2f}, found on the validation pictures, which makes "
            f"probabilities {which} and changes no answer." if abs(t - 1) > 0.005
            else "The validation pictures asked for no temperature: probabilities are the network's own."
        )  # fmt: skip
    rows, others = _before_and_after(g.trust, judged), judged.headline.split != "val"
    columns = ("validation, before", "validation, after", f"{split_name(judged.headline.split)}, after")
    note = "The temperature was fitted to the validation pictures, so that they flatter it"
    note += "; the others tell what is left, and were judged with it only." if others else "."
    return Calibration(
        charts, tuple(says), columns if others else columns[:2], rows, note, none_of_these(g.trust)
    )


def _in_words(judged: Evaluation, pairs: list[tuple[float, bool]]) -> str:
    mean = sum(p for p, _ in pairs) / len(pairs)
    hits = sum(right for _, right in pairs) / len(pairs)
    error = judged.metrics.get("calibration_error")
    said = f"On average the network is {percent(mean)} sure and {percent(hits)} right"
    lean = (
        "about as sure as it should be"
        if abs(mean - hits) < 0.02
        else "too sure"
        if mean > hits
        else "too modest"
    )
    if error is not None:
        said += f": {lean}. The expected calibration error is {error * 100:.1f} points"
    return said + "."


def _reliability(pairs: list[tuple[float, bool]]) -> tuple[Chart, ...]:
    inside: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for pair in pairs:
        inside[min(BINS - 1, int(pair[0] * BINS))].append(pair)
    xs, ys, low, high, says = [], [], [], [], []
    for group in inside:
        if group:
            hits = sum(right for _, right in group) / len(group)
            bottom, top = wilson(hits, len(group))
            xs.append(sum(p for p, _ in group) / len(group))
            ys.append(hits)
            low.append(bottom)
            high.append(top)
            says.append(f"{pictures(len(group))}: {percent(xs[-1])} sure, {percent(hits)} right")
    points = Curve(
        "",
        tuple(xs),
        tuple(ys),
        "accent",
        line=False,
        dots=True,
        low=tuple(low),
        high=tuple(high),
        says=tuple(says),
    )
    diagram = Lines(
        "How sure it was, and how often right", "how sure", "how often right", (points,), percent=True, span=(0.0, 1.0),
        x_span=(0.0, 1.0), diagonal=True,
    )  # fmt: skip
    names = tuple(f"{n * 100 // BINS}–{(n + 1) * 100 // BINS}%" for n in range(BINS))
    counts = tuple(float(len(group)) for group in inside)
    said = tuple(f"{name} sure: {pictures(int(n))}" for name, n in zip(names, counts, strict=True))
    short = tuple(f"{n * 100 // BINS}%" for n in range(BINS))
    return diagram, Bars(
        "Pictures behind each point", "how sure, from", "pictures", short, counts, "accent", says=said
    )


def _before_and_after(
    trust: Mapping[str, Any], judged: Evaluation
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Of the validation pictures, without and with the temperature; with it also of those judged, if others."""
    rows = []
    others = [] if judged.headline.split == "val" else [judged.metrics]
    for what, name, scale, unit in (
        ("Calibration error", "calibration_error", 100, " points"), ("Loss", "loss", 1, ""),
    ):  # fmt: skip
        before, after = trust.get(f"{name}_before"), trust.get(name)
        if isinstance(before, int | float) and isinstance(after, int | float):
            digits = 1 if scale == 100 else 3
            values = [before, after, *(metrics.get(name) for metrics in others)]
            said = ("–" if value is None else f"{value * scale:.{digits}f}{unit}" for value in values)
            rows.append((what, tuple(said)))
    return tuple(rows)


def none_of_these(trust: Mapping[str, Any]) -> tuple[str, ...]:
    """What is known of pictures that lie far from everything seen, as sentences."""
    far = trust.get("far")
    if not isinstance(far, Mapping) or not far:
        return ()
    refused = far.get("refused")
    kept = far.get("kept")
    says = []
    if isinstance(kept, int | float):
        says.append(
            "A picture counts as none of these when what the network sees in it lies farther from every class "
            f"than in {percent(kept)} of the validation pictures."
        )
    if isinstance(refused, Mapping) and isinstance(refused.get("share"), int | float):
        low, high = refused.get("low"), refused.get("high")
        interval = ""
        if isinstance(low, int | float) and isinstance(high, int | float):
            interval = f" (95% interval {percent(low)} to {percent(high)})"
        where = f"the {split_name(str(refused.get('split')))} pictures".replace("the  ", "the ")
        says.append(
            f"Of {where}, all of known classes, it refuses {percent(refused['share'])} wrongly{interval}."
        )
    if says:
        return tuple(says)
    known = [
        f"{str(key).replace('_', ' ')}: {number(v)}" for key, v in far.items() if isinstance(v, int | float)
    ]
    return ("; ".join(known) + ".",) if known else ()


def against_truth(g: Gathered) -> Lines | None:
    """Predicted against true, for numbers."""
    judged = g.evaluation
    if judged is None or g.kind != "numbers":
        return None
    rows = [
        (float(row["truth"]), float(row["predicted"]), str(row.get("id")))
        for row in judged.examples
        if isinstance(row.get("truth"), int | float) and isinstance(row.get("predicted"), int | float)
    ]
    rows = rows[:: -(-len(rows) // 1500) or 1]
    if not rows:
        return None
    xs, ys = tuple(r[0] for r in rows), tuple(r[1] for r in rows)
    says = tuple(f"{r[2]}: true {number(r[0])}, predicted {number(r[1])}" for r in rows)
    both = (min(xs + ys), max(xs + ys))
    curve = Curve("", xs, ys, "accent", line=False, dots=True, says=says)
    unit = f" {judged.quantity}" if judged.quantity else ""
    title = f"Predicted against true{unit}"
    return Lines(title, "true" + unit, "predicted" + unit, (curve,), span=both, x_span=both, diagonal=True)


def _below(values: Sequence[Any], top: float) -> tuple[float, ...]:
    numbers = (math.nan if v is None else float(v) for v in values)
    return tuple(v if v <= top else math.nan for v in numbers)


def range_test(g: Gathered) -> Lines | None:
    """The curve of `--find-lr`, where the run has one."""
    found = g.find_lr
    rates, losses = found.get("rates"), found.get("losses")
    if not isinstance(rates, list) or not isinstance(losses, list) or len(rates) < 2:
        return None
    xs = tuple(float(r) for r in rates)
    nan = float("nan")
    seen = finite(losses)
    # where the loss explodes the picture ends: what matters is the slope before
    top = seen[0] + 1.5 * (seen[0] - min(seen)) if seen else nan
    curves = [Curve("each step", xs, _below(losses, top), "sand", faint=True)]
    smoothed = found.get("smoothed")
    if isinstance(smoothed, list) and len(smoothed) == len(xs):
        curves.append(Curve("smoothed", xs, _below(smoothed, top), "accent"))
    marks: tuple[Mark, ...] = ()
    at = found.get("suggestion")
    if isinstance(at, int | float) and at > 0:
        curve = curves[-1]
        place = min(range(len(xs)), key=lambda n: abs(xs[n] - at))
        if math.isfinite(curve.ys[place]):
            marks = (Mark(float(at), curve.ys[place], f"suggested: {at:.2g}"),)
    return Lines("The range test", "learning rate", "loss", tuple(curves), marks, log_x=True)
