"""Which way a study's values lean with each setting: rank correlations with their intervals, over its trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..charts.leanings import Leaning
from ..records.study import Study
from ..records.trials import Trial, value_at
from .settings import setting

LEAST = 10
"""Trials below which nothing is said: the intervals would reach over most of what is possible."""


@dataclass(frozen=True)
class Leanings:
    """A row a setting of numbers, and what can be said; no rows where there are too few trials."""

    says: str
    rows: tuple[Leaning, ...] = ()
    after: int = 0
    """Epochs after which the trials were compared."""


def leanings(study: Study) -> Leanings | None:
    """Spearman's rank correlation (1904) of each setting with the value, positive where larger is better.

    All trials are compared after as many epochs: those of the first comparison, so that what was stopped early
    counts as well. The intervals are Bonett & Wright's (2000): of 400 to 600 simulated studies of 10 to 100 trials
    each, they held the truth in 94 to 98 of 100 where the value has a slope or none, in 100 where settings are spread
    by Halton's sequence and other settings weigh more, and in 87 to 93 where settings are drawn independently and the
    value falls off a cliff. None where the study has no
    setting of numbers, or fewer than two trials came so far.
    """
    names = [one for one in study.ranges if not one.choices]
    seen, after = at_once(study)
    if not names or len(seen) < 2:
        return None
    if len(seen) < LEAST:
        return Leanings(
            f"{len(seen)} trials are too few to say which way the values lean; from {LEAST} on it is said."
        )
    rows = []
    for one in names:
        pairs = [
            (one.share(had), value if study.higher_is_better else -value)
            for trial, value in seen
            if one.takes(had := setting(trial, one.name, study))
        ]
        if len(pairs) >= LEAST and len({place for place, _ in pairs}) > 2 and len({v for _, v in pairs}) > 2:
            value, low, high = correlation([place for place, _ in pairs], [v for _, v in pairs])
            says = f"{one.name}: {value:+.2f} [{low:+.2f}, {high:+.2f}] over {len(pairs)} trials"
            rows.append(Leaning(one.name, value, low, high, says))
    if not rows:
        return None
    rows.sort(key=lambda row: -abs(row.value))
    return Leanings(_says(rows), tuple(rows), after)


def at_once(study: Study) -> tuple[list[tuple[Trial, float]], int]:
    """Trials with what they had after as many epochs, and those epochs: of the first comparison, so that what was
    stopped early counts as well. What diverged is at chance."""
    after = study.rungs[0] if study.rungs else study.epochs
    return [
        (trial, value)
        for trial in study.trials
        if trial.state != "failed"
        and (trial.state != "diverged" or study.chance is not None)
        and (value := value_at(trial, after, study.higher_is_better, study.chance or 0.0)) is not None
    ], after


def _says(rows: Sequence[Leaning]) -> str:
    sure = [f"{'larger' if row.value > 0 else 'smaller'} {row.name}" for row in rows if row.sure]
    if not sure:
        return "No setting's interval leaves nought out: these trials do not say which way to go with any of them."
    listed = sure[0] if len(sure) == 1 else f"{', '.join(sure[:-1])} and {sure[-1]}"
    others = " Of the others these trials do not say which way to go." if len(sure) < len(rows) else ""
    return f"Values were better with {listed}.{others}"


def correlation(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float, float]:
    """Spearman's rank correlation and its 95 % interval by Fisher's transformation with the variance of Bonett &
    Wright (2000), Sample size requirements for estimating Pearson, Kendall and Spearman correlations.

    Args:
        xs, ys: at least four numbers each, not all equal.
    """
    from scipy.stats import spearmanr

    found = float(spearmanr(xs, ys).statistic)
    inside = min(max(found, -1 + 1e-12), 1 - 1e-12)
    half = 1.959964 * math.sqrt((1 + inside**2 / 2) / (len(xs) - 3))
    return found, math.tanh(math.atanh(inside) - half), math.tanh(math.atanh(inside) + half)
