"""The record of every option: what the user gave stays; what was left open is chosen, with a reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..options import TrainOptions
from ..values import Choice
from . import classics

GIVEN = "given"


class Choices:
    """Fills options one by one, never overriding one that was given; a named recipe comes before us."""

    def __init__(self, given: TrainOptions, side: int = 224) -> None:
        """`side` of the pictures in pixels, by which some networks' published recipes differ."""
        self.given = given
        self.recipe = classics.find(given.recipe, given.network, given.size or side)
        self.made: list[Choice] = []
        self.preferred: Mapping[str, tuple[Any, str]] = {}
        """What the task wants otherwise than others: (value, reason)."""
        if given.recipe is not None:
            self.made.append(Choice("recipe", given.recipe, self.recipe.says, automatic=False))

    def pick(self, option: str, value: Any, reason: str) -> Any:
        """The user's value where there is one, else the recipe's, else the task's own, else `value`; recorded
        with its reason."""
        return self.adjusted(option, value, reason, None)

    def adjusted(self, option: str, value: Any, reason: str, published: tuple[Any, str] | None) -> Any:
        """As `pick`; `published` is (value, reason) to take in the place of the recipe's own value, which
        belongs to other circumstances (another batch, more pictures)."""
        own = getattr(self.given, option)
        if own is not None:
            self.made.append(Choice(option, own, GIVEN, automatic=False))
            return own
        if option in self.recipe.values:
            value, reason = published or (self.recipe.values[option], self.recipe.source)
        elif option in self.preferred:
            value, reason = self.preferred[option]
        self.made.append(Choice(option, value, reason))
        return value

    def value(self, option: str) -> Any:
        """The user's value, the recipe's or the task's own, without recording it; None where none says anything."""
        given = getattr(self.given, option)
        own = self.preferred.get(option, (None, ""))[0]
        return self.recipe.values.get(option, own) if given is None else given

    def wanted(self, option: str) -> Any:
        """The user's value, the recipe's or the task's own, recorded; None where none says anything."""
        if getattr(self.given, option) is None and option not in {**self.recipe.values, **self.preferred}:
            return None
        return self.pick(option, None, "")

    def filled(self) -> TrainOptions:
        """The options with every choice in its field."""
        chosen = {c.option: c.value for c in self.made}
        if "minutes" in chosen or self.given.minutes is not None:
            chosen.pop("epochs", None)  # time is planned, so epochs stay open
        return dataclasses.replace(self.given, **chosen)
