"""The learning rate, with its momentum, is more than the network bears."""

from __future__ import annotations

import math

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._course import guess, poor, result, stuck
from ._inside import FEWEST, first, kernels, late, measured, named, of_kind, update_ratio
from ._rates import at_usual, momentum_factor, option, times_usual, told_by_trial, tried, usual

SOURCE = (
    "Smith 2017, Cyclical Learning Rates, and Google's Deep Learning Tuning Playbook: instability shows in the "
    "loss. Ours: five times the plan's usual rate and one sign of it, or two signs at any rate; only where little "
    "was learned"
)
LEVEL = "optimizer"
EXPLAINS = (
    "input_ignored",
    "not_finite", "exploding", "oscillation", "dead_units", "saturation", "updates_too_large", "loss_stuck",
    "underfitting", "schedule_ends_wrongly", "stopped_too_early", "metric_disagrees", "overfitting", "vanishing",
    "clipping_too_strong", "weight_decay_too_strong", "batchnorm_stale",
)  # fmt: skip
MUCH, FAR, EXTREME = 5.0, 20.0, 100.0
"""Times the usual rate: with a sign of harm, without one where nothing at all was learned, and by the momentum."""
LARGE, VERY_LARGE = 0.03, 0.1
SLOWER, BELOW = 0.1, 0.5
"""What the loop divides the rate by after each loss that is not finite, as a factor; times the usual rate."""
DEEP, ALIKE = 8, 0.003
"""Layers with kernels in a row, and the share of what the last of them gives that differs between pictures, below
which nothing of these comes through (`bad_initialisation`)."""


def examine(case: Case) -> Finding | Unsure | None:
    """A rate that is far above the usual one and does no harm is no illness: with norms much is borne."""
    hurt = case.setbacks > 0 or case.record.status == "diverged"
    times, signs = times_usual(case), _signs(case)
    extreme = times is not None and times >= EXTREME and momentum_factor(case) > 2 and bool(signs)
    large = times is not None and times >= FAR
    if not (hurt or poor(case, 0.1 if extreme else 0.15 if large else 0.3)):
        return None
    if hurt and times is not None and not case.record.epochs and times * SLOWER**case.setbacks < BELOW:
        return None  # from its first steps on, no rate has been low enough: it is not the rate
    much = times is not None and times >= MUCH and bool(signs)
    far = times is not None and times >= FAR and (stuck(case) or hurt)
    ratio = update_ratio(case)
    alone = len(signs) >= 2 and (times is None or times >= 0.5) and ratio is not None and ratio > VERY_LARGE
    if not (much or far or alone or extreme):
        return _by_trial(case) if times is None or times < MUCH else None
    own, rate = option(case, "lr") or 0.0, usual(case)
    momentum = momentum_factor(case)
    held = f" with a momentum of {option(case, 'momentum'):g}" if momentum > 2 else ""
    says = f"A rate of {own:.3g}{held} is more than the network bears"
    compared: tuple[Evidence, ...] = ()
    if times is not None and rate is not None:
        says += f", {times:.3g} times the usual" if times >= 2 else ""
        compared = (Evidence(
            f"Usual for {case.options.get('optimizer')} at this batch, and a momentum of 0.9, are {rate:.2g}.",
            {"lr": own, "usual": rate, "times": times},
        ),)  # fmt: skip
    changes, weak = at_usual(case), _shrinks(case)
    how = ", ".join(f"--{k} {v:g}" for k, v in changes.items() if k != "find_lr") or "--find-lr"
    return Finding(
        "rate_too_high",
        "error" if stuck(case) or case.record.status == "diverged" else "warning",
        f"{says}; {result(case)}.",
        (*compared, *signs.values(), *([weak] if weak else [])),
        "The gradient tells the way down only close by. A longer step lands beyond the valley, higher than "
        "before, and the next one farther: the loss jumps about, rectifiers die, or the numbers outgrow all "
        "bounds.",
        Cure(
            f"Train with a smaller rate: {how}."
            + (
                " Draw the weights by He et al. 2015, too, as nothing would come through else; better, put a norm "
                "behind each convolution and paths around blocks."
                if weak
                else ""
            ),
            changes,
            repairs=("redraw",) if weak else (),
        ),
        confidence=0.9 if times is not None and times >= MUCH else 0.7,
    )


