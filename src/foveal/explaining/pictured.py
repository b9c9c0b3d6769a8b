"""The most telling pictures of tasks that say where things are, or make pictures: by each picture's own score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..values import Target, figure

Row = Mapping[str, Any]
RIGHT, IGNORED, MISSED = "right", "ignored", "missed"
ORDERING = ("loss", "score", "error", "mse")
"""Figures of a picture that only order pictures."""


def ranked(rows: Sequence[Row], kind: str) -> list[tuple[Row, str]]:
    """The rows of a kind, most telling first, with the reason in words; no picture is a near call."""
    if kind == "near":
        return []
    ordered = sorted(rows, key=_score, reverse=kind == "right")
    word = "worst" if kind == "wrong" else "best"
    found = []
    for row in ordered:
        objects = _objects(row)
        if kind == "wrong" and row["truth"] is not None and (objects or not row["truth"]) and not _wrong(row):
            continue
        if objects:
            told = f"{_counted(objects)}; explained: {_named(targets(row), row)}"
        elif row["truth"] is not None and row.get("score") is not None:
            told = f"its score is {figure(row['score'])}, where 1 is best{_labels(row)}"
        else:
            told = numbers(row)
        found.append((row, f"one of the {word} pictures: {told}"))
    return found


def targets(row: Row) -> tuple[Target, ...]:
    """Of objects the surest that is wrong and the largest that was missed, or the surest; nothing of other rows."""
    said = [one for one in row["predicted"] or () if isinstance(one, Mapping)]
    wrong = [one for one in said if one.get("kind") not in (RIGHT, IGNORED)]
    missed = [one for one in row["truth"] or () if isinstance(one, Mapping) and one.get("kind") == MISSED]
    chosen = [
        *sorted(wrong, key=lambda one: -float(one.get("probability", 0)))[:1],
        *sorted(missed, key=lambda one: -_area(one["box"]))[:1],
    ]
    chosen = chosen or sorted(said, key=lambda one: -float(one.get("probability", 0)))[:1]
    return tuple(Target(one["label"], at=_box(one)) for one in chosen)


def numbers(row: Row) -> str:
    """A picture's own figures, but for those that only order pictures."""
    told = {k: v for k, v in row.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    if len(told) > 2:
        told = {name: value for name, value in told.items() if name not in ORDERING}
    return ", ".join(
        f"{name.replace('_', ' ')} {_figure(name, float(value))}" for name, value in told.items()
    )


def _figure(name: str, value: float) -> str:
    """Decibels with two digits behind the point, as papers give them."""
    return f"{value:.2f} dB" if "PSNR" in name or name == "gain" else figure(value)


def _score(row: Row) -> float:
    """Higher is better; where a row has no score, its loss tells."""
    value = row.get("score")
    loss = row.get("loss")
    if value is not None:
        return float(value)
    return float("-inf") if loss is None else -float(loss)


def _objects(row: Row) -> list[Row]:
    """What was said, and what was missed."""
    said = [one for one in row["predicted"] or () if isinstance(one, Mapping)]
    true = [one for one in row["truth"] or () if isinstance(one, Mapping)]
    return [*said, *(one for one in true if one.get("kind") == MISSED)]


def _wrong(row: Row) -> bool:
    return any(one.get("kind") not in (RIGHT, IGNORED) for one in _objects(row))


def _counted(objects: Sequence[Row]) -> str:
    counts = Counter(str(one.get("kind", "predicted")).replace("_", " ") for one in objects)
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def _labels(row: Row) -> str:
    """Labels of a map that were said and are not there, or the other way round."""
    said, true = row["predicted"], row["truth"]
    wrongly = [label for label in said if label not in true]
    missed = [label for label in true if label not in said]
    told = [f"; {', '.join(map(str, wrongly))} was said and is not there"] if wrongly else []
    told += [f"; {', '.join(map(str, missed))} is there and was not said"] if missed else []
    return "".join(told)


def _named(asked: Sequence[Target], row: Row) -> str:
    """The objects that are explained, in words."""
    found = []
    for target in asked:
        one = next(o for o in _objects(row) if o["label"] == target.label and _box(o) == target.at)
        kind = str(one.get("kind", "predicted"))
        sure = one.get("probability")
        if kind == MISSED:
            found.append(f"the {target.label} that was missed")
        else:
            how = "" if sure is None else f", {100 * float(sure):.0f} % sure"
            found.append(f"the {target.label} that was said ({kind.replace('_', ' ')}{how})")
    return " and ".join(found)


def _box(one: Row) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(edge) for edge in one["box"])
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def _area(box: Sequence[float]) -> float:
    return (float(box[2]) - float(box[0])) * (float(box[3]) - float(box[1]))
