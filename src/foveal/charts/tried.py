"""Which values of two settings a search really tried: a square of its trials, each with a tick on both edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from .kinds import TONES, Tone

SIDE, LEFT, TOP, RIGHT, BOTTOM = 260, 20, 48, 16, 54
LINE = 19
"""From one line of words to the next."""
WIDTH, HEIGHT = LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM
TICK = 9
_FONT = "font:13px system-ui,-apple-system,'Segoe UI',Roboto,'Open Sans',sans-serif"


@dataclass(frozen=True, slots=True)
class Spot:
    """A trial at its places on both ranges, 0 at the low end and 1 at the high one, and in words. `whole` where it was
    trained to its end."""

    x: float
    y: float
    says: str
    tone: Tone = "accent"
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Tried:
    """Trials over the ranges of two settings; `x` and `y` name them, the ends are in words."""

    title: str
    x: str
    y: str
    x_ends: tuple[str, str]
    y_ends: tuple[str, str]
    spots: tuple[Spot, ...]


def distinct(places: Iterator[float] | list[float]) -> int:
    """How many values were tried: places nearer than a thousandth of the range count as one."""
    return len({round(place, 3) for place in places})


def tried_svg(chart: Tried) -> str:
    """The chart as one `<svg>` element; places outside the ranges lie on the edge. After Bergstra & Bengio (2012),
    figure 1."""
    parts = [
        f'<path d="M{LEFT} {TOP}h{SIDE}v{SIDE}h-{SIDE}z" fill="none" stroke="currentColor" stroke-opacity=".35"/>',
        _text(LEFT, 14, chart.y),
        _text(LEFT, 14 + LINE, f"{chart.y_ends[0]} to {chart.y_ends[1]}, upwards", ' fill-opacity=".68"'),
        _text(LEFT, TOP + SIDE + 27, chart.x),
        _text(
            LEFT,
            TOP + SIDE + 27 + LINE,
            f"{chart.x_ends[0]} to {chart.x_ends[1]}, rightwards",
            ' fill-opacity=".68"',
        ),
    ]
    for spot in chart.spots:
        parts.extend(_spot(spot))
    said = "; ".join(spot.says for spot in chart.spots)
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(f"{chart.title}. {said}.")}" '
        f'style="{_FONT};width:100%;max-width:{WIDTH}px;height:auto;display:block" fill="currentColor">'
        f"{''.join(parts)}</svg>"
    )


def _spot(spot: Spot) -> Iterator[str]:
    x = LEFT + SIDE * min(1.0, max(0.0, spot.x))
    y = TOP + SIDE * (1 - min(1.0, max(0.0, spot.y)))
    tone = f"var(--tone-{spot.tone},{TONES[spot.tone]})"
    yield f'<path d="M{x:.1f} {TOP + SIDE}v{TICK}M{LEFT} {y:.1f}h-{TICK}" style="stroke:{tone}" stroke-width="2"/>'
    filled = f"fill:{tone};stroke:var(--ground,Canvas)" if spot.whole else f"fill:none;stroke:{tone}"
    yield (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" style="{filled}" stroke-width="1.6">'
        f"<title>{escape(spot.says)}</title></circle>"
    )


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}"{more}>{escape(text)}</text>'
