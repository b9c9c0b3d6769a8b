"""What the rules about data share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...finding import Unsure
from ..case import Case

NOT_SEEN = Unsure("Nothing is known of the pictures themselves: foveal diagnose RUN --deep opens them.")
TELL = 0.3
"""Above chance, what must be told from the file's size or kind alone for it to be a way around the picture."""
SHARE = 0.9
"""Of what the network tells above chance, the share that the border alone must tell."""


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
    judged = score(case)
    found = []
    for row in case.data.get("shortcuts", ()):
        above = row["low"] - row["chance"]
        if row["what"] in ("size", "file") and above > TELL:
            found.append(row)
        if row["what"] == "border" and judged is not None and above > TELL:
            best = max(judged["accuracy"], case.data.get("plain", {}).get("accuracy", 0.0))
            if above >= SHARE * (best - row["chance"]):
                found.append(row)
    return sorted(found, key=lambda row: -row["low"])
