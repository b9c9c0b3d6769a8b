"""The values of an option that a search may try, on the scale on which they lie evenly."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Scale = Literal["linear", "log", "rest"]
DIGITS = 4
"""Significant digits of what is tried: more tell nothing, and are a nuisance to type."""


@dataclass(frozen=True)
class Range:
    """What a search may try of the option `name`.

    Numbers from `low` to `high`, evenly on their `scale`: `log` is the logarithm, `rest` the logarithm of 1 - value
    (momentum, whose 0.9, 0.99 and 0.999 are equally far apart); or one of `choices`. `least` and `most` are how far
    it may ever be widened; `when` names another option and the values with which this one means anything.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    scale: Scale = "linear"
    whole: bool = False
    choices: tuple[Any, ...] = ()
    least: float = -math.inf
    most: float = math.inf
    when: tuple[str, tuple[Any, ...]] | None = None
    source: str = ""

    def value(self, share: float) -> Any:
        """The value at `share` of the way from the first to the last, 0..1."""
        if self.choices:
            return self.choices[min(len(self.choices) - 1, max(0, int(share * len(self.choices))))]
        low, high = self._on_scale(self.low), self._on_scale(self.high)
        at = low + (high - low) * share
        if self.scale == "rest":
            found = round(1 - float(f"{10**-at:.{DIGITS - 1}g}"), 12)
        else:
            found = float(f"{10**at if self.scale == 'log' else at:.{DIGITS}g}")
        found = min(max(found, self.low), self.high)
        return round(found) if self.whole else found

    def share(self, value: Any) -> float:
        """Where a value lies, 0 at `low` and 1 at `high`; below 0 and above 1 outside."""
        if self.choices:
            return (self.choices.index(value) + 0.5) / len(self.choices)
        low, high = self._on_scale(self.low), self._on_scale(self.high)
        return (self._on_scale(float(value)) - low) / (high - low) if high > low else 0.5

    def takes(self, value: Any) -> bool:
        """Whether a value has a place here, inside or outside of the ends."""
        if self.choices:
            return value in self.choices
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            return False
        return value > 0 if self.scale == "log" else value < 1 if self.scale == "rest" else True

    def even(self, count: int) -> tuple[Any, ...]:
        """`count` values evenly spread, both ends among them; all of them where they are choices."""
        if self.choices:
            return self.choices
        shares = [n / (count - 1) for n in range(count)] if count > 1 else [0.5]
        return tuple(dict.fromkeys(self.value(share) for share in shares))

    def is_on(self, options: Mapping[str, Any]) -> bool:
        """Whether the option means anything beside these."""
        return self.when is None or options.get(self.when[0]) in self.when[1]

    def _on_scale(self, value: float) -> float:
        if self.scale == "log":
            return math.log10(value)
        return -math.log10(1 - value) if self.scale == "rest" else value

    @property
    def says(self) -> str:
        """The range in words."""
        if self.choices:
            return ", ".join(str(choice) for choice in self.choices)
        on = {"log": ", on a log scale", "rest": ", on the log scale of 1 - value", "linear": ""}[self.scale]
        return f"{self.low:.4g} to {self.high:.4g}{on}"

    def to_json(self) -> dict[str, Any]:
        row = dataclasses.asdict(self)
        for end in ("least", "most"):
            row[end] = row[end] if math.isfinite(row[end]) else None
        return row

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Range:
        """What `to_json` wrote."""
        values = dict(row)
        values["least"] = -math.inf if row.get("least") is None else row["least"]
        values["most"] = math.inf if row.get("most") is None else row["most"]
        values["choices"] = tuple(row["choices"])
        when = row.get("when")
        values["when"] = None if when is None else (when[0], tuple(when[1]))
        return cls(**values)
