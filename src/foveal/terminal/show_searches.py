"""How a comparison of searches is drawn."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from ..outcomes import CORRECT
from ..records.contest import FEWEST
from ..values import figure, span
from . import show
from .console import row, table, text

Doc = Mapping[str, Any]


def searches(console: Console, doc: Doc) -> None:
    """A row a search, then whether they differ."""
    console.print()
    tested = doc["part"] == "test"
    columns = {"search": "left", "repeats": "right", "trials": "right", "epochs": "right", "time": "right"}
    columns |= {"validation": "right", **({"test": "right"} if tested else {}), "its mean is at it": "left"}
    shown = table(columns)
    for one in doc["searches"]:
        row(
            shown,
            one["search"],
            str(one["repeats"]),
            f"{one['trials']:.0f}",
            f"{one['epochs']:.0f}",
            span(one["seconds"]),
            _mean(one["validation"], doc),
            *([_mean(one["test"], doc)] if tested else []),
            one["soon"],
        )
    console.print(shown)
    if doc["level"] is not None:
        level = _told(doc["level"], doc)
        console.print(
            text(
                f"its mean is at it: at {level} on validation, which random search reaches on average", "dim"
            )
        )
    console.print()
    first, *others = doc["says"]
    console.print(text(first, "bold"))
    for said in others:
        console.print(text(said))
    console.print()
    if doc["done"] < FEWEST:
        how = f"foveal tune --resume {show.quoted(str(doc['comparison']))} --repeats {FEWEST}"
        console.print(Text.assemble("Next: ", text(how, "bold")))
    else:
        console.print(Text.assemble("To look at: ", text(f"{doc['comparison']}/report.html", "bold")))


def _mean(values: Sequence[float | None], doc: Doc) -> str:
    there = [value for value in values if value is not None and math.isfinite(value)]
    return _told(statistics.fmean(there), doc) if there else ""


def _told(value: float, doc: Doc) -> str:
    return f"{100 * value:.1f}%" if doc["metric"] in CORRECT else figure(value)
