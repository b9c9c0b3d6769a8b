"""From what was tried to what is likely better: begun as adaptive search is, then Optuna's Gaussian process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import Ask
from . import adaptive

SOURCE = (
    "Gaussian process: Snoek et al. 2012, Practical Bayesian Optimization of Machine Learning Algorithms; expected "
    "improvement by Optuna (Akiba et al. 2019; 5 or later), which finds the noise from the trials"
)


def propose(ask: Ask) -> dict[str, Any] | None:
    """What the Gaussian process proposes.

    It knows whole trials only: one that was stopped is told with what it had reached then.
    """
    import optuna

    def sampler(seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.GPSampler(n_startup_trials=0, seed=seed, deterministic_objective=False)

    whole = tuple(tried if tried.value is None else replace(tried, share=1.0) for tried in ask.tried)
    return adaptive.begun(ask) or adaptive.guessed(replace(ask, tried=whole), sampler)
