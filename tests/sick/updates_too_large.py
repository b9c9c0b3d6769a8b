"""A decay that takes a large share of the weights away in each step, which the gradient then puts back."""

from __future__ import annotations

from foveal.doctor.case import Case
from staging import trained


def staged() -> Case:
    return trained(weight_decay=1.0, lr=0.1, epochs=6)
