"""The fourth stranger's cases."""

from __future__ import annotations

from .controls import CONTROLS
from .faults import FAULTS
from .networks import NETWORKS
from .patches import PATCHES
from .pictures import DATA

__all__ = ["CONTROLS", "DATA", "FAULTS", "NETWORKS", "PATCHES"]
