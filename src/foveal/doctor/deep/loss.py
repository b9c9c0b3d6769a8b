"""What the loss says of answers that are known: right, wrong, undecided, twice as many, in another order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...finding import Evidence
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
    labels, task = len(patient.task.labels), cast(Any, patient.task)
    if patient.task.name not in ("classify", "multilabel") or labels < 2:
        return None
    count, several = 2 * labels + 3, patient.task.name == "multilabel"
    truths = torch.arange(count) % labels
    right = torch.zeros(count, labels).scatter_(1, truths[:, None], SURE)
    wrong = torch.zeros(count, labels).scatter_(1, ((truths + 1) % labels)[:, None], SURE)
    if several:  # one label of three is there
        truths = ((torch.arange(count)[:, None] + torch.arange(labels)) % 3 == 0).float()
        right, wrong = SURE * (2 * truths - 1), SURE * (1 - 2 * truths)
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
        "guess": math.log(2) if several else math.log(labels) if task.loss != "bce" else undecided,
        "right_in_training": loss(right, truths, True),
        "wrong_in_training": loss(wrong, truths, True),
        "undecided_in_training": loss(torch.zeros(count, labels), truths, True),
        "single": single,
        "in_training": loss(mixed, truths, True),
        "doubled": loss(torch.cat([mixed, mixed]), torch.cat([truths, truths])),
        "doubled_in_training": loss(torch.cat([mixed, mixed]), torch.cat([truths, truths]), True),
        "reordered": loss(mixed[order], truths[order]),
        "slope": _slope(patient, mixed, truths),
        **_expected(patient, mixed, truths),
    }


def told(found: Mapping[str, Any]) -> Evidence:
    return Evidence(
        f"The loss of answers that are surely right is {found['right']:.3g}, surely wrong {found['wrong']:.3g}, and of "
        f"answers that know nothing {found['undecided']:.3g}, where {found['guess']:.3g} is expected.",
        dict(found),
    )


def _slope(patient: Patient, mixed: Tensor, truths: Tensor) -> float:
    """How the loss changes where the logits of what is true grow: below 0 where it is one to be made small."""
    network = Answer(mixed).train()
    batch = Batch(torch.zeros(len(truths), 1, 1, 1), truths, [str(n) for n in range(len(truths))])
    loss = patient.task.step(network, batch).loss
    (gradient,) = torch.autograd.grad(loss, [network.outputs])
    return _at(gradient, truths)


def _at(gradient: Tensor, truths: Tensor) -> float:
    """The mean of a gradient `BC` where something is true."""
    if truths.is_floating_point():
        return float(gradient[truths > 0.5].mean())
    return float(gradient.gather(1, truths[:, None]).mean())


def _expected(patient: Patient, mixed: Tensor, truths: Tensor) -> dict[str, float]:
    """What the mean cross-entropy (of each label by itself, where there are several a picture) with the run's own
    smoothing would say, in both modes, and its slope; nothing where the run names another loss, or weights classes."""
    task = patient.task
    several = task.name == "multilabel"
    if (getattr(task, "loss", "") != "cross-entropy" and not several) or getattr(task, "class_weights", ()):
        return {}
    smoothing = float(getattr(task, "label_smoothing", 0.0))
    answers = mixed.clone().requires_grad_()
    if several:
        trained = F.binary_cross_entropy_with_logits(answers, truths * (1 - smoothing) + smoothing / 2)
        plain = F.binary_cross_entropy_with_logits(mixed, truths)
    else:
        trained = F.cross_entropy(answers, truths, label_smoothing=smoothing)
        plain = F.cross_entropy(mixed, truths)
    (gradient,) = torch.autograd.grad(trained, [answers])
    return {
        "expected": float(plain),
        "expected_in_training": float(trained.detach()),
        "expected_slope": _at(gradient, truths),
    }
