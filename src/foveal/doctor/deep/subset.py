"""Whether the network can learn some pictures of each class by heart: more than a handful, fewer than all."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch

from ...finding import Evidence
from ...values import Batch, Item
from ..patient import Patient, accuracy, is_classes, joined

SOURCE = (
    "Karpathy 2019, A Recipe; Zhang et al. 2017: sound networks learn even shuffled labels of so few by heart"
)
QUICK = False
EACH, MOST, EPOCHS, SIZE = 10, 200, 80, 32
SECONDS = 40.0


def measure(patient: Patient) -> dict[str, Any] | None:
    if patient.task.name != "classify":
        return None
    items = _of_each(patient.dataset.part("train"))
    source = patient.pictures("train", items=items)
    batch = joined([source.to(raw, "cpu", False) for raw in source.epoch(0)])
    network = patient.fresh()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    until, steps, losses = time.monotonic() + min(SECONDS, patient.time_left), 0, [0.0]
    for _ in range(EPOCHS):
        losses = []
        for part in torch.randperm(len(batch.ids)).split(SIZE):  # type: ignore[no-untyped-call]
            if len(part) < 2 or time.monotonic() > until:
                continue
            optimizer.zero_grad()
            shown = Batch(batch.images[part], batch.truths[part], [batch.ids[n] for n in part.tolist()])
            loss = patient.task.step(network, shown).loss
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(float(loss.detach()))
            steps += 1
        if not losses:
            break
    judged, trained = (patient.told(network.train(mode), batch).outputs for mode in (False, True))
    if not is_classes(patient, judged):
        return None
    return {
        "count": len(batch.ids),
        "classes": len(torch.unique(batch.truths)),
        "steps": steps,
        "whole": time.monotonic() <= until,
        "accuracy": max(accuracy(outputs, batch.truths) for outputs in (judged, trained)),
        "commonest": float(torch.bincount(batch.truths).max()) / len(batch.ids),
    }


def told(found: Mapping[str, Any]) -> Evidence:
    cut = "" if found["whole"] else ", when the time was over"
    return Evidence(
        f"Of {found['count']} pictures of {found['classes']} classes it knows {found['accuracy']:.0%} by heart after "
        f"{found['steps']} steps{cut}.",
        dict(found),
    )


def _of_each(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """The first pictures of each class."""
    taken: dict[Any, int] = {}
    chosen: list[Item] = []
    for item in items:
        if taken.setdefault(item.truth, 0) < EACH and len(chosen) < MOST:
            taken[item.truth] += 1
            chosen.append(item)
    return tuple(chosen)
