"""Points spread evenly and without order: a scrambled Halton sequence, as random as dice and with fewer gaps."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import Ask

SOURCE = (
    "random search: Bergstra & Bengio 2012; quasi-random: Bousquet et al. 2017, Critical Hyper-Parameters; Halton's "
    "sequence, scrambled as Owen 2017; recommended by Godbole et al. 2023, the Deep Learning Tuning Playbook"
)


def propose(ask: Ask) -> dict[str, Any] | None:
    """The next point of the sequence, mapped to the ranges. There is always one."""
    shares = point(len(ask.ranges), ask.seed, ask.number)
    chosen = {one.name: one.value(share) for one, share in zip(ask.ranges, shares, strict=True)}
    return {one.name: chosen[one.name] for one in ask.ranges if one.is_on(chosen)}


@functools.lru_cache(maxsize=1024)
def point(dimensions: int, seed: int, number: int) -> tuple[float, ...]:
    """The `number`-th point of the sequence in the unit cube."""
    from scipy.stats import qmc

    with warnings.catch_warnings():  # scipy has renamed the argument, and warns of one name or the other
        warnings.simplefilter("ignore")
        engine = qmc.Halton(dimensions, scramble=True, seed=np.random.default_rng(seed))
    if number:
        engine.fast_forward(number)
    return tuple(float(share) for share in engine.random(1)[0])


def apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two settings differ."""
    return dict(one) != dict(other)
