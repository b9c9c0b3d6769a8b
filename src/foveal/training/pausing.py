"""Stopping a training for now: a search over settings asks for it, and may let it go on."""

from __future__ import annotations

from collections.abc import Callable

from ..events import Event

Pause = Callable[[Event], tuple[str, str] | None]
"""Asked after every event: why training stops here (`paused`: it was compared with others, `interrupted`: what was
planned is not done) and in words for what; None: it goes on."""


class Paused(Exception):
    """A run has stopped as it was asked to; all is saved, and it can go on bit for bit.

    Args:
        why: as `Pause` said.
        says: as `Pause` said.
    """

    def __init__(self, why: str, says: str) -> None:
        super().__init__(why, says)
        self.why, self.says = why, says
