"""How explanations are told on stdout: a line each, then how far each method can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from ..values import figure
from .console import row, table, text

if TYPE_CHECKING:
    from ..verbs.explain import Explanations

SHOWN = 40
"""Lines of explanations; all are in the page's folder."""


def explanations(console: Console, found: Explanations) -> None:
    """A line an explanation; what was chosen, what cannot be read, each method's verdict, where the page is."""
    for choice in found.choices:
        console.print(text(f"{choice.option} {choice.value}: {choice.reason}", "dim"))
    for note in found.notes:
        console.print(text(note, "dim"))
    good = [one for one in found if one.error is None]
    if good:
        _lines(console, found)
    unread = [one for one in found if one.error is not None]
    for one in unread:
        why = (one.error or "").removeprefix(f"{one.path}: ")
        console.print(Text.assemble(text(f"  {one.path}  "), text(why, "yellow")))
    for method in dict.fromkeys(one.method for one in good):
        first = next(one for one in good if one.method == method)
        if not first.verdict.says:
            continue
        console.print()
        console.print(Text.assemble((method, "bold"), text(f" of {first.path}", "dim")))
        for said in (*first.says, *first.verdict.says):
            console.print(text(f"  {said}"))
    if found.page is not None:
        console.print()
        console.print(Text.assemble("Pictures: ", text(found.page, "bold")))


def _lines(console: Console, found: Explanations) -> None:
    columns = {
        "picture": "left",
        "method": "left",
        "of": "left",
        "layer": "left",
        "score": "right",
        "": "left",
    }
    shown = table(columns)
    good = [one for one in found if one.error is None]
    before = ""
    for one in good[:SHOWN]:
        said = one.nothing or "; ".join(one.verdict.badges)
        path = "" if one.path == before else one.path
        of = f"{one.target}, by {one.model}" if one.model else one.target
        row(shown, path, one.method, of, one.layer, figure(one.score), text(said, "yellow"))
        before = one.path
    if len(good) > SHOWN:
        row(shown, f"... and {len(good) - SHOWN} more")
    console.print(shown)
