"""Batch norms that see one picture at a time."""

from __future__ import annotations

from foveal.doctor.case import Case
from patients import posed


def staged() -> Case:
    return posed("modes", batch=1, epochs=2, lr=0.2)
