"""Every test of a run's parts, one after the other, within a time; what one cannot do is noted, never an error."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, Protocol

from .. import catalog
from ..errors import FovealError
from ..records.run import Run
from .case import Case, read
from .patient import Patient, asleep
from .rules._course import poor

KIND = "doctor.deep"
ORDER = (
    "shown", "loss", "loss_beside", "outputs", "extremes", "preprocessing", "inputs", "read_again", "splits", "modes",
    "mixing", "drawn", "activity", "moves", "steps_beside", "boxes", "masks", "blind", "tags", "batch_mix",
    "one_batch", "labels_held", "augmentation", "rates", "subset", "shuffled", "spectra", "learning_curve",
)  # fmt: skip
"""What is tested first: what costs little and what other tests rest on; names that are not here come last."""
WHY, LITTLE = ("one_batch", "labels_held", "augmentation", "rates"), 0.12
"""Deep tests that are made always where at least this share of what there is to be learned was not: they ask why."""

NO_TIME = "no time was left for it"


class Test(Protocol):
    """doctor/deep/NAME.py: one test of a component, with a one-line docstring that says what it asks."""

    SOURCE: str
    QUICK: bool
    """Whether it takes a second or so, and is made always; others are made with --deep."""
    # told(found) -> Evidence: what was measured as a sentence, ill or well (optional)

    def measure(self, patient: Patient) -> dict[str, Any] | None:
        """What was measured, plain values; None where the test means nothing for this task or network."""


def examine(
    run: Run,
    *,
    deep: bool = False,
    seconds: float = 60.0,
    progress: Callable[[int, int], None] | None = None,
) -> Case:
    """The case of a run with its tests made: the quick ones, those that ask why a run learned little, or with `deep`
    all that fit into `seconds`.

    A test that fails, or for which no time is left, has `failed` with the reason in place of its numbers.

    Raises:
        RunError: the run's events cannot be opened.
    """
    case = read(run)
    try:
        patient = Patient.of(run, seconds)
    except (FovealError, KeyError, TypeError) as error:
        return dataclasses.replace(case, tests={"patient": {"failed": _said(error)}})
    known = catalog.names(KIND)
    names = [name for name in (*ORDER, *(n for n in known if n not in ORDER)) if name in known]
    ill = poor(case, LITTLE)
    names = [name for name in names if deep or catalog.find(KIND, name).QUICK or (ill and name in WHY)]
    found: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(names):
        made = _made(name, patient)
        if made is not None:
            found[name] = made
        if progress is not None:
            progress(place + 1, len(names))
    return dataclasses.replace(case, tests=found)


def _made(name: str, patient: Patient) -> dict[str, Any] | None:
    if patient.time_left <= 0:
        return {"failed": NO_TIME}
    began = time.monotonic()
    try:
        with asleep():
            found: dict[str, Any] | None = catalog.find(KIND, name).measure(patient)
    except Exception as error:  # a person's own network may raise anything
        return {"failed": _said(error)}
    return None if found is None else {**found, "seconds": round(time.monotonic() - began, 3)}


def _said(error: BaseException) -> str:
    return error.came if isinstance(error, FovealError) else f"{type(error).__name__}: {error}"[:300]
