"""A chart as SVG: no script, the ground's own text colour, tones that a page may set for the dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from .kinds import PARTS, TONES, Band, Bars, Chart, Curve, Heat, Lines, Strip, Tone
from .scales import Scale, finite, log_ticks, reach, short, thinned, ticks, whole_ticks

WIDTH, HEIGHT = 440, 264
LEFT, RIGHT, TOP, BOTTOM = 50, 14, 30, 42
MOST = 600
_FONT = "font:13px system-ui,-apple-system,'Segoe UI',Roboto,'Open Sans',sans-serif"


def svg(chart: Chart) -> str:
    """The chart as one `<svg>` element, 440 wide in its own units, of the width it is given on a page."""
    match chart:
        case Lines():
            height, body, told = HEIGHT, _lines(chart), _told(chart)
        case Bars():
            height, body, told = HEIGHT, _bars(chart), _told_bars(chart)
        case Heat():
            height, body = _heat(chart)
            told = f"{len(chart.rows)} rows of {chart.y}, {len(chart.columns)} columns of {chart.x}."
        case Strip():
            height, body = _strip(chart)
            told = "; ".join(f"{name} {said}" for name, _, said in chart.parts)
    label = escape(f"{chart.title}. {told}")
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{label}" style="{_FONT};width:100%;height:auto;display:block" fill="currentColor">{body}</svg>'
    )


def _tone(tone: Tone) -> str:
    return f"var(--tone-{tone},{TONES[tone]})"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


_QUIET = ' fill-opacity=".68"'
_DASHES = 'stroke-dasharray="5 4"'


# --- curves ---


def _lines(chart: Lines) -> str:
    bottom = HEIGHT - BOTTOM
    xs = finite(x for c in chart.curves for x in c.xs)
    ys = finite(y for c in chart.curves for y in (*c.ys, *c.low, *c.high))
    ys += [m.y for m in chart.marks]
    low_x, high_x = reach(xs, chart.log_x, chart.x_span)
    low, high = reach(_calm(ys, chart), chart.log_y, chart.span)
    if not chart.log_y and chart.span != (low, high):
        pad = (high - low) * 0.06
        low, high = (low if low == 0 or (chart.span and low == chart.span[0]) else low - pad), high + pad
        high = min(high, 1.0) if chart.percent and max(ys, default=0) <= 1 else high
    x = Scale(low_x, high_x, LEFT, WIDTH - RIGHT, chart.log_x)
    y = Scale(low, high, bottom, TOP, chart.log_y)
    parts = [_band(band, x, number) for number, band in enumerate(chart.bands)]
    parts += _axes(chart, x, y)
    if chart.diagonal:
        least, most = max(low, low_x), min(high, high_x)
        parts.append(
            f'<path d="M{_n(x.at(least))} {_n(y.at(least))}L{_n(x.at(most))} {_n(y.at(most))}" fill="none" '
            'stroke="currentColor" stroke-opacity=".45" stroke-dasharray="4 4"/>'
        )
    for curve in chart.curves:
        parts.append(_curve(curve, x, y))
    for mark in chart.marks:
        at, up = x.at(mark.x), y.at(mark.y)
        right = at > WIDTH * 0.62
        below = up < TOP + 24
        parts.append(
            f'<circle class="c-mark" cx="{_n(at)}" cy="{_n(up)}" r="6" fill="none" '
            'stroke="currentColor" stroke-width="1.6"/>'
            + _text(
                at + (-2 if right else 2), up + (24 if below else -12), mark.says, "end" if right else "start",
                ' font-weight="600" style="paint-order:stroke;stroke:var(--ground,Canvas);stroke-width:4px"',
            )
        )  # fmt: skip
    return "".join(parts) + _legend(chart)


def _calm(ys: list[float], chart: Lines) -> list[float]:
    """Without the few wild values that would press all others flat; they leave the picture at its edge."""
    if chart.log_y or chart.percent or len(ys) < 20:
        return ys
    ordered = sorted(ys)
    top = ordered[int(0.98 * (len(ys) - 1))]
    middle = ordered[len(ys) // 2]
    return [v for v in ys if v <= top] if ordered[-1] - middle > 4 * (top - middle) > 0 else ys


def _band(band: Band, x: Scale, number: int) -> str:
    start, end = x.at(max(band.start, x.low)), x.at(min(band.end, x.high))
    shade = "0.055" if number % 2 == 0 else "0"
    name = band.name if len(band.name) * 7 < end - start else ""
    return (
        f'<rect class="c-band" x="{_n(start)}" y="{TOP}" width="{_n(max(0.0, end - start))}" '
        f'height="{HEIGHT - BOTTOM - TOP}" fill-opacity="{shade}"/>'
        + (_text((start + end) / 2, TOP - 3, name, "middle", ' font-size="11"' + _QUIET) if name else "")
    )


def _axes(chart: Lines, x: Scale, y: Scale) -> list[str]:
    counted = chart.x in ("epoch", "step")
    along = log_ticks(x.low, x.high, 6) if chart.log_x else (whole_ticks if counted else ticks)(x.low, x.high)
    up = log_ticks(y.low, y.high) if chart.log_y else ticks(y.low, y.high, 4)
    parts = [
        f'<path d="M{LEFT} {_n(y.at(t))}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".13"/>'
        + _text(LEFT - 7, y.at(t) + 4.5, short(t, chart.percent), "end", _QUIET)
        for t in up
    ]
    percent_x = chart.percent and chart.diagonal
    parts += [_text(x.at(t), HEIGHT - BOTTOM + 18, short(t, percent_x), "middle", _QUIET) for t in along]
    parts.append(
        f'<path d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".4"/>'
    )
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, chart.x, "middle", _QUIET))
    parts.append(_text(4, 15, chart.y, "start", _QUIET))
    return parts


def _curve(curve: Curve, x: Scale, y: Scale) -> str:
    colour, parts = _tone(curve.tone), []
    if curve.low and curve.line:
        there = [
            (px, a, b)
            for px, a, b in zip(curve.xs, curve.low, curve.high, strict=True)
            if len(finite((px, a, b))) == 3
        ]
        edge = [(x.at(px), y.at(b)) for px, _, b in there] + [
            (x.at(px), y.at(a)) for px, a, _ in reversed(there)
        ]
        if len(there) > 1:
            parts.append(f'<path d="{_path(edge)}Z" style="fill:{colour}" fill-opacity=".16"/>')
    elif curve.low:
        whiskers = "".join(
            f"M{_n(x.at(px))} {_n(y.at(a))}V{_n(y.at(b))}"
            for px, a, b in zip(curve.xs, curve.low, curve.high, strict=True)
        )
        parts.append(
            f'<path d="{whiskers}" style="stroke:{colour}" stroke-width="1.5" stroke-opacity=".55"/>'
        )
    if curve.line:
        xs, ys = thinned(curve.xs, curve.ys, MOST)
        runs: list[list[tuple[float, float]]] = [[]]
        for px, py in zip(xs, ys, strict=True):
            if py is None or not math.isfinite(py):
                runs.append([])
            else:
                runs[-1].append((x.at(px), min(max(y.at(py), TOP - 4), HEIGHT - BOTTOM + 2)))
        d = "".join(_path(run) for run in runs if len(run) > 1)
        dash = _DASHES if curve.dashed else ""
        weight = '1.2" stroke-opacity=".45' if curve.faint else "2.2"
        if d:
            parts.append(
                f'<path class="c-line" d="{d}" fill="none" style="stroke:{colour}" stroke-width="{weight}" '
                f'stroke-linejoin="round" stroke-linecap="round" {dash}/>'
            )
    if curve.dots or len(finite(curve.ys)) == 1:
        parts += _dots(curve, x, y, colour)
    return "".join(parts)


def _dots(curve: Curve, x: Scale, y: Scale, colour: str) -> list[str]:
    size = 3.4 if len(curve.xs) <= 60 else 2.2
    cloud = not curve.line and len(curve.xs) > 60
    parts = []
    for n, (px, py) in enumerate(zip(curve.xs, curve.ys, strict=True)):
        if py is not None and math.isfinite(py):
            said = curve.says[n] if curve.says else f"{curve.name}: {short(py)} at {short(px)}"
            parts.append(
                f'<circle class="c-dot" cx="{_n(x.at(px))}" cy="{_n(y.at(py))}" r="{size}" style="fill:{colour}" '
                f'fill-opacity="{0.55 if cloud else 1}"><title>{escape(said)}</title></circle>'
            )
    return parts


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_n(px)} {_n(py)}" for px, py in points) if points else ""


def _legend(chart: Lines) -> str:
    """Names with their colours, right above the plot; one curve alone is named by the axis."""
    named = [c for c in chart.curves if c.name]
    if len(named) < 2:
        return ""
    parts, right = [], float(WIDTH - RIGHT)
    for curve in reversed(named):
        right -= len(curve.name) * 6.8
        parts.append(_text(right, 15, curve.name))
        mid = right - 14
        look = ("stroke-opacity='.5' " if curve.faint else "") + (_DASHES if curve.dashed else "")
        parts.append(
            f'<path d="M{_n(mid - 9)} 10.5H{_n(mid + 8)}" style="stroke:{_tone(curve.tone)}" '
            f'stroke-width="2.6" {look}/>'
            if curve.line
            else f'<circle cx="{_n(mid)}" cy="10.5" r="4" style="fill:{_tone(curve.tone)}"/>'
        )
        right -= 38
    return "".join(parts)


# --- bars, heat, strip ---


def _bars(chart: Bars) -> str:
    bottom = HEIGHT - BOTTOM
    y = Scale(0.0, max(finite(chart.values), default=0.0) * 1.08 or 1.0, bottom, TOP)
    room = (WIDTH - RIGHT - LEFT) / max(1, len(chart.names))
    every = -(-len(chart.names) * max((len(n) for n in chart.names), default=1) * 8 // (WIDTH - LEFT)) or 1
    parts = [
        f'<path d="M{LEFT} {_n(y.at(t))}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".13"/>'
        + _text(LEFT - 7, y.at(t) + 4.5, short(t, chart.percent), "end", _QUIET)
        for t in ticks(0.0, y.high, 4)
    ]
    for n, (name, value) in enumerate(zip(chart.names, chart.values, strict=True)):
        left, top = LEFT + n * room, y.at(value if math.isfinite(value) else 0.0)
        said = chart.says[n] if chart.says else f"{name}: {short(value, chart.percent)}"
        parts.append(
            f'<rect class="c-bar" x="{_n(left + room * 0.12)}" y="{_n(top)}" width="{_n(room * 0.76)}" '
            f'height="{_n(max(0.0, bottom - top))}" rx="1.5" style="fill:{_tone(chart.tone)}">'
            f"<title>{escape(said)}</title></rect>"
        )
        if n % every == 0:
            parts.append(_text(left + room / 2, bottom + 18, name, "middle", _QUIET))
    parts.append(f'<path d="M{LEFT} {bottom}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".4"/>')
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, chart.x, "middle", _QUIET))
    return "".join(parts) + _text(4, 15, chart.y, "start", _QUIET)


def _told(chart: Lines) -> str:
    """What a reader who cannot see it is told: where each curve begins, ends, and lies lowest and highest."""
    said = []
    for curve in chart.curves:
        ys = finite(curve.ys)
        if ys and curve.line:
            p = chart.percent
            said.append(
                f"{curve.name or chart.y}: from {short(ys[0], p)} to {short(ys[-1], p)}, lowest {short(min(ys), p)}, "
                f"highest {short(max(ys), p)}"
            )
        elif ys:
            said.append(f"{curve.name or chart.y}: {len(ys)} points")
    said += [mark.says for mark in chart.marks]
    return "; ".join(said) + f"; over {chart.x}."


def _told_bars(chart: Bars) -> str:
    pairs = zip(chart.names, chart.values, strict=True)
    said = chart.says or [f"{name} {short(value, chart.percent)}" for name, value in pairs]
    return f"{chart.y} by {chart.x}: {'; '.join(said[:40])}."


def _heat(chart: Heat) -> tuple[int, str]:
    room = WIDTH - RIGHT - 28
    side = room / max(1, len(chart.columns))
    height = round(TOP + side * len(chart.rows) + 12)
    parts = [_text(28, 15, f"{chart.x} →", "start", _QUIET)]
    parts.append(
        f'<text transform="translate(16 {height - 12}) rotate(-90)"{_QUIET}>{escape(chart.y)} →</text>'
        f'<rect x="28" y="{TOP}" width="{_n(room)}" height="{_n(side * len(chart.rows))}" fill-opacity=".04"/>'
    )
    for row, values in enumerate(chart.values):
        total = sum(values)
        for column, value in enumerate(values):
            if not value:
                continue
            tone = _tone("accent" if chart.rows[row] == chart.columns[column] else "warm")
            says = escape(f"{chart.y} {chart.rows[row]}, {chart.x} {chart.columns[column]}: {short(value)}")
            parts.append(
                f'<rect class="c-cell" x="{_n(28 + column * side)}" y="{_n(TOP + row * side)}" width="{_n(side)}" '
                f'height="{_n(side)}" style="fill:{tone}" fill-opacity="{0.15 + 0.85 * value / total:.2f}">'
                f"<title>{says}</title></rect>"
            )
    return height, "".join(parts)


def _strip(chart: Strip) -> tuple[int, str]:
    total = sum(amount for _, amount, _ in chart.parts) or 1.0
    parts, left = [], 0.0
    for n, (name, amount, said) in enumerate(chart.parts):
        wide = amount / total * WIDTH
        colour, top = _tone(PARTS[n % len(PARTS)]), 48 + n * 24
        parts.append(
            f'<rect class="c-part" x="{_n(left)}" y="4" width="{max(0.5, wide - 1.5):.2f}" height="24" rx="2" '
            f'style="fill:{colour}"><title>{escape(f"{name}: {said}")}</title></rect>'
            f'<rect x="0" y="{top}" width="12" height="12" rx="2" style="fill:{colour}"/>'
            + _text(20, top + 11, name)
            + _text(WIDTH - 62, top + 11, said, "end")
            + _text(WIDTH, top + 11, f"{amount / total:.0%}", "end", _QUIET)
        )
        left += wide
    return 48 + 24 * len(chart.parts), "".join(parts)
