"""What a finished run came to on each picture, and two runs on the pictures that both were judged on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..outcomes import Outcomes, outcomes
from ..records.run import Run
from ..records.trained import EVALUATION
from ..storage import damaged, read_json
from ..values import Dataset


@dataclass(frozen=True)
class Judged:
    """A run's outcomes on the pictures of a split, and what each of these pictures is: its hash and its truth."""

    split: str
    outcomes: Outcomes
    items: Mapping[str, tuple[str, Any]]


def judged(run: Run, dataset: Dataset | None) -> Judged | None:
    """None where the run was not judged yet, or by what is no mean over pictures.

    Raises:
        RunError: its evaluation is damaged.
    """
    if dataset is None or not (run.folder / EVALUATION).exists():
        return None
    try:
        evaluation = read_json(run.folder / EVALUATION)
        found, split = outcomes(evaluation), str(evaluation["headline"]["split"])
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(run.folder / EVALUATION, f"{type(error).__name__}: {error}") from None
    if found is None:
        return None
    return Judged(split, found, {i.id: (i.sha256, i.truth) for i in dataset.items if i.id in found.values})


def alike(a: Judged | None, b: Judged | None) -> tuple[Outcomes, Outcomes] | None:
    """The outcomes of both on the pictures that both were judged on, with the same truths, in the same split;
    None where there are none."""
    if a is None or b is None or a.split != b.split:
        return None
    same = {key for key, what in a.items.items() if b.items.get(key) == what}
    return (_only(a.outcomes, same), _only(b.outcomes, same)) if same else None


def _only(outcome: Outcomes, ids: set[str]) -> Outcomes:
    return dataclasses.replace(outcome, values={k: v for k, v in outcome.values.items() if k in ids})
