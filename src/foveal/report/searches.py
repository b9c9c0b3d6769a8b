"""Grid, random and adaptive search as a page: which values each really tried, how soon it was good, and how good."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..charts import Curve, Lines
from ..charts.kinds import Tone
from ..charts.tried import tried_svg
from ..records.contest import Gain
from ..records.study import Study
from ..storage import write_whole
from ..tuners.compared import SEARCHES, Searches
from ..values import span
from . import words
from .page import FILE, environment, text
from .study import counts, squares

TONES: dict[str, Tone] = {"grid": "sand", "random": "accent", "adaptive": "plum"}
PAIRS = 3
"""Pairs of settings that are drawn side by side."""
POINTS = 200
"""Of a curve at most: more are not seen."""


def write(made: Searches) -> Path:
    """Write `report.html` into the comparison's folder; returns its path.

    Raises:
        OSError: it cannot be written.
    """
    place = made.folder / FILE
    write_whole(place, page(made).encode("utf-8", "xmlcharrefreplace"))
    return place


def page(made: Searches) -> str:
    """The comparison's page, a document of its own."""
    first = made.first
    metric = "" if first is None else first.metric
    return environment().get_template("searches.html").render(
        css=Markup(text("style.css")), title=made.folder.name, made=made, measure=words.named(metric),
        network="" if first is None else first.network, names=SEARCHES, beside=beside(made),
        tried=tried(made), course=course(made), rows=[_cells(row, made) for row in made.rows()],
        pairs=[_pair(one, made) for one in made.apart], level=made.told(made.level),
        default=default(made),
    )  # fmt: skip


def beside(made: Searches) -> list[tuple[str, list[tuple[str, Markup]]]]:
    """For pairs of settings: the first repeat of each search, drawn as in Bergstra & Bengio (2012), figure 1."""
    firsts = {search: made.studies[search][1] for search in SEARCHES if 1 in made.studies.get(search, {})}
    drawn = {search: {(t.x, t.y): t for t in squares(_on(made, study))} for search, study in firsts.items()}
    pairs = list(dict.fromkeys(pair for one in drawn.values() for pair in one))[:PAIRS]
    found = []
    for pair in pairs:
        row = []
        for search, one in drawn.items():
            if pair in one:
                row.append((_caption(search, firsts[search], pair), Markup(tried_svg(one[pair]))))
        found.append((f"{pair[0]} and {pair[1]}", row))
    return found


def _on(made: Searches, study: Study) -> Study:
    """The study on the ranges that all began with, so that the same place is the same value in all."""
    return dataclasses.replace(study, ranges=made.ranges)


def _caption(search: str, study: Study, pair: tuple[str, str]) -> str:
    many = {name: values for name, _, values, _ in counts(study)}
    values = " and ".join(f"{many[name]} of {name}" for name in pair)
    return f"{search}: {len(study.trials)} trials, {values}"


def tried(made: Searches) -> list[tuple[str, str, list[str]]]:
    """For each setting: its name, its range in words, and of each search how many different values it tried, the mean
    over repeats."""
    tables = {
        search: [counts(_on(made, s)) for s in made.studies.get(search, {}).values()] for search in SEARCHES
    }
    return [
        (one.name, one.says, [_mean([table[place][2] for table in tables[search]]) for search in SEARCHES])
        for place, one in enumerate(made.ranges)
    ]


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.1f}".removesuffix(".0") if values else ""


def course(made: Searches) -> Lines | None:
    """The best so far by epochs spent, the mean over repeats, with a band from the worst repeat to the best."""
    if made.first is None:
        return None
    curves = [c for search in SEARCHES if (c := _curve(search, made.of_whole[search], made)) is not None]
    if not curves:
        return None
    metric = made.first.metric
    return Lines(
        "Best so far", "epochs spent by all trials", words.named(metric), tuple(curves),
        percent=metric in words.SHARES,
    )  # fmt: skip


def _curve(search: str, studies: Sequence[Study], made: Searches) -> Curve | None:
    courses = [study.so_far() for study in studies]
    if not courses or not all(courses):
        return None
    # until then the default is in training, in all of them alike
    start = max(*(one[0][0] for one in courses), *(study.epochs for study in studies))
    end = max(made.epochs_total, *(study.epochs_done for study in studies))
    turns = sorted({at for one in courses for at, _ in one if at > start} | {start, end})
    turns = turns if len(turns) <= POINTS else [*turns[:: math.ceil(len(turns) / POINTS)], end]
    xs, rows = list[float](), list[list[float]]()
    for at in turns:
        if rows:  # it goes up in steps
            xs.append(float(at))
            rows.append(rows[-1])
        xs.append(float(at))
        rows.append([[value for spent, value in one if spent <= at][-1] for one in courses])
    spread = len(studies) > 1
    return Curve(
        search, tuple(xs), tuple(sum(row) / len(row) for row in rows), tone=TONES[search],
        dashed=search == "grid",
        low=tuple(min(row) for row in rows) if spread else (),
        high=tuple(max(row) for row in rows) if spread else (),
    )  # fmt: skip


def default(made: Searches) -> str:
    """What the default recipe alone comes to on validation, which is every study's first trial."""
    values = [s.default.value for s in made.of_whole["random"] if s.default is not None]
    return made.with_interval([value for value in values if value is not None])


def _cells(row: dict[str, Any], made: Searches) -> list[str]:
    """Search, repeats, trials, stopped early, epochs, time, on validation, on test, epochs to the level."""
    return [
        row["search"], str(row["repeats"]), _mean([row["trials"]]), _mean([row["stopped"]]), f"{row['epochs']:.0f}",
        span(row["seconds"]), made.with_interval(row["validation"]), made.with_interval(row["test"]),
        row["soon"].rpartition(" repeat")[0],  # the column is narrow
    ]  # fmt: skip


def _pair(one: Gain[str], made: Searches) -> list[str]:
    metric = "" if made.first is None else made.first.metric
    points = metric in words.SHARES
    share, digits = (100.0, 1) if points else (1.0, 3)
    value, low, high = (f"{share * n:+.{digits}f}" for n in (one.mean, one.low, one.high))
    sure = "yes" if one.sure else "no"
    return [
        f"{one.one} against {one.other}", f"{value} [{low}, {high}]{' points' if points else ''}",
        f"{one.p_of_all:.2g}", sure,
    ]  # fmt: skip
