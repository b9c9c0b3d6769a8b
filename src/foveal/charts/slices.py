"""Values against one setting: a dot a trial, on the setting's own scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from .kinds import TONES, Tone
from .places import QUIET, Axis, calm, n, spaced, svg, text
from .scales import Scale, reach, short, ticks

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 50, 18, 30, 42
SECOND = 16
"""Height of a second row of words below the axis, where one has no room for all choices."""
INNER = 26
"""Room for what has no place on the axis, left of its low end."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A trial: its place on the axis (None: it has none), what it came to, and both in words. `whole` where it was
    trained to its end."""

    place: float | None
    value: float
    says: str
    tone: Tone = "accent"
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Slice:
    """Trials along one setting, of which `choices` says whether its values are names; `y` names the value."""

    title: str
    axis: Axis
    y: str
    dots: tuple[Dot, ...]
    percent: bool = False
    higher_is_better: bool = True
    choices: bool = False


def slice_svg(chart: Slice) -> str:
    """The chart as one `<svg>` element. Values far worse than the others lie on the edge."""
    low, high = reach(calm([dot.value for dot in chart.dots], chart.higher_is_better))
    pad = 0.06 * (high - low)
    low, high = low - pad, min(1.0, high + pad) if chart.percent and high <= 1 else high + pad
    y = Scale(low, high, HEIGHT - BOTTOM, TOP)
    order = sorted(chart.dots, key=lambda dot: dot.tone in ("warm", "good"))
    parts = [*_axes(chart, y), *(_dot(chart, dot, y) for dot in order)]
    told = f"{chart.title}: {len(chart.dots)} trials; {chart.y} from {short(low, chart.percent)} to "
    return svg(
        WIDTH,
        HEIGHT + (SECOND if _in_two_rows(chart) else 0),
        f"{told}{short(high, chart.percent)}.",
        "".join(parts),
    )


def _in_two_rows(chart: Slice) -> bool:
    """Choices are all named; of numbers some may go."""
    return chart.choices and len(spaced(chart.axis, _x(chart, 1.0) - _x(chart, 0.0))) < len(chart.axis.ticks)


def _x(chart: Slice, place: float | None) -> float:
    start = LEFT + (INNER if chart.axis.off else 8)
    if place is None:
        return LEFT + 6
    return start + min(1.0, max(0.0, place)) * (WIDTH - RIGHT - start)


def _axes(chart: Slice, y: Scale) -> Iterator[str]:
    for t in ticks(y.low, y.high, 4):
        yield (
            f'<path d="M{LEFT} {n(y.at(t))}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".13"/>'
            + text(LEFT - 7, y.at(t) + 4.5, short(t, chart.percent), "end", QUIET)
        )
    yield f'<path d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".4"/>'
    if chart.axis.off:
        yield text(LEFT, HEIGHT - BOTTOM + 18, chart.axis.off, "middle", QUIET)
    two = SECOND if _in_two_rows(chart) else 0
    shown = sorted(chart.axis.ticks) if two else spaced(chart.axis, _x(chart, 1.0) - _x(chart, 0.0))
    for number, (place, word) in enumerate(shown):
        x, lower = _x(chart, place), two * (number % 2)
        yield f'<path d="M{n(x)} {HEIGHT - BOTTOM}v{4 + lower}" stroke="currentColor" stroke-opacity=".4"/>'
        yield text(x, HEIGHT - BOTTOM + 18 + lower, word, "middle", QUIET)
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6 + two, chart.axis.name, "middle", QUIET)
    yield text(4, 15, chart.y, "start", QUIET)


def _dot(chart: Slice, dot: Dot, y: Scale) -> str:
    return circle(dot, _x(chart, dot.place), min(max(y.at(dot.value), TOP), HEIGHT - BOTTOM))


def circle(dot: Dot, x: float, y: float) -> str:
    """A trial at a place of the drawing."""
    tone = f"var(--tone-{dot.tone},{TONES[dot.tone]})"
    filled = f"fill:{tone};stroke:var(--ground,Canvas)" if dot.whole else f"fill:none;stroke:{tone}"
    return (
        f'<circle cx="{n(x)}" cy="{n(y)}" r="4.6" style="{filled}" stroke-width="1.5">'
        f"<title>{escape(dot.says)}</title></circle>"
    )
