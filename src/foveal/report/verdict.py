"""How good, and where it fails, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ..intervals import wilson
from ..records.gathered import Gathered
from ..values import Evaluation, Score
from .words import interval, metric, named, number, percent, pictures, split_name

_STATES = {
    "running": "The run is still going on",
    "interrupted": "The run was interrupted before its end",
    "diverged": "Training diverged: the loss was no number any more",
    "died": "The run ended without a word, as when its process is killed",
    "created": "The run has not begun to train",
}


@dataclass(frozen=True)
class Verdict:
    """The number in large, sentences under it, and the ruler's places in 0..1 where it is a share."""

    figure: str
    unit: str
    says: Markup
    fails: Markup
    baseline: str
    state: str = ""
    ruler: tuple[float, float, float] | None = None
    chance: float | None = None


def verdict(g: Gathered) -> Verdict:
    """What the run came to."""
    score, judged = g.score, g.evaluation
    state = "" if g.status == "finished" else _STATES.get(g.status, f"The run is {g.status}") + "."
    if score is None:
        nothing = Markup("No epoch has been judged yet, so there is nothing to say about its quality.")
        return Verdict("–", "no result", nothing, Markup(""), "", state or "There is no result.")
    share = score.higher_is_better and score.low >= 0 and score.high <= 1
    ruler = (score.value, score.low, score.high) if share else None
    if g.result and judged is not None:
        says, fails = _says(g, score, judged), _fails(g, judged)
        base, chance = _baseline(g, judged)
        if g.status != "finished":
            state = state or "The run has ended."
    else:
        at = f" (epoch {g.best.epoch})" if g.best else ""
        says = Markup(
            "So far the best {} is <b>{}</b>, on the validation pictures{}; 95% interval {}. "
            "The test pictures have not been looked at."
        ).format(named(score.name), metric(score.name, score.value), at, interval(score))
        if g.result:
            says = Markup("The {} is <b>{}</b>, 95% interval {}.").format(
                named(score.name), metric(score.name, score.value), interval(score)
            )
        fails, base, chance = Markup(""), "", None
    unit = f"{named(score.name)} on {split_name(score.split)} pictures".replace("  ", " ")
    return Verdict(metric(score.name, score.value), unit, says, fails, base, state, ruler, chance)


def _says(g: Gathered, score: Score, judged: Evaluation) -> Markup:
    where = pictures(judged.count, split_name(score.split))
    steered = ""
    if score.split == "val":
        steered = " Training was steered by these pictures, so expect a little less on others."
    if score.name == "accuracy":
        return Markup("<b>{}</b> of {} {} recognised; 95% interval {}.{}").format(
            percent(score.value), where, "is" if judged.count == 1 else "are", interval(score), steered
        )
    if g.kind == "numbers" and score.name == "mae":
        return Markup("Predictions{} are off by <b>{}</b> on average, over {}; 95% interval {}.{}").format(
            f" of {judged.quantity}" if judged.quantity else "", number(score.value), where,
            f"{number(score.low)} to {number(score.high)}", steered,
        )  # fmt: skip
    return Markup("The {} is <b>{}</b> on {}; 95% interval {}.{}").format(
        named(score.name), metric(score.name, score.value), where, interval(score), steered
    )


def _baseline(g: Gathered, judged: Evaluation) -> tuple[str, float | None]:
    """What could be had without looking at the pictures, in words and as a place on the ruler."""
    if g.kind == "numbers":
        told = g.task.get("baseline")
        if isinstance(told, int | float) and told > 0:
            return f"Always saying the training pictures' median would be off by {number(told)}.", None
        return "", None
    plain = judged.metrics.get("bicubic_PSNR")
    if plain is not None:
        return f"Bicubic interpolation alone has {plain:.2f} dB.", None
    if g.kind == "classes" and judged.headline.name == "accuracy" and judged.count:
        counts = [row.get("count") or 0 for row in judged.per_class]
        if counts:
            most = max(counts)
            label = judged.per_class[counts.index(most)].get("label")
            alike = counts.count(most)
            which = "the commonest class" if alike == 1 else f"one of the {alike} commonest classes"
            share = most / judged.count
            return f"Always answering “{label}”, {which}, would score {percent(share)}.", share
    return "", None


@dataclass(frozen=True)
class Worst:
    """The class that suffers most, and with what it is confused."""

    label: str
    value: float
    measure: str
    count: int
    hits: int = 0
    mistaken: tuple[tuple[str, int], ...] = ()
    """What its other pictures are taken for and how many, most first."""
    surely: bool = True
    """Whether its share lies below the overall one beyond chance."""


