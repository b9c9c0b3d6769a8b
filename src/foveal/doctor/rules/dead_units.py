"""Rectifiers that give 0 for every picture: nothing passes them, forth or back, and no gradient can wake them."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import poor, result, stuck
from ._inside import FEWEST, first, given, late, measured, named, of_kind, typical
from ._rates import times_usual

SOURCE = (
    "Maas, Hannun & Ng 2013, Rectifier Nonlinearities; SageMaker Debugger's DeadRelu: more than half of a layer's "
    "units. Units are channels that are 0 everywhere for every picture of a look, at each of the last looks: 70 % "
    "of zeros are usual (DeepDiagnosis alarms there on half of all sound networks)"
)
LEVEL = "network"
SYMPTOM = True
EXPLAINS = (
    "loss_stuck", "updates_too_small", "rate_too_low", "underfitting", "vanishing", "stopped_too_early",
    "metric_disagrees", "cannot_fit",
)  # fmt: skip
MANY, ALL = 0.5, 0.95
"""Share of dead channels in most rectifiers, or in one that all passes through."""


def examine(case: Case) -> Finding | Unsure | None:
    if not poor(case) or given(case) == 0:
        return None
    rectifiers = of_kind(case, "rectifier")
    sights = late(case)
    if not case.sights:
        return Unsure(
            "Nothing was watched inside the network: train again with this version to see its rectifiers."
        )
    if not rectifiers or len(sights) < FEWEST:
        return None
    lowest = {name: min(v) for name in rectifiers if len(v := measured(sights, name, "dead")) >= FEWEST}
    dying = [name for name, share in lowest.items() if share >= MANY]
    closed = [name for name, share in lowest.items() if share >= ALL]
    if not closed and len(dying) < max(1, len(rectifiers) / 2):
        return None
    shown = tuple(closed or dying)
    share = min(lowest[name] for name in shown)
    seen = first(case)
    before = [seen.layers.get(name, {}).get("dead", 0.0) for name in shown] if seen else []
    began = bool(before) and min(before) >= MANY
    return Finding(
        "dead_units",
        "error" if stuck(case) else "warning",
        f"{'All' if share > 0.995 else f'{100 * share:.0f} % or more'} of the channels of {named(shown)} give 0 "
        f"for every picture; {result(case)}.",
        (
            Evidence(
                f"At each of the last {len(sights)} looks (steps {sights[0].step} to {sights[-1].step}) "
                f"{len(dying)} of {len(rectifiers)} rectifiers had half of their channels dead or more.",
                {"dead": lowest, "zeros": typical(sights, shown, "out_zero")},
                layers=shown[:8],
            ),
            *(
                [Evidence(
                    "They were dead before the first steps already." if began else
                    f"At the start {100 * max(before):.0f} % were, at most: they died while the network learned.",
                    {"at_start": before},
                )] if before else []
            ),
        ),
        "A rectifier passes nothing below 0, and no gradient either. A channel that lies below 0 for all pictures "
        "(a bias far below 0, or one step that was too long) is never moved again.",
        _cure(case, began),
        confidence=0.92,
    )  # fmt: skip


def _cure(case: Case, began: bool) -> Cure:
    times = times_usual(case)
    if began:
        return Cure(
            "Draw the weights by He et al. 2015 and let biases begin at 0, or put a norm before each rectifier.",
            repairs=("redraw",),
        )
    if times is not None and times > 3:
        return Cure("Train at a rate that the network bears; a range test finds it.", {"find_lr": True})
    return Cure(
        "Train at a smaller rate (a range test finds one), or put a norm before each rectifier.",
        {"find_lr": True},
    )
