"""What a model came to on each picture, and two models compared picture by picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .intervals import bootstrap, wilson

SURE = 0.05
CORRECT = ("accuracy", "exact match")
"""Outcomes that are 1 where the model was right and 0 where it was not."""


@dataclass(frozen=True)
class Outcomes:
    """One number a picture: 1 or 0 for right or wrong, else its error. `values` are by item id."""

    name: str
    higher_is_better: bool
    values: Mapping[str, float]


@dataclass(frozen=True)
class Paired:
    """B against A on the same pictures: the mean difference b - a and its 95 % bootstrap interval.

    For outcomes that are right or wrong, `only_a` and `only_b` count the pictures that only one got
    right, and `p` is McNemar's exact two-sided probability of counts so unequal by chance.
    """

    name: str
    count: int
    difference: float
    low: float
    high: float
    higher_is_better: bool
    only_a: int | None = None
    only_b: int | None = None
    p: float | None = None

    @property
    def sure(self) -> bool:
        """Whether these pictures tell the two apart."""
        apart = self.low > 0 or self.high < 0
        return apart and (self.p is None or self.p < SURE)


def outcomes(evaluation: Mapping[str, Any]) -> Outcomes | None:
    """What each picture contributes to the headline, from an evaluation's JSON.

    Where the headline is no mean over pictures (mAP, R2): whether all labels of a picture are right,
    where there are lists of labels; else None.
    """
    rows, score = evaluation.get("examples") or [], evaluation["headline"]
    if not rows:
        return None
    ids = [str(row["id"]) for row in rows]
    right = [float(row["truth"] == row["predicted"]) for row in rows]
    if all(isinstance(row["truth"], list) for row in rows):
        right = [float(sorted(row["truth"]) == sorted(row["predicted"])) for row in rows]
        return Outcomes("exact match", True, dict(zip(ids, right, strict=True)))
    for values in (right, *_errors(rows)):
        if math.isclose(float(np.mean(values)), score["value"], rel_tol=1e-6, abs_tol=1e-9):
            return Outcomes(score["name"], score["higher_is_better"], dict(zip(ids, values, strict=True)))
    return None


def _errors(rows: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """Absolute and squared errors, where truths and predictions are numbers."""
    numbers = [(row["truth"], row["predicted"]) for row in rows]
    if not all(isinstance(n, int | float) for pair in numbers for n in pair):
        return []
    errors = [abs(float(p) - float(t)) for t, p in numbers]
    return [errors, [error**2 for error in errors]]


def paired(a: Outcomes, b: Outcomes) -> Paired | None:
    """B against A on the pictures that both were judged on; None where there is none, or they measure
    different things."""
    common = [key for key in a.values if key in b.values]
    if not common or (a.name, a.higher_is_better) != (b.name, b.higher_is_better):
        return None
    first = np.array([a.values[key] for key in common])
    second = np.array([b.values[key] for key in common])
    low, high = _interval(second - first)
    only_a = only_b = p = None
    if a.name in CORRECT:
        only_a, only_b = int((first > second).sum()), int((second > first).sum())
        p = mcnemar(only_a, only_b)
    return Paired(
        a.name,
        len(common),
        float((second - first).mean()),
        low,
        high,
        a.higher_is_better,
        only_a,
        only_b,
        p,
    )


def probability(a: Outcomes, b: Outcomes, both: Paired) -> float:
    """How probable so large a difference would be by chance, were the two equal: `both`'s own where it has one,
    else of Student's paired test (1908)."""
    if both.p is not None:
        return both.p
    from scipy.special import stdtr

    differences = np.array([b.values[key] - a.values[key] for key in a.values if key in b.values])
    count, mean = len(differences), float(differences.mean())
    spread = float(differences.std(ddof=1)) if count > 1 else 0.0
    if count < 2 or mean == 0:
        return 1.0
    if spread == 0:
        return 0.0
    return float(2 * stdtr(count - 1, -abs(mean) * math.sqrt(count) / spread))


def holm(ps: Sequence[float]) -> list[float]:
    """Probabilities of several tests, adjusted so that calling those below 0.05 differences is wrong about even
    one of them in no more than 5 of 100 such comparisons, however the tests depend on each other. Holm (1979)."""
    order = sorted(range(len(ps)), key=lambda n: ps[n])
    made, largest = [1.0] * len(ps), 0.0
    for rank, n in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[n]))
        made[n] = largest
    return made


def _interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    if np.ptp(differences) > 0:
        return bootstrap(differences)
    mean, count = float(differences[0]), len(differences)
    if abs(mean) not in (0.0, 1.0):
        return mean, mean
    # no resample shows any spread; as many pictures can still hide a share of this size
    low, high = wilson(abs(mean), count)
    if mean == 0:
        return -high, high
    return (low, high) if mean > 0 else (-high, -low)


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided probability that a fair coin parts the pictures so unequally. McNemar (1947)."""
    count, fewer = only_a + only_b, min(only_a, only_b)
    # in logarithms: thousands of pictures overflow a float otherwise
    logs = [
        math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) - count * math.log(2)
        for k in range(fewer + 1)
    ]
    return min(1.0, 2 * sum(map(math.exp, logs)))


def difference(name: str, value: float, low: float, high: float) -> str:
    """A difference with its interval in words: `+2.1 points of accuracy [+0.9, +3.3]`."""
    if name in CORRECT:
        points = [round(100 * n, 1) + 0.0 for n in (value, low, high)]  # no minus before nought
        return "{:+} points of {} [{:+}, {:+}]".format(points[0], name, *points[1:])
    return f"{name} {value:+.4g} [{low:+.4g}, {high:+.4g}]"
