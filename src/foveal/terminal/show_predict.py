"""How predictions are told on stdout: a line a label, or a picture where there are objects, classes, made ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from ..values import Prediction, figure
from ..verbs.told import SURE, above, is_object, told
from . import show
from .console import row, table, text

if TYPE_CHECKING:
    from ..verbs.predict import Predictions

SHOWN = 100
"""Lines of pictures; the others are in the files, in --csv and --json."""


def predictions(console: Console, found: Predictions) -> None:
    """What is said of each picture, then what could not be read, and where files were written."""
    rows = [guess for one in found for guess in one.predictions]
    if any(is_object(guess) or "share" in guess or "output" in guess for guess in rows):
        _pictures(console, found)
    else:
        show.predictions(console, found.to_json())
    if found.page is not None:
        console.print()
        console.print(Text.assemble("Pictures: ", text(found.page, "bold")))
    elif found.out is not None:
        console.print()
        console.print(Text.assemble("Written to ", text(found.out, "bold")))


def _pictures(console: Console, found: Sequence[Prediction]) -> None:
    good = [one for one in found if one.error is None]
    objects = any(is_object(guess) for one in good for guess in one.predictions)
    made = any("output" in guess for one in good for guess in one.predictions)
    columns = {"picture": "left", "seen" if objects else "said" if made else "classes": "left"}
    shown = table(
        columns | ({"surest": "right"} if objects else {}) | ({"written to": "left"} if made else {})
    )
    for one in good[:SHOWN]:
        cells = [told(one.predictions)]
        if objects:
            cells.append(
                figure(max((guess.get("probability") or 0.0 for guess in one.predictions), default=0.0))
            )
        if made:
            cells.append(next((str(guess["output"]) for guess in one.predictions if "output" in guess), ""))
        faint = objects and not above([guess for guess in one.predictions if is_object(guess)], SURE)
        row(shown, one.path, *cells, style="dim" if faint else "")
    if len(good) > SHOWN:
        row(shown, f"... and {len(good) - SHOWN} more")
    console.print(shown)
    show.unread(console, [one.to_json() for one in found])
