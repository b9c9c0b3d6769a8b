"""Predictions in words: how many objects of each label, which classes, what likeliest. Loads nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..values import figure

SURE = 0.5
"""Least probability of objects that are drawn, listed, and written where no probability can be."""
WORDS = 4
"""Labels that are named in a picture's words."""


def above(rows: Sequence[Mapping[str, Any]], least: float) -> list[Mapping[str, Any]]:
    """The rows that are at least so probable, and those that say no probability."""
    return [row for row in rows if row.get("probability") is None or row["probability"] >= least]


def is_object(row: Mapping[str, Any]) -> bool:
    """Whether a row is of an object on the picture, one of any number."""
    return "box" in row or ("mask" in row and "share" not in row)


def told(rows: Sequence[Mapping[str, Any]], least: float = SURE) -> str:
    """What is seen in a picture, in a few words: objects counted by label, shares of classes, the likeliest label."""
    if any(is_object(row) for row in rows):
        seen = Counter(str(row["label"]) for row in above(rows, least) if is_object(row))
        named = [f"{count} {label}" for label, count in seen.most_common()]
        surest = max(rows, key=lambda row: row.get("probability") or 0.0)
        return _some(named) or f"none of {_percent(least)} or more; the surest is {_sure(surest)}"
    if any("share" in row for row in rows):
        ordered = sorted((row for row in rows if "share" in row), key=lambda row: -row["share"])
        return _some([f"{row['label']} {_percent(row['share'])}" for row in ordered])
    said = []
    for row in rows[:1]:
        plain = {k: v for k, v in row.items() if k not in ("label", "probability", "picture", "output")}
        said += [_sure(row)] if "label" in row else []
        said += [f"{name} {_plain(value)}" for name, value in plain.items() if _plain(value)]
    made = any("picture" in row or "output" in row for row in rows)
    return ", ".join(said) or ("a picture" if made else "nothing found")


def _sure(row: Mapping[str, Any]) -> str:
    share = row.get("probability")
    return str(row["label"]) + (f" {_percent(share)}" if share is not None else "")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return figure(value) if isinstance(value, float) else str(value) if isinstance(value, int | str) else ""


def _some(named: Sequence[str]) -> str:
    more = f" and {len(named) - WORDS} more" if len(named) > WORDS else ""
    return ", ".join(named[:WORDS]) + more
