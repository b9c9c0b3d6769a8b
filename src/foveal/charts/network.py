"""A network as SVG: a row a layer, its connections in lanes, and bars of what it weighs and costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .kinds import TONES, Tone

ROW, LANE, TOP, NAME, BAR = 22, 14, 30, 250, 90
_FONT = "font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Open Sans',sans-serif"
_STYLE = "svg.network{color:#20262d}@media screen and (prefers-color-scheme:dark){svg.network{color:#e4e8ec}}"


@dataclass(frozen=True)
class Drawn:
    """A layer as it is drawn: words for each column, its lanes (as `foveal.structure.lanes.Place` has them),
    and how long its bars are, 0 to 1. `tone` is its dot's."""

    name: str
    kind: str
    shape: str
    sees: str
    parameters: str
    parameters_bar: float
    work: str
    work_bar: float
    lane: int
    passing: Sequence[int]
    ending: Sequence[int]
    going: Sequence[int]
    new: bool
    goes_on: bool
    """Whether something further down takes what it gives."""
    tone: Tone = "muted"
    quiet: bool = False


def network_svg(rows: Sequence[Drawn], title: str) -> str:
    """The rows under each other as one `<svg>` element."""
    return network_parts(rows, title, max(1, len(rows)))[0]


def network_parts(rows: Sequence[Drawn], title: str, most: int) -> list[str]:
    """The same as several `<svg>` elements of at most `most` rows, each of which goes on where the one before it
    ends: paper is turned between them."""
    lanes = 1 + max((max(r.lane, *r.passing, *r.ending, *r.going, 0) for r in rows), default=0)
    left = LANE * lanes + 14
    columns = (
        left,
        left + NAME,
        left + NAME + 150,
        left + NAME + 245,
        left + NAME + 330,
        left + NAME + 340 + BAR + 58,
    )
    width = columns[5] + BAR + 64
    made = []
    for start in range(0, max(1, len(rows)), most):
        part, top = rows[start : start + most], 0 if start else TOP
        body = [] if start else _heads(columns)
        for n, drawn in enumerate(part):
            body += _row(drawn, top + ROW * n + ROW // 2, columns)
        height = top + ROW * len(part) + (8 if start + most >= len(rows) else 0)
        label = escape(f"{title}, from layer {start + 1}" if start else title)
        made.append(
            f'<svg class="network" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-label="{label}" style="{_FONT};display:block" fill="currentColor">'
            f"<style>{_STYLE}</style>{''.join(body)}</svg>"
        )
    return made


def _heads(columns: Sequence[int]) -> list[str]:
    heads = ("layer", "kind", "output", "sees", "parameters", "multiply-adds")
    return [
        f'<text x="{x}" y="18" text-anchor="{anchor}" fill-opacity=".6">{head}</text>'
        for head, (x, anchor) in zip(heads, _places(columns), strict=True)
    ]


def _places(columns: Sequence[int]) -> tuple[tuple[int, str], ...]:
    """Where each column's words are anchored, and how."""
    kind, output, seen, parameters, work = columns[1:]
    return (
        *((columns[0], "start"), (kind, "start"), (output + 70, "end"), (seen + 72, "end")),
        *((parameters, "start"), (work, "start")),
    )


def _row(drawn: Drawn, y: int, columns: Sequence[int]) -> list[str]:
    """One layer around a height: its connections, words and bars."""
    said = f"{drawn.name}: {drawn.kind}, {drawn.shape}"
    opacity = ' fill-opacity=".55"' if drawn.quiet else ""
    cells = (drawn.name, drawn.kind, drawn.shape, drawn.sees)
    words = "".join(
        f'<text x="{x}" y="{y + 4}" text-anchor="{anchor}"{opacity}>{escape(_cut(cell, most))}</text>'
        for cell, (x, anchor), most in zip(cells, _places(columns), (38, 24, 24, 16), strict=False)
    )
    body = [*_connections(drawn, y), f"<g><title>{escape(said)}</title>{words}</g>"]
    for x, share, value, tone in (
        (columns[4], drawn.parameters_bar, drawn.parameters, "accent"),
        (columns[5], drawn.work_bar, drawn.work, "warm"),
    ):
        if value:
            long = max(1.0, share * BAR)
            colour = f"var(--tone-{tone},{TONES[tone]})"  # type: ignore[index]
            body.append(f'<rect x="{x}" y="{y - 5}" width="{long:.1f}" height="10" rx="2" fill="{colour}"/>')
            body.append(f'<text x="{x + long + 5:.1f}" y="{y + 4}">{escape(value)}</text>')
    return body


def _connections(drawn: Drawn, y: int) -> list[str]:
    """Lines from the row above through this one, and its dot."""
    above, below, x = y - ROW // 2, y + ROW // 2, _x(drawn.lane)
    paths = [f"M{_x(lane)} {above}V{below}" for lane in (*drawn.passing, *drawn.going)]
    for lane in (*drawn.ending, *drawn.going):
        bend = f"C{_x(lane)} {y} {_x(lane)} {y} {x} {y}"
        paths.append(f"M{_x(lane)} {above}{bend}")
    if not drawn.new:
        paths.append(f"M{x} {above}V{y}")
    if drawn.goes_on:
        paths.append(f"M{x} {y}V{below}")
    colour = f"var(--tone-{drawn.tone},{TONES[drawn.tone]})"
    return [
        f'<path d="{"".join(paths)}" fill="none" stroke="currentColor" stroke-opacity=".45" stroke-width="1.6"/>',
        f'<circle cx="{x}" cy="{y}" r="{3 if drawn.quiet else 5}" fill="{colour}"/>',
    ]


def _x(lane: int) -> int:
    return 10 + LANE * lane


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else "…" + text[1 - most :]
