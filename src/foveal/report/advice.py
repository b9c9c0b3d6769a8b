"""What to try next: a few rules, each with the numbers of this run that speak for it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from ..intervals import wilson
from ..records.gathered import Gathered
from ..values import Evaluation
from .record import told, value_at
from .verdict import worst
from .words import number, percent, pictures

MOST = 6


@dataclass(frozen=True)
class Advice:
    """One thing to try, why, and how: a command, or the part of the page that shows it."""

    title: str
    why: str
    command: str = ""
    look: str = ""


def advice(g: Gathered, told: frozenset[str] = frozenset()) -> list[Advice]:
    """What this run's own numbers suggest, most fundamental first; empty while nothing is known. What follows from an
    illness that the doctor has `told` of is left to that."""
    if not g.epochs and g.status != "diverged":
        return []
    found = [one for rule in RULES if not told & LEFT_TO.get(rule, frozenset()) for one in rule(g)]
    if not found and not told and g.evaluation is not None and g.result:
        found = [
            Advice(
                "Nothing in this run asks to be mended",
                "Training settled, the classes fare alike and no label looks wrong. More is to be had from more "
                "pictures, or from a larger network, judged against this run.",
            )
        ]
    return found[:MOST]


def fork(g: Gathered, changes: str) -> str:
    """The command that does this run again with options changed."""
    return f"foveal runs fork {shlex.quote(str(g.folder))} {changes}"


def data_of(g: Gathered) -> str:
    """The data as it is named on the command line; nothing for the built-in digits."""
    if g.dataset is not None and g.dataset.reader != "builtin":
        return shlex.quote(g.dataset.root)
    name = str(g.options.get("data") or "")
    return "" if name == "digits" else shlex.quote(name)


def mistakes(judged: Evaluation) -> list[dict[str, Any]]:
    """Examples of one class that were taken for another."""
    return [row for row in judged.examples if row.get("predicted") != row.get("truth")]


def _rate(g: Gathered) -> float | None:
    told = g.train.get("lr")
    return float(told) if isinstance(told, int | float) and told > 0 else None


def _stopped(g: Gathered) -> Iterator[Advice]:
    if g.status in ("interrupted", "died"):
        yield Advice(
            "Go on where it stopped",
            "All that was learned up to the last save is in the run's folder.",
            f"foveal train --resume {shlex.quote(str(g.folder))}",
        )


def _no_better_than_the_median(g: Gathered) -> Iterator[Advice]:
    judged, base = g.evaluation, g.task.get("baseline")
    if judged is None or g.kind != "numbers" or not isinstance(base, int | float):
        return
    if judged.headline.name == "mae" and judged.headline.high >= base > 0:
        yield Advice(
            "Check the numbers and the learning rate first",
            f"The interval reaches up to {number(judged.headline.high)}, and always saying the training pictures' "
            f"median would be off by {number(base)}: it is not sure that anything was learned.",
            fork(g, "--find-lr"),
        )


def _chance(g: Gathered) -> Iterator[Advice]:
    judged = g.evaluation
    if judged is None or g.kind != "classes" or judged.headline.name != "accuracy" or not judged.count:
        return
    common = max((row.get("count") or 0 for row in judged.per_class), default=0) / judged.count
    if judged.headline.low <= common:
        yield Advice(
            "Check the labels and the learning rate first",
            f"The interval reaches down to {percent(judged.headline.low)}, and always answering the commonest class "
            f"would score {percent(common)}: it is not sure that anything was learned.",
            fork(g, "--find-lr"),
        )


def _duplicates(g: Gathered) -> Iterator[Advice]:
    for issue in g.dataset.issues if g.dataset else ():
        count = len(issue.paths)
        if issue.kind == "duplicate-labels":
            yield Advice(
                "Settle the pictures that stand under two labels",
                f"{pictures(count)} are byte for byte the same as one under another label, so some labels are wrong: "
                "they cost training, and any score on them is a coin's toss.",
                look="issues",
            )
        if issue.kind == "duplicate-splits":
            yield Advice(
                "Take the copies out of the test split",
                f"{pictures(count)} stand in two splits, byte for byte the same: the score on them is too good.",
                look="issues",
            )


def _sure_and_wrong(g: Gathered) -> Iterator[Advice]:
    """Mistakes that the network is as sure of as of half of its right answers."""
    judged = g.evaluation
    if judged is None or g.kind != "classes":
        return
    right = [
        float(r.get("probability") or 0) for r in judged.examples if r.get("predicted") == r.get("truth")
    ]
    if len(right) < 20:
        return
    bar = max(0.7, median(right))
    sure = [row for row in mistakes(judged) if float(row.get("probability") or 0) >= bar]
    if sure:
        these = "this mistake" if len(sure) == 1 else f"these {len(sure)} mistakes"
        yield Advice(
            "Look at the surest mistakes, and at their labels",
            f"The network is at least {percent(bar)} sure of {these}, as sure as of half of its right answers. "
            "Such pictures are often mislabelled, or show something of both classes.",
            look="mistakes",
        )


def _fine_tuning_lost(g: Gathered) -> Iterator[Advice]:
    """The head alone, on a frozen backbone, was better than all that came after it."""
    frozen = g.frozen_stages
    if g.best is None or g.best.stage not in frozen or g.epochs[-1].stage in frozen or g.status != "finished":
        return
    was, now = value_at(g, g.epochs.index(g.best)), value_at(g, len(g.epochs) - 1)
    if was is None or now is None:
        return
    lr, after = _rate(g), len([e for e in g.epochs if e.stage not in frozen])
    yield Advice(
        "Give fine-tuning more epochs, or a smaller rate",
        f"The head alone on the frozen backbone reached {told(g, was)} in validation; {after} "
        f"epoch{'' if after == 1 else 's'} of training all layers ended at {told(g, now)}, so the earlier model was "
        "kept. Fine-tuning first loses a little, then gains, if it has the time.",
        fork(g, f"--epochs {max(10, 3 * len(g.epochs))}" if after < 8 else f"--lr {(lr or 0.001) / 3:.2g}"),
    )


def _still_improving(g: Gathered) -> Iterator[Advice]:
    """The last fifth of the epochs still gained, and the best was the very last."""
    count = len(g.epochs)
    if count < 3 or g.best is not g.epochs[-1] or g.score is None or g.status != "finished":
        return
    if g.stopped is not None and g.stopped.why == "early":
        return
    back = max(1, count // 5)
    before = [v for v in (value_at(g, n) for n in range(count - back)) if v is not None]
    now = value_at(g, count - 1)
    if not before or now is None:
        return
    better = 1 if g.score.higher_is_better else -1
    gain = better * (now - max(before, key=lambda v: v * better))
    half = (g.score.high - g.score.low) / 2
    if gain <= half / 4 or (g.score.name == "accuracy" and gain < 0.004):
        return
    minutes = g.train.get("minutes")
    changes = f"--minutes {2 * float(minutes):g}" if minutes else f"--epochs {2 * count}"
    yield Advice(
        "Train longer",
        f"The last epoch was the best, and the last {back if back > 1 else 'one'} of {count} still gained "
        f"{f'{gain * 100:.1f} points' if g.score.name == 'accuracy' else number(gain)} in validation.",
        fork(g, changes),
    )


def _weak_class(g: Gathered) -> Iterator[Advice]:
    judged = g.evaluation
    found = worst(judged) if judged is not None and judged.confusion else None
    if found is None or judged is None or not found.surely or found.value > judged.headline.value - 0.08:
        return
    counts = g.dataset.counts().get("train", {}) if g.dataset else {}
    own, usual = counts.get(found.label, 0), median(counts.values()) if counts else 0
    rare = own and own < 0.6 * usual
    why = (
        f"{percent(found.value, found.count)} of its {pictures(found.count)} are recognised, against "
        f"{percent(judged.headline.value)} of all."
    )
    if rare:
        why += f" It has {own:,} training pictures, where half of the classes have {usual:,.0f} or more."
    elif own:
        why += f" It has {own:,} training pictures, about as many as others: "
        why += "it is the harder class, or less cleanly labelled."
    balanced = rare and g.train.get("balance") in (None, "none")
    yield Advice(
        f"Look at “{found.label}”, and collect more of it",
        why, fork(g, "--balance sampling") if balanced else "", "confusion",
    )  # fmt: skip


def _confused_pair(g: Gathered) -> Iterator[Advice]:
    judged = g.evaluation
    if judged is None or len(judged.confusion) < 3:
        return
    m = judged.confusion
    names = [str(row["label"]) for row in judged.per_class]
    wrong = sum(sum(row) for row in m) - sum(m[n][n] for n in range(len(m)))
    pairs = [(m[a][b] + m[b][a], a, b) for a in range(len(m)) for b in range(a)]
    most, a, b = max(pairs, default=(0, 0, 0))
    if most < 5 or most < 0.15 * wrong or most < 1.5 * wrong / len(pairs):
        return
    facts, size = g.facts, g.size
    more = ""
    command = ""
    if facts is not None and size is not None:
        side = min(facts.width, facts.height)
        if side > 1.25 * size:
            to = min(2 * size, side // 32 * 32 if side >= 64 else side)
            more = f" The network sees {size} pixels a side, the pictures have about {side}: finer detail may help."
            command = fork(g, f"--size {to}")
        else:
            more = f" The pictures have about {side} pixels a side: can you tell the two apart at that size?"
    yield Advice(
        f"Find out what tells “{names[b]}” from “{names[a]}”",
        f"{most} of the {wrong} mistakes are between these two.{more}", command, "confusion",
    )  # fmt: skip


def _rate_found(g: Gathered) -> Iterator[Advice]:
    found, lr = g.find_lr.get("suggestion"), _rate(g)
    if isinstance(found, int | float) and found > 0 and lr and not 1 / 3 <= lr / found <= 3:
        yield Advice(
            "Try the rate that the range test suggests",
            f"It suggests {found:.2g}; the run was trained with {lr:.2g}.",
            fork(g, f"--lr {found:.2g}"), "range",
        )  # fmt: skip


def _few_judged(g: Gathered) -> Iterator[Advice]:
    judged = g.evaluation
    if judged is not None and judged.headline.name != "accuracy" and 0 < judged.count < 100:
        yield Advice(
            "Judge on more pictures before believing small differences",
            f"There were only {pictures(judged.count)}, so the interval is wide.",
            f"foveal train {data_of(g)} --folds 5".replace("  ", " "),
        )
    if judged is None or judged.headline.name != "accuracy" or not judged.count:
        return
    low, high = wilson(judged.headline.value, judged.count)
    half = (high - low) / 2
    if half > 0.025:
        wanted = judged.count * (half / 0.02) ** 2
        wanted = math.ceil(wanted / 100) * 100
        yield Advice(
            "Judge on more pictures before believing small differences",
            f"With {pictures(judged.count)} the interval reaches from {percent(judged.headline.low)} to "
            f"{percent(judged.headline.high)}; one of 4 points would take about {wanted:,}. Without new pictures, "
            "folds judge on every one there is.",
            f"foveal train {data_of(g)} --folds 5".replace("  ", " "),
        )


def _uncalibrated(g: Gathered) -> Iterator[Advice]:
    judged = g.evaluation
    error = judged.metrics.get("calibration_error") if judged is not None else None
    if error is not None and error > 0.05 and judged is not None and judged.count >= 200:
        yield Advice(
            "Do not take the probabilities at their word yet",
            f"They are {error * 100:.1f} points away from how often the network is right, on average.",
            look="calibration",
        )


RULES: tuple[Callable[[Gathered], Iterator[Advice]], ...] = (
    _stopped, _chance, _no_better_than_the_median, _duplicates, _fine_tuning_lost, _still_improving,
    _weak_class, _confused_pair, _sure_and_wrong, _rate_found, _few_judged, _uncalibrated,
)  # fmt: skip
LEFT_TO: Mapping[Callable[[Gathered], Iterator[Advice]], frozenset[str]] = {
    _chance: frozenset({"loss_stuck", "not_finite", "labels_shuffled"}),
    _duplicates: frozenset({"leak"}),
    _still_improving: frozenset({"stopped_too_early", "rate_too_low", "underfitting"}),
    _weak_class: frozenset({"imbalance", "labels_swapped"}),
    _confused_pair: frozenset({"labels_swapped"}),
    _sure_and_wrong: frozenset({"labels_noisy", "labels_swapped", "labels_shuffled"}),
    _rate_found: frozenset({"rate_too_high", "rate_too_low"}),
}
"""Illnesses that say more than a piece of advice does."""
