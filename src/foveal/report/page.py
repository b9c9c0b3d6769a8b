"""The page: everything gathered, drawn, and made to fit under a size cap."""

from __future__ import annotations

import base64
import functools
import gzip
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..charts import Strip, plotly, svg
from ..records.gathered import Gathered, gather
from ..records.run import Run
from ..storage import write_whole
from . import (
    advice,
    calibration,
    confusion,
    curves,
    diagnosed,
    glance,
    reasons,
    record,
    verdict,
    watched,
    words,
    world,
    worst,
)
from .thumbs import LEVELS, Album, Level

FILE = "report.html"
CAP = 8_000_000
"""Bytes that a page never passes."""
ROWS = 500
"""Classes that the table of classes shows, the worst first where there are more."""
JUMP = 1.2
"""Times the loss before, from which a rise between two stages is worth a word."""
_HERE = Path(__file__).parent / "templates"
_NOTEBOOK_HEIGHT = 760


@dataclass(frozen=True)
class Page:
    """A run's report on the disk; in a notebook it shows itself."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        html = gathered_html(gather(Run(self.path.parent)), script=False)
        return (
            f'<p><a href="{escape(str(self.path))}">{escape(str(self.path))}</a></p>'
            f'<iframe srcdoc="{escape(html)}" title="Report" sandbox="allow-popups" '
            f'style="width:100%;height:{_NOTEBOOK_HEIGHT}px;border:1px solid #8884;border-radius:6px"></iframe>'
        )


def show(run: Run) -> Page:
    """Write a run's report, and return it as something that shows itself."""
    return Page(write(run))


def write(run: Run) -> Path:
    """Write `report.html` into the run's folder, from what the folder holds; returns its path.

    Raises:
        RunError: the folder's events cannot be opened.
        DiskError: it cannot be written.
    """
    path = run.folder / FILE
    write_whole(path, gathered_html(gather(run)).encode("utf-8", "xmlcharrefreplace"))
    return path


def gathered_html(g: Gathered, *, script: bool = True, cap: int = CAP) -> str:
    """The page as text of at most `cap` bytes: the richest of the levels that fits."""
    album = Album(g.dataset, g.items)
    html = ""
    for level in LEVELS:
        html = _rendered(g, album, level, script and level.script)
        if len(html.encode("utf-8", "xmlcharrefreplace")) <= cap:
            return html
    raise AssertionError(f"a page without pictures has {len(html):,} characters")


def _rendered(g: Gathered, album: Album, level: Level, script: bool) -> str:
    given, chosen = record.decisions(g)
    lines = curves.charts(g)
    judged = g.evaluation
    ill = diagnosed.diagnosed(g, album, level)
    return environment().get_template("page.html").render(
        g=g, title=g.name, verdict=verdict.verdict(g), ill=ill, done=record.done(g),
        advice=advice.advice(g, ill.rules if ill else frozenset()),
        facts=record.facts(g), curves=lines, loss_note=_loss_note(g), range_test=calibration.range_test(g),
        stages=record.stages(g), range_says=record.rate_in_words(g), confusion=confusion.confusion(g, album, level),
        mistakes=confusion.mistakes(g, album, level), reasons=reasons.reasons(g, level),
        worst=worst.worst(g, level), by_kind=worst.mistakes_by_kind(g), against=calibration.against_truth(g),
        calibration=calibration.calibration(g), per_class=_table(g), judged=judged,
        far=calibration.none_of_these(g.trust), glance=glance.glance(g, album, level), sheet=glance.sheet(g, level),
        given=given, chosen=chosen, spent=record.time_spent(g),
        bottleneck=g.result.get("bottleneck"), again=record.again(g), use=record.use(g),
        world=world.published(g), inside=watched.watched(g),
        metrics=_metrics(g), css=Markup(text("style.css")), script=Markup(text("page.js")) if script else "",
        plotly=Markup(_plotly()) if script else "", bare=level.cell == 0,
    )  # fmt: skip


def _metrics(g: Gathered) -> list[tuple[str, str]]:
    judged = g.evaluation
    if judged is None:
        return []
    kinds = (*worst.MISTAKES, *(f"cost_{kind}" for kind in worst.MISTAKES)) if g.kind == "objects" else ()
    named = {name: value for name, value in judged.metrics.items() if name not in kinds}
    rows = sorted(named.items(), key=lambda row: (row[0] != judged.headline.name, row[0] == "loss"))
    return [(words.named(k), words.metric(k, v)) for k, v in rows]


