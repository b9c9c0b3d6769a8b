"""What the doctor finds, as values: an illness, what speaks for it, what causes it, and what would cure it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["warning", "error"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that speaks for a finding: a sentence with its numbers, and the numbers again, by name."""

    says: str
    values: Mapping[str, Any] = field(default_factory=dict)
    pictures: tuple[str, ...] = ()
    """Ids of items that show it."""
    layers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        shown = {"pictures": list(self.pictures), "layers": list(self.layers)}
        return {"says": self.says, "values": dict(self.values), **{k: v for k, v in shown.items() if v}}


@dataclass(frozen=True, slots=True)
class Cure:
    """What to do. Foveal itself can try it where `changes` (options of a fork), `repairs` (names of
    `foveal.repairs`) or `exclude` (ids of items) are given; else it is for a person."""

    says: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    repairs: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    source: Literal["start", "best", "last"] = "start"
    """Where a run with the cure begins: at its start where the illness is in it, else from a model."""

    @property
    def can_be_tried(self) -> bool:
        return bool(self.changes or self.repairs or self.exclude)

    def to_json(self) -> dict[str, Any]:
        return {
            "says": self.says,
            "changes": dict(self.changes),
            "repairs": list(self.repairs),
            "exclude": list(self.exclude),
            "from": self.source,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cure:
        """What `to_json` made, after a round through JSON."""
        return cls(
            data["says"], data["changes"], tuple(data["repairs"]), tuple(data["exclude"]), data["from"]
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """An illness of a run. `error`: the result means nothing or nothing was learned; `warning`: it costs much.
    `confidence` is how sure its author holds such findings to be, 0 to 1; the benchmark measures all of them together.
    `symptoms` are the findings that this one explains; `direct`: what is wrong was seen itself, as the part was done
    again beside the run's own, and not by what it led to; `aside`: it is so, and was measured to change the result
    little."""

    rule: str
    severity: Severity
    says: str
    evidence: tuple[Evidence, ...]
    cause: str
    cure: Cure
    confidence: float = 0.9
    symptoms: tuple[Finding, ...] = ()
    direct: bool = False
    aside: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "severity": self.severity,
            "says": self.says,
            "evidence": [one.to_json() for one in self.evidence],
            "cause": self.cause,
            "cure": self.cure.to_json(),
            "confidence": self.confidence,
            "symptoms": [one.to_json() for one in self.symptoms],
            "direct": self.direct,
            "aside": self.aside,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        """What `to_json` made, after a round through JSON."""
        return cls(
            data["rule"],
            data["severity"],
            data["says"],
            tuple(
                Evidence(e["says"], e["values"], tuple(e.get("pictures", ())), tuple(e.get("layers", ())))
                for e in data["evidence"]
            ),
            data["cause"],
            Cure.from_json(data["cure"]),
            data["confidence"],
            tuple(cls.from_json(one) for one in data["symptoms"]),
            bool(data.get("direct", False)),
            bool(data.get("aside", False)),
        )


@dataclass(frozen=True, slots=True)
class Unsure:
    """A rule that had not enough evidence to speak: why, and what would give it."""

    says: str
