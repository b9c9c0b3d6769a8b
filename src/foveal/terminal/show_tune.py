"""How a study's result is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from ..trials import plainly
from ..values import figure, span
from . import show
from .board import STATES, WORDS
from .console import row, table, text
from .screen import headline

Doc = Mapping[str, Any]
SHOWN = 10


def study(console: Console, doc: Doc) -> None:
    """The best trials, the default among them; what was decided on the way; and how to train with the best."""
    console.print()
    order = sorted(doc["trials"], key=lambda t: _place(t, doc["higher_is_better"]))
    default = [t for t in order[SHOWN:] if t["number"] == 0]
    _table(console, doc, order[:SHOWN] + default)
    if len(order) > SHOWN:
        console.print(text(f"... and {len(order) - SHOWN - len(default)} more trials", "dim"))
    console.print()
    for note in doc["notes"]:
        console.print(text(f"{note[:1].upper()}{note[1:]}.", "dim"))
    console.print(text(doc["says"]))
    best, first = doc["best"], doc["default"]
    if best is None or best["score"] is None:
        console.print(text("No trial has a result yet.", "yellow"))
        return
    console.print(Text.assemble(text(headline(best["score"]), "bold green"), f"  trial {best['number']}"))
    if first is not None and best["number"] == 0:
        console.print(text("  which has the default recipe: nothing tried was better", "dim"))
    elif first is not None and first["value"] is not None:
        said = f"  the default recipe has {figure(first['value'])}; the best of {len(order)} looks better than it is"
        console.print(text(said, "dim"))
    console.print(text(f"{span(doc['seconds'])} of training in {doc['study']}", "dim"))
    console.print()
    console.print(Text.assemble("Next: ", text(command(doc, best), "bold")))


def command(doc: Doc, trial: Doc) -> str:
    """How to train with a trial's setting, on new pictures or with other seeds."""
    words = [f"--{name.replace('_', '-')} {_typed(value)}" for name, value in trial["options"].items()]
    words = [word for word in words if word]
    data = "DATA" if doc["data"] != "digits" else ""
    return (
        " ".join(filter(None, ["foveal train", data, *words]))
        if trial["number"]
        else (f"foveal predict {show.quoted(trial['run'])} picture.jpg")
    )


def _typed(value: Any) -> str:
    return show.quoted(plainly(value))


def _table(console: Console, doc: Doc, trials: list[Doc]) -> None:
    names = [one["name"] for one in doc["ranges"]]
    columns = {"trial": "right", **dict.fromkeys(names, "left"), doc["metric"]: "left", "epochs": "right"}
    shown = table({**columns, "time": "right", "": "left"})
    best = doc["best"]
    for trial in trials:
        state = WORDS.get(trial["state"], trial["state"])
        failed = trial["state"] in ("failed", "diverged") and trial["says"]
        note = f"{state}: {trial['says']}" if failed else state
        note = f"the default, {note}" if trial["number"] == 0 else note
        values = [trial["options"].get(name) for name in names]
        row(
            shown,
            str(trial["number"]),
            *("" if value is None else plainly(value) for value in values),
            "" if trial["value"] is None else figure(trial["value"]),
            f"{trial['epochs']}/{trial['planned'] or '?'}",
            span(trial["seconds"]),
            text(note, STATES.get(trial["state"], "")),
            style="bold" if best is not None and trial["number"] == best["number"] else "",
        )
    console.print(shown)


def _place(trial: Doc, higher: bool) -> tuple[bool, float, int]:
    value = trial["value"]
    if value is None or trial["state"] in ("failed", "diverged"):
        return True, 0.0, trial["number"]
    return False, -value if higher else value, trial["number"]
