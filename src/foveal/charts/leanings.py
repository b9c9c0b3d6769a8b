"""Numbers from -1 to 1, or shares, with their intervals, a row each: which way things lean or how much they weigh, and
how surely."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from .kinds import TONES, Tone
from .places import LETTER, QUIET, n, svg, text

WIDE, ROW, TOP, BOTTOM, SAYS = 320, 30, 8, 40, 176


@dataclass(frozen=True, slots=True)
class Leaning:
    """A name, its number with its interval, and all of it in words."""

    name: str
    value: float
    low: float
    high: float
    says: str

    @property
    def sure(self) -> bool:
        """Whether the interval leaves nought out."""
        return self.low > 0 or self.high < 0


def leanings_svg(title: str, rows: tuple[Leaning, ...], ends: tuple[str, str], shares: bool = False) -> str:
    """The rows as one `<svg>` element; `ends` say what the left and the right end mean. With `shares` they go from 0
    to 1."""
    left = 24 + 1.1 * LETTER * max((len(row.name) for row in rows), default=0)
    bottom = TOP + ROW * len(rows)
    width = left + WIDE + SAYS
    low = 0.0 if shares else -1.0
    parts = [
        f'<path d="M{n(_x(left, t, low))} {TOP}V{bottom}" stroke="currentColor" stroke-opacity="{0.13 if t else 0.5}"/>'
        + text(_x(left, t, low), bottom + 16, _said(t, shares, ".0f", "g"), "middle", QUIET)
        for t in ((0, 0.25, 0.5, 0.75, 1) if shares else (-1, -0.5, 0, 0.5, 1))
    ]
    for number, row in enumerate(rows):
        parts.extend(_row(row, left, TOP + ROW * (number + 0.5), low))
    parts.append(text(left, bottom + 34, f"← {ends[0]}", "start", QUIET))
    parts.append(text(left + WIDE, bottom + 34, f"{ends[1]} →", "end", QUIET))
    label = f"{title}. " + "; ".join(row.says for row in rows)
    style = f"max-width:{width:.0f}px;min-width:{0.8 * width:.0f}px;"
    return svg(width, bottom + BOTTOM, label, "".join(parts), style)


def _x(left: float, value: float, low: float) -> float:
    return left + WIDE * (value - low) / (1 - low)


def _said(value: float, share: bool, digits: str, plain: str) -> str:
    if share:
        return f"{100 * value:{digits}}%"
    return f"{value:+{plain}}" if value else f"{0:{plain}}"


def _row(row: Leaning, left: float, y: float, lowest: float) -> Iterator[str]:
    tone: Tone = "accent" if row.sure else "muted"
    colour = f"var(--tone-{tone},{TONES[tone]})"
    low, high = _x(left, row.low, lowest), _x(left, row.high, lowest)
    yield text(left - 12, y + 4.5, row.name, "end")
    yield (
        f'<path d="M{n(low)} {n(y)}H{n(high)}M{n(low)} {n(y - 4)}v8M{n(high)} {n(y - 4)}v8" style="stroke:{colour}" '
        'stroke="currentColor" stroke-width="2"/>'
        f'<circle cx="{n(_x(left, row.value, lowest))}" cy="{n(y)}" r="5" style="fill:{colour}">'
        f"<title>{escape(row.says)}</title></circle>"
    )
    value, start, end = (_said(part, lowest == 0, ".0f", ".2f") for part in (row.value, row.low, row.high))
    yield text(left + WIDE + 14, y + 4.5, f"{value} [{start}, {end}]", more=QUIET)
