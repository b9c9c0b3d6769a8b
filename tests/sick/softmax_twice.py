"""A network that ends in a softmax."""

from __future__ import annotations

from torch import nn

from foveal.doctor.case import Case
from patients import posed
from staging import small


def made() -> nn.Module:
    network = small()
    network.head = nn.Sequential(network.head, nn.Softmax(1))  # type: ignore[assignment]
    return network


def staged() -> Case:
    return posed("outputs", "loss", made=made, epochs=3)
