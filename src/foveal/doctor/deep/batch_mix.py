"""How many classes a batch of training holds, beside what an order by chance would give."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..patient import Patient

SOURCE = (
    "Bengio 2012, Practical Recommendations for Gradient-Based Training: shuffle, as batches in the order of the data "
    "lead from class to class; expected numbers by drawing without replacement"
)
QUICK = True
MOST, FEWEST, DRAWS = 8, 2, 50
"""Batches that are looked at, at most and at least; draws by chance beside them."""


def measure(patient: Patient) -> dict[str, Any] | None:
    """By the order that the batches of the first epoch have; no picture is opened for it."""
    if patient.task.name != "classify" or patient.options.balance == "sampling":
        return None
    source = patient.pictures("train", augment=True)
    truths = np.array([patient.task.labels.index(str(item.truth)) for item in source.items])
    batches = list(itertools.islice(source.order(0), MOST))
    if len(batches) < FEWEST or len(batches[0]) < 2:
        return None
    held = [len(set(truths[batch].tolist())) for batch in batches]
    draw, size = np.random.default_rng(0), len(batches[0])
    by_chance = [len(set(truths[draw.permutation(len(truths))[:size]].tolist())) for _ in range(DRAWS)]
    return {
        "batches": len(held),
        "size": size,
        "classes": sum(held) / len(held),
        "by_chance": sum(by_chance) / len(by_chance),
        "least_by_chance": min(by_chance),
    }
