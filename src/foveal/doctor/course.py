"""A course of treatment: one cure after the other, then what is still wrong after the best of them, until a run is
well."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..finding import Cure, Finding
from ..records.gathered import Gathered, gather
from ..records.run import Run
from . import diagnose
from .candidates import RATE, candidates, combined, compares, distinct, same
from .examination import LITTLE, examine
from .proof import HONEST
from .rules._course import poor

WIDE, DEEP = 5, 3
"""Cures that are tried at most: against what was found first, and against what the best of these left."""
LOOK_SECONDS = 10.0
"""Time for the tests of a cured run's parts."""


@dataclass(frozen=True)
class Trial:
    """One training with a cure: its headline on the validation pictures, None where it came to nothing, and its run."""

    cure: Cure
    value: float | None
    run: Run | None = None
    failed: str = ""


@dataclass(frozen=True)
class Look:
    """What is found in a cured run, and whether it is well: nothing is found, and little is left to be learned."""

    findings: tuple[Finding, ...] = ()
    well: bool = False


@dataclass(frozen=True)
class Scale:
    """How trials are held against the run as it was: `before`, its own headline, and what is `worth` having."""

    before: float | None
    higher_is_better: bool
    worth: float

    def gain(self, value: float | None) -> float:
        """By how much better than as it was; nothing is worse than a training that came to nothing."""
        if value is None:
            return -math.inf
        if self.before is None:
            return math.inf
        return value - self.before if self.higher_is_better else self.before - value

    def best(self, trials: Iterable[Trial]) -> Trial | None:
        """The best one; of two that are as good, to half of what is worth having, the one that was tried first."""
        best: Trial | None = None
        for one in trials:
            if best is None or self._over(one.value, best.value) > self.worth / 2:
                best = one if one.value is not None else best
        return best

    def _over(self, value: float | None, other: float | None) -> float:
        if value is None or other is None:
            return math.inf if value is not None else -math.inf
        return value - other if self.higher_is_better else other - value


def opening(finding: Finding, others: Sequence[Finding], record: Gathered) -> tuple[Cure, ...]:
    """What is tried first: the cures of a finding, then those of its symptoms, one of which may have been the cause,
    then those of other findings. One that shows the true score stands alone."""
    own = candidates(finding, record)
    if finding.rule in HONEST or not compares(finding.cure, record):
        return own
    behind = [one for one in (*finding.symptoms, *others) if one.rule not in HONEST]
    more = [one.cure for one in behind if one.cure.can_be_tried and compares(one.cure, record)]
    return distinct((*own, *more))[:WIDE]


def course(
    cures: Sequence[Cure],
    scale: Scale,
    trial: Callable[[Cure], Trial],
    again: Callable[[Run], Look],
    left: Callable[[], bool] = lambda: True,
    on_top: bool = True,
) -> list[Trial]:
    """Try cures one by one on one training each, until one gains and leaves a run that is well; where none does, also
    cures of what is found in the best of them, on top of it, and a rate found anew.

    Args:
        trial: trains with a cure.
        again: how a run is.
        left: whether there is time for another training.
        on_top: whether there is a second round.
    """
    made, well = list[Trial](), False
    seen: dict[Run, Look] = {}

    def look(one: Trial) -> Look:
        if one.run is None:
            return Look()
        if one.run not in seen:
            seen[one.run] = again(one.run)
        return seen[one.run]

    def enough(one: Trial) -> bool:
        return scale.gain(one.value) >= scale.worth and look(one).well

    for cure in cures:
        if not left():
            return made
        made.append(trial(cure))
        if well := enough(made[-1]):
            break
    best = scale.best(made)
    if well or not on_top or best is None or best.run is None:
        return made
    for cure in _next(best, look(best).findings, made, scale.gain(best.value) >= scale.worth):
        if not left():
            break
        made.append(trial(cure))
        if enough(made[-1]):
            break
    return made


def _next(best: Trial, found: Sequence[Finding], made: Sequence[Trial], gained: bool) -> list[Cure]:
    """What is found in the best run, cured on top of its cure, and other cures of the first round that change something
    else; symptoms last. A best cure that gained nothing is no ground for others: these then stand alone."""
    assert best.run is not None
    record = gather(best.run)
    roots = [one for one in found if one.rule not in HONEST]
    order = [*roots, *(symptom for one in roots for symptom in one.symptoms if symptom.rule not in HONEST)]
    more = [cure for one in order for cure in candidates(one, record) if compares(cure, record)]
    # gradients may be of another size now
    rate = () if best.cure.changes.keys() & {"lr", "find_lr"} else (RATE,)
    also = [one.cure for one in made if _goes_with(one.cure, best.cure)]
    after = distinct((*more[: DEEP - 1], *rate, *also, *more[DEEP - 1 :]))
    whole = [combined(best.cure, cure) for cure in after] if gained else after
    return [cure for cure in whole if not any(same(cure, one.cure) for one in made)][:DEEP]


def _goes_with(cure: Cure, best: Cure) -> bool:
    """Whether a cure that was not enough alone may add to the best: it changes nothing that this one does."""
    apart = not cure.changes.keys() & best.changes.keys() and not set(cure.repairs) & set(best.repairs)
    return apart and "network" not in {*cure.changes, *best.changes} and not same(cure, best)


def looked(run: Run) -> Look:
    """How a run is by its record and the quick tests of its parts."""
    case = examine(run, seconds=LOOK_SECONDS)
    found = diagnose(case).findings
    return Look(found, not found and not poor(case, LITTLE))