def _signs(case: Case) -> dict[str, Evidence]:
    """What speaks for steps that are too long, by name."""
    signs: dict[str, Evidence] = {}
    ratio = update_ratio(case)
    if ratio is not None and ratio > LARGE:
        says = f"At its height a step changed most kernels by {100 * ratio:.2g} % of their length; 0.1 % is usual."
        signs["updates"] = Evidence(says, {"update_ratio": ratio})
    if case.setbacks:
        says = f"The loss was not finite {case.setbacks} times; at a tenth of the rate training went on."
        signs["setbacks"] = Evidence(says, {"setbacks": case.setbacks})
    signs |= _above_a_guess(case) | _died(case)
    return signs


def _shrinks(case: Case) -> Evidence | None:
    """Many layers without a norm, through which hardly anything of what differs between pictures came at the start: at
    a smaller rate nothing would, either."""
    seen, layers = first(case), kernels(case)
    if seen is None or len(layers) < DEEP or of_kind(case, "norm"):
        return None
    alike = {n: a for n in layers[:-1] if (a := seen.layers.get(n, {}).get("alike")) is not None}
    if (share := alike.get(layers[-2], 1.0)) >= ALIKE:
        return None
    says = (
        f"No norm stands between {len(layers)} layers with kernels, and at the start {100 * share:.1g} % of the "
        "variance of what reached the head was between pictures: what tells them apart was lost on the way."
    )
    return Evidence(says, {"alike": alike}, layers=layers[:8])


def _above_a_guess(case: Case) -> dict[str, Evidence]:
    """Training loss higher than a guess's after it had been lower, or than where it began."""
    blind, steps = guess(case), case.record.steps
    if blind is None or not steps or not case.train_losses:
        return {}
    start = steps[0].loss
    top = max((loss for loss in case.train_losses if math.isfinite(loss)), default=0.0)
    if top <= 1.2 * max(blind, start):
        return {}
    epoch = case.train_losses.index(top) + 1
    says = f"The training loss was {top:.3g} in epoch {epoch}; the first was {start:.3g}, a guess's is {blind:.2f}."
    return {"loss": Evidence(says, {"loss": top, "start": start, "guess": blind})}


def _died(case: Case) -> dict[str, Evidence]:
    """Rectifiers that lived at the start and are dead, or tangents that were free and are at their limits."""
    seen, last = first(case), late(case)
    if seen is None or len(last) < FEWEST:
        return {}
    for kind, measure, word in (("rectifier", "dead", "dead"), ("squash", "saturated", "at their limits")):
        gone = tuple(
            name
            for name in of_kind(case, kind)
            if (v := measured(last, name, measure))
            and min(v) >= 0.5
            and seen.layers.get(name, {}).get(measure, 1.0) < 0.25
        )
        if gone:
            says = f"Free at the start, and half or more of it {word} at the end: {named(gone)}."
            return {measure: Evidence(says, {"layers": len(gone)}, layers=gone[:8])}
    return {}


LOST, LEARNED = 0.97, 0.8
"""Of the first loss, what the run's own rate leaves at least after a few steps, and a smaller one at most."""


def _by_trial(case: Case) -> Finding | None:
    """A fresh network learns at a smaller rate, and nothing at the run's own, usual as that may be."""
    left = tried(case)
    if not left or left[1.0] < LOST or not stuck(case):
        return None
    best = min((times for times in left if times < 1), key=lambda times: left[times])
    if left[best] > LEARNED:
        return None
    own = option(case, "lr")
    changes = {"lr": float(f"{own * best:.2g}")} if own else {"find_lr": True}
    return Finding(
        "rate_too_high",
        "error",
        f"A rate of {own or 0:.3g} is more than this network bears: at {best:g} times it a fresh one learns; "
        f"{result(case)}.",
        (told_by_trial(case),),
        "The gradient tells the way down only close by. A longer step lands beyond the valley. How long a step may be "
        "hangs on the network and on the size of what it is given, and usual rates are for usual ones.",
        Cure("Train with a smaller rate, or put a norm after each convolution, which bears more.", changes),
        confidence=0.8,
    )