@dataclass(frozen=True)
class Table:
    """The classes, a row each: names of the columns, rows of (label, values, bar's length or None)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...], float | None], ...]
    more: int
    measure: str


def _table(g: Gathered) -> Table | None:
    judged = g.evaluation
    if judged is None or not judged.per_class:
        return None
    never = {kind for kind in worst.MISTAKES if not any(row.get(kind) for row in judged.per_class)}
    names = sorted((name for name in judged.per_class[0] if name not in {"label", *never}), key=_place)
    measure = next((m for m in ("average_precision", "AP", "iou", "recall", "f1") if m in names), "")
    rows = list(judged.per_class)
    if measure:
        rows.sort(
            key=lambda row: (not row.get("count"), row.get(measure) if row.get(measure) is not None else 2.0)
        )
    made = tuple(
        (
            str(row.get("label")),
            tuple(_value(name, row.get(name)) for name in names),
            float(row[measure]) if measure and row.get("count") and row.get(measure) is not None else None,
        )
        for row in rows[:ROWS]
    )
    counted = {"objects": "objects", "masks": "pixels"}.get(g.kind, "pictures")
    columns = tuple({"count": counted, "mae": "mean error"}.get(n, words.named(n)) for n in names)
    return Table(columns, made, max(0, len(rows) - ROWS), words.named(measure) if measure else "")


def _place(name: str) -> tuple[int, str]:
    return (words.ORDER.index(name) if name in words.ORDER else len(words.ORDER)), name


def _value(name: str, value: Any) -> str:
    if name == "count" or isinstance(value, int):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if name in ("mae", "bias") and isinstance(value, float):
        return words.number(value)
    if name in ("threshold", "f1", "average_precision") and isinstance(value, float):
        return f"{value:.2f}"
    if name in words.SHARES and isinstance(value, float):
        return f"{value * 100:.1f}%"
    return words.metric(name, value)


def _loss_note(g: Gathered) -> str:
    """Why training's loss may lie above validation's."""
    why = []
    smoothing = g.train.get("label_smoothing")
    if isinstance(smoothing, int | float) and smoothing:
        why.append(f"label smoothing {smoothing:g}")
    if g.train.get("augment") not in (None, "none"):
        why.append("augmentation")
    if g.train.get("mixup") or g.train.get("cutmix"):
        why.append("mixing")
    thin = "The thin line is the loss of single steps." if len(g.steps) > 1 and g.epochs else ""
    thin = f"{_jump(g)} {thin}".strip()
    if not why:
        return thin
    listed = why[0] if len(why) == 1 else f"{', '.join(why[:-1])} and {why[-1]}"
    raised = "which raises it" if len(why) == 1 else "which raise it"
    return f"Training loss is measured under {listed}, {raised}; validation loss is not. {thin}".strip()


def _jump(g: Gathered) -> str:
    """Why training's loss jumps where a stage begins, if it does."""
    for before, after in zip(g.epochs, g.epochs[1:], strict=False):
        if before.stage == after.stage or not after.train_loss > JUMP * before.train_loss > 0:
            continue
        ended = next((stage for stage in g.stages if stage.get("name") == before.stage), {})
        was = "until then only the head learned"
        if ended.get("views") == 1:
            fitted = "solved for" if ended.get("solve") else "fitted to"
            was = f"until then the head was {fitted} the pictures as they are"
        varied = ", on varied pictures" if g.train.get("augment") not in (None, "none") else ""
        return (
            f"Training loss jumps after epoch {before.epoch}, where the stage changes: {was}; from there on all layers "
            f"change{varied}, which at first undoes some of what was learned."
        )
    return ""


@functools.cache
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "svg": lambda chart: Markup(svg(chart)),  # the chart escapes what it says
        "figure": plotly,
        "zooms": lambda chart: not isinstance(chart, Strip),
        "coded": _coded,
        "cut": lambda text, most=200: text if len(str(text)) <= most else f"{str(text)[:most]}…",
    }
    made.filters.update(filters)
    return made


def _coded(said: str) -> Markup:
    """A sentence whose pieces between backticks are code."""
    pieces = said.split("`")
    if len(pieces) % 2 == 0:
        return Markup(escape(said))
    return Markup(
        "".join(f"<code>{escape(piece)}</code>" if n % 2 else escape(piece) for n, piece in enumerate(pieces))
    )


def text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


@functools.cache
def _plotly() -> str:
    """Plotly's own script from its package, packed: 1.9 MB in place of 4.8. Browsers unpack it themselves."""
    script = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return base64.b64encode(gzip.compress(script, 6, mtime=0)).decode("ascii")
