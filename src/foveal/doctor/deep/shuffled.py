"""Whether the true labels are learned sooner than the same labels shuffled."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

import torch

from ...finding import Evidence
from ...values import Batch
from ..patient import Patient, is_classes

SOURCE = (
    "Zhang et al. 2017, Understanding Deep Learning Requires Rethinking Generalization; TheDeepChecker 2022"
)
QUICK = False
COUNT, SEEDS, EPOCHS, SIZE = 320, 3, 6, 32
SECONDS = 45.0


def measure(patient: Patient) -> dict[str, Any] | None:
    import time

    batch = patient.batch("train", COUNT)
    if not isinstance(batch.truths, torch.Tensor) or batch.truths.is_floating_point() or len(batch.ids) < 40:
        return None
    if not is_classes(patient, patient.told(patient.network(), batch.split(8)[0]).outputs):
        return None
    until = time.monotonic() + min(SECONDS, patient.time_left)
    true, mixed = [], []
    for seed in range(SEEDS):
        order = torch.randperm(len(batch.ids), generator=torch.Generator().manual_seed(seed))
        true.append(_mean_loss(patient, batch, seed))
        mixed.append(_mean_loss(patient, Batch(batch.images, batch.truths[order], batch.ids), seed))
        if time.monotonic() > until:
            break
    gains = [m - t for t, m in zip(true, mixed, strict=True)]
    return {
        "count": len(batch.ids),
        "seeds": len(gains),
        "true": statistics.fmean(true),
        "shuffled": statistics.fmean(mixed),
        "gain": statistics.fmean(gains),
        "spread": statistics.stdev(gains) if len(gains) > 1 else None,
    }


def told(found: Mapping[str, Any]) -> Evidence:
    sooner = "sooner" if found["gain"] > 0 else "no sooner"
    many = "1 start" if found["seeds"] == 1 else f"{found['seeds']} starts"
    return Evidence(
        f"The labels of {found['count']} pictures are learned {sooner} than the same shuffled: the loss on the way is "
        f"{found['true']:.3f}, and {found['shuffled']:.3f} shuffled ({many}).",
        dict(found),
    )


def _mean_loss(patient: Patient, batch: Batch, seed: int) -> float:
    """The mean training loss on the way: small where learning is quick."""
    network = patient.fresh(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    draw, losses = torch.Generator().manual_seed(seed), []
    for _ in range(EPOCHS):
        for part in torch.randperm(len(batch.ids), generator=draw).split(SIZE):  # type: ignore[no-untyped-call]
            if len(part) < 2:
                continue
            optimizer.zero_grad()
            shown = Batch(batch.images[part], batch.truths[part], [batch.ids[n] for n in part.tolist()])
            loss = patient.task.step(network, shown).loss
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(float(loss.detach()))
    return statistics.fmean(losses[len(losses) // 3 :])
