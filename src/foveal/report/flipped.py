"""Which validation pictures change between right and wrong when the default is left for another setting."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FovealError
from ..outcomes import CORRECT, outcomes
from ..records.run import Run
from ..records.study import Study
from ..records.trained import EVALUATION
from ..records.trials import Trial
from ..storage import read_json
from .confusion import Example, example
from .thumbs import LEVELS, Album
from .words import pictures

MOST = 16
"""Pictures shown of each kind."""
LEVEL = LEVELS[1]


@dataclass(frozen=True)
class Lot:
    """Pictures that changed one way: how many, and those shown, the surest mistakes first."""

    title: str
    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Flipped:
    """Sentences on how many changed, and the pictures of each kind."""

    lines: tuple[str, ...]
    lots: tuple[Lot, ...]


@dataclass(frozen=True)
class _Judged:
    """For each picture whether it was right, and its row of the evaluation."""

    right: Mapping[str, bool]
    rows: Mapping[str, Mapping[str, Any]]


def flipped(study: Study) -> Flipped | None:
    """The default beside the setting to take (where there is no verdict, or it keeps the default: the best trial);
    None where they are one, or pictures are not right or wrong in this task."""
    default, other = study.default, _other(study)
    if default is None or other is None:
        return None
    before, after = _judged(default.run), _judged(other.run)
    if before is None or after is None:
        return None
    both = [key for key in before.right if key in after.right]
    won = [key for key in both if after.right[key] and not before.right[key]]
    lost = [key for key in both if before.right[key] and not after.right[key]]
    if not both:
        return None
    name = f"trial {other.number}"
    says = (
        f"Of {pictures(len(both), 'validation')} {len(won) + len(lost)} change: {name} gets {len(won)} right that the "
        f"default gets wrong, and {len(lost)} wrong that the default gets right. {name.capitalize()} was chosen by "
        "these pictures, which flatters it."
    )
    album = _album(default)
    lots = (
        _lot(f"Right with {name} only: what the default said", won, before, album),
        _lot(f"Right with the default only: what {name} said", lost, after, album),
    )
    return Flipped((says, *_by_seed_alone(study)), tuple(lot for lot in lots if lot.count))


def _other(study: Study) -> Trial | None:
    chosen = None if study.verdict is None else study.verdict.chosen
    taken = study.best
    if chosen is not None and chosen.number:
        taken = next((trial for trial in study.trials if trial.number == chosen.number), taken)
    return taken if taken is not None and taken.number else None


def _by_seed_alone(study: Study) -> list[str]:
    """How many pictures change where nothing but the seed does, from the default's trainings in the verdict."""
    made = [_judged(one.run.run) for one in study.again if one.trial == 0 and one.run.state == "finished"]
    pairs = list(itertools.combinations([one for one in made if one is not None], 2))
    if not pairs:
        return []
    counts = [sum(a.right[key] != b.right[key] for key in a.right if key in b.right) for a, b in pairs]
    return [
        f"Chance alone: between two trainings of the default with other seeds {sum(counts) / len(counts):.0f} change"
        + (f" on average ({min(counts)} to {max(counts)} in {len(pairs)} pairs)." if len(pairs) > 1 else ".")
    ]


def _judged(run: Path) -> _Judged | None:
    """None where the run was not judged on validation, or not by pictures that are right or wrong."""
    try:
        evaluation = read_json(run / EVALUATION) if (run / EVALUATION).is_file() else {}
        if not evaluation or evaluation["headline"]["split"] != "val":
            return None
        found = outcomes(evaluation)
        if found is None or found.name not in CORRECT:
            return None
        right = {key: value == 1 for key, value in found.values.items()}
        return _Judged(right, {str(row["id"]): row for row in evaluation["examples"]})
    except (FovealError, KeyError, TypeError, ValueError):
        return None  # the page says what can be read; a damaged run has a word of its own


def _album(trial: Trial) -> Album:
    try:
        dataset = Run(trial.run).dataset
    except FovealError:
        return Album(None, {})
    return Album(dataset, {item.id: item for item in dataset.items})


def _lot(title: str, ids: list[str], wrong: _Judged, album: Album) -> Lot:
    rows = [dict(wrong.rows[key]) for key in ids]
    rows.sort(key=lambda row: -float(row.get("probability") or 0.0))
    return Lot(title, len(ids), tuple(example(row, album, LEVEL) for row in rows[:MOST]))
