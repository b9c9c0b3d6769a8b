"""How much a run learned, and whether a curve falls or rises by more than its noise: what several rules ask first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from ..case import Case

KNOWN = 0.03
"""Share of a guess's loss by which a loss must lie below it before it says that something was learned."""


@dataclass(frozen=True)
class Trend:
    """A straight line through a curve: its change from one point to the next with the 95 % interval, its value at the
    last point, and how far points lie from it (standard deviation)."""

    slope: float
    low: float
    high: float
    end: float
    spread: float
    count: int

    @property
    def falls(self) -> bool:
        return self.high < 0

    @property
    def rises(self) -> bool:
        return self.low > 0


def trend(values: Sequence[float]) -> Trend | None:
    """The least-squares line; None for fewer than four points or points that are not finite."""
    count = len(values)
    if count < 4 or not all(map(math.isfinite, values)):
        return None
    from scipy.special import stdtrit

    middle, mean = (count - 1) / 2, fmean(values)
    across = sum((n - middle) ** 2 for n in range(count))
    slope = sum((n - middle) * (v - mean) for n, v in enumerate(values)) / across
    rest = sum((v - mean - slope * (n - middle)) ** 2 for n, v in enumerate(values))
    spread = math.sqrt(rest / (count - 2))
    half = float(stdtrit(count - 2, 0.975)) * spread / math.sqrt(across)
    return Trend(slope, slope - half, slope + half, mean + slope * middle, spread, count)


def guess(case: Case) -> float | None:
    """The validation loss of a network that knows only how common the classes are, in nats: their entropy, or the mean
    of each label's own; or that knows the mean of the numbers. None where truths are none of these."""
    if (shares := _prevalence(case)) is not None:
        within = [p for p in shares if 0 < p < 1]
        return (
            sum(-p * math.log(p) - (1 - p) * math.log(1 - p) for p in within) / len(shares)
            if within
            else None
        )
    if (blind := _of_numbers(case)) is not None:
        return blind[0]
    if case.record.kind != "classes" or case.record.dataset is None:
        return None
    counts = case.record.dataset.counts()
    often = [n for n in (counts.get("val") or counts.get("train") or {}).values() if n]
    total = sum(often)
    return -sum(n / total * math.log(n / total) for n in often) if len(often) > 1 else None


def _prevalence(case: Case) -> list[float] | None:
    """Of several labels a picture, the share of the validation pictures that bears each."""
    if case.record.kind != "labels" or case.record.dataset is None:
        return None
    items = case.record.dataset.part("val")
    counts = case.record.dataset.counts().get("val") or {}
    return (
        [counts.get(label, 0) / len(items) for label in case.record.labels]
        if items and case.record.labels
        else None
    )


def _of_numbers(case: Case) -> tuple[float, float] | None:
    """Where truths are numbers: the validation loss, and the mean absolute error, of always saying training's mean."""
    task, dataset = case.record.task, case.record.dataset
    if case.record.kind != "numbers" or dataset is None or not task.get("scale") or not case.headlines:
        return None
    if case.headlines[0].name != "mae":
        return None
    truths = [float(item.truth) for item in dataset.part("val") if isinstance(item.truth, int | float)]
    off = [abs(truth - float(task["mean"])) for truth in truths]
    if not off or not any(off):
        return None
    far = [one / float(task["scale"]) for one in off]
    squares = task.get("loss") == "mse"
    each = [one * one if squares else one * one / 2 if one <= 1 else one - 0.5 for one in far]
    return fmean(each), fmean(off)


def commonest(case: Case) -> float | None:
    """Validation accuracy of always answering the commonest class, or the mean precision of a random ranking of several
    labels; None where the score is neither."""
    if (shares := _prevalence(case)) is not None:
        return fmean(shares) if case.headlines and case.headlines[0].name == "mAP" else None
    if case.record.kind != "classes" or case.record.dataset is None:
        return None
    counts = case.record.dataset.counts().get("val") or {}
    total = sum(counts.values())
    named = case.headlines and case.headlines[0].name == "accuracy"
    return max(counts.values()) / total if named and total else None


