"""Training pictures that are nothing but noise."""

from __future__ import annotations

import torch
from torch import Tensor

from foveal.doctor.case import Case
from patients import posed


def seen(images: Tensor, part: str, augment: bool) -> Tensor:
    return torch.randn_like(images) if augment else images


def staged() -> Case:
    return posed("inputs", "splits", seen=seen, epochs=2, said={"augment": "randaugment", "magnitude": 30})
