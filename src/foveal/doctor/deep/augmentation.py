"""Whether augmented pictures can still be told apart: by the run's own network, and by two taught with and without."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ...finding import Evidence
from ...values import Batch
from ..patient import Patient, accuracy, is_classes

SOURCE = "TheDeepChecker (Braiek & Khomh 2022): label-destroying augmentation; own measurement"
QUICK = False
COUNT, JUDGED, EPOCHS, SIZE = 320, 200, 12, 32
NONE: dict[str, Any] = {"augment": "none", "flip": False, "erase": 0.0}
"""Options with which training pictures should be as they are."""
SECONDS = 30.0
"""The most that each of the two may take."""


def measure(patient: Patient) -> dict[str, Any] | None:
    plain, varied = patient.batch("train", COUNT), patient.batch("train", COUNT, augment=True)
    judged, network = patient.batch("val", JUDGED), patient.network()
    seen = patient.told(network, plain).outputs
    if not is_classes(patient, seen):
        return None
    mirrored = Batch(judged.images.flip(-1), judged.truths, judged.ids)
    taught, other = patient.fresh(), patient.fresh()
    whole = _teach(patient, taught, plain) and _teach(patient, other, varied)
    bare = dataclasses.replace(patient, options=dataclasses.replace(patient.options, **NONE), _drawn={})
    as_none = bare.batch("train", COUNT, augment=True)
    return {
        "count": len(plain.ids),
        "judged": len(judged.ids),
        "augment": patient.options.augment,
        "erase": patient.options.erase,
        "plain": accuracy(seen, plain.truths),
        "varied": accuracy(patient.told(network, varied).outputs, varied.truths),
        "val": accuracy(patient.told(network, judged).outputs, judged.truths),
        "whole": whole,
        "taught_plain": accuracy(patient.told(taught, plain).outputs, plain.truths),
        "taught_varied": accuracy(patient.told(taught, varied).outputs, varied.truths),
        "taught_val": accuracy(patient.told(taught, judged).outputs, judged.truths),
        "taught_bare": accuracy(patient.told(taught, as_none).outputs, as_none.truths),
        "taught_varied_val": accuracy(patient.told(other.eval(), judged).outputs, judged.truths),
        "taught_mirrored": accuracy(patient.told(taught, mirrored).outputs, judged.truths),
        "commonest": float(torch.bincount(plain.truths).max()) / len(plain.ids),
    }


def told(found: Mapping[str, Any]) -> Evidence:
    return Evidence(
        f"Of {found['count']} training pictures the run's network has {found['plain']:.1%} right as they are and "
        f"{found['varied']:.1%} varied; of {found['judged']} others a fresh one that is taught varied ones a moment "
        f"has {found['taught_varied_val']:.1%} right, taught them as they are {found['taught_val']:.1%}.",
        dict(found),
    )


def _teach(patient: Patient, network: nn.Module, batch: Batch) -> bool:
    """Have a fresh network learn these pictures as they are. False where it was stopped early: after the first steps
    already, where there is no time for all."""
    optimizer, began = torch.optim.Adam(network.parameters(), lr=1e-3), time.monotonic()
    warm = began  # when the first step was over, which is slower than all others
    seconds, steps, whole = min(SECONDS, patient.time_left / 3), 0, True
    expected = EPOCHS * -(-len(batch.ids) // SIZE)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(batch.ids)).split(SIZE):  # type: ignore[no-untyped-call]
            passed = time.monotonic() - began
            pace = (time.monotonic() - warm) / max(1, steps - 1)
            whole = whole and passed < seconds and (steps != 4 or pace * expected < seconds)
            if len(part) > 1 and whole:
                optimizer.zero_grad()
                shown = Batch(batch.images[part], batch.truths[part], [batch.ids[n] for n in part.tolist()])
                torch.autograd.backward(patient.task.step(network, shown).loss)
                optimizer.step()
                steps += 1
                warm = time.monotonic() if steps == 1 else warm
    network.eval()
    return whole
