"""From what was tried to what is likely better: what did well elsewhere, points evenly spread, then Optuna's TPE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import Ask
from ..guess import optuna_study, quiet, suggested
from . import random

if TYPE_CHECKING:
    import optuna

SOURCE = (
    "TPE: Bergstra et al. 2011; multivariate, as in BOHB (Falkner et al. 2018); by Optuna (Akiba et al. 2019; 5 or "
    "later), as in Watanabe 2023. Trials that diverged are told as chance: a sampler that is not told of them goes on "
    "proposing them"
)
FEWEST, MOST = 4, 10
"""Points that are spread evenly before the first guess, with the default: a quarter of all, within these limits."""
BESIDE = 2
"""As many beside several settings that did well elsewhere: the guess must see what is bad, too."""
TRIES = 8


def propose(ask: Ask) -> dict[str, Any] | None:
    """What the tree-structured Parzen estimator proposes; while there is too little to go by, what did well elsewhere,
    then evenly spread points."""
    import optuna

    def sampler(seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.TPESampler(
            n_startup_trials=0, seed=seed, multivariate=True, group=True, constant_liar=True
        )

    return begun(ask) or guessed(ask, sampler)


def begun(ask: Ask) -> dict[str, Any] | None:
    """What to try while there is too little to guess by; None from then on."""
    if ask.number < len(ask.first):
        return dict(ask.first[ask.number]) if _is_new(ask.first[ask.number], ask) else random.propose(ask)
    known = [tried for tried in ask.tried if tried.value is not None]
    spread = BESIDE if len(ask.first) > 1 else min(MOST, max(FEWEST, ask.expected // 4)) - 1
    first = len(ask.first) + spread
    return random.propose(ask) if ask.number < first or len(known) < FEWEST else None


def guessed(ask: Ask, sampler: Callable[[int], optuna.samplers.BaseSampler]) -> dict[str, Any] | None:
    """What a sampler, made anew from a seed, proposes from what was tried."""
    for attempt in range(TRIES):
        with quiet():
            told = optuna_study(
                ask.ranges, ask.tried, ask.higher_is_better, sampler(hash_of(ask.seed, ask.number, attempt))
            )
            found = suggested(told, ask.ranges)
        # a point tried already teaches nothing: choices and whole numbers are met again
        if all(random.apart(found, tried.options) for tried in ask.tried):
            return found
    return random.propose(ask)


def _is_new(setting: Mapping[str, Any], ask: Ask) -> bool:
    """Whether a setting lies in the ranges as they are now, and was not tried."""
    bounds = [one for one in ask.ranges if not one.choices and one.name in setting]
    within = all(one.low <= setting[one.name] <= one.high for one in bounds)
    return within and all(random.apart(setting, tried.options) for tried in ask.tried)


def hash_of(*numbers: int) -> int:
    """A seed that every combination has of its own."""
    import numpy as np

    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
