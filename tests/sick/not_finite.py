"""A rate of 300, where nothing normalises."""

from __future__ import annotations

from foveal.doctor.case import Case
from staging import small, trained


def staged() -> Case:
    return trained(lambda: small(norm=False), epochs=2, lr=3e4)
