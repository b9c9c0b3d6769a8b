"""Runs side by side on a terminal: what each cost and came to, then each pair, then what can be said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from ..values import figure, short_count, span
from ..verbs.beside import Pair
from .console import row, table, text

Doc = Mapping[str, Any]
COLUMNS = {
    "run": "left", "network": "left", "": "right", "95 %": "left", "parameters": "right", "mult-adds": "right",
    "px": "right", "time": "right", "epochs": "right", "pictures": "right", "ImageNet": "right",
}  # fmt: skip
PAIRS_SHOWN = 30


def comparison(console: Console, doc: Doc) -> None:
    """The table of runs, the differences, and the sentences."""
    console.print()
    _runs(console, doc["rows"])
    pairs = [Pair(**{k: v for k, v in one.items() if k != "better"}) for one in doc["pairs"]]
    if pairs:
        console.print()
        _pairs(console, pairs)
    console.print()
    for said in doc["says"]:
        console.print(text(said, "bold"))
    for said in doc["notes"]:
        console.print(text(said, "dim"))
    if doc["html"]:
        console.print(Text.assemble("  page: ", text(doc["html"], "bold")))


def _runs(console: Console, rows: list[Doc]) -> None:
    judged = [one for one in rows if one["headline"]]
    measure = f"{judged[0]['headline']['name']} on {judged[0]['headline']['split']}" if judged else ""
    same = all(one["name"] == one["network"] for one in rows)
    columns = {name or measure: side for name, side in COLUMNS.items()}
    shown = table({name: side for name, side in columns.items() if not (same and name == "run")})
    for one in rows:
        names = [text(one["name"], "bold")] if same else [text(one["name"], "bold"), one["network"]]
        if one["failed"]:
            row(shown, *names, text("not trained", "yellow"), *[""] * (len(shown.columns) - len(names) - 1))
            continue
        h = one["headline"]
        row(
            shown, *names, text(figure(h["value"]), "bold"), f"{figure(h['low'])} to {figure(h['high'])}",
            short_count(one["parameters"]), short_count(one["multiply_adds"]), one["size"],
            "" if one["seconds"] is None else span(one["seconds"]), one["epochs"], f"{one['pictures']:,}",
            "" if one["published"] is None else f"{100 * one['published']:.1f} %",
        )  # fmt: skip
    console.print(shown)


def _pairs(console: Console, pairs: list[Pair]) -> None:
    shown = table({"difference": "left", " ": "left", "p": "right", "of all pairs": "right", "shown": "left"})
    for pair in pairs[:PAIRS_SHOWN]:
        better = f"{pair.better} is better" if pair.shown else "nothing"
        row(
            shown, f"{pair.b} against {pair.a}", pair.says, f"{pair.p:.2g}", f"{pair.p_of_all:.2g}", better,
            style="" if pair.shown else "dim",
        )  # fmt: skip
    console.print(shown)
    if len(pairs) > PAIRS_SHOWN:
        console.print(text(f"... and {len(pairs) - PAIRS_SHOWN} more pairs (all with --json)", "dim"))
