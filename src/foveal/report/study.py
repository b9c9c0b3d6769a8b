"""A study as a page: the best beside the default, how the search went, and which values it really tried."""

from __future__ import annotations

import itertools
import math
import shlex
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..charts import Curve, Lines
from ..charts.contour import contour_svg
from ..charts.kinds import Tone
from ..charts.leanings import leanings_svg
from ..charts.parallel import parallel_svg
from ..charts.slices import slice_svg
from ..charts.tried import Spot, Tried, distinct, tried_svg
from ..doctor import kept
from ..records.run import Run
from ..records.study import Study
from ..records.trials import Trial, plainly, ranked
from ..values import span
from . import settings, words
from .contours import mapped
from .flipped import flipped
from .leaning import leanings
from .page import FILE, environment, text
from .seeds import of
from .weights import weights

SQUARES = 6
"""Pairs of settings that are drawn: those of the first four ranges."""
STATES = {"paused": "stopped early", "interrupted": "saved, not at its end"}


def write(study: Study) -> Path:
    """Write `report.html` into the study's folder; returns its path.

    Raises:
        OSError: it cannot be written.
    """
    place = study.folder / FILE
    place.write_text(page(study), encoding="utf-8")
    return place


def page(study: Study) -> str:
    """The study's page, a document of its own."""
    seen = settings.shown(study, lambda trial: _says(trial, study))
    beside, leaning, weighed = settings.parallel(seen), leanings(study), weights(study)
    map_ = None if weighed is None else mapped(seen, [row.name for row in weighed.rows])
    return environment().get_template("study.html").render(
        css=Markup(text("style.css")), title=study.folder.name, study=study, measure=words.named(study.metric),
        lead=list(lead(study)), history=history(study), courses=courses(study),
        counts=counts(study), squares=[(f"{t.x} and {t.y}", Markup(tried_svg(t))) for t in squares(study)],
        names=[one.name for one in study.ranges], rows=[_cells(trial, study) for trial in _order(study)],
        command=study.command, flipped=flipped(study),
        beside=None if beside is None else Markup(parallel_svg(beside)),
        leaning=leaning,
        leans=Markup(leanings_svg("Which way values lean", leaning.rows, ("smaller is better", "larger is better")))
        if leaning is not None and leaning.rows else None,
        weighed=weighed,
        weighs=Markup(leanings_svg("How much each matters", weighed.rows, ("tells nothing", "tells all"), shares=True))
        if weighed is not None and weighed.rows else None,
        map=map_, contour=None if map_ is None or map_.chart is None else Markup(contour_svg(map_.chart)),
        slices=[(one.title, Markup(slice_svg(one))) for one in settings.slices(seen)],
        took=span(study.seconds), verdict=of(study),
    )  # fmt: skip


def lead(study: Study) -> list[str]:
    """The verdict; where there is none, what can be said of the best beside the default, and what cannot."""
    best, default, verdict = study.best, study.default, study.verdict
    if best is None or best.score is None:
        return ["No trial has a result yet."]
    if verdict is not None and verdict.chosen is not None:
        return [verdict.says]
    said = [] if verdict is None else [verdict.says]
    said.append(f"Best: trial {best.number} ({best.described()}), {_score(best)} on validation.")
    if default is None or best.number == default.number:
        return [*said, "It has the default recipe: nothing that was tried was better. Keep your default."]
    if default.score is not None:
        said.append(f"The default recipe came to {_score(default)}.")
    judged = sum(trial.value is not None for trial in study.trials)
    said.append(
        f"The best of {judged} on the pictures by which it was chosen looks better than it is, and each was trained "
        "with one seed. Before you leave the default, train both with other seeds."
    )
    return said


def history(study: Study) -> Lines | None:
    """The best value against the epochs that all trials spent."""
    course = study.so_far()
    if not course:
        return None
    xs, ys = [float(course[0][0])], [course[0][1]]
    for spent, value in [*course[1:], (study.epochs_done, course[-1][1])]:
        xs += [float(spent), float(spent)]
        ys += [ys[-1], value]
    named = words.named(study.metric)
    return Lines(
        "Best so far", "epochs spent by all trials", named, (Curve("best so far", tuple(xs), tuple(ys)),),
        percent=study.metric in words.SHARES,
    )  # fmt: skip


