"""A sliding window as an animated SVG: styles alone move it, so that it keeps still for who asks for that."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from html import escape

from .kinds import TONES
from .sliding import LINE, MARGIN, REST, TITLE, Frame, Layout, Placed, Sliding, frames, layout, seconds

FRAMES = 240
STRONGEST = {True: 0.42, False: 0.95}
"""The deepest shade of a signed cell, with a number on it and without."""
_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Open Sans',sans-serif"
# A page may set the tones; a picture on its own follows the reader's light or dark.
_LIGHT = {"ground": "--card,#ffffff", "ink": "--ink,#20262d", "line": "--line,#c9ced4"} | {
    tone: f"--tone-{tone},{TONES[tone]}" for tone in ("accent", "warm", "plum", "muted")
}
_DARK = {
    "ground": "--card,#1b2026", "ink": "--ink,#e4e8ec", "line": "--line,#454e58", "accent": "--tone-accent,#62b4d3",
    "warm": "--tone-warm,#ee9058", "plum": "--tone-plum,#b79be0", "muted": "--tone-muted,#8b97a3",
}  # fmt: skip


def sliding_svg(drawn: Sliding) -> str:
    """The whole as one `<svg>` element.

    Where motion is not wanted, on paper, or where styles are not animated, it shows the filled output, and the
    window at the resting cell with its sum.
    """
    where, shown = layout(drawn), frames(drawn, FRAMES)
    name = f"s{hashlib.sha256(repr(drawn).encode()).hexdigest()[:6]}"
    body = [_words(drawn, where), _still(where.input)]
    body += [_still(one) for one in (where.kernel, where.channels) if one is not None]
    body += [
        _outline(where.output),
        *_output(where.output, shown, name),
        _window(drawn, where),
        _marker(drawn, where),
    ]
    body += _sums(drawn, where, shown)
    style = _style(drawn, where, shown, name)
    return (
        f'<svg id="{name}" class="sliding" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {where.width} '
        f'{where.height}" width="{where.width}" role="img" aria-label="{escape(drawn.told or drawn.title)}" '
        f'style="max-width:100%;height:auto"><style>{style}</style>'
        f'<rect width="{where.width}" height="{where.height}" rx="8" class="ground"/>'
        f"{''.join(body)}</svg>"
    )


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _style(drawn: Sliding, where: Layout, shown: list[Frame], name: str) -> str:
    """Colours in light and dark, then what moves."""
    light = ";".join(f"--s-{key}:var({value})" for key, value in _LIGHT.items())
    dark = ";".join(f"--s-{key}:var({value})" for key, value in _DARK.items())
    step = seconds(len(shown))
    whole = len(shown) * step + REST
    at = [f"{100 * n * step / whole:.2f}%" for n in range(len(shown))]
    window = "".join(
        f"{a}{{transform:translate({x}px,{y}px)}}"
        for a, (x, y) in zip(at, _moves(drawn, where, shown), strict=True)
    )
    marker = "".join(
        f"{a}{{transform:translate({x}px,{y}px)}}"
        for a, (x, y) in zip(at, _marks(drawn, where, shown), strict=True)
    )
    appear = "".join(
        f"@keyframes {name}o{n}{{0%{{opacity:0}}{a}{{opacity:1}}}}" for n, a in enumerate(at) if n
    )
    run = f"{whole:.2f}s step-end infinite"
    return (
        f"#{name}{{{light};font:13px {_FONT}}}@media screen and (prefers-color-scheme:dark){{#{name}{{{dark}}}}}"
        f"#{name} .ground{{fill:var(--s-ground)}}#{name} text{{fill:var(--s-ink)}}#{name} .mid{{text-anchor:middle}}"
        f"#{name} .quiet text,#{name} text.quiet{{fill-opacity:.66}}#{name} .black text{{fill:#111}}"
        f"#{name} .white text{{fill:#fff}}#{name} .sum{{visibility:hidden}}#{name} .rest{{visibility:visible}}"
        f"#{name} .num{{font-variant-numeric:tabular-nums}}"
        "@media screen and (prefers-reduced-motion:no-preference){"
        f"#{name} .w{{animation:{name}w {run}}}#{name} .m{{animation:{name}m {run}}}"
        f"#{name} .o{{animation:{run}}}#{name} .sum{{visibility:hidden;animation:{name}t {run}}}}}"
        f"@keyframes {name}w{{{window}}}@keyframes {name}m{{{marker}}}"
        f"@keyframes {name}t{{0%{{visibility:visible}}{100 * step / whole:.2f}%{{visibility:hidden}}}}{appear}"
    )


def _moves(drawn: Sliding, where: Layout, shown: list[Frame]) -> Iterable[tuple[int, int]]:
    """From where the window rests to where it is in each frame."""
    cell, (row, column) = where.input.cell, drawn.resting
    for r, c in (frame.at for frame in shown):
        yield (
            (drawn.columns[c][0] - drawn.columns[column][0]) * cell,
            (drawn.rows[r][0] - drawn.rows[row][0]) * cell,
        )


def _marks(drawn: Sliding, where: Layout, shown: list[Frame]) -> Iterable[tuple[int, int]]:
    cell, (row, column) = where.output.cell, drawn.resting
    for r, c in (frame.at for frame in shown):
        yield (c - column) * cell, (r - row) * cell


def _words(drawn: Sliding, where: Layout) -> str:
    parts = [f'<text x="{MARGIN}" y="{TITLE}" font-size="14" font-weight="650">{escape(drawn.title)}</text>']
    for placed in where.placed:
        parts.append(
            f'<text class="quiet" x="{_n(placed.x)}" y="{_n(placed.y - 9)}">{escape(placed.grid.name)}</text>'
        )
    for sign, x, y in where.signs:
        parts.append(f'<text class="mid quiet" x="{_n(x)}" y="{_n(y)}" font-size="20">{sign}</text>')
    for n, line in enumerate(drawn.caption):
        parts.append(
            f'<text class="num" x="{MARGIN}" y="{_n(where.caption + n * LINE)}">{escape(line)}</text>'
        )
    return "".join(parts)


def _still(placed: Placed) -> str:
    """A grid that does not change: cells of one look are one path."""
    rows, columns = placed.grid.size
    return _cells(placed, [(r, c) for r in range(rows) for c in range(columns)], framed=True)


def _cells(placed: Placed, cells: Iterable[tuple[int, int]], framed: bool = False) -> str:
    grid, side = placed.grid, placed.cell
    fills: dict[str, list[str]] = {}
    texts: dict[str, list[str]] = {}
    for row, column in cells:
        x, y = placed.corner(row, column)
        look = grid.look(row, column)
        level = grid.level(row, column)
        square = f"M{_n(x)} {_n(y)}h{side}v{side}h-{side}z"
        if look == "padded":
            inset = f"M{_n(x + 1.5)} {_n(y + 1.5)}h{side - 3}v{side - 3}h-{side - 3}z"
            fills.setdefault('fill="none" stroke-dasharray="3 2" style="stroke:var(--s-muted)"', []).append(
                inset
            )
            ink = "quiet"
        elif look == "beyond":
            dots = 'fill="none" stroke-dasharray="1 4" style="stroke:var(--s-muted)"'
            fills.setdefault(dots, []).append(
                f"M{_n(x + 1.5)} {_n(y + 1.5)}h{side - 3}v{side - 3}h-{side - 3}z"
            )
            continue
        elif look == "stretched":
            fills.setdefault('style="fill:var(--s-muted)" fill-opacity=".13"', []).append(square)
            ink = "quiet"
        elif grid.shade == "grey":
            shade = grid.brightness(row, column, placed.font is not None)
            fills.setdefault(f'fill="#{shade:02x}{shade:02x}{shade:02x}"', []).append(square)
            ink = "black" if shade > 130 else "white"
        else:
            deep = abs(level) * STRONGEST[placed.font is not None]
            tone = "accent" if level >= 0 else "warm"
            fills.setdefault(f'style="fill:var(--s-{tone})" fill-opacity="{deep:.2f}"', []).append(square)
            ink = "ink"
        if placed.font is not None:
            middle = f'x="{_n(x + side / 2)}" y="{_n(y + side / 2 + placed.font * 0.35)}"'
            texts.setdefault(ink, []).append(f"<text {middle}>{grid.text(row, column)}</text>")
    line = ' style="stroke:var(--s-line)"' if framed and placed.lined else ""
    parts = [f'<path d="{"".join(squares)}" {look}/>' for look, squares in fills.items()]
    parts += [
        f'<g class="mid {ink}" font-size="{placed.font}" stroke="none">{"".join(said)}</g>'
        for ink, said in texts.items()
    ]
    return f"<g{line}>{''.join(parts)}</g>" if framed else "".join(parts)


def _outline(placed: Placed) -> str:
    """The output's empty cells."""
    rows, columns = placed.grid.size
    right, bottom = placed.x + placed.width, placed.y + placed.height
    across = "".join(f"M{_n(placed.x)} {_n(placed.y + r * placed.cell)}H{_n(right)}" for r in range(rows + 1))
    down = "".join(
        f"M{_n(placed.x + c * placed.cell)} {_n(placed.y)}V{_n(bottom)}" for c in range(columns + 1)
    )
    return f'<path d="{across}{down}" fill="none" style="stroke:var(--s-line)"/>'


