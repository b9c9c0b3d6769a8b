"""Whether a picture's answer depends on the pictures beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ...finding import Evidence
from ...values import Batch
from ..patient import Patient, is_classes

SOURCE = "Karpathy 2019, A Recipe: use backprop to chart dependencies; TheDeepChecker (Braiek & Khomh 2022)"
QUICK = True
COUNT = 6


def measure(patient: Patient) -> dict[str, Any] | None:
    network, batch = patient.network(), patient.batch("train", COUNT)
    whole = patient.told(network, batch).outputs
    if not is_classes(patient, whole) or len(batch.ids) < 2:
        return None
    again = patient.told(network, batch).outputs
    alone = torch.cat([patient.told(network, _one(batch, n)).outputs for n in range(len(batch.ids))])
    images = batch.images.clone().requires_grad_()
    outputs = patient.task.step(network, Batch(images, batch.truths, batch.ids)).outputs
    (gradient,) = torch.autograd.grad(outputs[0].sum(), [images], allow_unused=True)
    sizes = [0.0] if gradient is None else gradient.flatten(1).norm(dim=1).tolist()
    with torch.no_grad():
        plain = network(batch.images)
        each = [network(_one(batch, n).images) for n in range(len(batch.ids))]
    by_network = float((torch.cat(each) - plain).abs().max()) if isinstance(plain, torch.Tensor) else None
    return {
        "by_network": by_network,
        "count": len(batch.ids),
        "own": sizes[0],
        "others": max(sizes[1:], default=0.0),
        "apart": float((alone - whole).abs().max()),
        "again": float((again - whole).abs().max()),
        "size": float(whole.abs().max()),
    }


def told(found: Mapping[str, Any]) -> Evidence:
    return Evidence(
        f"An answer's gradient is {found['own']:.2g} at its own picture and {found['others']:.2g} at others of its "
        f"batch; asked alone, {found['count']} pictures are answered otherwise by {found['apart']:.2g} at most.",
        dict(found),
    )


def _one(batch: Batch, n: int) -> Batch:
    return Batch(batch.images[n : n + 1], batch.truths[n : n + 1], batch.ids[n : n + 1])
