"""Parallel coordinates: an axis a setting and one for the value, a line a trial. After Inselberg (1985)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from .kinds import TONES, Tone
from .places import FONT, HALO, LETTER, QUIET, Axis, n, svg, text

TALL, OFF, BOTTOM = 300, 30, 16
GAPS = (118.0, 230.0)
"""Room between two axes, at least and at most."""
ROOM = 900
MANY = 40
"""Lines from which they are drawn thinner."""


@dataclass(frozen=True, slots=True)
class Thread:
    """A trial: its place on each axis (None: it has none there), how good it is (0 worst, 1 best), and in words.
    `tone` where it stands for something; not `whole`: stopped before its end."""

    places: tuple[float | None, ...]
    good: float
    says: str
    tone: Tone | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Parallel:
    """Trials over axes, of which the last is the value's."""

    title: str
    axes: tuple[Axis, ...]
    threads: tuple[Thread, ...]


def parallel_svg(chart: Parallel) -> str:
    """The chart as one `<svg>` element: the better a trial, the stronger its colour, and the later it is drawn."""
    gap = min(max(ROOM / max(1, len(chart.axes) - 1), GAPS[0]), GAPS[1])
    left = 16 + LETTER * max(
        len(word) for _, word in (*chart.axes[0].ticks, (0, chart.axes[0].off), (0, "00000"))
    )
    right = 16 + LETTER * max(5, *(len(word) for _, word in chart.axes[-1].ticks))
    xs = [left + gap * number for number in range(len(chart.axes))]
    two_rows = any(LETTER * len(axis.name) > gap - 8 for axis in chart.axes)
    top = 44.0 if two_rows else 28.0
    parts = []
    order = sorted(chart.threads, key=lambda thread: (thread.tone is not None, thread.whole, thread.good))
    for thread in order:
        parts.append(_thread(thread, xs, top, len(order) > MANY))
    for number, axis in enumerate(chart.axes):
        up = 18.0 if two_rows and number % 2 == 0 else 0.0
        parts.extend(_axis(axis, xs[number], top, up, last=number == len(chart.axes) - 1))
    off = OFF if any(axis.off for axis in chart.axes) else 0
    width, height = xs[-1] + right, top + TALL + off + BOTTOM
    best = max(order, key=lambda thread: thread.good, default=None)
    label = f"{chart.title}: {len(order)} trials over {', '.join(axis.name for axis in chart.axes)}."
    label += f" {best.says}." if best is not None else ""
    # on a narrow screen it is scrolled rather than shrunk beyond reading
    return svg(
        width, height, label, "".join(parts), f"max-width:{width:.0f}px;min-width:{0.85 * width:.0f}px;"
    )


def _thread(thread: Thread, xs: list[float], top: float, many: bool) -> str:
    points = [
        (x, top + TALL + OFF - 4 if place is None else top + TALL * (1 - min(1.0, max(0.0, place))))
        for x, place in zip(xs, thread.places, strict=True)
    ]
    d = "M" + "L".join(f"{n(x)} {n(y)}" for x, y in points)
    tone = thread.tone or "accent"
    colour = f"var(--tone-{tone},{TONES[tone]})"
    if thread.tone is None:
        strong = (25 + 75 * thread.good) * (1.0 if thread.whole else 0.55)
        colour = f"color-mix(in oklab,{colour} {strong:.0f}%,var(--ground,Canvas))"
    wide = 3.0 if thread.tone else (1.1 if many else 1.6)
    dashes = "" if thread.whole else ' stroke-dasharray="4 4"'
    # a wide stroke that is not seen makes a thin line easy to point at
    return (
        f'<g><title>{escape(thread.says)}</title><path d="{d}" fill="none" stroke="#000" stroke-opacity="0" '
        f'stroke-width="9"/><path class="c-thread" d="{d}" fill="none" stroke="currentColor" style="stroke:{colour}" '
        f'stroke-width="{wide}" stroke-linejoin="round"{dashes}/></g>'
    )


def _axis(axis: Axis, x: float, top: float, up: float, last: bool) -> Iterator[str]:
    yield f'<path d="M{n(x)} {n(top)}v{TALL}" stroke="currentColor" stroke-opacity=".55"/>'
    yield text(x, top - 12 - up, axis.name, "middle", f' style="{FONT};font-weight:600"')
    side, anchor = (7, "start") if last else (-7, "end")
    lowest = -1.0
    for place, word in sorted(axis.ticks):
        if (place - lowest) * TALL < 14:
            continue
        lowest = place
        y = top + TALL * (1 - place)
        yield f'<path d="M{n(x - 3)} {n(y)}h6" stroke="currentColor" stroke-opacity=".55"/>'
        yield text(x + side, y + 4.5, word, anchor, HALO)
    if axis.off:
        y = top + TALL + OFF - 4
        yield f'<circle cx="{n(x)}" cy="{n(y)}" r="2.5" fill-opacity=".55"/>'
        yield text(x + side, y + 4.5, axis.off, anchor, HALO + QUIET)