def _output(placed: Placed, shown: list[Frame], name: str) -> Iterable[str]:
    for n, frame in enumerate(shown):
        style = f' class="o" style="animation-name:{name}o{n}"' if n else ""
        yield f"<g{style}>{_cells(placed, frame.filled)}</g>"


def _window(drawn: Sliding, where: Layout) -> str:
    """The cells below the kernel, and a frame around them, where the window rests."""
    side, (row, column) = where.input.cell, drawn.resting
    rows, columns = drawn.rows[row], drawn.columns[column]
    corners = [where.input.corner(r, c) for r in rows for c in columns]
    squares = "".join(f"M{_n(x)} {_n(y)}h{side}v{side}h-{side}z" for x, y in corners)
    x, y = where.input.corner(rows[0], columns[0])
    wide, high = (columns[-1] - columns[0] + 1) * side, (rows[-1] - rows[0] + 1) * side
    return (
        '<g class="w" style="stroke:var(--s-plum)">'
        f'<path d="{squares}" style="fill:var(--s-plum)" fill-opacity=".22"/>'
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{wide}" height="{high}" fill="none" stroke-width="3"/></g>'
    )


def _marker(drawn: Sliding, where: Layout) -> str:
    x, y = where.output.corner(*drawn.resting)
    side = where.output.cell
    return (
        f'<rect class="m" x="{_n(x)}" y="{_n(y)}" width="{side}" height="{side}" fill="none" '
        'style="stroke:var(--s-plum)" stroke-width="3"/>'
    )


def _sums(drawn: Sliding, where: Layout, shown: list[Frame]) -> Iterable[str]:
    """What each frame's cell is made of."""
    step = seconds(len(shown))
    for n, frame in enumerate(shown):
        said = drawn.says[frame.at[0]][frame.at[1]]
        if not said:
            continue
        rest = " rest" if frame.at == drawn.resting else ""
        lines = "".join(
            f'<tspan x="{MARGIN}" y="{_n(where.says + k * LINE)}">{escape(line)}</tspan>'
            for k, line in enumerate(said)
        )
        yield f'<text class="num sum{rest}" style="animation-delay:{n * step:.2f}s">{lines}</text>'
