"""A picture's answer depends on the pictures beside it in the batch."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding, Unsure
from ..case import Case
from ._beside import misjudged
from ._parts import part, untested

SOURCE = "Karpathy 2019, A Recipe: use backprop to chart dependencies; TheDeepChecker (Braiek & Khomh 2022)"
LEVEL = "network"
EXPLAINS = (
    "loss_stuck", "metric_disagrees", "underfitting", "oscillation", "overfitting", "stopped_too_early",
    "below_published", "modes_disagree", "cannot_fit", "rate_too_low", "batchnorm_stale",
)  # fmt: skip
CHANCE = 3.0
"""Times as far as two answers to the same batch that answers have to lie from those alone."""


def examine(case: Case) -> Finding | Unsure | None:
    found = part(case, "mixing")
    if found is None:
        return untested(case, "mixing", "whether pictures mix")
    # what the same batch answers otherwise when it is asked twice is chance (`modes_disagree`), not its neighbours
    apart = found["apart"] - CHANCE * found.get("again", 0.0)
    if found["others"] <= 1e-3 * max(found["own"], 1e-12) and apart <= 1e-2 * max(found["size"], 1e-6):
        return None
    alone = found.get("by_network")
    if alone is not None and alone <= 1e-2 * max(found["size"], 1e-6) and misjudged(case) is not None:
        return None  # the network keeps them apart: it is what comes after it (`metric_disagrees`)
    return Finding(
        "examples_mix",
        "error",
        f"In a batch of {found['count']} a picture's answer changes with the other pictures, in evaluation mode.",
        (
            Evidence(
                f"Alone and in the batch answers differ by up to {found['apart']:.3g} (they are up to "
                f"{found['size']:.3g}); the gradient of the first answer is {found['others']:.3g} at other "
                f"pictures, and {found['own']:.3g} at its own.",
                dict(found),
            ),
        ),
        "Somewhere the batch's axis is mixed into others: a reshape or a transposition of the wrong axes, a "
        "normalisation or a softmax over the batch.",
        Cure(
            "In the network's forward, keep axis 0 for the pictures: flatten by `x.flatten(1)`, take "
            "means by `x.mean((2, 3))`, softmax by `dim=1`. Look for view, reshape, permute, transpose or "
            "roll that move axis 0, for means, norms and softmaxes over `dim=0`, and, where the network "
            "is sound, for the same in the code that judges its outputs."
        ),
        confidence=0.97,
        direct=True,
    )
