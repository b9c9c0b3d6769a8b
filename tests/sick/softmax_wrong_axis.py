"""Cross-entropy over the batch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from foveal.doctor.case import Case
from patients import odd, posed


def loss(logits: Tensor, truths: Tensor, smoothing: float) -> Tensor:
    return F.nll_loss(F.log_softmax(logits, 0), truths)


def staged() -> Case:
    return posed("loss", build=odd(loss), epochs=3)
