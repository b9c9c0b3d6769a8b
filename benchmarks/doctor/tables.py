"""What was found, in tables: a line a case, and totals with their intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from foveal.intervals import wilson

from . import strangers

Row = dict[str, Any]
MARKS = dict(zip(strangers.NAMES, "+#^&", strict=True))
"""Of strangers' rows; `*` is before those that their own author held out."""


def share(hits: Iterable[bool]) -> str:
    """`52 of 60, 86.7 % [75.8, 93.1]`: with Wilson's interval."""
    seen = list(hits)
    if not seen:
        return "none"
    low, high = wilson(sum(seen) / len(seen), len(seen))
    return (
        f"{sum(seen)} of {len(seen)}, {100 * sum(seen) / len(seen):.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
    )


def fault_line(row: Row) -> str:
    """A fault: what it costs, what was said first, whether that is right, and what the cure brought back."""
    mark = "root" if row["root"] else "useful" if row["useful"] else "MISS"
    cure = row.get("cure")
    back = "" if cure is None else f"{100 * cure['share']:5.0f} % {cure['carried']}{_alone(cure)}"
    held = _mark(row)
    said = ", ".join(row["found"]) or "nothing"
    return f"{row['name']:30}{held} {100 * row['points']:6.1f}  {mark:6} {said[:58]:58} {back}"


def control_line(row: Row) -> str:
    held = _mark(row)
    said = ", ".join(row["found"]) or "-"
    return f"{row['name']:30}{held} {row['score']:8.4f}  {said}"


def fault_totals(rows: Sequence[Row]) -> list[str]:
    """The figures of the faults: all, those that rules were written beside, those held out, and each stranger's."""
    lines = []
    for title, some in _sides(rows):
        tried = [r["cure"] for r in some if r.get("cure")]
        lines += [
            f"faults, {title}:",
            f"  root cause named first       {share(r['root'] for r in some)}",
            f"  root or something useful     {share(r['root'] or r['useful'] for r in some)}",
            f"  anything said at all         {share(bool(r['found']) for r in some)}",
        ]
        if tried:
            own = [c for c in tried if c["carried"] == "tried"]
            alone = [c["alone"] >= 0.8 for c in own if c["alone"] is not None]
            lines += [
                f"  cures that restore 80 %      {share(c['share'] >= 0.8 for c in tried)} of all first findings",
                f"    carried out by Foveal      {share(c['share'] >= 0.8 for c in own)}",
                f"      the first cure alone     {share(alone)}",
                f"    in words, by hand          {share(c['share'] >= 0.8 for c in tried if c['carried'] != 'tried')}",
            ]
    return lines


def control_totals(rows: Sequence[Row]) -> list[str]:
    lines = []
    for title, some in _sides(rows):
        lines.append(f"controls, {title}:")
        lines.append(f"  alarms                       {share(bool(r['found']) for r in some)}")
        loud = Counter(name for r in some for name in r["found"])
        if loud:
            lines.append(
                "  by rule                      " + ", ".join(f"{n} {c}" for n, c in loud.most_common())
            )
    return lines


def naive_totals(faults: Sequence[Row], controls: Sequence[Row]) -> list[str]:
    """Published thresholds on the same records, as we re-implemented them."""
    if not (faults and controls) or "naive" not in controls[0]:
        return []
    lines = ["published thresholds on the same records (our re-implementations):"]
    for system in controls[0]["naive"]:
        said = Counter(what for row in controls for what in row["naive"][system])
        loudest = ", ".join(f"{what} {count}" for what, count in said.most_common(3))
        lines.append(
            f"  {system:20} alarms on faults {share(bool(r['naive'][system]) for r in faults)}; on controls "
            f"{share(bool(r['naive'][system]) for r in controls)} ({loudest})"
        )
    return lines


def _alone(cure: Row) -> str:
    """What the first cure alone brought back, where more were tried."""
    return f" ({100 * cure['alone']:.0f} % alone)" if cure["trials"] > 1 and cure["alone"] is not None else ""


def _mark(row: Row) -> str:
    return MARKS[row["stranger"]] if row["stranger"] else "*" if row["held_out"] else " "


def _sides(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    apart = [
        ("not held out", [r for r in rows if not (r["held_out"] or r["stranger"])]),
        ("held out", [r for r in rows if r["held_out"]]),
        *((name, [r for r in rows if r["stranger"] == name]) for name in strangers.NAMES),
    ]
    return [("all", list(rows)), *((title, some) for title, some in apart if 0 < len(some) < len(rows))]
