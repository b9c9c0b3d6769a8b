"""How results are drawn on stdout, from the same values that --json prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from .console import row, table, text
from .screen import PATHS_SHOWN, SEVERITY, headline, span

Doc = Mapping[str, Any]
WORST_SHOWN = 10
STATUS = {
    "finished": "green",
    "running": "cyan",
    "damaged": "red",
    "diverged": "red",
    "interrupted": "yellow",
}
CLASSES_SHOWN = 60


def inspection(console: Console, doc: Doc) -> None:
    """What the data is, its classes by split, and its trouble."""
    console.print(
        Text.assemble((f"{doc['count']} pictures to {doc['task']}", "bold"), f", {doc['reader']} layout")
    )
    console.print(text(doc["why"], "dim"))
    facts = doc.get("facts")
    if facts:
        sides = f"{facts['width']} x {facts['height']} pixels in the middle of their range"
        colours = "grey" if facts["grey"] else "colour"
        console.print(
            text(f"{colours}, {sides}; shortest side {facts['min_side']}, longest {facts['max_side']}")
        )
    console.print()
    _splits(console, doc["splits"], doc["labels"])
    for choice in doc.get("choices", ()):
        console.print(text(f"{choice['option']} {choice['value']}: {choice['reason']}", "dim"))
    _issues(console, doc["issues"])


def _splits(console: Console, splits: Mapping[str, Any], labels: Sequence[str]) -> None:
    """One row a class and one column a split, where classes are counted; else a line a split."""
    if not all(isinstance(counts, Mapping) for counts in splits.values()):
        for split, count in splits.items():
            console.print(text(f"{split or 'undecided'}  {count}"))
        console.print()
        return
    shown = table({"class": "left"} | {split or "undecided": "right" for split in splits})
    names = list(dict.fromkeys([*labels, *(name for counts in splits.values() for name in counts)]))
    for name in names[:CLASSES_SHOWN]:
        row(shown, name, *(counts.get(name, 0) for counts in splits.values()))
    if len(names) > CLASSES_SHOWN:
        row(shown, f"... and {len(names) - CLASSES_SHOWN} more classes")
    row(shown, "all", *(sum(counts.values()) for counts in splits.values()), style="bold")
    console.print(shown)
    console.print()


def _issues(console: Console, issues: Sequence[Doc]) -> None:
    if not issues:
        console.print(text("No trouble found.", "green"))
    for issue in issues:
        style = SEVERITY.get(issue["severity"], "")
        console.print(Text.assemble((f"{issue['severity']}: ", f"bold {style}"), text(issue["says"])))
        for path in issue["paths"][:PATHS_SHOWN]:
            console.print(text(f"    {path}", "dim"))
        if len(issue["paths"]) > PATHS_SHOWN:
            console.print(
                text(f"    ... and {len(issue['paths']) - PATHS_SHOWN} more (all with --json)", "dim")
            )


def training(console: Console, doc: Doc) -> None:
    """The headline, where everything lies, and what to do next."""
    console.print()
    if doc.get("headline"):
        console.print(text(headline(doc["headline"]), "bold green"))
    shown = table({"": "left", " ": "left"})
    shown.show_header = False
    row(shown, "run", doc["run"])
    row(shown, "model", doc["model"])
    first = doc.get("first_model_seconds")
    row(
        shown,
        "time",
        span(doc["seconds"]) + (f" (a first usable model after {span(first)})" if first else ""),
    )
    console.print(shown)
    console.print()
    console.print(Text.assemble("Next: ", text(f"foveal predict {quoted(doc['run'])} picture.jpg", "bold")))


def evaluation(console: Console, doc: Doc) -> None:
    """The headline with its interval, metrics, classes, and what it got most wrong."""
    console.print(text(headline(doc["headline"]), "bold"))
    console.print(text(f"{doc['count']} pictures", "dim"))
    if doc.get("issues"):
        _issues(console, doc["issues"])
    shown = table({"metric": "left", "value": "right"})
    for name, value in doc["metrics"].items():
        row(shown, name, _cell(value))
    console.print(shown)
    if doc["per_class"]:
        console.print()
        console.print(_rows(doc["per_class"][:CLASSES_SHOWN]))
        if len(doc["per_class"]) > CLASSES_SHOWN:
            console.print(
                text(f"... and {len(doc['per_class']) - CLASSES_SHOWN} more (all with --json)", "dim")
            )
    wrong = [e for e in doc.get("examples", ()) if e.get("predicted") != e.get("truth")]
    wrong.sort(key=lambda example: example.get("loss") or 0.0, reverse=True)
    if wrong:
        console.print()
        of = f" of {len(wrong)}" if len(wrong) > WORST_SHOWN else ""
        title = f"The {min(len(wrong), WORST_SHOWN)} worst mistakes{of}" if wrong[1:] else "The one mistake"
        console.print(text(title, "bold"))
        console.print(_rows(wrong[:WORST_SHOWN]))


def predictions(console: Console, rows: Sequence[Doc]) -> None:
    """One block of lines a picture: its labels, most probable first; then what could not be read."""
    shown = table({"picture": "left", "label": "left", "probability": "right"})
    for found in rows:
        for rank, guess in enumerate(found.get("predictions", ())):
            style = "bold" if rank == 0 else "dim"
            row(
                shown,
                "" if rank else found["path"],
                guess.get("label", ""),
                _cell(guess.get("probability")),
                style=style,
            )
    if shown.row_count:
        console.print(shown)
    unread = [found for found in rows if "error" in found]
    if unread:
        console.print(text(f"{len(unread)} of {len(rows)} pictures could not be read:", "bold yellow"))
        for found in unread:
            why = found["error"].removeprefix(f"{found['path']}: ")
            console.print(Text.assemble(text(f"  {found['path']}  "), text(why, "yellow")))


def runs(console: Console, rows: Sequence[Doc]) -> None:
    """One line a run, newest first."""
    if not rows:
        console.print(text('No runs here yet. "foveal train" makes one.'))
        return
    numbers = {"epochs": "right", "time": "right", "MB": "right"}
    left = ("run", "status", "data", "network", "headline")
    shown = table(dict.fromkeys(left, "left") | numbers | {"started": "left"})
    for run in rows:
        seconds, score = run.get("seconds"), run.get("headline")
        row(
            shown,
            run["path"],
            text(run["status"], STATUS.get(run["status"], "")),
            *(run["data"], run["network"], headline(score) if score else ""),
            *(run["epochs"], "" if seconds is None else span(seconds), f"{run['bytes'] / 1e6:.1f}"),
            run["started"],
        )
    console.print(shown)
    for run in rows:
        if run.get("says"):
            console.print(Text.assemble(text(f"{run['path']}: "), text(run["says"], "yellow")))


def _rows(rows: Sequence[Doc]) -> Any:
    """A table of rows with the same keys; numbers to the right."""
    columns = {key: "right" if isinstance(value, int | float) else "left" for key, value in rows[0].items()}
    shown = table({key.replace("_", " "): side for key, side in columns.items()})
    for cells in rows:
        row(shown, *(_cell(cells.get(key)) for key in columns))
    return shown


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, Mapping):
        return (
            headline(value)
            if "name" in value and "value" in value
            else ", ".join(f"{k} {v}" for k, v in value.items())
        )
    return "" if value is None else value


def quoted(path: str) -> str:
    """A path as it can be typed: in quotes where it holds a space."""
    return f'"{path}"' if any(char.isspace() for char in path) else path
