"""Numbers from -1 to 1 with their intervals, a row each: which way things lean, and how surely."""

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


def leanings_svg(title: str, rows: tuple[Leaning, ...], ends: tuple[str, str]) -> str:
    """The rows as one `<svg>` element; `ends` say what the left and the right end mean."""
    left = 24 + 1.1 * LETTER * max((len(row.name) for row in rows), default=0)
    bottom = TOP + ROW * len(rows)
    width = left + WIDE + SAYS
    parts = [
        f'<path d="M{n(_x(left, t))} {TOP}V{bottom}" stroke="currentColor" stroke-opacity="{0.5 if t == 0 else 0.13}"/>'
        + text(_x(left, t), bottom + 16, f"{t:+g}" if t else "0", "middle", QUIET)
        for t in (-1, -0.5, 0, 0.5, 1)
    ]
    for number, row in enumerate(rows):
        parts.extend(_row(row, left, TOP + ROW * (number + 0.5)))
    parts.append(text(left, bottom + 34, f"← {ends[0]}", "start", QUIET))
    parts.append(text(left + WIDE, bottom + 34, f"{ends[1]} →", "end", QUIET))
    label = f"{title}. " + "; ".join(row.says for row in rows)
    style = f"max-width:{width:.0f}px;min-width:{0.8 * width:.0f}px;"
    return svg(width, bottom + BOTTOM, label, "".join(parts), style)


def _x(left: float, value: float) -> float:
    return left + WIDE * (value + 1) / 2


def _row(row: Leaning, left: float, y: float) -> Iterator[str]:
    tone: Tone = "accent" if row.sure else "muted"
    colour = f"var(--tone-{tone},{TONES[tone]})"
    low, high = _x(left, row.low), _x(left, row.high)
    yield text(left - 12, y + 4.5, row.name, "end")
    yield (
        f'<path d="M{n(low)} {n(y)}H{n(high)}M{n(low)} {n(y - 4)}v8M{n(high)} {n(y - 4)}v8" style="stroke:{colour}" '
        'stroke="currentColor" stroke-width="2"/>'
        f'<circle cx="{n(_x(left, row.value))}" cy="{n(y)}" r="5" style="fill:{colour}">'
        f"<title>{escape(row.says)}</title></circle>"
    )
    yield text(left + WIDE + 14, y + 4.5, f"{row.value:+.2f} [{row.low:+.2f}, {row.high:+.2f}]", more=QUIET)