def worst(judged: Evaluation, least: int = 5) -> Worst | None:
    """The class of lowest recall (or average precision); one of fewer than `least` pictures only where all are."""
    rows = [row for row in judged.per_class if row.get("count")]
    measure = next(
        (
            m
            for m in ("average_precision", "AP", "iou", "recall", "f1")
            if any(r.get(m) is not None for r in rows)
        ),
        "",
    )
    rows = [row for row in rows if row.get(measure) is not None]
    rows = [row for row in rows if row["count"] >= least] or rows
    if not measure or len(rows) < 2:
        return None
    row = min(rows, key=lambda row: (row[measure], -row["count"]))
    count, value = int(row["count"]), float(row[measure])
    found = Worst(str(row["label"]), value, measure, count)
    place = next((n for n, r in enumerate(judged.per_class) if r is row), None)
    if not judged.confusion or place is None or place >= len(judged.confusion):
        return found
    confusion = judged.confusion[place]
    others = [(str(judged.per_class[c]["label"]), n) for c, n in enumerate(confusion) if c != place and n]
    high = wilson(value, count)[1]
    return Worst(
        found.label, value, measure, count, confusion[place], tuple(sorted(others, key=lambda other: -other[1])),
        high < judged.headline.value,
    )  # fmt: skip


def _fails(g: Gathered, judged: Evaluation) -> Markup:
    if g.kind == "numbers":
        return _fails_numbers(judged.per_class)
    found = worst(judged)
    if found is None:
        return Markup("")
    if judged.confusion:
        missed = found.count - found.hits
        if not missed:
            return Markup("No picture of any class was mistaken.")
        hedge = "" if found.surely else " With so few mistakes this may be chance."
        return Markup(
            "The class that suffers most is <b>{}</b>: {} of its {} are recognised ({}); {}.{}"
        ).format(
            found.label, found.hits or "none", pictures(found.count), percent(found.value, found.count),
            _taken_for(found), hedge,
        )  # fmt: skip
    over = f"over {pictures(found.count)} that have it"
    if g.dense:
        over = f"over {found.count:,} {'pixels' if g.kind == 'masks' else 'objects'}"
    return Markup("The {} that suffers most is <b>{}</b>: {} {}, {}.").format(
        "class" if g.dense else "label",
        found.label,
        named(found.measure),
        metric(found.measure, found.value),
        over,
    )


NAMED = 3
"""Classes at most that are all named, where one is taken for others."""


def _taken_for(found: Worst) -> Markup:
    """What a class's mistaken pictures are taken for, all of it where that is short."""
    missed = found.count - found.hits
    if len(found.mistaken) == 1:
        who = {1: "the other one is", 2: "both others are"}.get(missed, f"all {missed} others are")
        return Markup("{} taken for <b>{}</b>").format(
            who if found.hits else f"{missed} {_are(missed)}", found.mistaken[0][0]
        )
    told = found.mistaken if len(found.mistaken) <= NAMED else found.mistaken[: NAMED - 1]
    (name, most), *others = told
    parts = [Markup("{} {} taken for <b>{}</b>").format(most, _are(most), name)]
    parts += [Markup("{} for <b>{}</b>").format(count, label) for label, count in others]
    rest = len(found.mistaken) - len(told)
    if rest:
        parts.append(Markup("the others for {} more classes").format(rest))
    of = f"of the other {missed}, " if found.hits else ""
    return Markup(of) + Markup(", ").join(parts[:-1]) + Markup(" and ") + parts[-1]


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _fails_numbers(rows: list[Mapping[str, Any]] | list[dict[str, Any]]) -> Markup:
    rows = [row for row in rows if isinstance(row.get("mae"), int | float)]
    if len(rows) < 2:
        return Markup("")
    row = max(rows, key=lambda row: float(row["mae"]))
    bias = float(row.get("bias") or 0)
    lean = ""
    if abs(bias) > 0.4 * float(row["mae"]):
        often = "nearly always" if abs(bias) > 0.9 * float(row["mae"]) else "mostly"
        lean = f", {often} too {'high' if bias > 0 else 'low'}"
    return Markup("Pictures whose true number is <b>{}</b> suffer most: off by {} on average{}.").format(
        row.get("label"), number(float(row["mae"])), lean
    )
