"""Learning rates: what the run's was, what is usual for its optimizer and network, and how the schedule moved it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...finding import Evidence
from ...loop.optimizers import is_like_sgd
from ...plan.recipe import usual_rate
from ..case import Case
from ._parts import part

MOMENTUM = 0.9
"""The usual one, which the usual rates go with."""


def option(case: Case, name: str) -> float | None:
    """An option that is a number; None where it is not."""
    value = case.options.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def is_given(case: Case, name: str) -> bool:
    """Whether a person gave the option, rather than the plan."""
    return any(choice.option == name and not choice.automatic for choice in case.record.choices)


def from_scratch(case: Case) -> bool:
    return case.record.options.get("origin") is None


def momentum_factor(case: Case) -> float:
    """How many times as far steps go for their momentum as for the usual one: SGD's are added up, Adam's averaged."""
    if not is_like_sgd(str(case.options.get("optimizer"))):
        return 1.0
    momentum = option(case, "momentum")
    return 1.0 if momentum is None else (1 - MOMENTUM) / max(1e-6, 1 - momentum)


def usual(case: Case) -> float | None:
    """The peak rate that the plan would choose for this optimizer, network and batch; None where options are not
    known."""
    optimizer, batch = case.options.get("optimizer"), option(case, "batch")
    if not isinstance(optimizer, str) or not batch or not case.record.network:
        return None
    return usual_rate(optimizer, case.record.network, int(batch), scratch=from_scratch(case))


def times_usual(case: Case) -> float | None:
    """The rate with its momentum, as a multiple of the usual one."""
    rate, own = usual(case), option(case, "lr")
    return None if rate is None or own is None else own * momentum_factor(case) / rate


def rates(case: Case) -> list[tuple[float, float]]:
    """(progress, rate) at each step that was told of, in the last stage that was trained in steps."""
    steps = [s for s in case.record.steps if s.lr > 0 or s.step > 1]
    last = steps[-1].stage if steps else ""
    return [(s.progress, s.lr) for s in steps if s.stage == last]


def peak(case: Case) -> float:
    return max((rate for _, rate in rates(case)), default=0.0)


SHORT, QUICKER = 1000, 4.0
"""Below so many steps from scratch, how many times the usual rate Adam's family wants to get anywhere; by our own
trials on pictures of 8 to 16 px. SGD at its usual rate gets there."""


def at_usual(case: Case) -> Mapping[str, Any]:
    """Options that bring the rate, and a momentum beyond the usual, back to what is usual."""
    changes: dict[str, Any] = {}
    rate, own = usual(case), option(case, "lr")
    if rate is not None and _is_short(case) and not is_like_sgd(str(case.options.get("optimizer"))):
        rate = float(f"{QUICKER * rate:.2g}")
    if rate is not None and own is not None and not 1 / 3 <= own / rate <= 3:
        changes["lr"] = rate
    if momentum_factor(case) > 2:
        changes["momentum"] = MOMENTUM
    return changes or {"find_lr": True}


def reached(case: Case) -> bool:
    """Whether the rate came near the peak that was planned: a run that ended in its warm-up says nothing of it."""
    own = option(case, "lr")
    return own is None or peak(case) >= 0.45 * own * min(1.0, 0.1**case.setbacks)


def _is_short(case: Case) -> bool:
    """Whether a training from scratch was planned for few steps."""
    told = [step for step in case.record.steps if step.progress > 0]
    drawn = (
        from_scratch(case) or case.options.get("freeze") == "always"
    )  # a head over frozen layers is drawn, too
    return drawn and bool(told) and told[-1].step / told[-1].progress < SHORT


TRIED = 40
"""Steps that each rate must have had where some were tried."""


def tried(case: Case) -> Mapping[float, float]:
    """What is left of the first loss after some steps of a fresh network, by how many times the run's rate they were
    made with; infinite where they diverged. Empty where that was not tried."""
    found = part(case, "rates")
    if found is None or found["steps"] < TRIED or not found["start"] > 0:
        return {}
    ended = found["ended"]
    return {float(t): math.inf if end is None else end / found["start"] for t, end in ended.items()}


def told_by_trial(case: Case) -> Evidence:
    """The same in words."""
    told = tried(case)
    says = "; ".join(
        f"{times:g} times the rate: {'no number' if math.isinf(left) else f'{left:.0%}'}"
        for times, left in sorted(told.items())
    )
    return Evidence(
        f"What {TRIED} steps of a fresh network left of the loss, with the run's own optimizer and pictures: {says}.",
        {"tried": {f"{times:g}": left for times, left in told.items()}},
    )
