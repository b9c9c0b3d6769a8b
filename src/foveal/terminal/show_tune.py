"""How a study's result is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from ..records.trials import plainly
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
    best = doc["best"]
    if best is None or best["score"] is None:
        console.print(text("No trial has a result yet.", "yellow"))
        return
    console.print(Text.assemble(text(headline(best["score"]), "bold green"), f"  trial {best['number']}"))
    if doc["verdict"] is None and best["number"] != 0:
        said = "the best of many looks better than it is, and was trained once: train it with other seeds"
        console.print(text(f"  {said}", "dim"))
    console.print(text(f"{span(doc['seconds'])} of training in {doc['study']}", "dim"))
    if doc["verdict"] is not None:
        _verdict(console, doc["verdict"], str(doc["study"]))
    console.print()
    if doc["model"] and (doc["verdict"] is None or doc["verdict"]["chosen"] is not None):
        console.print(Text.assemble("The model: ", text(doc["model"], "bold")))
    console.print(Text.assemble("Next: ", text(doc["command"], "bold")))


def _verdict(console: Console, verdict: Doc, folder: str) -> None:
    """What training the best and the default again has shown."""
    console.print()
    first, *others = verdict["lines"]
    taken = verdict["chosen"]
    console.print(text(first, "yellow" if taken is None else "bold green" if taken else "bold"))
    for line in others:
        console.print(text(line))
    if taken is None and verdict["more"]:
        how = f"foveal tune --resume {show.quoted(folder)} {verdict['more']}"
        console.print(Text.assemble("For a verdict: ", text(how, "bold")))


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
