"""Two models, or two epochs of one, explained beside each other: the same pictures, methods and targets, one scale."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import torch

from ..errors import OptionError
from ..model import Model
from . import Explained, Keep, Wanted, explain_pictures
from .explained import Explanation
from .given import Given

MOST = 200
"""Pictures whose maps by both models are in memory together."""
NO_UNIT = (
    "Scores of two networks are no common unit: compare where the maps lie, and trust the strength of colours, which "
    "have one scale, only as far as both networks are as sure of themselves."
)
SAME = "Both models have the very same weights (a run's last epoch may be its best), so that their maps are the same."


def explain_both(
    models: tuple[Model, Model],
    names: tuple[str, str],
    given: Sequence[Given],
    wanted: Wanted,
    *,
    keep: Keep | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Explained:
    """Explain pictures by both models: what the first says of each (or what is wanted) is the target of both.

    `keep` and `progress` are as those of `explain_pictures`.

    Raises:
        OptionError: a label that the second model has not, or more than `MOST` pictures.
    """
    if len(given) > MOST:
        raise OptionError(
            f"--also was given with {len(given):,} pictures.",
            f"At most {MOST}, whose maps by both models are held against each other.",
            "Give fewer pictures.",
        )
    told = progress or (lambda done, total: None)
    own = explain_pictures(models[0], given, wanted, progress=lambda done, total: told(done, 2 * total))
    first = by_picture(own.rows, given)
    asked = [
        dataclasses.replace(
            one, targets=tuple(dict.fromkeys(row.target for row in rows if row.error is None))
        )
        for one, rows in zip(given, first, strict=True)
    ]
    _check_labels(asked, models[1], names[1])
    again = dataclasses.replace(wanted, target=wanted.target if _is_unit(wanted) else None, against="")
    theirs = explain_pictures(
        models[1], asked, again, progress=lambda done, total: told(total + done, 2 * total)
    )
    second = by_picture(theirs.rows, asked)
    rows: list[Explanation] = []
    for number, pair in enumerate(zip(first, second, strict=True)):
        both = _together(*pair, names)
        rows += both if keep is None else keep(number, both)
    notes = [*own.notes, *(note for note in theirs.notes if note not in own.notes)]
    notes.append(SAME if _same_weights(*models) else NO_UNIT)
    return Explained(rows, tuple(notes))


def _same_weights(one: Model, other: Model) -> bool:
    """Whether two networks have the very same tensors, as the best and the last epoch of a run often have."""
    first, second = one.network.state_dict(), other.network.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(tensor.cpu(), second[name].cpu()) for name, tensor in first.items()
    )


def _is_unit(wanted: Wanted) -> bool:
    return wanted.target is not None and bool(wanted.target.layer)


def by_picture(rows: Sequence[Explanation], given: Sequence[Given]) -> list[list[Explanation]]:
    """The rows of each picture: they come in the pictures' order, those of one with each target once a method."""
    left, found = list(rows), []
    for one in given:
        mine: list[Explanation] = []
        seen: set[tuple[str, str]] = set()
        while left and left[0].path == one.path and (left[0].method, str(left[0].target)) not in seen:
            mine.append(left.pop(0))
            seen.add((mine[-1].method, str(mine[-1].target)))
        found.append(mine)
    return found


def _check_labels(asked: Sequence[Given], other: Model, name: str) -> None:
    for target in dict.fromkeys(target for one in asked for target in one.targets):
        for label in (target.label, target.against):
            if label and other.labels and label not in other.labels:
                raise OptionError(
                    f"{name} has no label {label!r}, which is to be explained by both models.",
                    f"Its labels: {', '.join(other.labels[:20])}.",
                    "Give a --target that both have, or another model with --also.",
                )


def _together(
    first: Sequence[Explanation], second: Sequence[Explanation], names: tuple[str, str]
) -> list[Explanation]:
    """A picture's rows by both models, those of one method after each other and under one scale."""
    if any(row.error is not None for row in (*first, *second)):
        return [row for row in first if row.error is not None] or list(second)
    rows = [dataclasses.replace(row, model=names[0]) for row in first]
    rows += [dataclasses.replace(row, model=names[1]) for row in second]
    found: list[Explanation] = []
    for method in dict.fromkeys(row.method for row in rows):
        group = [row for row in rows if row.method == method]
        top = max(row.top for row in group)
        targets = list(dict.fromkeys(row.target for row in group))
        group.sort(key=lambda row: targets.index(row.target))  # what is compared stands side by side
        found += [dataclasses.replace(row, top=top) for row in group]
    return found
