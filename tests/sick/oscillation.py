"""Twenty times the usual rate, which never falls: the score swings to the end."""

from __future__ import annotations

from foveal.doctor.case import Case
from staging import trained


def staged() -> Case:
    return trained(lr=2.0, schedule="constant", warmup=0.0, epochs=16)
