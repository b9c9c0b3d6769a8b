"""What training leaves, as a value."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from ..storage import previous, write_json
from ..values import Choice, Evaluation, Score
from .run import RESULT, RESUME, Run

EVALUATION, REPORT = "evaluation.json", "report.html"


@dataclass(frozen=True)
class Trained:
    """The run, its best model, and how good that is. `why` and `says` tell how training ended.

    `first_model_seconds` is the time until a usable model was saved; None in a process that saved none.
    """

    run: Path
    model: Path
    headline: Score
    seconds: float
    first_model_seconds: float | None
    choices: tuple[Choice, ...]
    why: str = "finished"
    says: str = ""
    spent: Mapping[str, float] = field(default_factory=dict)
    """Seconds a phase, by the names of `bottleneck.PHASES`."""
    bottleneck: str = ""
    """Where most of the time went, and what would save it."""
    trust: Mapping[str, Any] = field(default_factory=dict)
    """How far probabilities can be believed: temperature, calibration error before and after, ..."""

    @property
    def report(self) -> Path:
        """Where the page that shows the run lies (or will lie)."""
        return self.run / REPORT

    def to_json(self) -> dict[str, Any]:
        return {
            "run": str(self.run),
            "model": str(self.model),
            "report": str(self.report) if self.report.exists() else None,
            "headline": dataclasses.asdict(self.headline),
            "seconds": self.seconds,
            "first_model_seconds": self.first_model_seconds,
            "choices": [dataclasses.asdict(choice) for choice in self.choices],
            "why": self.why,
            "says": self.says,
            "spent": dict(self.spent),
            "bottleneck": self.bottleneck,
            "trust": dict(self.trust),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trained:
        """What `to_json` wrote."""
        return cls(
            **{
                **{k: v for k, v in data.items() if k != "report"},
                "run": Path(data["run"]),
                "model": Path(data["model"]),
                "headline": Score(**data["headline"]),
                "choices": tuple(Choice(**row) for row in data["choices"]),
            }
        )

    def write(self, run: Run, judged: Evaluation | None) -> None:
        """Keep the result, and the test evaluation with a line an example, in the run's folder."""
        if judged is not None:
            write_json(run.folder / EVALUATION, judged.to_json())
        write_json(run.folder / RESULT, self.to_json())
        # the newest state is enough from now on
        with contextlib.suppress(OSError):
            previous(run.folder / RESUME).unlink(missing_ok=True)

    @classmethod
    def read(cls, run: Run) -> Trained | None:
        """The result of a run that has ended; None while it has not. Moved folders are found where they are."""
        kept = run.result
        if kept is None:
            return None
        done = cls.from_json(kept)
        return dataclasses.replace(done, run=run.folder, model=run.folder / done.model.name)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(c.option)}</td><td>{escape(str(c.value))}</td><td>{escape(c.reason)}</td></tr>"
            for c in self.choices
        )
        return (
            f"<p><b>{escape(str(self.headline))}</b>, {self.seconds:.0f} s, {escape(str(self.run))}</p>"
            f"<table><tr><th>option</th><th>value</th><th>reason</th></tr>{rows}</table>"
        )
