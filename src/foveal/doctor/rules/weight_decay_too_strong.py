"""Weight decay pulls the weights to 0 faster than the gradient can hold them."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ...loop.optimizers import is_like_sgd
from ..case import Case
from ._course import poor, result, stuck
from ._inside import FEWEST, main, whole
from ._rates import option

SOURCE = (
    "Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization; Wan et al. 2021, Spherical Motion Dynamics: "
    "with norms the angle of a step tends to the root of twice the rate times the decay. Usual recipes shrink "
    "weights by less than 0.001 a step; ours: 0.005 and more, and harm"
)
LEVEL = "optimizer"
EXPLAINS = (
    "loss_stuck", "underfitting", "vanishing", "updates_too_small", "updates_too_large", "stopped_too_early",
    "metric_disagrees", "rate_too_low", "rate_too_high", "dead_units", "oscillation", "batchnorm_stale",
)  # fmt: skip
STRONG, OWN = 5e-3, 5e-2
"""Share of the weights that is lost in a step at the peak rate; Muon's usual is 0.004 to 0.01."""
USUAL, USUAL_DECOUPLED = 0.01, 1.0
"""Decays below these are usual, for SGD and for others: what is lost then is lost to the rate."""


def examine(case: Case) -> Finding | Unsure | None:
    decay, rate = option(case, "weight_decay"), option(case, "lr")
    if not decay or not rate or not poor(case, 0.2):
        return None
    optimizer, momentum = str(case.options.get("optimizer")), option(case, "momentum") or 0.0
    if decay < (USUAL if is_like_sgd(optimizer) else USUAL_DECOUPLED):
        return None
    # SGD's momentum adds up what is lost as it does gradients
    lost = rate * decay / (max(0.01, 1 - momentum) if is_like_sgd(optimizer) else 1.0)
    if lost < (OWN if optimizer == "muon" else STRONG):
        return None
    lengths = whole(case.sights, "weight_norm")
    shrank = len(lengths) >= FEWEST and lengths[-1] < 0.7 * lengths[0]
    if lengths and not shrank and lost < 10 * STRONG:
        return None
    evidence = [Evidence(
        f"Rate {rate:g} and decay {decay:g} take {100 * lost:.2g} % of the weights away in each step at the peak rate"
        f"{', momentum included' if is_like_sgd(optimizer) else ''}; usual are 0.005 to 0.1 %.",
        {"lr": rate, "weight_decay": decay, "lost": lost},
    )]  # fmt: skip
    if lengths:
        low = min(lengths)
        says = f"The length of all trained weights went from {lengths[0]:.3g} to {lengths[-1]:.3g} (lowest {low:.2g})."
        evidence.append(Evidence(says, {"weight_norms": lengths, "looks": len(main(case))}))
    return Finding(
        "weight_decay_too_strong",
        "error" if stuck(case) else "warning",
        f"A weight decay of {decay:g} takes {100 * lost:.2g} % of the weights away in each step; {result(case)}.",
        tuple(evidence),
        "Weight decay pulls every weight towards 0 by a fixed share in each step, whatever the pictures say. "
        "Where the gradient cannot make up for it the weights, and all that was learned, fade.",
        Cure("Leave the decay to the plan: a thousandth of this or less is usual.", {"weight_decay": None}),
        confidence=0.93,
    )
