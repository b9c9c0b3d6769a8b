"""Answers that are a bias."""

from __future__ import annotations

from torch import Tensor, nn

from foveal.doctor.case import Case
from patients import posed


class Deaf(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(x.flatten(1)[:, :4] * 0)
        return out


def staged() -> Case:
    return posed("blind", "activity", made=Deaf, epochs=4)
