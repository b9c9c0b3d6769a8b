"""A study's verdict on its page: every training with another seed as a point, and the settings compared."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from ..charts.kinds import TONES, Tone
from ..records.contest import Side, Verdict
from ..records.study import Study
from . import words

WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 720, 118, 20, 46, 10, 34
_FONT = "font:13px system-ui,-apple-system,'Segoe UI',Roboto,'Open Sans',sans-serif"


@dataclass(frozen=True)
class Section:
    """The section: its sentences, the points, a row a setting, the run to take, and how to come to a verdict."""

    lines: tuple[str, ...]
    strip: Markup
    rows: tuple[tuple[str, ...], ...]
    model: str
    more: str


def of(study: Study) -> Section | None:
    """The verdict as it is shown; None where there is none."""
    verdict = study.verdict
    if verdict is None:
        return None
    rows = tuple(_row(side, verdict) for side in verdict.sides) if verdict.seeds else ()
    resume = f"foveal tune --resume {shlex.quote(str(study.folder))} {verdict.more}" if verdict.more else ""
    return Section(
        verdict.lines,
        Markup(strip(verdict)) if any(side.values for side in verdict.sides) else Markup(),
        rows,
        str(study.folder / verdict.model) if verdict.model else "",
        resume,
    )


def _row(side: Side, verdict: Verdict) -> tuple[str, ...]:
    """Setting, seeds, in the search, trained again, spread, gain over the default, on test."""
    gain = next((one for one in verdict.gains if one.one == side.number), None)
    points = verdict.metric in words.SHARES
    share = 100.0 if points else 1.0

    def told(value: float | None) -> str:
        return "" if value is None else words.metric(verdict.metric, value)

    gained = "" if gain is None else " ".join(
        f"{share * n:+.{1 if points else 3}f}{end}"
        for n, end in ((gain.mean, " ["), (gain.low, ","), (gain.high, "]"))
    ).replace("[ ", "[")  # fmt: skip
    tested = (
        ""
        if side.tested is None
        else f"{told(side.tested[0])} [{told(side.tested[1])}, {told(side.tested[2])}]"
    )
    spread = "" if side.spread is None else f"{share * side.spread:.{1 if points else 3}f}"
    chance = f", {side.diverged} diverged" if side.diverged else ""
    return (
        "default" if side.number == 0 else f"trial {side.number}", side.setting, f"{len(side.values)}{chance}",
        told(side.found), told(side.mean), spread, gained,
        "" if gain is None else f"{gain.p_of_all:.2g}", tested,
    )  # fmt: skip


def strip(verdict: Verdict) -> str:
    """One row a setting: a dot a seed, a bar at their mean, a ring where the search had it."""
    sides = [side for side in verdict.sides if side.values]
    values = [
        v
        for side in sides
        for v in (*side.values.values(), *([side.found] if side.found is not None else []))
    ]
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or abs(high) * 0.01 or 1.0
    low, high = low - room, high + room

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low)

    height = TOP + ROW * len(sides) + BOTTOM
    parts, chosen = list[str](), verdict.chosen
    for place, side in enumerate(sides):
        tone: Tone = "warm" if side.number == 0 else "accent"
        if side.number and chosen is not None and chosen.number == side.number:
            tone = "good"
        colour, y = f"var(--tone-{tone},{TONES[tone]})", TOP + ROW * (place + 0.5)
        name = "default" if side.number == 0 else f"trial {side.number}"
        parts.append(f'<text x="0" y="{y + 4:g}">{escape(name)}</text>')
        parts.append(
            f'<path d="M{LEFT} {y:g}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".18" fill="none"/>'
        )
        assert side.mean is not None
        parts.append(
            f'<path d="M{x(side.mean):.1f} {y - 14:g}v28" style="stroke:{colour}" stroke-width="2.4">'
            f"<title>mean {escape(words.metric(verdict.metric, side.mean))}</title></path>"
        )
        for seed, value in side.values.items():
            said = escape(f"{name}, seed {seed}: {words.metric(verdict.metric, value)}")
            parts.append(
                f'<circle cx="{x(value):.1f}" cy="{y:g}" r="5" style="fill:{colour};stroke:var(--ground,Canvas)">'
                f"<title>{said}</title></circle>"
            )
        if side.found is not None:
            said = escape(f"{name} in the search: {words.metric(verdict.metric, side.found)}")
            parts.append(
                f'<circle cx="{x(side.found):.1f}" cy="{y:g}" r="8" style="fill:none;stroke:{colour}" '
                f'stroke-dasharray="3 2" stroke-width="1.6"><title>{said}</title></circle>'
            )
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        value = low + (high - low) * share
        told = escape(words.metric(verdict.metric, value))
        parts.append(
            f'<text x="{x(value):.1f}" y="{height - 12}" text-anchor="{anchor}" fill-opacity=".68">{told}</text>'
        )
    label = escape(f"{words.named(verdict.metric)} on validation of every seed. {verdict.says}")
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{label}" style="{_FONT};width:100%;max-width:{WIDTH}px;height:auto;display:block" '
        f'fill="currentColor">{"".join(parts)}</svg>'
    )
