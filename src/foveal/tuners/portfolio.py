"""Settings that did well on other data: what adaptive search begins with, after the default.

`portfolio.json` holds them in their order as multiples of the default recipe's, for each combination of what may be
tuned, with the tasks that they were chosen on and how. It is made by `benchmarks/portfolio.py choose --write`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..plan import Plan
from ..ranges import Range
from ..storage import read_json
from ..values import Dataset
from .space import MANY

SOURCE = (
    "multiple defaults: Pfisterer et al. 2018; chosen greedily, after Wistuba et al. 2015, Sequential Model-Free "
    "Hyperparameter Tuning, and Winkelmolen et al. 2020"
)
FILE = Path(__file__).with_suffix(".json")
MULTIPLES = ("lr", "weight_decay")
"""What the table tells as multiples of the default; momentum is told as it is."""
LONGER = 3
"""Times the longest training that was measured: in longer ones such high rates are not known to pay."""
ROOTS = frozenset({"network", "optimizer", "weights", "pretrained", "batch", "schedule"})
"""With another of these the default is another, too."""


def begins(
    dataset: Dataset, planned: Plan, ranges: Sequence[Range], defaults: Mapping[str, Any], expected: int
) -> dict[str, list[Any]]:
    """What a study of `expected` trials should try `first`, after the default, and that in words, its `notes`.

    Nothing where nothing like it was measured (classification from scratch by SGD was, in short trainings), and the
    first alone where trials are many: the others then bring no more than evenly spread ones.
    """
    table = read_json(FILE)
    alike = planned.start.state is None and planned.fit.optimizer in table["optimizers"]
    pictures = len(dataset.part("train"))
    steps = sum(stage.epochs for stage in planned.fit.stages) * pictures / (planned.options.batch or pictures)
    if (
        not alike
        or expected < 2
        or planned.task.name != table["task"]
        or planned.task.dense
        or steps > LONGER * table["steps"]
    ):
        return {"first": [], "notes": []}
    found = settings(ranges, defaults, table)[: expected - 1 if expected < MANY else 1]
    many = f"{len(found)} setting{'s' * (len(found) != 1)}"
    said = f"The search begins with {many} that did well on {len(table['tasks'])} other small tasks"
    return {"first": list(found), "notes": [said] * bool(found)}


def settings(
    ranges: Sequence[Range], defaults: Mapping[str, Any], table: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], ...]:
    """The table's settings beside these defaults, in its order: those that lie in the ranges, each once.

    What is tuned and not in the table has the default's value.
    """
    table = read_json(FILE) if table is None else table
    names = {one.name for one in ranges}
    rows = table["settings"].get(" ".join(name for name in table["parameters"] if name in names))
    if names & ROOTS or not rows:
        return ()
    found: list[dict[str, Any]] = []
    for row in rows:
        chosen = {one.name: _value(one, row, defaults.get(one.name)) for one in ranges}
        kept = {one.name: chosen[one.name] for one in ranges if one.is_on(chosen)}
        if kept not in found and all(_holds(one, kept[one.name]) for one in ranges if one.name in kept):
            found.append(kept)
    return tuple(found)


def _value(one: Range, row: Mapping[str, float], default: Any) -> Any:
    """An option's value in a row of the table."""
    if one.name not in row:
        return default
    if one.name not in MULTIPLES:
        return row[one.name]
    return float(f"{row[one.name] * default:.4g}") if isinstance(default, int | float) else None


def _holds(one: Range, value: Any) -> bool:
    """Whether a value lies within the range."""
    return one.takes(value) and (bool(one.choices) or one.low <= value <= one.high)
