"""What a cure was seen to do: both sides of each seed, the difference with its interval, and that in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from ..finding import Cure
from ..intervals import student

Verdict = Literal["helps", "harms", "no help", "unclear", "not tried"]
POINTS = frozenset({
    "accuracy", "exact match", "exact_match", "macro_f1", "micro_f1", "mAP", "AP", "mIoU", "mean_iou", "dice",
})  # fmt: skip
"""Metrics from 0 to 1 whose differences are told in points, hundredths."""
WORTH = 0.02
"""A gain below two points, or below this share of the value where it is no share, is not worth a cure."""
FEWEST = 3
"""Seeds a side from which an interval is told."""
NOUGHT = 1e-9
"""Smaller differences come of reckoning in floating point."""
HONEST = frozenset({"leak", "suspiciously_good", "shortcut"})
"""Illnesses that flatter the score: their cure is to bring it down to what is true."""


@dataclass(frozen=True)
class Pair:
    """One seed: the headline on the validation pictures of the run as it was and of the one with the cure; None
    where training came to nothing that can be judged. `seconds` of both trainings."""

    seed: int
    before: float | None
    after: float | None
    seconds: float = 0.0


@dataclass(frozen=True)
class Held:
    """A cure that was held against others by one training: its words, the headline that it gave on the validation
    pictures, or why there is none."""

    says: str
    value: float | None
    failed: str = ""


@dataclass(frozen=True)
class Proof:
    """A cure tried: the same training with and without it, once a seed, on the same validation pictures."""

    rule: str
    metric: str
    higher_is_better: bool
    count: int
    """Validation pictures that both sides were judged on."""
    planned: int
    """Seeds that were to be tried."""
    pairs: tuple[Pair, ...] = ()
    epochs: tuple[int, int] | None = None
    """Of each training, as it was and with the cure; None where nothing had to be trained."""
    source: str = "start"
    whole: bool = True
    """Whether trainings were as long as the run's own."""
    failed: str = ""
    """Why it was not tried, or ended early; a sentence."""
    chance: int = 0
    """Trainings that diverged, and count as chance."""
    cure: Cure | None = None
    """What was tried, where that is not the finding's own cure."""
    held: tuple[Held, ...] = ()
    """Cures that were held against each other before, by one training each, in this order."""
    before: float | None = None
    """The headline of the run as it was, which these are held against."""

    @property
    def whole_pairs(self) -> tuple[tuple[float, float], ...]:
        """Before and after, where both sides could be judged."""
        return tuple((p.before, p.after) for p in self.pairs if p.before is not None and p.after is not None)

    @property
    def gain(self) -> tuple[float, float, float] | None:
        """How much better it is with the cure, in the metric's own unit, and the 95 % interval of the mean over
        seeds (Student 1908, on the differences of pairs); never narrower than one picture, as no score is finer."""
        pairs = self.whole_pairs
        if len(pairs) < 2:
            return None
        sign = 1.0 if self.higher_is_better else -1.0
        gains = np.array([sign * (after - before) for before, after in pairs])
        mean = float(gains.mean())
        low, high = student(gains)
        if self.metric in POINTS and self.count:
            low, high = min(low, mean - 1 / self.count), max(high, mean + 1 / self.count)
        return mean, low, high

    @property
    def means(self) -> tuple[float, float] | None:
        """The mean headline of each side."""
        pairs = self.whole_pairs
        if not pairs:
            return None
        before, after = (float(np.mean(side)) for side in zip(*pairs, strict=True))
        return before, after

    @property
    def verdict(self) -> Verdict:
        """What the seeds show."""
        gain = self.gain
        if not self.pairs:
            return "not tried"
        if gain is None or len(self.whole_pairs) < FEWEST:
            return "unclear"
        _, low, high = gain
        if low > NOUGHT:
            return "helps"
        if high < -NOUGHT:
            return "harms"
        worth = WORTH if self.metric in POINTS else WORTH * abs(self._level)
        return "no help" if high <= worth + NOUGHT else "unclear"

    @property
    def _level(self) -> float:
        means = self.means
        return max(map(abs, means)) if means else 0.0

    @property
    def says(self) -> str:
        """The result in a sentence or two, with its numbers."""
        if self.verdict == "not tried":
            return f"{self.failed or 'Not tried.'}{self._chosen()}"
        gain, means, seeds = self.gain, self.means, len(self.whole_pairs)
        many = f"{seeds} seed{'' if seeds == 1 else 's'}"
        early = f" {self.failed}" if self.failed else ""
        if gain is None or means is None:
            return f"Too noisy to tell: {many} a side ended.{early}{self._chosen()}"
        where = f"{self._value(means[0])} as it was, {self._value(means[1])} with the cure"
        over = f"means of {many} a side on the same {self.count:,} validation pictures{self._how()}"
        said = {
            "helps": f"Restores {self._gain(*gain)}",
            "harms": f"Makes it worse by {self._gain(-gain[0], -gain[2], -gain[1])}",
            "no help": f"Did not help ({self._gain(*gain, signed=True)})",
            "unclear": f"Too noisy to tell: {many} say {self._gain(*gain, signed=True)}",
        }[self.verdict]
        if self.verdict == "harms" and self.rule in HONEST:
            said = (
                f"Without what flatters it the score is lower by {self._gain(-gain[0], -gain[2], -gain[1])}"
            )
        return f"{said}: {where}; {over}.{self._diverged()}{self._unjudged()}{early}{self._chosen()}"

    def _chosen(self) -> str:
        """What was tried, where it was chosen among other cures."""
        if self.cure is None:
            return ""
        many = len(self.held)
        which = (
            f"the best of {many} cures by one training each"
            if many > 1
            else "another cure than the rule's own"
        )
        return f" This is {which}: {self.cure.says}"

    def _how(self) -> str:
        if self.epochs is None:
            return ", nothing trained"
        before, after = self.epochs
        length = f"{before} epoch{'' if before == 1 else 's'}"
        if after != before:
            length += f" against {after}"
        short = "" if self.whole else ", shorter than the run's own"
        begin = "" if self.source == "start" else f", from the {self.source} model"
        return f", {length} each{short}{begin}"

    def _unjudged(self) -> str:
        lost = len(self.pairs) - len(self.whole_pairs)
        many = "1 seed is" if lost == 1 else f"{lost} seeds are"
        return f" {many} left out: one side of it came to nothing that can be judged." if lost else ""

    def _diverged(self) -> str:
        if not self.chance:
            return ""
        one = self.chance == 1
        return (
            f" {self.chance} training{'' if one else 's'} diverged and count{'s' if one else ''} as chance."
        )

    def _value(self, value: float) -> str:
        return f"{100 * value:.1f}" if self.metric in POINTS else f"{value:.4g}"

    def _gain(self, value: float, low: float, high: float, signed: bool = False) -> str:
        """`31.2 points of accuracy [28.0, 34.4]`."""
        sign = "+" if signed else ""
        if self.metric in POINTS:
            # no minus before nought; no share gains more than the whole, however wide the interval of two seeds
            told = [round(100 * max(-1.0, min(1.0, n)), 1) + 0.0 for n in (value, low, high)]
            return f"{told[0]:{sign}} points of {self.metric.replace('_', ' ')} [{told[1]:{sign}}, {told[2]:{sign}}]"
        return f"{value:{sign}.3g} of {self.metric.replace('_', ' ')} [{low:{sign}.3g}, {high:{sign}.3g}]"

    def to_json(self) -> dict[str, Any]:
        gain = self.gain
        value, low, high = gain if gain is not None else (None, None, None)
        found = {**asdict(self), "cure": None if self.cure is None else self.cure.to_json()}
        return {**found, "verdict": self.verdict, "says": self.says, "gain": value, "low": low, "high": high}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Proof:
        """What `to_json` made, after a round through JSON."""
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        known["pairs"] = tuple(Pair(**pair) for pair in data["pairs"])
        known["held"] = tuple(Held(**one) for one in data.get("held") or ())
        known["epochs"] = tuple(data["epochs"]) if data.get("epochs") else None
        known["cure"] = Cure.from_json(data["cure"]) if data.get("cure") else None
        return cls(**known)


def finite(value: float | None) -> float | None:
    """A headline that can be reckoned with."""
    return None if value is None or not math.isfinite(value) else float(value)
