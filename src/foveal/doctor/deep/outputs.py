"""What the network gives: scores or probabilities already, over which axis, and whether pictures make a difference."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from ...repairs import strip_softmax
from ..patient import Patient, is_classes

SOURCE = (
    "TheDeepChecker (Braiek & Khomh 2022): outputs in range, over the right axis; Karpathy 2019, A Recipe"
)
QUICK = True
COUNT, NEAR = 64, 1e-3


def measure(patient: Patient) -> dict[str, Any] | None:
    network, batch = patient.network(), patient.batch("train", patient.fits(COUNT))
    outputs = patient.told(network, batch).outputs
    if not is_classes(patient, outputs):
        return None
    outputs = outputs.float()
    rows, columns = outputs.sum(1), outputs.sum(0)
    logs = outputs.exp().sum(1)
    positive = bool((outputs >= 0).all()) and bool((outputs <= 1).all())
    return {
        "count": len(outputs),
        "low": float(outputs.min()),
        "high": float(outputs.max()),
        "probabilities": positive and bool((rows - 1).abs().max() < NEAR),
        "over_the_batch": positive and len(outputs) > 1 and bool((columns - 1).abs().max() < NEAR),
        "squashed": positive and bool((outputs > 0).any()) and not bool((rows - 1).abs().max() < NEAR),
        "rectified": bool((outputs >= 0).all()) and bool((outputs == 0).any()),
        "zeros": float((outputs == 0).float().mean()),
        "log_probabilities": bool((outputs <= 1e-6).all()) and bool((logs - 1).abs().max() < NEAR),
        "apart": float(outputs.std(0).mean()),
        "spread": float(outputs.std()),
        "ends": _ends(network),
    }


def _ends(network: nn.Module) -> str:
    """The kind of the module at the network's end that the repair would take off; empty where the end is written into
    the code itself."""
    try:
        kinds = [type(module) for module in network.modules()]
        left = [type(module) for module in strip_softmax.mended(copy.deepcopy(network)).modules()]
    except ValueError:
        return ""
    return next(kind.__name__ for kind in kinds if kinds.count(kind) > left.count(kind))
