"""Read any usual layout, check every picture and label, and show what was found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from ..options import ReadOptions, make
from ..values import PARTS, Choice, Dataset


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class InspectOptions(ReadOptions):
    """Everything `foveal inspect` can be told."""

    split_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the split where the data has none; the same as in training."""


@dataclass(frozen=True)
class Inspection:
    """What an inspection found: the data set, examined and split as training would, and why it is so."""

    dataset: Dataset
    choices: tuple[Choice, ...] = ()

    def to_json(self) -> dict[str, Any]:
        data, counts = self.dataset, self.dataset.counts()
        return {
            "task": data.task,
            "reader": data.reader,
            "why": data.why,
            "count": len(data.items),
            "splits": {part: counts[part] for part in PARTS if part in counts},
            "labels": list(data.labels),
            "issues": [
                {"kind": i.kind, "severity": i.severity, "says": i.says, "paths": list(i.paths)}
                for i in data.issues
            ],
            "facts": dataclasses.asdict(data.facts) if data.facts else None,
            "root": data.root,
            "fingerprint": data.fingerprint,
            "choices": [dataclasses.asdict(choice) for choice in self.choices],
        }

    def _repr_html_(self) -> str:
        """The table that a notebook shows: pictures a label and split, then the issues."""
        counts = self.dataset.counts()
        parts = [part for part in PARTS if part in counts]
        head = "".join(f"<th>{part}</th>" for part in parts)
        rows = "".join(
            f"<tr><th>{escape(label)}</th>"
            + "".join(f"<td>{counts[part].get(label, 0)}</td>" for part in parts)
            + "</tr>"
            for label in self.dataset.labels
        )
        issues = "".join(
            f"<li><b>{escape(issue.severity)}</b> {escape(issue.says)}</li>" for issue in self.dataset.issues
        )
        return (
            f"<p>{len(self.dataset.items)} pictures, {len(self.dataset.labels)} labels; "
            f"{escape(self.dataset.why)}</p><table><tr><th></th>{head}</tr>{rows}</table><ul>{issues}</ul>"
        )


def inspect(
    data: str | Path | None = None, *, progress: Callable[[int, int], None] | None = None, **options: Any
) -> Inspection:
    """What a data set holds and what is wrong with it; with no `data`, the built-in digits.

    Options are those of `InspectOptions`. `progress` is told (pictures looked at, pictures in all).

    Raises:
        DataError: the data cannot be used.
        OptionError: an unknown option or a value out of range.
        OfflineError: the data would have to be downloaded, and could not be.
    """
    from ..readers import prepare

    chosen = make(InspectOptions, options)
    dataset, choices = prepare(None if data is None else str(data), chosen, chosen.split_seed, progress)
    return Inspection(dataset, tuple(choices))
