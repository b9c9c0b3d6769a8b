"""Ranges made wider where the best lies at their end, and narrower where training diverges."""

from __future__ import annotations

import dataclasses
import math

from ..options import flag
from ..ranges import Range
from ..records.study import Study
from ..records.trials import Trial, ranked, value_at

SOURCE = (
    "Godbole et al. 2023, the Deep Learning Tuning Playbook: bad search space boundaries; infeasible trials"
)
EDGE = 0.1
"""The nearest tenth of a range at each end."""
WIDER = 0.5
"""Of its width that a range grows by, on its scale."""
FEWEST = 5
"""Trials with a result, before where the best lies says anything."""
RATE = "lr"


def reshaped(study: Study) -> tuple[tuple[Range, ...], list[str]]:
    """The ranges as they should be now, and what has changed in words."""
    ranges, notes = list(study.ranges), list[str]()
    for place, one in enumerate(ranges):
        for change in (_bounded, _widened):
            changed = change(one, study)
            if changed is not None:
                one, said = changed
                ranges[place] = one
                notes.append(said)
    return tuple(ranges), notes


def _bounded(one: Range, study: Study) -> tuple[Range, str] | None:
    """The rate's range, ended at the smallest rate with which training diverged, where none above it went well."""
    roots = {"network", "optimizer", "weights", "batch"}
    if one.name != RATE or one.choices or roots & {other.name for other in study.ranges}:
        return None  # with another network or optimizer another rate diverges
    rates = {t.number: float(t.options[RATE]) for t in study.trials if one.takes(t.options.get(RATE))}
    known = [t for t in study.trials if t.number in rates]
    most_sound = max((rates[t.number] for t in known if t.state in ("finished", "paused")), default=0.0)
    broken = [rates[t.number] for t in known if t.state == "diverged" and rates[t.number] > most_sound]
    if not broken or min(broken) >= one.high or min(broken) <= one.low:
        return None
    bound = min(broken)
    said = f"training diverged at {flag(RATE)} {bound:.4g}: no rate from there on is tried any more"
    return dataclasses.replace(one, high=bound, most=min(one.most, bound)), said


def _widened(one: Range, study: Study) -> tuple[Range, str] | None:
    best = _leader(study)
    if one.choices or best is None or not one.takes(best.options.get(one.name)):
        return None
    at = one.share(best.options[one.name])
    if EDGE < at < 1 - EDGE:
        return None
    end = "upper" if at >= 1 - EDGE else "lower"
    limit = one.most if end == "upper" else one.least
    value = _beyond(one, 1 + WIDER if end == "upper" else -WIDER)
    value = min(value, limit) if end == "upper" else max(value, limit)
    now = one.high if end == "upper" else one.low
    if math.isclose(value, now, rel_tol=1e-6, abs_tol=1e-12):
        return None
    value = float(round(value)) if one.whole else float(f"{value:.4g}")
    wide = dataclasses.replace(one, high=value) if end == "upper" else dataclasses.replace(one, low=value)
    if (wide.low, wide.high) == (one.low, one.high):
        return None
    said = (
        f"the best trial so far ({best.number}) lies at the {end} end of {flag(one.name)} "
        f"({best.options[one.name]:.4g} in {one.says}): the range is widened to {wide.low:.4g} to {wide.high:.4g}"
    )
    return wide, said


def _beyond(one: Range, share: float) -> float:
    """The value at a share outside of 0..1."""
    low, high = one.low, one.high
    if one.scale == "log":
        return float(low * (high / low) ** share)
    if one.scale == "rest":
        return float(1 - (1 - low) * ((1 - high) / (1 - low)) ** share)
    return low + (high - low) * share


def _leader(study: Study) -> Trial | None:
    """The best after the largest share of the schedule that enough trials have come to."""
    for epoch in (study.epochs, *reversed(study.rungs)):
        chance = study.chance if study.chance is not None else math.nan
        there = [t for t in study.trials if t.state not in ("failed", "diverged")]
        valued = {t.number: value_at(t, epoch, study.higher_is_better, chance) for t in there}
        known = [t for t in there if valued[t.number] is not None]
        if len(known) >= FEWEST:
            return ranked(known, study.higher_is_better)[0]
    return None
