"""Axes of places from 0 to 1 with words at some of them, for scales that no chart knows by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

FONT = "font:13px system-ui,-apple-system,'Segoe UI',Roboto,'Open Sans',sans-serif"
QUIET = ' fill-opacity=".68"'
HALO = ' style="paint-order:stroke;stroke:var(--ground,Canvas);stroke-width:3.5px"'
LETTER = 7.0
"""Width of a letter at most on average, of the font above."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A named axis from 0 to 1; `ticks` are places and their words. `off` says what stands beyond its low end, for
    what has no place on it; empty where all have one."""

    name: str
    ticks: tuple[tuple[float, str], ...]
    off: str = ""


def spaced(axis: Axis, length: float) -> list[tuple[float, str]]:
    """The ticks that have room side by side on an axis so many units long: places and words."""
    found: list[tuple[float, str]] = []
    right = -1e9
    for place, word in sorted(axis.ticks):
        half = len(word) * LETTER / 2
        if place * length - half >= right + 6:
            found.append((place, word))
            right = place * length + half
    return found


def calm(values: Sequence[float], higher_is_better: bool = True) -> tuple[float, float]:
    """Lowest and highest, without what is far worse than the rest and would press it flat (beyond the outer fence of
    Tukey 1977)."""
    sign = 1.0 if higher_is_better else -1.0
    ordered = sorted(sign * value for value in values)
    if not ordered:
        return 0.0, 1.0
    quarter, middle = ordered[len(ordered) // 4], ordered[3 * len(ordered) // 4]
    fence = quarter - 3 * (middle - quarter)
    ends = sign * next(value for value in ordered if value >= fence), sign * ordered[-1]
    return min(ends), max(ends)


def text(x: float, y: float, said: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{n(x)}" y="{n(y)}" text-anchor="{anchor}"{more}>{escape(said)}</text>'


def n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def svg(width: float, height: float, label: str, body: str, style: str = "") -> str:
    """One `<svg>` element around what was drawn."""
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {n(width)} {n(height)}" role="img" '
        f'aria-label="{escape(label)}" style="{FONT};width:100%;{style}height:auto;display:block" '
        f'fill="currentColor">{body}</svg>'
    )
