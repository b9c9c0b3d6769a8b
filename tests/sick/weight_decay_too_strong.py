"""A weight decay of 1, two thousand times the usual."""

from __future__ import annotations

from foveal.doctor.case import Case
from staging import small, trained


def staged() -> Case:
    return trained(lambda: small(norm=False), weight_decay=1.0, lr=0.03, epochs=6)
