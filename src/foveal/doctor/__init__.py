"""The doctor: what is wrong with a run, why, and what would cure it.

`rules/` has one illness a file, `deep/` one test of a component a file, `data/` looks at pictures and labels,
`repairs/` mends what no option can, and `prove` runs a cure beside the run as it was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from .. import catalog
from ..finding import Finding, Unsure
from .case import Case

KIND = "doctor.rules"
Level = Literal["data", "input", "network", "loss", "optimizer", "schedule", "generalisation", "speed"]
"""Where an illness sits, the most fundamental first: what is wrong with the data makes everything after it ill."""
CAUSES = get_args(Level).index("optimizer") + 0.5
"""Where symptoms stand: behind all that may cause them but for how long training took."""
SEEN = get_args(Level).index("input")
"""Behind this what was seen itself stands, and before what is told by its effects."""


class Rule(Protocol):
    """doctor/rules/NAME.py: one illness, with a one-line docstring that says what it is."""

    SOURCE: str
    """Where the threshold comes from: paper, document, or our own measurement."""
    LEVEL: Level
    EXPLAINS: tuple[str, ...]
    """Rules whose findings are symptoms of this illness, where both are found."""
    # SYMPTOM: bool, True where it says what is seen and not why: it stands behind rules that name a cause (optional)
    # WHERE_SEEN: tuple[str, ...]: what it explains besides, where it was seen itself (`Finding.direct`; optional)

    def examine(self, case: Case) -> Finding | Unsure | None:
        """The illness, if the run has it; None where it has not; what is lacking where nobody can tell."""


@dataclass(frozen=True)
class Diagnosis:
    """What was found, most fundamental first, symptoms under their causes; empty where a run is healthy."""

    findings: tuple[Finding, ...]
    unsure: Mapping[str, str]
    """Rules that had not enough evidence, and what would give it."""
    checked: tuple[str, ...]
    """Every rule that looked."""

    def to_json(self) -> dict[str, Any]:
        return {
            "findings": [one.to_json() for one in self.findings],
            "unsure": dict(self.unsure),
            "checked": list(self.checked),
        }


def diagnose(case: Case) -> Diagnosis:
    """Have every rule look at the case; fold symptoms beneath what explains them."""
    found: dict[str, Finding] = {}
    unsure: dict[str, str] = {}
    for name in catalog.names(KIND):
        try:
            answer = catalog.find(KIND, name).examine(case)
        except Exception as error:  # a rule that fails must not keep the others from speaking
            unsure[name] = f"The rule failed: {type(error).__name__}: {error}."
            continue
        if isinstance(answer, Unsure):
            unsure[name] = answer.says
        elif answer is not None:
            found[name] = answer
    return Diagnosis(_folded(found), unsure, catalog.names(KIND))


def _folded(found: Mapping[str, Finding]) -> tuple[Finding, ...]:
    """Root causes in order, each with all that it explains, directly or through what it explains."""
    order = sorted(found, key=lambda name: _place(found[name]))
    owner: dict[str, str] = {}
    for name in order:
        if found[name].aside:
            continue
        rule = catalog.find(KIND, name)
        for other in (*rule.EXPLAINS, *(getattr(rule, "WHERE_SEEN", ()) if found[name].direct else ())):
            if other not in found or other == name or _under(name, other, owner):
                continue
            if found[name].direct or not found[other].direct:
                owner.setdefault(other, name)
    under: dict[str, list[Finding]] = {name: [] for name in order}
    for name in order:
        root = name
        while root in owner:
            root = owner[root]
        if root != name:
            under[root].append(found[name])
    return tuple(
        dataclasses.replace(found[name], symptoms=tuple(under[name])) for name in order if name not in owner
    )


def _under(name: str, other: str, owner: Mapping[str, str]) -> bool:
    """Whether `name` is already a symptom of `other`."""
    while name in owner:
        name = owner[name]
        if name == other:
            return True
    return False


def _place(finding: Finding) -> tuple[float, int, float]:
    rule = catalog.find(KIND, finding.rule)
    level: float = get_args(Level).index(rule.LEVEL)
    if finding.aside:
        level = float(len(get_args(Level)))
    elif finding.direct and level > SEEN:
        level = SEEN + level / 10
    elif getattr(rule, "SYMPTOM", False):
        level = max(level, CAUSES)
    return level, 0 if finding.severity == "error" else 1, -finding.confidence
