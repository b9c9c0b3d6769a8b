"""What the tests of a run's parts showed, each as a sentence with its numbers, whether or not anything is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import catalog
from ..finding import Evidence
from .case import Case
from .examination import KIND

OUTLIERS = "outliers"
SHOWN = 20
"""Pictures like no other that are named."""


@dataclass(frozen=True)
class Told:
    """One test: what it asks, and what came out."""

    test: str
    asks: str
    shown: Evidence

    def to_json(self) -> dict[str, Any]:
        return {"test": self.test, "asks": self.asks, **self.shown.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Told:
        """What `to_json` made, after a round through JSON."""
        shown = Evidence(data["says"], data["values"], tuple(data.get("pictures", ())))
        return cls(data["test"], data["asks"], shown)


def told(case: Case) -> tuple[Told, ...]:
    """What each test showed that was made and says so; of outliers among the pictures, where they were looked for."""
    rows = [_test(name, found) for name, found in case.tests.items() if "failed" not in found]
    return tuple(row for row in (*rows, _outliers(case)) if row is not None)


def _test(name: str, found: Mapping[str, Any]) -> Told | None:
    test = catalog.find(KIND, name)
    if not hasattr(test, "told"):
        return None
    asks = str(test.__doc__).rstrip(".").partition(":")[0]
    return Told(name, asks, test.told(found))


def _outliers(case: Case) -> Told | None:
    """Pictures that lie far from all others, by features."""
    found = case.data.get("outliers")
    if found is None:
        return None
    many = (
        f"{len(found):,} of the pictures are"
        if len(found) > 1
        else "One picture is"
        if found
        else "No picture is"
    )
    far = f"{many} far from the ten nearest ones, by ImageNet features."
    shown = Evidence(far, {"count": len(found)}, tuple(found[:SHOWN]))
    return Told(OUTLIERS, "Pictures that are like no other", shown)
