"""What the loss says of answers that are known: right, wrong, undecided, twice as many, in another order."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ...values import Batch
from ..patient import Patient

SOURCE = "Karpathy 2019, A Recipe: a guess's loss is ln C; TheDeepChecker (Braiek & Khomh 2022): reduction and axis"
QUICK = True
SURE = 20.0
"""Logits of the right class beside zeros."""


class Answer(nn.Module):
    """A network that gives these outputs, whatever it is asked."""

    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs = nn.Parameter(outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.outputs * 1.0


def measure(patient: Patient) -> dict[str, Any] | None:
    labels = len(patient.task.labels)
    if patient.task.name != "classify" or labels < 2:
        return None
    count = 2 * labels + 3
    truths = torch.arange(count) % labels
    right = torch.zeros(count, labels).scatter_(1, truths[:, None], SURE)
    wrong = torch.zeros(count, labels).scatter_(1, ((truths + 1) % labels)[:, None], SURE)
    mixed = torch.randn(count, labels, generator=torch.Generator().manual_seed(0))

    def loss(outputs: Tensor, of: Tensor, training: bool = False) -> float:
        batch = Batch(torch.zeros(len(of), 1, 1, 1), of, [str(n) for n in range(len(of))])
        return float(patient.told(Answer(outputs).train(training), batch).loss)

    order = torch.arange(count).flip(0)
    undecided = loss(torch.zeros(count, labels), truths)
    single = loss(mixed, truths)
    return {
        "labels": labels,
        "count": count,
        "right": loss(right, truths),
        "wrong": loss(wrong, truths),
        "undecided": undecided,
        "guess": math.log(labels) if getattr(patient.task, "loss", "") != "bce" else undecided,
        "right_in_training": loss(right, truths, True),
        "wrong_in_training": loss(wrong, truths, True),
        "undecided_in_training": loss(torch.zeros(count, labels), truths, True),
        "single": single,
        "in_training": loss(mixed, truths, True),
        "doubled": loss(torch.cat([mixed, mixed]), torch.cat([truths, truths])),
        "doubled_in_training": loss(torch.cat([mixed, mixed]), torch.cat([truths, truths]), True),
        "reordered": loss(mixed[order], truths[order]),
        "slope": _slope(patient, mixed, truths),
    }


def _slope(patient: Patient, mixed: Tensor, truths: Tensor) -> float:
    """How the loss changes where the logits of what is true grow: below 0 where it is one to be made small."""
    network = Answer(mixed).train()
    batch = Batch(torch.zeros(len(truths), 1, 1, 1), truths, [str(n) for n in range(len(truths))])
    loss = patient.task.step(network, batch).loss
    (gradient,) = torch.autograd.grad(loss, [network.outputs])
    return float(gradient.gather(1, truths[:, None]).mean())
