"""The staged faults, by where they sit."""

from __future__ import annotations

from ..rows import Fault
from . import code, components, labels, networks, options, scenes

FAULTS: tuple[Fault, ...] = (
    *options.FAULTS, *networks.FAULTS, *components.FAULTS, *code.FAULTS, *labels.FAULTS, *scenes.FAULTS,
)  # fmt: skip
