"""Healthy runs that look ill to naive rules."""

from __future__ import annotations

from ..rows import Control
from . import data, ways

CONTROLS: tuple[Control, ...] = (*ways.CONTROLS, *data.CONTROLS)
