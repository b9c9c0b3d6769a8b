"""Whether the answers depend on the pictures at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ...finding import Evidence
from ...values import Batch
from ..patient import Patient, accuracy, is_classes

SOURCE = "Karpathy 2019, A Recipe: input-independent baseline"
QUICK = True
COUNT, PASSES = 128, 5


def measure(patient: Patient) -> dict[str, Any] | None:
    network, batch = patient.network("last"), patient.batch("train", patient.fits(COUNT, PASSES))
    outputs = patient.told(network, batch).outputs
    if not is_classes(patient, outputs):
        return None
    empty = Batch(torch.zeros_like(batch.images), batch.truths, batch.ids)
    images = batch.images.clone().requires_grad_()
    made = patient.task.step(network, Batch(images, batch.truths, batch.ids))
    if made.loss.requires_grad:
        (gradient,) = torch.autograd.grad(made.loss, [images], allow_unused=True)
    else:
        gradient = None
    torch.manual_seed(0)
    drawn = patient.told(network, batch).outputs
    torch.manual_seed(0)
    other = patient.told(network, empty).outputs
    fresh = patient.told(patient.fresh().eval(), batch).outputs
    common = torch.bincount(batch.truths).max()
    return {
        "count": len(batch.ids),
        "accuracy": accuracy(outputs, batch.truths),
        "empty": accuracy(patient.told(network, empty).outputs, batch.truths),
        "commonest": float(common) / len(batch.ids),
        "apart": float(outputs.float().std(0).mean()),
        "same_draws": float((drawn - other).abs().max()),
        "fresh": float(fresh.float().std(0).mean()),
        "gradient": 0.0 if gradient is None else float(gradient.abs().mean()),
    }


def told(found: Mapping[str, Any]) -> Evidence:
    return Evidence(
        f"With empty pictures {found['empty']:.1%} of {found['count']} are right, with the pictures "
        f"{found['accuracy']:.1%}; the commonest class alone would be right for {found['commonest']:.1%}.",
        dict(found),
    )
