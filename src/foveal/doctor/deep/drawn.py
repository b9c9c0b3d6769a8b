"""How far a fresh network tells pictures apart, with its weights as it draws them and drawn by He et al."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ...repairs import redraw
from ...values import Batch
from ...watch.passing import kind_of
from ..patient import Patient
from .activity import given

SOURCE = (
    "He et al. 2015: weights are drawn so that each layer hands on what it is given at the same size; Mishkin & Matas "
    "2016, All You Need Is a Good Init: measure it on a batch; Glorot & Bengio 2010: channels that begin alike stay so"
)
QUICK = True
COUNT = 32
ROUNDING = 2e-5
"""Deviation between pictures that a norm over a single value leaves: 3e-6."""


def measure(patient: Patient) -> dict[str, Any] | None:
    """The median deviation of an output between pictures, in training mode without dropout; layers whose kernels are
    all the same one; and what kind of layer, if any, gives the same for all pictures however weights are drawn. None
    where the network was not drawn."""
    if not patient.scratch or patient.task.name not in ("classify", "multilabel"):
        return None
    batch, fresh = patient.batch("train", COUNT), patient.fresh()
    kernels = [(n, m) for n, m in fresh.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    alike = [name for name, layer in kernels if _are_same(layer.weight)]
    head = fresh.get_submodule(patient.fit.head)
    if not any(bool(p.any()) for p in head.parameters()):
        redraw.mended(head)  # a head may well begin at 0
    own = _spread(patient, fresh, batch)
    again = redraw.mended(patient.fresh())
    with given(again) as gave:
        other = _spread(patient, again, batch)
    if own is None or other is None:
        return None
    lost = next((name for name, made in gave.items() if _is_lost(made, len(batch.ids))), "")
    return {
        "count": len(batch.ids),
        "kernels": len(kernels),
        "alike": alike,
        "own": own,
        "redrawn": other,
        "lost": kind_of(again.get_submodule(lost)) if lost else "",
    }


def _is_lost(made: Tensor, count: int) -> bool:
    """Whether all pictures give the same but for rounding."""
    if made.dim() < 2 or made.shape[0] != count:
        return False
    return float(made.detach().double().std(0).max()) < ROUNDING


def _are_same(weight: Tensor) -> bool:
    """Whether a layer of several channels has the same kernel in each."""
    return len(weight) > 1 and bool((weight == weight[:1]).all())


def _spread(patient: Patient, network: nn.Module, batch: Batch) -> float | None:
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()
    outputs = patient.told(network, batch).outputs
    if not isinstance(outputs, Tensor) or outputs.dim() != 2:
        return None
    return float(outputs.double().std(0).median())