def courses(study: Study) -> Lines | None:
    """The learning curves of all trials; those that were stopped end where they were."""
    curves = []
    for trial in reversed(ranked(study.trials, study.higher_is_better)):
        if trial.curve:
            tone = _tone(trial, study)
            name = _name(trial, study) if tone != "muted" else ""  # a legend of two
            xs = tuple(float(epoch) for epoch, _ in trial.curve)
            curves.append(
                Curve(
                    name, xs, tuple(value for _, value in trial.curve), tone=tone,
                    dots=len(xs) == 1, faint=tone == "muted",
                    says=tuple(f"trial {trial.number}, epoch {epoch}" for epoch, _ in trial.curve),
                )
            )  # fmt: skip
    if not curves:
        return None
    named = words.named(study.metric)
    return Lines("Every trial", "epoch", named, tuple(curves), percent=study.metric in words.SHARES)


def squares(study: Study) -> list[Tried]:
    """For pairs of settings, the places of the trials on their ranges."""
    made = []
    for x, y in itertools.islice(itertools.combinations(study.ranges[:4], 2), SQUARES):
        spots = tuple(
            Spot(
                x.share(t.options[x.name]), y.share(t.options[y.name]), _says(t, study), _tone(t, study, "accent"),
                t.state == "finished",
            )
            for t in study.trials
            if x.takes(t.options.get(x.name)) and y.takes(t.options.get(y.name))
        )  # fmt: skip
        if spots:
            ends = [(plainly(one.value(0.0)), plainly(one.value(1.0))) for one in (x, y)]
            made.append(Tried(f"{x.name} and {y.name}", x.name, y.name, ends[0], ends[1], spots))
    return made


def counts(study: Study) -> list[tuple[str, str, int, int]]:
    """For each setting: its name, its range in words, how many values were tried, and in how many trials."""
    rows = []
    for one in study.ranges:
        values = [t.options[one.name] for t in study.trials if one.takes(t.options.get(one.name))]
        rows.append((one.name, one.says, distinct([one.share(value) for value in values]), len(values)))
    return rows


def _order(study: Study) -> list[Trial]:
    return ranked(study.trials, study.higher_is_better)


def _tone(trial: Trial, study: Study, other: Tone = "muted") -> Tone:
    best = study.best
    if best is not None and trial.number == best.number:
        return "good"
    return "warm" if trial.number == 0 else other


def _name(trial: Trial, study: Study) -> str:
    best = study.best
    said = [f"trial {trial.number}"]
    said += ["best"] if best is not None and trial.number == best.number else []
    return ", ".join([*said, "default"] if trial.number == 0 else said)


def _says(trial: Trial, study: Study) -> str:
    value = "no result" if trial.value is None else words.metric(study.metric, trial.value)
    return f"{_name(trial, study)}: {trial.described()}; {value}, {STATES.get(trial.state, trial.state)}"


def _score(trial: Trial) -> str:
    score = trial.score
    assert score is not None, "a trial with a result"
    between = " to ".join(words.metric(score.name, value) for value in (score.low, score.high))
    return f"{words.metric(score.name, score.value)} {words.named(score.name)} [{between}]"


def _cells(trial: Trial, study: Study) -> dict[str, Any]:
    known = trial.value is not None and math.isfinite(trial.value)
    return {
        "name": _name(trial, study),
        "options": [plainly(v) if (v := trial.options.get(r.name)) is not None else "" for r in study.ranges],
        "value": words.metric(study.metric, trial.value) if known else "",
        "epochs": f"{trial.epochs} of {trial.planned}" if trial.planned else str(trial.epochs),
        "took": span(trial.seconds),
        "state": STATES.get(trial.state, trial.state),
        "why": " ".join([trial.says, *_diagnosed(trial)]),
        "origin": trial.origin,
    }


def _diagnosed(trial: Trial) -> list[str]:
    """What the doctor finds in the record of a trial that diverged, and how to see more; kept in its folder."""
    if trial.state != "diverged":
        return []
    how = shlex.join(["foveal", "diagnose", str(trial.run)])
    try:
        found = kept.glance(Run(trial.run)).findings
    except Exception as error:  # the page goes without
        return [f"The doctor could not look at it ({type(error).__name__}: {error}); try: {how}"]
    if not found:
        return [f"The doctor finds no cause in its record; more tests: {how}"]
    return [f"The doctor: {found[0].says} {found[0].cure.says} Evidence: {how}"]
