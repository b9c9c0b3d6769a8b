"""A softmax stands between layers, where an activation should."""

from __future__ import annotations

from ...finding import Cure, Evidence, Finding
from ..case import Case
from ._course import poor, result, stuck
from ._inside import KERNELS, named, typical

SOURCE = (
    "TheDeepChecker (Braiek & Khomh 2022) and NeuraLint (Nikanjam et al. 2021): a softmax for the end serves no "
    "hidden layer. Ours: directly behind a convolution, a layer with a kernel behind it, where little was learned"
)
LEVEL = "network"
EXPLAINS = (
    "bad_initialisation", "vanishing", "saturation", "loss_stuck", "updates_too_small", "updates_too_large",
    "rate_too_low", "rate_too_high", "underfitting", "stopped_too_early", "metric_disagrees", "cannot_fit",
    "input_ignored", "softmax_twice", "schedule_ends_wrongly",
)  # fmt: skip
PASSED = frozenset({"norm"})
"""What may stand between the convolution and its softmax. Attention's stands behind a product of two tensors, which is
no layer: what is watched before it is the layer that made them, mostly a linear one."""


def examine(case: Case) -> Finding | None:
    if not poor(case, 0.4):
        return None
    inside = tuple(name for name in _of_convolutions(case) if ":" not in name)
    if not inside:
        return None
    gains = typical(case.sights, inside, "forward_gain")
    alike = typical(case.sights, inside, "alike")
    many = f"{len(inside)} softmaxes stand" if len(inside) > 1 else "A softmax stands"
    shrinks = ""
    if gains:
        low, high = min(gains.values()), max(gains.values())
        shrinks = f" Each makes the spread of what it is given {low:.2g} to {high:.2g} times as large."
    return Finding(
        "softmax_inside",
        "error" if stuck(case) else "warning",
        f"{many} between layers ({named(inside)}), where activations should; {result(case)}.",
        (
            Evidence(
                f"Directly behind a convolution, with layers with weights behind: {named(inside)}.{shrinks}",
                {"forward_gain": gains, "alike": alike},
                layers=inside[:8],
            ),
        ),
        "A softmax makes shares that add up to 1 at every place: with 32 channels each is about 1/32, whatever the "
        "picture. What differs between pictures is all but gone behind it, and so is the gradient on its way back.",
        Cure(
            "Put a rectifier (ReLU) in its place; a softmax belongs at the end, and there the loss takes it itself.",
            repairs=("rectify",),
        ),
        confidence=0.9,
    )


def _of_convolutions(case: Case) -> list[str]:
    """Softmaxes behind a convolution, or its norm, with a kernel somewhere behind them."""
    names, found = case.layers, []
    for place, name in enumerate(names):
        if case.kinds.get(name) != "softmax" or not place:
            continue
        before = [case.kinds.get(other) for other in names[:place]]
        while before and before[-1] in PASSED:
            before.pop()
        behind = any(case.kinds.get(other) in KERNELS for other in names[place + 1 :])
        if before and before[-1] == "conv" and behind:
            found.append(name)
    return found
