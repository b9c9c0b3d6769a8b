"""What the rules about data share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import Unsure
from ..case import Case
from ..data.shortcuts import aside

NOT_SEEN = Unsure("Nothing is known of the pictures themselves: foveal diagnose RUN --deep opens them.")


def share(row: Mapping[str, Any], value: str = "accuracy") -> str:
    """A share with its interval, in percent."""
    return f"{row[value]:.1%} [{row['low']:.1%}, {row['high']:.1%}]"


def score(case: Case) -> Mapping[str, Any] | None:
    """How much the run's network tells, on all judged pictures."""
    judged = case.data.get("judged") or {}
    found: Mapping[str, Any] | None = judged.get("all")
    return found


def told_aside(case: Case) -> list[Mapping[str, Any]]:
    """What tells the class although it is not in the picture, or at its border alone; the most telling first."""
    judged, plain = score(case), case.data.get("plain", {}).get("accuracy", 0.0)
    return aside(case.data.get("shortcuts", ()), None if judged is None else max(judged["accuracy"], plain))
