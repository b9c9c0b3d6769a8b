"""How results are drawn on stdout, from the same values that --json prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from ..values import figure, span
from .console import row, table, text
from .plain import quoted as quoted
from .screen import PATHS_SHOWN, SEVERITY, headline

Doc = Mapping[str, Any]
WORST_SHOWN = 10
CLASSES_SHOWN = 60
PREDICTED = {
    "label": "left",
    "probability": "right",
    "present": "left",
    "value": "right",
    "low": "right",
    "high": "right",
}
FAR = (
    "none of these? {} far from all that the model was trained on, farther than 95 in 100 pictures of "
    "known kinds do."
)


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
    if doc["task"] == "regress":
        _numbers(console, doc["splits"], doc["labels"])
    else:
        all_of = "objects in all" if doc.get("objects") else "" if doc.get("classes") else "labels in all"
        _splits(console, doc["splits"], doc["labels"], doc.get("pictures"), all_of)
    if doc.get("objects"):
        _objects(console, doc["objects"])
    if doc.get("classes"):
        _classes(console, doc["classes"])
    for choice in doc.get("choices", ()):
        console.print(text(f"{choice['option']} {choice['value']}: {choice['reason']}", "dim"))
    _issues(console, doc["issues"])
    if doc.get("sheet"):
        console.print()
        console.print(Text.assemble("Contact sheet: ", text(doc["sheet"], "bold")))
    if doc.get("page"):
        _close_look(console, doc)


def _close_look(console: Console, doc: Doc) -> None:
    """How labels and pictures fit, and where to go through what is in doubt."""
    found = doc["found"]
    console.print()
    labels = found.get("labels")
    if labels:
        share = f"{labels['accuracy']:.1%} [{labels['low']:.1%}, {labels['high']:.1%}]"
        says = (
            f"A linear head on ImageNet features tells {share} of {labels['count']:,} labels, out of sample."
        )
        console.print(text(says, "dim"))
    for why in found["left"].values():
        console.print(text(f"Not looked at: {why}.", "dim"))
    if not found["doubts"]:
        console.print(
            text("Of what was looked at, no picture is in doubt: there is nothing to go through.", "dim")
        )
        return
    console.print(Text.assemble("Go through what is in doubt: ", text(doc["page"], "bold")))
    command = f"foveal train DATA --exclude {quoted(doc['decisions'])}"
    console.print(Text.assemble("Then train without it: ", text(command, "bold")))


def _numbers(console: Console, splits: Mapping[str, Any], labels: Sequence[str]) -> None:
    """One row a split: how many numbers, their range and quarters."""
    names = list(next(iter(splits.values()), {}))
    heading = " ".join(labels)
    shown = table({heading: "left"} | {name.replace("_", " "): "right" for name in names})
    for split, said in splits.items():
        row(shown, split or "undecided", *(_cell(said.get(name)) for name in names))
    console.print(shown)
    console.print()


def _splits(
    console: Console,
    splits: Mapping[str, Any],
    labels: Sequence[str],
    pictures: Mapping[str, int] | None,
    all_of: str = "labels in all",
) -> None:
    """One row a class and one column a split, where classes are counted; else a line a split. `pictures`
    is how many each split has: fewer or more than its labels where a picture may bear several."""
    if not all(isinstance(counts, Mapping) for counts in splits.values()):
        for split, count in splits.items():
            console.print(text(f"{split or 'undecided'}  {count}"))
        console.print()
        return
    shown = table({"class": "left"} | {split or "undecided": "right" for split in splits})
    names = list(dict.fromkeys([*labels, *(name for counts in splits.values() for name in counts)]))
    if not names:
        console.print(
            text(", ".join(f"{count} {split or 'undecided'}" for split, count in (pictures or {}).items()))
        )
        console.print()
        return
    for name in names[:CLASSES_SHOWN]:
        row(shown, name, *(counts.get(name, 0) for counts in splits.values()))
    if len(names) > CLASSES_SHOWN:
        row(shown, f"... and {len(names) - CLASSES_SHOWN} more classes")
    sums = {split: sum(counts.values()) for split, counts in splits.items()}
    many = pictures is not None and pictures != sums
    if all_of:
        row(shown, all_of if many else "all", *sums.values(), style="bold")
    if pictures is not None and many:
        row(shown, "pictures", *(pictures.get(split, 0) for split in splits), style="bold")
    console.print(shown)
    console.print()


def _objects(console: Console, said: Doc) -> None:
    """How many objects pictures have, and how large they are."""
    shown = table(
        {"objects a picture": "left"}
        | dict.fromkeys(("least", "median", "most", "pictures of none"), "right")
    )
    for part, many in said["per_picture"].items():
        row(shown, part, many["min"], f"{many['median']:g}", many["max"], said["empty"][part])
    console.print(shown)
    console.print()
    if said["sides"]:
        names = ("least", "quarter", "median", "three quarters", "most")
        shown = table({"pixels, as a square's side": "left"} | dict.fromkeys(names, "right"))
        for label, sides in list(said["sides"].items())[:CLASSES_SHOWN]:
            row(
                shown,
                label,
                *(f"{sides[n]:.0f}" for n in ("min", "quarter", "median", "three_quarters", "max")),
            )
        console.print(shown)
    if not said["sides"]:  # only their masks tell
        return
    kinds = f"{said['small']} small (under 32 x 32 pixels), {said['medium']} medium, {said['large']} large (from 96)"
    passed = f"; {said['ignored']} do not count (crowds, difficult ones)" if said["ignored"] else ""
    console.print(text(kinds + passed, "dim"))
    console.print()


def _classes(console: Console, said: Doc) -> None:
    """The share of pixels of each class, by split."""
    parts = list(said["shares"])
    shown = table({"share of pixels": "left"} | dict.fromkeys(parts, "right"))
    for label in list(said["shares"][parts[0]])[:CLASSES_SHOWN] if parts else ():
        row(shown, label, *(f"{100 * said['shares'][part][label]:.2f} %" for part in parts))
    console.print(shown)
    if said["ignored"]:
        console.print(text(f"{100 * said['ignored']:.2f} % of all pixels do not count", "dim"))
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
    if doc.get("report"):
        row(shown, "report", doc["report"])
    first = doc.get("first_model_seconds")
    row(
        shown,
        "time",
        span(doc["seconds"]) + (f" (a first usable model after {span(first)})" if first else ""),
    )
    if doc.get("bottleneck"):
        row(shown, "", doc["bottleneck"])
    console.print(shown)
    console.print()
    console.print(Text.assemble("Next: ", text(f"foveal predict {quoted(doc['run'])} picture.jpg", "bold")))


def evaluation(console: Console, doc: Doc) -> None:
    """The headline with its interval, metrics, classes, and what it got most wrong."""
    console.print(text(headline(doc["headline"]), "bold"))
    of = f", errors in {doc['quantity']}" if doc.get("quantity") else ""
    console.print(text(f"{doc['count']} pictures{of}", "dim"))
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
        kind, what = ("largest", "error") if isinstance(wrong[0]["truth"], float) else ("worst", "mistake")
        most = min(len(wrong), WORST_SHOWN)
        title = f"The {most} {kind} {what}s{of}" if wrong[1:] else f"The one {what}"
        console.print(text(title, "bold"))
        console.print(_rows(wrong[:WORST_SHOWN]))


def predictions(console: Console, rows: Sequence[Doc]) -> None:
    """One block of lines a picture: its predictions, best first; then what could not be read."""
    guesses = [guess for found in rows for guess in found.get("predictions", ())]
    said = {name for guess in guesses for name in guess}
    columns = {name: side for name, side in PREDICTED.items() if name in said}
    beyond = sum(bool(found.get("none_of_these")) for found in rows)
    shown = table({"picture": "left"} | columns | ({" ": "left"} if beyond else {}))
    for found in rows:
        for rank, guess in enumerate(found.get("predictions", ())):
            sure = guess.get("present", rank == 0)
            cells = [_cell(guess.get(name)) for name in columns]
            if beyond:
                far = found.get("none_of_these") and not rank
                cells.append(text("none of these?" if far else "", "yellow"))
            row(shown, "" if rank else found["path"], *cells, style="bold" if sure else "dim")
    if shown.row_count:
        console.print(shown)
    if beyond:
        console.print(
            text(FAR.format("A picture lies" if beyond == 1 else f"{beyond} pictures lie"), "yellow")
        )
    unread(console, rows)


def unread(console: Console, rows: Sequence[Doc]) -> None:
    """The pictures that could not be read, each with its reason."""
    failed = [found for found in rows if "error" in found]
    if failed:
        console.print(text(f"{len(failed)} of {len(rows)} pictures could not be read:", "bold yellow"))
        for found in failed:
            why = found["error"].removeprefix(f"{found['path']}: ")
            console.print(Text.assemble(text(f"  {found['path']}  "), text(why, "yellow")))


def _rows(rows: Sequence[Doc]) -> Any:
    """A table of rows with the same keys; numbers to the right."""
    columns = {
        key: "right" if any(isinstance(cells.get(key), int | float) for cells in rows) else "left"
        for key in rows[0]
    }
    shown = table({key.replace("_", " "): side for key, side in columns.items()})
    for cells in rows:
        row(shown, *(_cell(cells.get(key)) for key in columns))
    return shown


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return figure(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, Mapping):
        return (
            headline(value)
            if "name" in value and "value" in value
            else ", ".join(f"{k} {v}" for k, v in value.items())
        )
    return "" if value is None else value
