"""One convolution of a single channel."""

from __future__ import annotations

from foveal.doctor.case import Case
from staging import Net, block, trained


def staged() -> Case:
    return trained(lambda: Net(*block(1, 1, stride=2), width=1), epochs=12)
