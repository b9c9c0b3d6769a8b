"""How runs are drawn: the list of them, two beside each other, folds, and what is removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from ..values import figure, span
from . import show
from .console import row, table, text
from .screen import headline

Doc = Mapping[str, Any]
STATUS = {
    "finished": "green",
    "running": "cyan",
    "damaged": "red",
    "diverged": "red",
    "interrupted": "yellow",
    "paused": "yellow",
}
IDS_SHOWN = 5


def runs(console: Console, rows: Sequence[Doc], places: Iterable[tuple[str, int]] = ()) -> None:
    """One line a run, newest first; then what each of `places` (path, bytes) takes on the disk."""
    if rows:
        _listed(console, rows)
    else:
        console.print(text('No runs here yet. "foveal train" makes one.'))
    for (path, size), what in zip(places, ("runs", "data and caches"), strict=False):
        if size:
            console.print(text(f"{megabytes(size)} of {what} in {path}", "dim"))


def _listed(console: Console, rows: Sequence[Doc]) -> None:
    numbers = {"epochs": "right", "time": "right", "MB": "right"}
    left = ("run", "status", "data", "network", "headline")
    parents = any(run.get("parent") for run in rows)
    shown = table(
        dict.fromkeys(left, "left") | numbers | {"started": "left"} | ({"fork of": "left"} if parents else {})
    )
    for run in rows:
        seconds, score = run.get("seconds"), run.get("headline")
        row(
            shown,
            run["path"],
            text(run["status"], STATUS.get(run["status"], "")),
            *(run["data"], run["network"], headline(score) if score else ""),
            *(run["epochs"], "" if seconds is None else span(seconds), f"{run['bytes'] / 1e6:.1f}"),
            run["started"],
            *([run.get("parent", "")] if parents else []),
        )
    console.print(shown)
    for run in rows:
        if run.get("says"):
            console.print(Text.assemble(text(f"{run['path']}: "), text(run["says"], "yellow")))


def trained(console: Console, doc: Doc) -> None:
    """A training's result: of one run, or of several folds."""
    if "folds" in doc:
        folds(console, doc)
    else:
        show.training(console, doc)


def folds(console: Console, doc: Doc) -> None:
    """One line a fold, the common result with what each interval is of, and what to do next."""
    console.print()
    shown = table({"fold": "left", "headline": "left", "time": "right", "": "left"})
    for fold in doc["folds"]:
        note = "best on its validation pictures" if fold["best"] else ""
        row(shown, fold["run"], headline(fold["headline"]), span(fold["seconds"]), note)
    console.print(shown)
    console.print()
    over, score = doc["over_folds"], doc["headline"]
    if doc["pooled"]:
        console.print(text(headline(score), "bold green"))
        console.print(
            text(
                f"  over {doc['count']:,} pictures, each judged once by a network that never saw it; "
                "bootstrap 95 % interval over pictures",
                "dim",
            )
        )
    console.print(
        text(
            f"{score['name']} {figure(over['mean'])} +- {figure(over['sd'])}",
            "bold" if doc["pooled"] else "bold green",
        )
    )
    said = f"  mean and standard deviation over {len(doc['folds'])} folds"
    if over["sd"] > 0:
        said += f"; Student's 95 % interval of the mean [{figure(over['low'])}, {figure(over['high'])}]"
    console.print(text(said, "dim"))
    console.print(text(f"{span(doc['seconds'])} in all", "dim"))
    console.print()
    best = next((fold["run"] for fold in doc["folds"] if fold["best"]), doc["run"])
    console.print(Text.assemble("Next: ", text(f"foveal predict {show.quoted(best)} picture.jpg", "bold")))


def difference(console: Console, doc: Doc) -> None:
    """Which is better, then results, options, versions and pictures where they differ."""
    a, b = doc["a"], doc["b"]
    console.print(text(doc["says"], "bold"))
    console.print()
    shown = table({"": "left", a["name"]: "left", b["name"]: "left"})
    names = {"headline": "result", "status": "status", "epochs": "epochs done", "seconds": "time"}
    for key, what in {**names, "parent": "fork of"}.items():
        if a[key] or b[key]:
            row(shown, what, _result(a[key]), _result(b[key]))
    for part in ("options", "versions"):
        for line in doc[part]:
            row(
                shown,
                line["what"],
                _option(line["a"], line["reason_a"]),
                _option(line["b"], line["reason_b"]),
            )
    console.print(shown)
    if not doc["options"]:
        console.print(text("The same options."))
    if doc["data"] is not None:
        _data(console, doc["data"], a["name"], b["name"])


def _result(value: Any) -> str:
    if isinstance(value, Mapping):
        return headline(value)
    return span(value) if isinstance(value, float) else str("" if value is None else value)


def _option(value: Any, reason: str) -> Text:
    said = f"{value:.4g}" if isinstance(value, float) else "none" if value is None else str(value)
    if isinstance(value, bool):
        said = "yes" if value else "no"
    return Text.assemble(text(said, "bold"), text(f"  {reason}" if reason else "", "dim"))


def _data(console: Console, data: Doc, a: str, b: str) -> None:
    if data["same"]:
        console.print(text("The same pictures, labels and split."))
        return
    counts = ", ".join(f"{c['what']} {c['a']:,} and {c['b']:,}" for c in data["counts"])
    console.print(text(f"Other data ({counts}):"))
    kinds = {
        "only_a": f"only in {a}",
        "only_b": f"only in {b}",
        "other_picture": "with other content",
        "other_label": "with another label",
        "other_split": "in another split",
    }
    for key, what in kinds.items():
        if ids := data[key]:
            more = f" and {len(ids) - IDS_SHOWN:,} more" if len(ids) > IDS_SHOWN else ""
            console.print(text(f"  {len(ids):,} {what}: {', '.join(ids[:IDS_SHOWN])}{more}"))


def removal(console: Console, doc: Doc, brief: bool = False) -> None:
    """What went, or what would go, with sizes; `brief` where the list was shown already."""
    rows = doc["removed"] or doc["would_remove"]
    if not rows:
        console.print(text("Nothing was removed."))
        return
    shown = table({"path": "left", "size": "right", "what": "left"})
    for line in rows:
        row(shown, line["path"], megabytes(line["bytes"]), line["why"])
    if not brief:
        console.print(shown)
    said = "removed" if doc["removed"] else "would be removed"
    console.print(text(f"{megabytes(sum(line['bytes'] for line in rows))} {said}.", "bold"))


def report(console: Console, doc: Doc) -> None:
    """Where the page lies."""
    console.print(text(doc["report"]))


def megabytes(size: int) -> str:
    """A size for people: `0.3 MB`, `1.24 GB`."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
