"""What the tests of a run's parts measured, for the rules that read it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...finding import Unsure
from ..case import Case

WHY = "foveal diagnose RUN tests it"


def part(case: Case, name: str) -> Mapping[str, Any] | None:
    """What a test measured; None where it was not made, means nothing here, or failed."""
    found = case.tests.get(name)
    return None if found is None or "failed" in found else found


def untested(case: Case, name: str, what: str, *, deep: bool = False) -> Unsure | None:
    """Why nothing can be said where a test was not made; None where it was, or means nothing here."""
    found = case.tests.get(name)
    if found is not None and "failed" in found:
        return Unsure(f"The test of {what} could not be made: {str(found['failed']).rstrip('.')}.")
    if found is None and (deep or not case.tests) and case.record.kind == "classes":
        return Unsure(f"{what[:1].upper()}{what[1:]} was not tested: {WHY}{' with --deep' if deep else ''}.")
    return None


def surely_above(first: float, second: float, count: int, least: float = 0.05) -> bool:
    """Whether a share of `count` pictures lies above another by `least` and by more than luck (95 %)."""
    middle = (first + second) / 2
    return first - second > max(least, 1.96 * math.sqrt(max(1e-9, 2 * middle * (1 - middle) / max(1, count))))


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"