def left(case: Case) -> float | None:
    """What is left to be learned, 0..1 and above: the lowest validation loss as a share of a guess's. None where that
    is not known."""
    blind, lowest = guess(case), min(case.losses, default=math.inf)
    return lowest / blind if blind else None


def wrong(case: Case) -> float | None:
    """The best epoch's share of wrong answers, or its error, of a guess's: 0 all right, 1 no better than that."""
    if (blind := _of_numbers(case)) is not None:
        return min(score.value for score in case.headlines) / blind[1] if case.headlines else None
    base = commonest(case)
    if base is None or base >= 1:
        return None
    return (1 - max(score.value for score in case.headlines)) / (1 - base)


def stuck(case: Case) -> bool:
    """Whether nothing was learned: no epoch's score is surely above a guess's, and no loss clearly below it."""
    if case.record.status == "diverged" and not case.losses:
        return True
    base, loss = commonest(case), left(case)
    if (blind := _of_numbers(case)) is not None and loss is not None and case.headlines:
        return min(score.high for score in case.headlines) >= blind[1] and loss > 1 - KNOWN
    if base is not None and loss is not None:
        return max(score.low for score in case.headlines) <= base and loss > 1 - KNOWN
    return _never_fell(case)


def _never_fell(case: Case) -> bool:
    """Where a guess's loss is not known: training loss fell by next to nothing, and no score got surely better."""
    trained, scores = case.train_losses, case.headlines
    first = next((step.loss for step in case.record.steps), math.nan)
    if len(trained) < 3 or not math.isfinite(first) or first <= 0:
        return False
    sign = 1 if scores and scores[0].higher_is_better else -1
    lows = [(s.low if sign > 0 else -s.high) for s in scores]
    highs = [(s.high if sign > 0 else -s.low) for s in scores]
    return min(trained) > (1 - KNOWN) * first and bool(scores) and max(lows) <= highs[0]


def poor(case: Case, share: float = 0.3) -> bool:
    """Whether at least this share of what there is to be learned is missing, by loss and by answers alike."""
    loss, answers = left(case), wrong(case)
    if stuck(case):
        return True
    return loss is not None and answers is not None and loss > share and answers > share


def trained_share(case: Case) -> float | None:
    """The last training loss on a scale from 0 (all that smoothed labels allow) to 1 (a guess). None where training
    descends something else than the cross-entropy of whole classes."""
    blind, task = guess(case), case.record.task
    if (
        blind is None
        or task.get("loss") != "cross-entropy"
        or not case.train_losses
        or task.get("class_weights")
    ):
        return None
    if case.record.fit.get("mixup") or case.record.fit.get("cutmix"):
        return None
    smoothing, classes = float(task.get("label_smoothing") or 0.0), len(case.record.labels)
    own = 1 - smoothing + smoothing / classes
    floor = -own * math.log(own)
    if smoothing:
        rest = smoothing / classes
        floor -= (classes - 1) * rest * math.log(rest)
    return (case.train_losses[-1] - floor) / max(1e-9, blind - floor)


def half_width(case: Case) -> float:
    """Half of the usual width of a headline's interval."""
    return median((s.high - s.low) / 2 for s in case.headlines) if case.headlines else math.nan


def result(case: Case) -> str:
    """The best epoch's score in words, beside a guess's."""
    if not case.headlines:
        return "no epoch could be judged"
    scores = case.headlines
    best = max(scores, key=lambda s: s.value if s.higher_is_better else -s.value)
    base = commonest(case)
    if base is None:
        return f"the best {best.name} was {best.value:.4g}"
    if best.name != "accuracy":
        return (
            f"the best validation {best.name} was {best.value:.3f} [{best.low:.3f}, {best.high:.3f}], and guessing "
            f"gives {base:.3f}"
        )
    return (
        f"the best validation accuracy was {100 * best.value:.1f} % [{100 * best.low:.1f}, {100 * best.high:.1f}], "
        f"and always answering the commonest class gives {100 * base:.1f} %"
    )
