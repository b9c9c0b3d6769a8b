"""The sum of the losses of a batch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from foveal.doctor.case import Case
from patients import odd, posed


def loss(logits: Tensor, truths: Tensor, smoothing: float) -> Tensor:
    return F.cross_entropy(logits, truths, label_smoothing=smoothing, reduction="sum")


def staged() -> Case:
    return posed("loss", build=odd(loss), epochs=3)
