"""The record of every option: what the user gave stays; what was left open is chosen, with a reason."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..options import TrainOptions
from ..values import Choice

GIVEN = "given"


class Choices:
    """Fills options one by one, never overriding one that was given."""

    def __init__(self, given: TrainOptions) -> None:
        self.given = given
        self.made: list[Choice] = []

    def pick(self, option: str, value: Any, reason: str) -> Any:
        """The user's value where there is one, else `value`; recorded with its reason."""
        own = getattr(self.given, option)
        if own is not None:
            self.made.append(Choice(option, own, GIVEN, automatic=False))
            return own
        self.made.append(Choice(option, value, reason))
        return value

    def filled(self) -> TrainOptions:
        """The options with every choice in its field."""
        chosen = {c.option: c.value for c in self.made}
        if "minutes" in chosen or self.given.minutes is not None:
            chosen.pop("epochs", None)  # time is planned, so epochs stay open
        return dataclasses.replace(self.given, **chosen)
