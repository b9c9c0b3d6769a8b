"""The pictures of a run that tell most of its network: its worst mistakes, its surest hits, its nearest calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import catalog
from ..errors import DataError
from ..records.run import Run
from ..records.trained import EVALUATION
from ..storage import read_json
from ..values import Target, figure
from . import pictured
from .given import Given, compared

Row = Mapping[str, Any]


def telling(run: Run, top: int, kinds: Sequence[str] = ("wrong", "right", "near")) -> list[Given]:
    """At most `top` pictures of each kind, worst, surest and nearest first, none twice; each says why it was chosen.
    For a mistake both the label that was said and the true one are targets, and the one less the other.

    Raises:
        DataError: the run was not judged yet, or its pictures are no longer there.
    """
    rows = examples_of(run)
    dataset = run.dataset
    if dataset.reader != "builtin" and not Path(dataset.root).exists():
        raise DataError(
            f"The pictures of {run.folder} are no longer at {dataset.root}.",
            "The pictures where they were in training or have moved to, or others given.",
            f"foveal explain {run.folder} --data PLACE, where they are now; or foveal explain {run.folder} PICTURE",
        )
    items = {item.id: item for item in dataset.items}
    dense = is_dense(run)
    ranked_by, targets_of = (pictured.ranked, _of_dense) if dense else (_ranked, _targets)
    found: dict[str, Given] = {}
    for kind in kinds:
        ranked = [
            pair for pair in ranked_by(rows, kind) if pair[0]["id"] in items and pair[0]["id"] not in found
        ]
        for place, (row, why) in enumerate(ranked[:top]):
            count = min(top, len(ranked))
            why = f"{why}, {place + 1} of the {count} shown" if count > 1 else why
            item = items[row["id"]]
            found[item.id] = Given.item(dataset.root, item, targets=targets_of(row), why=why)
    return list(found.values())


def is_dense(run: Run) -> bool:
    """Whether the run's task says where things are, or makes pictures."""
    told = dict(run.options["task"])
    return bool(catalog.find("tasks", told.pop("name")).build(**told).dense)


def _of_dense(row: Row) -> tuple[Target, ...]:
    """Objects of a detector; labels of a segmentation; of a picture that was made what its task takes."""
    return pictured.targets(row) or _targets(row)


def examples_of(run: Run) -> list[Row]:
    """The rows of a run's judged pictures.

    Raises:
        DataError: it was not judged yet.
    """
    file = run.folder / EVALUATION
    rows = read_json(file).get("examples") or [] if file.exists() else []
    if not rows:
        raise DataError(
            f"{run.folder} has not been judged yet, so that its mistakes are not known.",
            "A run that has ended, or pictures to explain.",
            f"foveal explain {run.folder} PICTURE, or first: foveal train --resume {run.folder}",
        )
    return list(rows)


def _ranked(rows: Sequence[Row], kind: str) -> list[tuple[Row, str]]:
    """The rows of a kind, most telling first, with the reason in words."""
    numbers = all(isinstance(row["truth"], int | float) for row in rows)
    if numbers:
        order = sorted(rows, key=_loss, reverse=kind == "wrong")
        words = {"wrong": "one of the largest errors", "right": "one of the smallest errors"}
        return [
            (row, f"{words[kind]}: {figure(row['predicted'])} was said, {figure(row['truth'])} is true")
            for row in (order if kind in words else ())
        ]
    if kind == "wrong":
        chosen = sorted((r for r in rows if r["predicted"] != r["truth"]), key=_loss, reverse=True)
        return [
            (
                r,
                f"one of the worst mistakes: {_named(r['predicted'])} was said{_sure(r)}, {_named(r['truth'])} is true",
            )
            for r in chosen
        ]
    if kind == "right":
        chosen = sorted((r for r in rows if r["predicted"] == r["truth"]), key=_loss)
        return [(r, f"one of the surest that are right: {_named(r['predicted'])}{_sure(r)}") for r in chosen]
    known = sorted((r for r in rows if r.get("probability") is not None), key=lambda r: r["probability"])
    return [
        (
            r,
            f"one of the nearest calls: {_named(r['predicted'])} was said{_sure(r)}, {_named(r['truth'])} is true",
        )
        for r in known
    ]


def _loss(row: Row) -> float:
    """A loss that is not finite is kept as null."""
    value = row.get("loss")
    return float("inf") if value is None else float(value)


def _sure(row: Row) -> str:
    value = row.get("probability")
    return "" if value is None else f" ({100 * value:.1f} % sure)"


def _named(labels: Any) -> str:
    return (", ".join(labels) or "nothing") if isinstance(labels, list) else str(labels)


def _targets(row: Row) -> tuple[Target, ...]:
    """What is explained of a picture; nothing where only the network can tell."""
    return tuple(compared(*pair)) if (pair := next(_pairs(row), None)) else ()


def _pairs(row: Row) -> Iterator[tuple[Target, str]]:
    said, true = row["predicted"], row["truth"]
    if isinstance(said, str):
        yield Target(said), true if isinstance(true, str) else ""
    elif isinstance(said, list) and isinstance(true, list):
        wrongly = [label for label in said if label not in true]
        missed = [label for label in true if label not in said]
        first = [*wrongly, *missed, *said]
        if first:
            yield Target(first[0]), missed[0] if wrongly and missed else ""
