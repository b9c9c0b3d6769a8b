"""Runs side by side, as a page: what each came to against what it cost, and which differences are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ..charts.scatter import Point, Scatter, scatter_svg
from ..values import figure, short_count, span
from . import words
from .page import environment, text

if TYPE_CHECKING:
    from ..verbs.beside import Row
    from ..verbs.compare import Comparison

COSTS = (
    ("parameters", "Against parameters", "parameters that a prediction passes"),
    ("multiply_adds", "Against multiply-adds", "multiply-adds for one picture"),
    ("best_seconds", "Against time", "seconds of training until the model that was kept"),
)


def page(done: Comparison, *, whole: bool = True) -> str:
    """The page of a comparison; with `whole` a document of its own, else a part for a notebook."""
    judged = [row for row in done.rows if row.headline is not None]
    score = judged[0].headline if judged else None
    names = [row.name for row in judged]
    data = {row.data for row in judged if row.data}
    return environment().get_template("compare.html").render(
        whole=whole, css=Markup(text("style.css")), title=" · ".join(names), says=done.says, notes=done.notes,
        measure=words.named(score.name) if score else "", split=score.split if score else "",
        data=", ".join(sorted(data)), rows=[_cells(row) for row in done.rows],
        charts=[(title, Markup(scatter_svg(chart))) for title, chart in charts(judged)],
        pairs=[
            (pair.b, pair.a, pair.says, _p(pair.p), _p(pair.p_of_all), pair.better) for pair in done.pairs
        ],
        recipes=[(row.name, row.recipe) for row in judged if row.recipe],
        sources=[(row.network, row.published_source) for row in done.rows if row.published_source],
    )  # fmt: skip


def charts(rows: Sequence[Row]) -> list[tuple[str, Scatter]]:
    """The headline against each cost; runs of which one is not known are left out of its chart."""
    made = []
    for name, title, axis in COSTS:
        points = tuple(_point(row, float(getattr(row, name))) for row in rows if getattr(row, name))
        if points:
            score = rows[0].headline
            assert score is not None, "rows that were judged"
            percent = score.name in words.SHARES
            made.append((title, Scatter(title, axis, words.named(score.name), points, percent=percent)))
    return made


def _point(row: Row, x: float) -> Point:
    h = row.headline
    assert h is not None, "it was judged"
    says = f"{row.name}: {figure(h.value)} [{figure(h.low)}, {figure(h.high)}], {short_count(x)}"
    return Point(row.name, x, h.value, h.low, h.high, says)


def _cells(row: Row) -> dict[str, Any]:
    """A run's line of the table."""
    h = row.headline
    score = words.metric(h.name, h.value) if h else ""
    between = f"{words.metric(h.name, h.low)} to {words.metric(h.name, h.high)}" if h else ""
    more = (row.training_parameters or 0) - (row.parameters or 0)
    return {
        "name": row.name, "network": row.network if row.network != row.name else "", "year": row.year or "",
        "failed": row.failed, "score": score, "between": between,
        "parameters": short_count(row.parameters) if row.parameters else "",
        "more": f"and {short_count(more)} that only training passes" if more else "",
        "work": short_count(row.multiply_adds) if row.multiply_adds else "",
        "input": f"{row.size} px{', small stem' if row.stem == 'small' else ''}" if row.size else "",
        "time": span(row.seconds) if row.seconds is not None else "", "epochs": row.epochs or "",
        "pictures": f"{row.pictures:,}" if row.pictures else "",
        "published": f"{100 * row.published:.1f}%" if row.published is not None else "",
    }  # fmt: skip


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.2g}"
