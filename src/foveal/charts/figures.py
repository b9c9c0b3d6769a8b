"""A chart as a Plotly figure: plain JSON that `plotly.graph_objects.Figure` takes, made without Plotly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .kinds import PARTS, TONES, Bars, Chart, Curve, Heat, Lines, Strip
from .scales import finite, reach, thinned

MOST = 2000
INK, GRID = "#20262d", "#e2e5e8"


def plotly(chart: Chart) -> dict[str, Any]:
    """The chart as `{"data": [...], "layout": {...}}`, in the tones' light colours."""
    match chart:
        case Lines():
            return _lines(chart)
        case Bars():
            return _bars(chart)
        case Heat():
            return _heat(chart)
        case Strip():
            return _strip(chart)


def _layout(x: str, y: str, **more: Any) -> dict[str, Any]:
    axis = {"gridcolor": GRID, "zeroline": False, "linecolor": GRID, "automargin": True, "ticks": ""}
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {
            "family": "system-ui, -apple-system, Segoe UI, Roboto, Open Sans, sans-serif",
            "size": 12,
            "color": INK,
        },
        "margin": {"l": 46, "r": 10, "t": 30, "b": 42},
        "xaxis": {**axis, "showgrid": False, "title": {"text": _safe(x)}},
        "yaxis": {**axis, "title": {"text": _safe(y), "standoff": 6}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.06, "yanchor": "bottom"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": TONES["muted"], "activecolor": TONES["accent"]},
        "hoverlabel": {"font": {"size": 12}},
        "showlegend": False,
        **more,
    }


