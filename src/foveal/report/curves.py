"""Learning curves and the learning rate, as charts: for the page and for a notebook."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from html import escape

from ..charts import Band, Chart, Curve, Lines, Mark, plotly, svg
from ..events import Epoch
from ..records.gathered import Gathered, gather
from ..records.run import Run
from .words import metric, named


@dataclass(frozen=True)
class Curves:
    """A run's curves; in a notebook they show themselves."""

    charts: tuple[Chart, ...]

    def figures(self) -> list[dict[str, object]]:
        """For Plotly: `plotly.graph_objects.Figure(figure)` of each."""
        return [plotly(chart) for chart in self.charts]

    def _repr_html_(self) -> str:
        if not self.charts:
            return "<p>No step has been made yet.</p>"
        drawn = "".join(
            f'<figure style="flex:1 1 360px;max-width:520px;margin:0 0 1em"><figcaption>{escape(c.title)}</figcaption>'
            f"{svg(c)}</figure>"
            for c in self.charts
        )
        return f'<div style="display:flex;flex-wrap:wrap;gap:1.5em">{drawn}</div>'


def show(run: Run) -> Curves:
    """The curves of a run, finished or not."""
    return Curves(tuple(charts(gather(run))))


def charts(g: Gathered) -> list[Chart]:
    """Loss, headline and learning rate; what was never recorded is left out."""
    return [chart for chart in (_loss(g), _headline(g), _rate(g)) if chart is not None]


def _stages(g: Gathered) -> tuple[Band, ...]:
    """Stages as stretches of epochs, where there is more than one."""
    found: list[Band] = []
    for epoch in g.epochs:
        if found and found[-1].name == epoch.stage:
            found[-1] = Band(found[-1].start, epoch.epoch, epoch.stage)
        else:
            found.append(Band(epoch.epoch - 1, epoch.epoch, epoch.stage))
    return tuple(found) if len(found) > 1 else ()


def _at(epochs: tuple[Epoch, ...], step: int, per_epoch: int) -> float:
    """Where a step lies in epochs; epochs of different stages may have different numbers of steps."""
    ends = [0, *(e.step for e in epochs)]
    count = [0, *(e.epoch for e in epochs)]
    place = bisect_left(ends, step)
    if place == 0:
        return 0.0
    if place < len(ends):
        before, after = ends[place - 1], ends[place]
        return count[place - 1] + (step - before) / max(1, after - before) * (count[place] - count[place - 1])
    return count[-1] + (step - ends[-1]) / max(1, per_epoch)


def _per_epoch(g: Gathered) -> int:
    told = [getattr(e, "steps_per_epoch", 0) for e in g.events]
    return max(told, default=0) or (g.epochs[0].step if g.epochs else len(g.steps)) or 1


def _loss(g: Gathered) -> Lines | None:
    per = _per_epoch(g)
    steps = [(_at(g.epochs, s.step, per), s.loss) for s in g.steps]
    trained = [(float(e.epoch), e.train_loss) for e in g.epochs]
    judged = [(float(e.epoch), e.metrics.get("loss", math.nan)) for e in g.epochs]
    curves = []
    if len(steps) > 1:
        xs, ys = zip(*steps, strict=True)
        curves.append(Curve("each step", xs, ys, "sand", faint=True))
    if trained:
        xs, ys = zip(*trained, strict=True)
        curves.append(Curve("training", xs, ys, "warm", dots=len(xs) <= 25))
        xs, ys = zip(*judged, strict=True)
        curves.append(Curve("validation", xs, _numbers(ys), "accent", dots=len(xs) <= 25))
    if not curves:
        return None
    return Lines("Loss", "epoch", "loss", tuple(curves), bands=_stages(g), x_span=_epoch_span(g))


def _numbers(values: tuple[float | None, ...]) -> tuple[float, ...]:
    return tuple(math.nan if v is None else float(v) for v in values)


def _epoch_span(g: Gathered) -> tuple[float, float]:
    last = float(g.epochs[-1].epoch) if g.epochs else 1.0
    return 0.0, last


def _headline(g: Gathered) -> Lines | None:
    rows = [e for e in g.epochs if isinstance(e.headline.get("value"), int | float)]
    if not rows:
        return None
    name = str(rows[-1].headline.get("name") or "score")
    xs = tuple(float(e.epoch) for e in rows)
    ys = _numbers(tuple(e.headline.get("value") for e in rows))
    low = _numbers(tuple(e.headline.get("low") for e in rows))
    high = _numbers(tuple(e.headline.get("high") for e in rows))
    share = name in ("accuracy", "exact_match")
    says = tuple(f"epoch {e.epoch}: {metric(name, e.headline.get('value'))}" for e in rows)
    marks: tuple[Mark, ...] = ()
    if g.best is not None and g.best in rows:
        place = rows.index(g.best)
        marks = (Mark(xs[place], ys[place], f"best: {metric(name, ys[place])}"),)
    curve = Curve("", xs, ys, "accent", dots=len(xs) <= 25, low=low, high=high, says=says)
    title = f"{named(name)[:1].upper()}{named(name)[1:]} in validation"
    return Lines(
        title, "epoch", named(name), (curve,), marks, _stages(g), percent=share, x_span=_epoch_span(g)
    )


def _rate(g: Gathered) -> Lines | None:
    if len(g.steps) < 2:
        return None
    per = _per_epoch(g)
    xs = tuple(_at(g.epochs, s.step, per) for s in g.steps)
    curve = Curve("", xs, tuple(s.lr for s in g.steps), "plum")
    return Lines(
        "Learning rate",
        "epoch",
        "rate of the head",
        (curve,),
        bands=_stages(g),
        x_span=_epoch_span(g),
        span=(0.0, 0.0),
    )
