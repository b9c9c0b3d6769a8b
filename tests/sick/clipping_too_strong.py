"""Gradients are cut to a length of 0.0001."""

from __future__ import annotations

from foveal.doctor.case import Case
from staging import trained


def staged() -> Case:
    return trained(clip=1e-4, epochs=5)
