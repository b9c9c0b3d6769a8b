"""Searches over settings. Each way to search is a file of `searches`, which only proposes; all else is common.

A search is a module with a `SOURCE` and `propose(ask) -> options or None`: what to try next, from what was tried. It
keeps nothing: the same `Ask` gives the same proposal, so a study goes on after a crash as if nothing had been.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..ranges import Range

SEARCHES = "tuners.searches"
"""The kind of plug-in that a search is."""


@dataclass(frozen=True)
class Tried:
    """A setting that was tried: its headline on validation after `share` of the schedule. A trial that diverged is at
    chance; one that is still running has None."""

    options: Mapping[str, Any]
    value: float | None
    share: float = 1.0


@dataclass(frozen=True)
class Ask:
    """What a search is told when it is to propose its `number`-th setting, counted from 0. `expected` settings are
    likely to be tried in all; `points` are the values of each numeric range in a grid; `first` did well elsewhere, and
    is worth trying before anything was learnt here."""

    ranges: tuple[Range, ...]
    tried: tuple[Tried, ...]
    number: int
    seed: int
    higher_is_better: bool
    expected: int
    points: int = 3
    first: tuple[Mapping[str, Any], ...] = ()
