"""Named points with intervals over a pair of axes, as SVG; no name lies on another, on a point or on a bar."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from .kinds import TONES, Tone
from .scales import Scale, log_ticks, reach, short, ticks

WIDTH, HEIGHT = 440, 300
LEFT, RIGHT, TOP, BOTTOM = 50, 16, 30, 42
LETTER, LINE = 7.0, 15.0
"""Width of a letter at most on average, and height of a line, of the font below."""
DOT = 5.0
FAR = 24.0
"""A name farther than this from its point is joined to it by a line."""
_FONT = "font:13px system-ui,-apple-system,'Segoe UI',Roboto,'Open Sans',sans-serif"
_QUIET = ' fill-opacity=".68"'
_HALO = ' style="paint-order:stroke;stroke:var(--ground,Canvas);stroke-width:3.5px"'


@dataclass(frozen=True, slots=True)
class Point:
    """A named point; `low` and `high` are an interval of its y. `says` is shown where it is pointed at."""

    name: str
    x: float
    y: float
    low: float
    high: float
    says: str = ""
    tone: Tone = "accent"


@dataclass(frozen=True, slots=True)
class Scatter:
    """Points over `x`, on a log scale where `log_x`; points without a place on it are left out."""

    title: str
    x: str
    y: str
    points: tuple[Point, ...]
    log_x: bool = True
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle that something fills."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def scatter_svg(chart: Scatter) -> str:
    """The chart as one `<svg>` element, 440 wide in its own units."""
    points = [p for p in chart.points if math.isfinite(p.x) and (p.x > 0 or not chart.log_x)]
    x, y = _scales(points, chart)
    parts = [*_axes(chart, x, y)]
    parts += [_bar(point, x, y) for point in points]
    for point, box in zip(points, labels(points, x, y), strict=True):
        parts.append(_name(point, box, x.at(point.x), y.at(point.y)))
    parts += [_dot(point, x, y) for point in points]
    told = "; ".join(
        f"{p.name}: {short(p.y, chart.percent)} ({short(p.low, chart.percent)} to {short(p.high, chart.percent)}) "
        f"at {short(p.x)}"
        for p in points
    )
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(f"{chart.title}. {told}; over {chart.x}.")}" '
        f'style="{_FONT};width:100%;height:auto;display:block" fill="currentColor">{"".join(parts)}</svg>'
    )


def labels(points: Sequence[Point], x: Scale, y: Scale) -> list[Box]:
    """A place for each name, near its point: the first that meets nothing, or else as little as can be."""
    dots = [_around(x.at(p.x), y.at(p.y), DOT) for p in points]
    bars = [Box(x.at(p.x) - 1.5, y.at(p.high), x.at(p.x) + 1.5, y.at(p.low)) for p in points]
    frame = Box(LEFT + 2, TOP - 14, WIDTH - 2, HEIGHT - BOTTOM - 2)
    found: list[Box] = []
    # crowded ones first: those alone find a place anyway
    order = sorted(range(len(points)), key=lambda n: -sum(_near(dots[n], dot) for dot in dots))
    placed: dict[int, Box] = {}
    for n in order:
        best: tuple[tuple[int, int, int], Box] | None = None
        for box in _places(points[n], x.at(points[n].x), y.at(points[n].y)):
            if (
                box.left < frame.left
                or box.right > frame.right
                or box.top < frame.top
                or box.bottom > frame.bottom
            ):
                continue
            cost = (
                sum(box.meets(other) for other in placed.values()),
                sum(box.meets(dot) for dot in dots),
                sum(box.meets(bar) for bar in bars),
            )
            if best is None or cost < best[0]:
                best = cost, box
            if not any(cost):
                break
        placed[n] = best[1] if best is not None else next(_places(points[n], frame.left, frame.top))
    found = [placed[n] for n in range(len(points))]
    return found


def _near(one: Box, other: Box) -> bool:
    return abs(one.left - other.left) < 90 and abs(one.top - other.top) < 40


def _places(point: Point, px: float, py: float) -> Iterator[Box]:
    """Places for a name: right and left of the point, above and below, then round it farther and farther out."""
    wide = len(point.name) * LETTER
    yield Box(px + DOT + 3, py - LINE / 2, px + DOT + 3 + wide, py + LINE / 2)
    yield Box(px - DOT - 3 - wide, py - LINE / 2, px - DOT - 3, py + LINE / 2)
    for distance in (14.0, 20.0, 28.0, 38.0, 50.0, 64.0, 80.0):
        for step in range(16):
            angle = math.pi * step / 8
            cx, cy = px + distance * math.cos(angle), py - distance * math.sin(angle)
            shift = wide / 2 * math.cos(angle)  # the nearer edge looks at the point
            yield Box(cx + shift - wide / 2, cy - LINE / 2, cx + shift + wide / 2, cy + LINE / 2)


def _around(px: float, py: float, radius: float) -> Box:
    return Box(px - radius, py - radius, px + radius, py + radius)


def _scales(points: Sequence[Point], chart: Scatter) -> tuple[Scale, Scale]:
    low_x, high_x = reach([p.x for p in points], chart.log_x)
    if chart.log_x:  # room for the outermost points and their names
        grow = (high_x / low_x) ** 0.08
        low_x, high_x = low_x / grow, high_x * grow
    else:
        low_x, high_x = low_x - 0.06 * (high_x - low_x), high_x + 0.06 * (high_x - low_x)
    low, high = reach([v for p in points for v in (p.low, p.high, p.y)])
    pad = 0.08 * (high - low)
    low, high = low - pad, high + pad
    if chart.percent:
        low, high = max(0.0, low), min(1.0, high)
    return Scale(low_x, high_x, LEFT, WIDTH - RIGHT, chart.log_x), Scale(low, high, HEIGHT - BOTTOM, TOP)


def _axes(chart: Scatter, x: Scale, y: Scale) -> Iterator[str]:
    for t in ticks(y.low, y.high, 5):
        yield (
            f'<path d="M{LEFT} {_n(y.at(t))}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".13"/>'
            + _text(LEFT - 7, y.at(t) + 4.5, short(t, chart.percent), "end", _QUIET)
        )
    for t in log_ticks(x.low, x.high, 6) if chart.log_x else ticks(x.low, x.high):
        yield f'<path d="M{_n(x.at(t))} {HEIGHT - BOTTOM}v4" stroke="currentColor" stroke-opacity=".4"/>'
        yield _text(x.at(t), HEIGHT - BOTTOM + 18, _count(t), "middle", _QUIET)
    yield f'<path d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".4"/>'
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, chart.x, "middle", _QUIET)
    yield _text(4, 15, chart.y, "start", _QUIET)


def _count(value: float) -> str:
    """A number on the x axis: `300 k`, `3 M`."""
    for factor, sign in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= 0.9995 * factor:
            return f"{value / factor:.3g}{sign}"
    return f"{value:.3g}"


def _bar(point: Point, x: Scale, y: Scale) -> str:
    px, low, high = x.at(point.x), y.at(point.low), y.at(point.high)
    path = f"M{_n(px)} {_n(high)}V{_n(low)}M{_n(px - 4)} {_n(high)}h8M{_n(px - 4)} {_n(low)}h8"
    return f'<path class="c-bar" d="{path}" style="stroke:{_tone(point.tone)}" stroke-width="1.6" stroke-opacity=".6"/>'


def _dot(point: Point, x: Scale, y: Scale) -> str:
    said = escape(point.says or point.name)
    return (
        f'<circle class="c-point" cx="{_n(x.at(point.x))}" cy="{_n(y.at(point.y))}" r="{DOT:g}" '
        f'style="fill:{_tone(point.tone)};stroke:var(--ground,Canvas)" stroke-width="1.5">'
        f"<title>{said}</title></circle>"
    )


def _name(point: Point, box: Box, px: float, py: float) -> str:
    """The name, and a line to its point where it lies far from it."""
    nearest = (min(max(px, box.left), box.right), min(max(py, box.top), box.bottom))
    joined = ""
    if math.dist(nearest, (px, py)) > FAR:
        joined = (
            f'<path d="M{_n(px)} {_n(py)}L{_n(nearest[0])} {_n(nearest[1])}" stroke="currentColor" '
            'stroke-opacity=".35" stroke-width="1"/>'
        )
    right = box.left >= px
    anchor, at = ("start", box.left) if right else ("end", box.right) if box.right <= px else ("middle", 0.0)
    at = (box.left + box.right) / 2 if anchor == "middle" else at
    return joined + _text(at, (box.top + box.bottom) / 2 + 4.5, point.name, anchor, _HALO)


def _tone(tone: Tone) -> str:
    return f"var(--tone-{tone},{TONES[tone]})"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}"{more}>{escape(text)}</text>'
