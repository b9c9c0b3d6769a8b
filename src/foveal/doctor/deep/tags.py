"""Of several labels a picture: which label's score tells which label of the validation pictures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..patient import Patient

SOURCE = "Mann & Whitney 1947: how often a picture with a label is scored above one without; own measurement"
QUICK = True
MOST, FEWEST = 400, 5
"""Pictures that are looked at; with a label, and without, from which it is judged."""


def measure(patient: Patient) -> dict[str, Any] | None:
    """By label: its pictures, how well its own score tells it (0.5: not at all), and the label whose score tells it
    best, with how well."""
    if patient.task.name != "multilabel":
        return None
    batch = patient.batch("val", patient.fits(MOST))
    outputs = patient.told(patient.network("last"), batch).outputs
    if not isinstance(outputs, Tensor) or outputs.shape != batch.truths.shape:
        return None
    scores, there, labels = outputs.float(), batch.truths > 0.5, patient.task.labels
    told = {}
    for place, label in enumerate(labels):
        own = there[:, place]
        count = int(own.sum())
        if count < FEWEST or len(own) - count < FEWEST:
            continue
        ranked = torch.stack([_above(scores[own, n], scores[~own, n]) for n in range(len(labels))])
        best = int(ranked.argmax())
        told[label] = {
            "count": count,
            "own": float(ranked[place]),
            "best": labels[best],
            "told": float(ranked[best]),
            "as": {labels[n]: round(float(v), 4) for n, v in enumerate(ranked)} if len(labels) <= 40 else {},
        }
    return {"count": len(batch.ids), "labels": told}


def _above(having: Tensor, lacking: Tensor) -> Tensor:
    apart = having[:, None] - lacking[None]
    return (apart > 0).float().mean() + (apart == 0).float().mean() / 2
