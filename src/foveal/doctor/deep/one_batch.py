"""Whether the network can learn a handful of pictures by heart, with the run's own optimizer and with a plain one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ...finding import Evidence
from ...loop import optimizers
from ...structure.layers import parameter_groups
from ...values import Batch
from ..patient import Patient, accuracy, is_classes

SOURCE = "Karpathy 2019, A Recipe: overfit a single batch; CS231n: twenty examples to zero cost; Adam at 1e-3"
QUICK = False
COUNT, STEPS, ENOUGH = 12, 200, 0.05
HEART = 0.9
"""Share right from which they are known by heart; below, a network in evaluation mode tries as well, in which nothing
is dropped."""
SECONDS = 40.0
"""The most that it takes."""


def measure(patient: Patient) -> dict[str, Any] | None:
    batch = _unlike(patient)
    if batch is None:
        return None
    network = patient.fresh()
    if not is_classes(patient, patient.task.step(network, batch).outputs):
        return None
    options, stage = patient.fit, patient.fit.stages[-1]
    own = optimizers.build(
        options.optimizer,
        parameter_groups(
            network, options.head, lr=stage.lr, weight_decay=options.weight_decay, layer_decay=1.0
        ),
        lr=stage.lr, momentum=options.momentum, weight_decay=options.weight_decay, device="cpu",
    )  # fmt: skip
    seconds = min(SECONDS, max(2.0, patient.time_left / 2)) / 2
    found: dict[str, Any] = {"count": len(batch.ids), "own": _learned(patient, network, own, batch, seconds)}
    plain = patient.fresh()
    adam = torch.optim.Adam(plain.parameters(), lr=1e-3)
    found["plain"] = _learned(patient, plain, adam, batch, seconds)
    if found["plain"]["accuracy"] < HEART:
        still = patient.fresh().eval()
        adam = torch.optim.Adam(still.parameters(), lr=1e-3)
        found["still"] = _learned(patient, still, adam, batch, seconds / 2)
    return found


def told(found: Mapping[str, Any]) -> Evidence:
    sides = (("Adam at a rate of 0.001", found["plain"]), ("the run's own optimizer", found["own"]))
    said = " and ".join(f"{s['accuracy']:.0%} after {s['steps']} steps of {name}" for name, s in sides)
    return Evidence(f"Of {found['count']} pictures it knows by heart {said}.", dict(found))


def _unlike(patient: Patient) -> Batch | None:
    """Pictures of several classes."""
    batch = patient.batch("train", COUNT)
    if (
        not isinstance(batch.truths, torch.Tensor)
        or batch.truths.dim() != 1
        or len(set(batch.truths.tolist())) < 2
    ):
        return None
    return batch


def _learned(
    patient: Patient, network: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, seconds: float
) -> dict[str, Any]:
    """How far the loss came down."""
    import time

    until, losses = time.monotonic() + seconds, []
    smooth = float(getattr(patient.task, "label_smoothing", 0.0))
    labels = max(2, len(patient.task.labels))
    # what smoothing leaves of the loss at its best
    floor = -(1 - smooth) * math.log(1 - smooth) - smooth * math.log(smooth / labels) if smooth else 0.0
    for _ in range(STEPS):
        optimizer.zero_grad()
        step = patient.task.step(network, batch)
        torch.autograd.backward(step.loss)
        optimizer.step()
        losses.append(float(step.loss.detach()))
        if not math.isfinite(losses[-1]) or losses[-1] < floor + ENOUGH / 2 or time.monotonic() > until:
            break
    outputs = step.outputs.detach()
    return {
        "steps": len(losses),
        "first": losses[0],
        "last": losses[-1],
        "floor": floor,
        "accuracy": accuracy(outputs, batch.truths),
        "gradients": sum(1 for p in network.parameters() if p.grad is not None and bool(p.grad.any())),
        "parameters": sum(1 for p in network.parameters() if p.requires_grad),
    }
