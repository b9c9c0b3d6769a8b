"""A curve in characters: braille dots where the terminal has them, else plain ASCII."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console

from ..charts.scales import Scale, log_ticks, reach, short, ticks, whole_ticks

ROWS = 8
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a braille character, by row and column of its dots."""
BRAILLE = 0x2800


def has_braille(console: Console) -> bool:
    """Whether braille dots will be seen: not on a dumb terminal, an old Windows console, or without Unicode."""
    return not (console.is_dumb_terminal or console.legacy_windows) and "utf" in console.encoding.lower()


def curve(
    xs: Sequence[float],
    ys: Sequence[float],
    *,
    width: int,
    x: str,
    y: str,
    log_x: bool = False,
    mark: float | None = None,
    dots: bool = True,
) -> list[str]:
    """Lines of text, at most `width` wide: the curve through the points, axes with labels, and where a
    place on the x axis is to be marked, a pointer under it. What is not finite is left out. A logarithmic
    x axis has rates on it, any other one counts."""
    seen = [(a, b) for a, b in zip(xs, ys, strict=True) if math.isfinite(a) and math.isfinite(b)]
    if not seen:
        return [f"{y}: nothing to draw"]
    low, high = reach([b for _, b in seen], least=None if log_x else (0.0, 0.0))
    left, right = reach([a for a, _ in seen], log_x)
    up = ticks(low, high, 4)
    margin = max(len(short(value)) for value in up) + 1
    columns = max(10, width - margin - 1)
    across, down = (2, 4) if dots else (1, 1)
    place_x = Scale(left, right, 0, columns * across - 1, log_x)
    place_y = Scale(low, high, ROWS * down - 1, 0)
    grid = _traced([(place_x.at(a), place_y.at(b)) for a, b in seen], columns * across, ROWS * down)
    labels = {round(place_y.at(value)) // down: short(value) for value in up}
    bar, corner, dash, pointer = ("│", "└", "─", "↑") if dots else ("|", "+", "-", "^")
    drawn = [f"{y:>{margin}}" if len(y) <= margin else y]
    for row in range(ROWS):
        cells = "".join(_cell(grid, row, column, dots) for column in range(columns))
        drawn.append(f"{labels.get(row, ''):>{margin}}{bar}{cells.rstrip()}".rstrip())
    drawn.append(" " * margin + corner + dash * columns)
    along = log_ticks(left, right, 6) if log_x else whole_ticks(left, right, 5)
    drawn.append(" " * (margin + 1) + _ruler([(place_x.at(t) / across, short(t)) for t in along], columns, x))
    if mark is not None and left <= mark <= right:
        at, said = margin + 1 + int(place_x.at(mark)) // across, short(mark)
        room = at + len(said) + 2 <= width
        drawn.insert(-1, " " * at + f"{pointer} {said}" if room else f"{said} {pointer}".rjust(at + 1))
    return drawn


def _traced(points: list[tuple[float, float]], width: int, height: int) -> set[tuple[int, int]]:
    """The dots (column, row) on straight lines from each point to the next."""
    grid: set[tuple[int, int]] = set()
    for (ax, ay), (bx, by) in zip(points, points[1:] or points, strict=False):
        many = max(1, math.ceil(abs(bx - ax)), math.ceil(abs(by - ay)))
        for n in range(many + 1):
            column, row = round(ax + (bx - ax) * n / many), round(ay + (by - ay) * n / many)
            grid.add((min(width - 1, max(0, column)), min(height - 1, max(0, row))))
    return grid


def _cell(grid: set[tuple[int, int]], row: int, column: int, dots: bool) -> str:
    if not dots:
        return "*" if (column, row) in grid else " "
    bits = sum(DOTS[r][c] for r in range(4) for c in range(2) if (2 * column + c, 4 * row + r) in grid)
    return chr(BRAILLE + bits) if bits else " "


def _ruler(labels: list[tuple[float, str]], width: int, name: str) -> str:
    """Labels centred under their places where there is room before the axis's name at the end."""
    line = ""
    for at, said in labels:
        start = max(0, round(at - len(said) / 2))
        if (not line or start > len(line)) and start + len(said) < width - len(name):
            line = line.ljust(start) + said
    return line.ljust(width - len(name)) + name
