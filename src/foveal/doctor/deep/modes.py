"""Whether the network does in evaluation what it did in training: its norms' running statistics, and what it drops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...finding import Evidence
from ...values import Batch
from ..patient import Patient, accuracy, is_classes

SOURCE = "Ioffe & Szegedy 2015; TheDeepChecker (Braiek & Khomh 2022): training against evaluation mode; own measurement"
QUICK = True
COUNT, OWN, PASSES = 256, 32, 5


def measure(patient: Patient) -> dict[str, Any] | None:
    network, batch = patient.network("last"), patient.batch("train", patient.fits(COUNT, PASSES))
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm)]
    evaluated = patient.told(network, batch)
    if not is_classes(patient, evaluated.outputs):
        return None
    found: dict[str, Any] = {
        "count": len(batch.ids),
        "norms": len(norms),
        "batch": patient.fit.batch,
        "evaluated": accuracy(evaluated.outputs, batch.truths),
        "evaluated_loss": float(evaluated.loss),
        "dropped": sum(
            1 for m in network.modules() if isinstance(m, nn.modules.dropout._DropoutNd) and m.p > 0
        ),
    }
    found |= _by_chance(patient, batch)
    if not norms:
        return found
    found["frozen"] = sum(1 for m in norms if not m.track_running_stats or m.momentum == 0)
    followed = [int(m.num_batches_tracked) if m.num_batches_tracked is not None else 0 for m in norms]
    found["steps"], found["most_steps"] = min(followed), max(followed)
    # by the statistics of batches as training had them
    for norm in norms:
        norm.train()
        norm.momentum = 0.0
    size = max(OWN, min(patient.fit.batch, COUNT))
    parts = [
        patient.told(network, part) for part in batch.split(-(-len(batch.ids) // size)) if len(part.ids) > 1
    ]
    outputs = torch.cat([part.outputs for part in parts])
    found["by_batch"] = accuracy(outputs, batch.truths[: len(outputs)])
    found["by_batch_loss"] = sum(float(part.loss) for part in parts) / max(1, len(parts))
    # by running statistics that are taken anew
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    with torch.no_grad():
        for part in batch.split(-(-len(batch.ids) // size)):
            if len(part.ids) > 1:
                network(part.images)
    network.eval()
    again = patient.told(network, batch)
    return {**found, "anew": accuracy(again.outputs, batch.truths), "anew_loss": float(again.loss)}


def told(found: Mapping[str, Any]) -> Evidence:
    said = [f"in evaluation mode {found['evaluated']:.1%} are right"]
    if "by_batch" in found:
        said.append(f"by the statistics of their own batches {found['by_batch']:.1%}")
    if found["dropped"]:
        said.append(f"with what training drops {found['dropped_accuracy']:.1%}")
    return Evidence(f"Of {found['count']} training pictures {', '.join(said)}.", dict(found))


def _by_chance(patient: Patient, batch: Batch) -> dict[str, Any]:
    """What training mode leaves to chance where norms keep their statistics: the share of the outputs' variance that
    two looks at the same pictures do not have in common, and how many pictures are right then."""
    network = patient.network("last").train()
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    torch.manual_seed(0)
    one, two = patient.told(network, batch), patient.told(network, batch)
    first, second = one.outputs.float(), two.outputs.float()
    apart = (first - second).square().mean(0) / 2
    whole = torch.cat([first, second]).var(0).clamp_min(1e-12)
    return {
        "by_chance": float((apart / whole).mean().clamp(0, 1)),
        "dropped_accuracy": accuracy(first, batch.truths),
        "dropped_loss": float(one.loss),
    }
