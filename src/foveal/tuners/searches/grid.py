"""Every combination of evenly spread values, in an order that covers the space evenly if it is ended early."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

from ...ranges import Range
from .. import Ask

SOURCE = "full factorial design; why random search covers each parameter better: Bergstra & Bengio 2012"


def propose(ask: Ask) -> dict[str, Any] | None:
    """The next combination; None when all were tried."""
    whole = combinations(ask.ranges, ask.points)
    random.Random(ask.seed).shuffle(whole)
    return whole[ask.number] if ask.number < len(whole) else None


def combinations(ranges: Sequence[Range], points: int) -> list[dict[str, Any]]:
    """All combinations, each once: a parameter that means nothing beside the others is left out of it."""
    found: dict[str, dict[str, Any]] = {}
    for values in itertools.product(*(one.even(points) for one in ranges)):
        chosen = dict(zip((one.name for one in ranges), values, strict=True))
        kept = {one.name: chosen[one.name] for one in ranges if one.is_on(chosen)}
        found.setdefault(repr(kept), kept)
    return list(found.values())
