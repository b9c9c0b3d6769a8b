"""A study's trials as Optuna sees them: in its memory only, made anew each time it is asked."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..ranges import Range
from . import Tried

if TYPE_CHECKING:
    import optuna

STEPS = 1000
"""A share of the schedule as Optuna's whole number of a step."""


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna neither logs what is no news, nor warns of what it may change one day."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)


def optuna_study(
    ranges: Sequence[Range],
    tried: Sequence[Tried],
    higher_is_better: bool,
    sampler: optuna.samplers.BaseSampler | None = None,
) -> optuna.Study:
    """The trials in a study of Optuna's. Numbers are told as shares of their range on its scale, so that every sampler
    and every measure of importance sees them evenly; trials that were stopped as pruned, with their value then.

    A trial whose options have no place in the ranges is left out.
    """
    import optuna

    made = optuna.create_study(direction="maximize" if higher_is_better else "minimize", sampler=sampler)
    spaces = distributions(ranges, tried)
    states = optuna.trial.TrialState
    for one in tried:
        on = [r for r in ranges if r.is_on(one.options)]
        if not all(r.takes(one.options.get(r.name)) for r in on):
            continue
        params = {r.name: _told(r, one.options[r.name]) for r in on}
        more: dict[str, Any] = {"params": params, "distributions": {r.name: spaces[r.name] for r in on}}
        if one.value is None:
            made.add_trial(optuna.create_trial(state=states.RUNNING, **more))
        elif one.share < 1:
            steps = {max(1, round(one.share * STEPS)): one.value}
            made.add_trial(
                optuna.create_trial(state=states.PRUNED, value=one.value, intermediate_values=steps, **more)
            )
        else:
            made.add_trial(optuna.create_trial(state=states.COMPLETE, value=one.value, **more))
    return made


def distributions(ranges: Sequence[Range], tried: Sequence[Tried]) -> dict[str, Any]:
    """Of each range: 0 to 1, and as far beyond as what was tried lies."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    found: dict[str, Any] = {}
    for one in ranges:
        if one.choices:
            found[one.name] = CategoricalDistribution([str(choice) for choice in one.choices])
            continue
        values = [t.options[one.name] for t in tried if one.takes(t.options.get(one.name))]
        shares = [one.share(value) for value in values]
        found[one.name] = FloatDistribution(min([0.0, *shares]), max([1.0, *shares]))
    return found


def _told(one: Range, value: Any) -> Any:
    return str(value) if one.choices else one.share(value)


def suggested(study: optuna.Study, ranges: Sequence[Range]) -> dict[str, Any]:
    """What the study's sampler proposes next; never outside of the ranges, though what was tried may lie there."""
    asked = study.ask()
    spaces: dict[str, Any] = {n: space for trial in study.trials for n, space in trial.distributions.items()}
    found: dict[str, Any] = {}
    for one in sorted(ranges, key=lambda r: r.when is not None):
        if not one.is_on(found):
            continue
        if one.choices:
            names = [str(choice) for choice in one.choices]
            found[one.name] = one.choices[names.index(str(asked.suggest_categorical(one.name, names)))]
        else:
            space = spaces.get(one.name)
            low, high = (space.low, space.high) if space is not None else (0.0, 1.0)
            share = asked.suggest_float(one.name, low, high)
            found[one.name] = one.value(min(1.0, max(0.0, share)))
    return {one.name: found[one.name] for one in ranges if one.name in found}
