"""Whether augmented training pictures can still be told apart: by the run's own network, and by one taught plainly."""

from __future__ import annotations

from typing import Any

import torch

from ...values import Batch
from ..patient import Patient, accuracy, is_classes

SOURCE = "TheDeepChecker (Braiek & Khomh 2022): label-destroying augmentation; own measurement"
QUICK = False
COUNT, EPOCHS, SIZE = 320, 12, 32


def measure(patient: Patient) -> dict[str, Any] | None:
    plain, varied = patient.batch("train", COUNT), patient.batch("train", COUNT, augment=True)
    network = patient.network()
    seen = patient.told(network, plain).outputs
    if not is_classes(patient, seen):
        return None
    taught = _taught(patient, plain)
    return {
        "count": len(plain.ids),
        "augment": patient.options.augment,
        "erase": patient.options.erase,
        "plain": accuracy(seen, plain.truths),
        "varied": accuracy(patient.told(network, varied).outputs, varied.truths),
        "taught_plain": accuracy(patient.told(taught, plain).outputs, plain.truths),
        "taught_varied": accuracy(patient.told(taught, varied).outputs, varied.truths),
        "commonest": float(torch.bincount(plain.truths).max()) / len(plain.ids),
    }


def _taught(patient: Patient, batch: Batch) -> torch.nn.Module:
    """A fresh network that has learned these pictures as they are."""
    network = patient.fresh()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(batch.ids)).split(SIZE):  # type: ignore[no-untyped-call]
            if len(part) > 1 and patient.time_left > 0:
                optimizer.zero_grad()
                shown = Batch(batch.images[part], batch.truths[part], [batch.ids[n] for n in part.tolist()])
                torch.autograd.backward(patient.task.step(network, shown).loss)
                optimizer.step()
    return network.eval()
