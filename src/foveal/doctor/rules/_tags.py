"""Of several labels a picture: how many, and how often each, in training and in the other splits."""

from __future__ import annotations

from statistics import fmean, pvariance

from ..case import Case

FEW, MANY, SURE = 0.75, 1.33, 5.0
"""Times as many labels a picture as in the other splits, and in how many standard deviations. Chosen, not measured."""
RARELY, LEAST = 0.3, 12
"""Times as often that a label is borne, from which most of it is missing; how often it is due at least."""
Apart = tuple[float, float, float, int, int]
"""Labels a training picture and another, standard deviations between the two, and pictures of both."""


def number(case: Case) -> Apart | None:
    """Where training pictures bear far fewer labels each, or far more."""
    sides = _sides(case)
    if sides is None:
        return None
    own, other = ([float(len(tags)) for tags in side] for side in sides)
    if min(len(own), len(other)) < 20 or not fmean(other):
        return None
    luck = (pvariance(own) / len(own) + pvariance(other) / len(other)) ** 0.5
    apart = abs(fmean(own) - fmean(other)) / max(1e-9, luck)
    if FEW < fmean(own) / fmean(other) < MANY or apart < SURE:
        return None
    return fmean(own), fmean(other), apart, len(own), len(other)


def missing(case: Case) -> dict[str, tuple[int, float]]:
    """Labels that training pictures hardly bear and other pictures do: how often they have them, and how often they
    should."""
    sides = _sides(case)
    if sides is None:
        return {}
    own, other = sides
    found = {}
    for name in case.record.labels:
        had = sum(name in tags for tags in own)
        due = len(own) * sum(name in tags for tags in other) / max(1, len(other))
        luck = (due * (1 + len(own) / max(1, len(other)))) ** 0.5
        if due >= LEAST and had < RARELY * due and due - had > SURE * luck:
            found[name] = (had, due)
    return found


def _sides(case: Case) -> tuple[list[set[str]], list[set[str]]] | None:
    """The labels of each training picture, and of each other one."""
    if case.record.kind != "labels" or case.record.dataset is None:
        return None
    sides: tuple[list[set[str]], list[set[str]]] = ([], [])
    for item in case.record.dataset.items:
        if isinstance(item.truth, list | tuple):
            sides[item.part != "train"].append(set(item.truth))
    return sides
