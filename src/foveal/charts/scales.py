"""Axes: where ticks stand, what they say, and how a value becomes a place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """A range of values laid over a range of places."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """The place of a value."""
        low, high = (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)
        place = math.log10(max(value, 1e-300)) if self.log else value
        return self.start + (place - low) / (high - low) * (self.end - self.start)


def finite(values: Iterable[float]) -> list[float]:
    """The values that can be drawn."""
    return [float(v) for v in values if v is not None and math.isfinite(v)]


def reach(
    values: Sequence[float], log: bool = False, least: tuple[float, float] | None = None
) -> tuple[float, float]:
    """The lowest and highest of `values`, never the same."""
    seen = [v for v in values if v > 0] if log else list(values)
    seen += list(least or ())
    if not seen:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = min(seen), max(seen)
    if log:
        return (low / 1.5, high * 1.5) if high / low < 1.01 else (low, high)
    if high - low < 1e-12 * max(1.0, abs(high)):
        pad = abs(high) * 0.1 or 0.5
        return low - pad, high + pad
    return low, high


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers in `low`..`high`: steps of 1, 2, 2.5 or 5 times a power of ten."""
    raw = (high - low) / max(1, about)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, 2 - math.floor(math.log10(step)))
    return [round(n * step, digits) for n in range(first, last + 1)]


def whole_ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Ticks for what is counted: epochs have no halves."""
    found = [t for t in ticks(low, high, about) if t == round(t)]
    return found or [float(math.ceil(low))]


def log_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Powers of ten in `low`..`high`; with 2 and 5 between where there would be fewer than three."""
    bottom, top = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0)):
        found = [
            m * 10.0**n
            for n in range(bottom, top + 1)
            for m in steps
            if low * 0.999 <= m * 10.0**n <= high * 1.001
        ]
        if len(found) >= 3:
            return found[:: -(-len(found) // most)]
    return ticks(low, high, 3)


def short(value: float, percent: bool = False) -> str:
    """A number for a tick or a cell."""
    if percent:
        return (
            f"{value * 100:.10g}%"
            if abs(value * 100 - round(value * 100, 1)) < 1e-9
            else f"{value * 100:.1f}%"
        )
    size = abs(value)
    if size and (size < 1e-3 or size >= 1e6):
        digits, _, power = f"{value:.2g}".partition("e")
        if not power:
            digits, _, power = f"{value:.1e}".partition("e")
        return f"{float(digits):g}e{int(power)}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:.4g}"


def thinned(xs: Sequence[float], ys: Sequence[float], most: int) -> tuple[Sequence[float], Sequence[float]]:
    """At most `most` points that keep every peak: of each stretch its lowest and its highest."""
    count = len(xs)
    if count <= most:
        return xs, ys
    stretch = -(-count // (most // 2))
    kept: list[int] = []
    for start in range(0, count, stretch):
        inside = [n for n in range(start, min(start + stretch, count)) if math.isfinite(ys[n])]
        if inside:
            low, high = min(inside, key=lambda n: ys[n]), max(inside, key=lambda n: ys[n])
            kept += sorted({low, high})
    return [xs[n] for n in kept], [ys[n] for n in kept]
