"""What can be drawn: lines, bars, a heat map, a strip of shares. Plain values, no drawing in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["accent", "warm", "good", "plum", "sand", "muted"]
TONES: dict[Tone, str] = {
    "accent": "#1c6e8c",
    "warm": "#b84c14",
    "good": "#3c7d4d",
    "plum": "#7b5aa6",
    "sand": "#a8863a",
    "muted": "#7c8794",
}
"""Colours on a light ground, told apart by the colour-blind too; a page may set others as `--tone-NAME`."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points in order of x. `low` and `high` are an interval around each; a value that is not finite is a gap."""

    name: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    tone: Tone = "accent"
    line: bool = True
    dots: bool = False
    faint: bool = False
    dashed: bool = False
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    says: tuple[str, ...] = ()
    """Words for each point, shown where it is pointed at."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point worth a word."""

    x: float
    y: float
    says: str


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the x axis with a name."""

    start: float
    end: float
    name: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Curves over a common pair of axes. `span` is the least range that y shows."""

    title: str
    x: str
    y: str
    curves: tuple[Curve, ...]
    marks: tuple[Mark, ...] = ()
    bands: tuple[Band, ...] = ()
    log_x: bool = False
    log_y: bool = False
    percent: bool = False
    span: tuple[float, float] | None = None
    x_span: tuple[float, float] | None = None
    diagonal: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """One bar a name; `says` stands in place of a value's number where it is given."""

    title: str
    x: str
    y: str
    names: tuple[str, ...]
    values: tuple[float, ...]
    tone: Tone = "accent"
    percent: bool = False
    says: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heat:
    """A table of counts, each row shaded by its share of the row's sum."""

    title: str
    x: str
    y: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Strip:
    """One bar cut into named parts: (name, amount, the amount in words)."""

    title: str
    parts: tuple[tuple[str, float, str], ...]


PARTS: tuple[Tone, ...] = ("muted", "accent", "sand", "plum", "good", "warm")
"""Tones of a strip's parts, in turn."""

Chart = Lines | Bars | Heat | Strip
