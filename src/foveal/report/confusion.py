"""What is taken for what, and the pictures behind each cell."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from ..charts import Heat
from ..records.gathered import Gathered
from ..values import Evaluation
from .thumbs import Album, Level, Shot
from .words import label, percent, pictures

WIDEST = 26
"""Classes up to which the whole table is shown; beyond, its picture and the commonest mistakes."""
DRAWN = 120
"""Classes up to which that picture is drawn."""
PAIRS = 40


@dataclass(frozen=True)
class Example:
    """One judged picture: what is true of it, what was said, and how surely."""

    shot: Shot
    truth: str
    predicted: str
    probability: str
    loss: str
    right: bool


@dataclass(frozen=True)
class Cell:
    """A cell of the table: its count, its share of the row, and the panel it opens."""

    count: int
    share: float
    right: bool
    panel: str
    says: str


@dataclass(frozen=True)
class Panel:
    """The pictures of one cell."""

    id: str
    title: str
    count: int
    right: bool
    examples: tuple[Example, ...]
    printed: bool


@dataclass(frozen=True)
class Confusion:
    labels: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    panels: tuple[Panel, ...]
    pairs: tuple[Panel, ...] = field(default=())
    """The commonest mistakes, largest first."""
    heat: Heat | None = None
    wrong: int = 0


def confusion(g: Gathered, album: Album, level: Level) -> Confusion | None:
    """The table and its panels; None where the task has none."""
    judged = g.evaluation
    if judged is None or not judged.confusion or len(judged.per_class) != len(judged.confusion):
        return None
    m, labels = judged.confusion, tuple(str(row["label"]) for row in judged.per_class)
    small = len(labels) <= WIDEST
    sizes = [(m[a][b], a, b) for a in range(len(m)) for b in range(len(m)) if m[a][b]]
    wrong = sorted(((n, a, b) for n, a, b in sizes if a != b), key=lambda cell: (-cell[0], cell[1], cell[2]))
    shown = [(a, b) for _, a, b in wrong[: None if small else PAIRS]]
    shown += [(a, b) for _, a, b in sizes if a == b] if small else []
    panels = _panels(judged, labels, shown, album, level)
    rows = tuple(
        tuple(_cell(m, labels, a, b, (a, b) in panels) for b in range(len(m))) for a in range(len(m))
    )
    heat = None
    if not small and len(labels) <= DRAWN:
        heat = Heat("What is taken for what", "predicted", "true", labels, labels, tuple(map(tuple, m)))
    return Confusion(
        labels if small else (), rows if small else (), tuple(panels.values()),
        tuple(panels[a, b] for _, a, b in wrong[: 12 if small else PAIRS] if (a, b) in panels), heat,
        sum(n for n, _, _ in wrong),
    )  # fmt: skip


def _cell(m: list[list[int]], labels: tuple[str, ...], a: int, b: int, opens: bool) -> Cell:
    count, total = m[a][b], sum(m[a])
    says = f"{pictures(count)} of {labels[a]} taken for {labels[b]}"
    if a == b:
        says = f"{pictures(count)} of {labels[a]} recognised"
    return Cell(
        count, count / total if total else 0.0, a == b, f"cell-{a}-{b}" if opens and count else "", says
    )


def _panels(
    judged: Evaluation, labels: tuple[str, ...], shown: list[tuple[int, int]], album: Album, level: Level
) -> dict[tuple[int, int], Panel]:
    """One panel a cell; mistakes come before right answers where the room for pictures ends."""
    places = {name: n for n, name in enumerate(labels)}
    inside: defaultdict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for row in judged.examples:
        a, b = places.get(str(row.get("truth"))), places.get(str(row.get("predicted")))
        if a is not None and b is not None:
            inside[a, b].append(row)
    panels, left = {}, level.cells
    for number, (a, b) in enumerate(shown):
        right = a == b
        rows = sorted(inside[a, b], key=_sureness, reverse=not right)
        most = min(level.cell if not right else max(1, level.cell // 3), left) if level.cell else 0
        examples = tuple(example(row, album, level) for row in rows[:most])
        left -= len(examples)
        title = f"{labels[a]}, recognised" if right else f"{labels[a]}, taken for {labels[b]}"
        panels[a, b] = Panel(
            f"cell-{a}-{b}",
            title,
            judged.confusion[a][b],
            right,
            examples,
            number < 3 and not right and len(examples) > 2,
        )
    return panels


def _sureness(row: dict[str, Any]) -> float:
    return float(row.get("probability") or 0.0)


def example(row: dict[str, Any], album: Album, level: Level) -> Example:
    """A judged picture, in words."""
    sure, loss = row.get("probability"), row.get("loss")
    return Example(
        album.shot(str(row.get("id")), level),
        label(row.get("truth")),
        label(row.get("predicted")),
        "" if sure is None else percent(float(sure), 99),
        "∞" if loss is None else f"{float(loss):.2f}",
        row.get("truth") == row.get("predicted"),
    )


@dataclass(frozen=True)
class Mistakes:
    """Two rows of pictures, each with its reason."""

    surest: tuple[Example, ...]
    costliest: tuple[Example, ...]
    count: int
    surest_title: str = "Surest mistakes"
    surest_why: str = (
        "Wrong answers of the highest probability. Here a label may be wrong, or two classes in one picture."
    )
    costliest_title: str = "Costliest mistakes"
    costliest_why: str = "The largest losses: the truth was thought least likely."


def mistakes(g: Gathered, album: Album, level: Level) -> Mistakes | None:
    """The worst pictures; of numbers, those told too high and too low."""
    judged = g.evaluation
    if judged is None or not judged.examples or g.dense:
        return None
    if g.kind == "numbers":
        return _numbers(judged, album, level)
    wrong = [row for row in judged.examples if row.get("truth") != row.get("predicted")]
    surest = sorted(wrong, key=_sureness, reverse=True)[: level.mistakes]
    seen = {id(row) for row in surest}
    costly = sorted(wrong, key=_loss, reverse=True)
    costly = [row for row in costly if id(row) not in seen][: level.mistakes]
    made = Mistakes(
        tuple(example(row, album, level) for row in surest),
        tuple(example(row, album, level) for row in costly),
        len(wrong),
    )
    if g.kind == "labels":
        return Mistakes(
            made.surest, made.costliest, made.count,
            surest_why="Wrong sets of labels whose least sure decision was the surest.",
            costliest_why="The largest losses: decisions that were sure and wrong.",
        )  # fmt: skip
    return made


def _loss(row: dict[str, Any]) -> float:
    return float("inf") if row.get("loss") is None else float(row["loss"])


def _numbers(judged: Evaluation, album: Album, level: Level) -> Mistakes:
    def error(row: dict[str, Any]) -> float:
        return float(row.get("predicted") or 0) - float(row.get("truth") or 0)

    ordered = sorted(judged.examples, key=error)
    low = [row for row in ordered if error(row) < 0][: level.mistakes]
    high = [row for row in reversed(ordered) if error(row) > 0][: level.mistakes]
    return Mistakes(
        tuple(example(row, album, level) for row in high), tuple(example(row, album, level) for row in low),
        len(judged.examples), "Told too high", "Predictions that lie furthest above the truth.",
        "Told too low", "Predictions that lie furthest below the truth.",
    )  # fmt: skip