def _safe(text: str) -> str:
    """Plotly reads a little HTML in its texts; a class may be called anything."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(values: Sequence[float]) -> list[float | None]:
    return [float(v) if v is not None and math.isfinite(v) else None for v in values]


def _lines(chart: Lines) -> dict[str, Any]:
    layout = _layout(chart.x, chart.y, showlegend=len([c for c in chart.curves if c.name]) > 1)
    layout["hovermode"] = "closest" if chart.diagonal else "x unified"
    xs = finite(x for c in chart.curves for x in c.xs)
    if chart.log_x:
        layout["xaxis"] |= {"type": "log", "exponentformat": "power"}
    if chart.log_y:
        layout["yaxis"]["type"] = "log"
    if chart.percent:
        layout["yaxis"]["tickformat"] = ".0%" if _wide(chart) else ".1%"
    if chart.percent and chart.diagonal:
        layout["xaxis"]["tickformat"] = ".0%"
    if chart.span:
        ys = finite(y for c in chart.curves for y in (*c.ys, *c.low, *c.high))
        low, high = reach(ys, chart.log_y, chart.span)
        high += 0.0 if chart.percent or chart.log_y else 0.05 * (high - low)
        layout["yaxis"]["range"] = [math.log10(low), math.log10(high)] if chart.log_y else [low, high]
    if chart.x_span:
        layout["xaxis"]["range"] = list(chart.x_span)
    layout["shapes"] = [
        {"type": "rect", "xref": "x", "yref": "paper", "x0": b.start, "x1": b.end, "y0": 0, "y1": 1,
         "fillcolor": INK, "opacity": 0.055 if n % 2 == 0 else 0, "line": {"width": 0}, "layer": "below"}
        for n, b in enumerate(chart.bands)
    ]  # fmt: skip
    if chart.diagonal:
        low, high = reach(xs, False, chart.x_span)
        layout["shapes"].append(
            {
                "type": "line",
                "x0": low,
                "y0": low,
                "x1": high,
                "y1": high,
                "line": {"dash": "dot", "color": TONES["muted"]},
            }
        )
    layout["annotations"] = [
        {"xref": "x", "yref": "paper", "x": (b.start + b.end) / 2, "y": 1, "yanchor": "bottom", "font": {"size": 11},
         "text": _safe(b.name), "showarrow": False}
        for b in chart.bands
    ]  # fmt: skip
    low_x, high_x = reach(xs, chart.log_x, chart.x_span)
    middle = math.sqrt(low_x * high_x) if chart.log_x else (low_x + high_x) / 2
    data = [trace for curve in chart.curves for trace in _curve(curve, chart)]
    for mark in chart.marks:
        data.append(
            {"type": "scatter", "mode": "markers+text", "x": [mark.x], "y": [mark.y], "showlegend": False, "name": "",
             "text": [_safe(mark.says)], "textposition": "top left" if mark.x > middle else "top right",
             "cliponaxis": False,
             "hovertemplate": _safe(mark.says) + "<extra></extra>",
             "marker": {"symbol": "circle-open", "size": 12, "color": INK, "line": {"width": 2}}}
        )  # fmt: skip
    return {"data": data, "layout": layout}


def _wide(chart: Lines) -> bool:
    ys = finite(y for c in chart.curves for y in c.ys)
    return not ys or max(ys) - min(ys) > 0.05


def _curve(curve: Curve, chart: Lines) -> list[dict[str, Any]]:
    colour = TONES[curve.tone]
    xs: Sequence[float] = curve.xs
    ys: Sequence[float] = curve.ys
    if not (curve.says or curve.low or curve.dots):
        xs, ys = thinned(xs, ys, MOST)
    mode = "+".join(["lines"] * curve.line + ["markers"] * (curve.dots or not curve.line))
    trace: dict[str, Any] = {
        "type": "scatter", "mode": mode, "name": _safe(curve.name or chart.y), "x": _plain(xs),
        "y": _plain(ys), "opacity": 0.5 if curve.faint else 1, "marker": {"color": colour, "size": 6},
        "cliponaxis": False,
        "line": {"color": colour, "width": 1.2 if curve.faint else 2.2, "dash": "dash" if curve.dashed else "solid"},
    }  # fmt: skip
    if curve.faint:
        trace["showlegend"] = False
    if curve.says:
        trace |= {"text": [_safe(word) for word in curve.says], "hovertemplate": "%{text}<extra></extra>"}
    if not curve.low:
        return [trace]
    if not curve.line:
        up = [b - y for b, y in zip(curve.high, curve.ys, strict=True)]
        down = [y - a for a, y in zip(curve.low, curve.ys, strict=True)]
        trace["error_y"] = {
            "type": "data", "symmetric": False, "array": _plain(up), "arrayminus": _plain(down), "color": colour,
            "thickness": 1.5, "width": 0,
        }  # fmt: skip
        return [trace]
    there = [
        (x, a, b)
        for x, a, b in zip(curve.xs, curve.low, curve.high, strict=True)
        if len(finite((x, a, b))) == 3
    ]
    edge = {
        "type": "scatter", "mode": "lines", "fill": "toself", "fillcolor": colour, "opacity": 0.16, "name": "",
        "x": [x for x, _, _ in there] + [x for x, _, _ in reversed(there)],
        "y": [b for _, _, b in there] + [a for _, a, _ in reversed(there)],
        "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip
    return [edge, trace]


def _bars(chart: Bars) -> dict[str, Any]:
    layout = _layout(chart.x, chart.y)
    layout["xaxis"]["type"] = "category"
    if chart.percent:
        layout["yaxis"]["tickformat"] = ".0%"
    trace: dict[str, Any] = {
        "type": "bar", "x": [_safe(name) for name in chart.names], "y": _plain(chart.values),
        "marker": {"color": TONES[chart.tone]},
    }  # fmt: skip
    if chart.says:
        trace |= {
            "text": [_safe(s) for s in chart.says],
            "textposition": "none",
            "hovertemplate": "%{text}<extra></extra>",
        }
    return {"data": [trace], "layout": layout}


def _heat(chart: Heat) -> dict[str, Any]:
    layout = _layout(chart.x, chart.y)
    layout["xaxis"] |= {"type": "category", "side": "top", "showticklabels": len(chart.columns) <= 40}
    layout["yaxis"] |= {
        "type": "category",
        "showgrid": False,
        "autorange": "reversed",
        "showticklabels": len(chart.rows) <= 40,
    }
    shares = [[v / (sum(row) or 1) for v in row] for row in chart.values]
    return {
        "data": [{
            "type": "heatmap", "z": shares, "customdata": [list(row) for row in chart.values],
            "x": [_safe(c) for c in chart.columns], "y": [_safe(r) for r in chart.rows], "showscale": False,
            "colorscale": [[0, "rgba(28,110,140,0)"], [1, TONES["accent"]]], "xgap": 1, "ygap": 1,
            "hovertemplate": f"{_safe(chart.y)} %{{y}}, {_safe(chart.x)} %{{x}}: %{{customdata}}<extra></extra>",
        }],
        "layout": layout,
    }  # fmt: skip


def _strip(chart: Strip) -> dict[str, Any]:
    layout = _layout("seconds", "", barmode="stack", showlegend=True)
    layout["yaxis"]["showticklabels"] = False
    return {
        "data": [
            {"type": "bar", "orientation": "h", "name": _safe(name), "x": [amount], "y": [""],
             "marker": {"color": TONES[PARTS[n % len(PARTS)]]},
             "hovertemplate": f"{_safe(name)}: {_safe(said)}<extra></extra>"}
            for n, (name, amount, said) in enumerate(chart.parts)
        ],
        "layout": layout,
    }  # fmt: skip
