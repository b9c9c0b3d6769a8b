"""The best settings of a search and the default, trained again with other seeds: what that shows, and in words.

The best of many looks better than it is: it was chosen by the pictures it was judged on, and trained once. So both
are trained again, each seed a pair, and compared by Student's test on the pairs; with several settings at once all
comparisons are judged together (Holm 1979). Where no gain is shown, the default is kept.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from ..intervals import bootstrap, crossed
from ..outcomes import CORRECT, SURE, Outcomes, difference, holm, paired
from ..values import figure

FEWEST = 3
"""Seeds from which a gain is told."""
Name = TypeVar("Name")
Interval = tuple[float, float, float]
"""A value with the ends of its 95 % interval."""


@dataclass(frozen=True)
class Side:
    """One setting trained again: the trial's `number` and `setting`, its value in the search (`found`), and by seed
    what it came to on validation and where that run lies, from the study's folder. `tested`: on the test pictures, the
    mean over seeds. `diverged` trainings count as chance."""

    number: int
    setting: str
    found: float | None = None
    values: Mapping[int, float] = field(default_factory=dict)
    runs: Mapping[int, str] = field(default_factory=dict)
    tested: Interval | None = None
    diverged: int = 0

    @property
    def mean(self) -> float | None:
        return float(np.mean([*self.values.values()])) if self.values else None

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds: what chance alone does to one setting."""
        return float(np.std([*self.values.values()], ddof=1)) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Gain(Generic[Name]):
    """How much better `one` is than `other`, the mean over `count` pairs with its 95 % interval; above 0 is better,
    whatever the metric. `p` by itself, `p_of_all` with all that are compared."""

    one: Name
    other: Name
    count: int
    mean: float
    low: float
    high: float
    p: float
    p_of_all: float = 1.0

    @property
    def sure(self) -> bool:
        """Whether one of the two is surely the better."""
        return self.count >= FEWEST and (self.low > 0 or self.high < 0) and self.p_of_all < SURE

    @property
    def shown(self) -> bool:
        """Whether `one` is surely the better."""
        return self.sure and self.mean > 0

    @property
    def turned(self) -> Gain[Name]:
        """The same the other way round."""
        return dataclasses.replace(
            self, one=self.other, other=self.one, mean=-self.mean, low=-self.high, high=-self.low
        )


@dataclass(frozen=True)
class Verdict:
    """What training again has shown. The first of `sides` is the default; `seeds` are those planned; `validation` and
    `test` count pictures; `on_test` is the winner against the default there, above 0 better. `judged`: trials among
    which the search chose. `lacking`: why there is no verdict, or less than was planned; `more`: the command that gives
    one."""

    metric: str
    higher_is_better: bool
    sides: tuple[Side, ...] = ()
    seeds: tuple[int, ...] = ()
    validation: int = 0
    test: int = 0
    on_test: Interval | None = None
    judged: int = 0
    lacking: str = ""
    more: str = ""

    @property
    def gains(self) -> tuple[Gain[int], ...]:
        """Of each setting against the default, in their order; all are judged together (Holm 1979)."""
        if not self.sides:
            return ()
        first, sign = self.sides[0], 1.0 if self.higher_is_better else -1.0
        grain = 1 / self.validation if self.metric in CORRECT and self.validation else 0.0
        rows = []
        for side in self.sides[1:]:
            both = [seed for seed in side.values if seed in first.values]
            pairs = [sign * (side.values[seed] - first.values[seed]) for seed in both]
            rows.append((side.number, first.number, pairs))
        return together(rows, grain)

    @property
    def leader(self) -> Side | None:
        """The best of the settings that validation shows to be better than the default."""
        shown = [gain for gain in self.gains if gain.shown]
        return self.side(max(shown, key=lambda gain: gain.mean).one) if shown else None

    @property
    def refuted(self) -> bool:
        """Whether the test pictures show the leader to be worse than the default."""
        return self.leader is not None and self.on_test is not None and self.on_test[2] < 0

    @property
    def possible(self) -> bool:
        """Whether there is a verdict: enough pairs, or nothing that could be better than the default."""
        alone = bool(self.sides) and not self.sides[1:] and not self.lacking
        return alone or any(gain.count >= FEWEST for gain in self.gains)

    @property
    def chosen(self) -> Side | None:
        """The setting to take; None where nothing can be said."""
        if not self.possible:
            return None
        return self.sides[0] if self.leader is None or self.refuted else self.leader

    @property
    def model(self) -> str:
        """The run of the setting to take that is best on validation, from the study's folder; empty where there is
        none."""
        side = self.chosen
        if side is None or not side.runs:
            return ""
        if not side.values:
            return next(iter(side.runs.values()))
        best = max if self.higher_is_better else min
        return side.runs[best(side.values, key=lambda seed: side.values[seed])]

    def side(self, number: int) -> Side:
        """The side of a trial."""
        return next(side for side in self.sides if side.number == number)

    # --- in words ---

    @property
    def says(self) -> str:
        """The verdict in a sentence or two."""
        chosen, leader = self.chosen, self.leader
        if chosen is None:
            return f"No verdict: {self.lacking or 'too few seeds were trained'}."
        if leader is None:
            return self._kept()
        gain = next(g for g in self.gains if g.one == leader.number)
        other = self.sides[0]
        better = (
            f"trained again with {gain.count} other seeds it is better than the default by {self._gain(gain)} on "
            f"validation: {self._value(leader.mean)} against {self._value(other.mean)}"
        )
        if self.refuted:
            assert self.on_test is not None
            value, low, high = self.on_test
            return (
                f"Keep your default: trial {leader.number} looked better ({better}), but on the {self.test:,} test "
                f"pictures it is worse by {self._by(-value, -high, -low)}."
            )
        return f"Take trial {leader.number} ({leader.setting}): {better}."

    def _kept(self) -> str:
        if not self.sides[1:]:
            return "Keep your default: nothing that was tried was better."
        gains = sorted(self.gains, key=lambda g: g.mean, reverse=True)
        best = gains[0]
        said = f"trial {best.one} gains {self._gain(best, signed=True)}"
        many = f"{best.count} other seeds"
        if not self.sides[2:]:
            return f"Keep your default: trained again with {many}, {said}, which chance may have brought."
        return (
            f"Keep your default: trained again with {many}, none of the best {len(self.sides) - 1} is surely better; "
            f"{said}."
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """All that can be said: the verdict, the test pictures, what chance does, and how the search flattered."""
        said = [self.says, self._on_test(), self._noise(), self._flattery()]
        if self.chosen is not None and self.lacking:
            said.append(f"{self.lacking[:1].upper()}{self.lacking[1:]}.")
        return tuple(filter(None, said))

    def _on_test(self) -> str:
        tested = [side for side in self.sides if side.tested is not None]
        if not tested:
            return ""
        first = tested[0]
        told = f"On the {self.test:,} test pictures, looked at for this alone, the default has {self._with(first)}"
        if tested[1:] and self.on_test is not None:
            unsure = "" if self.on_test[1] > 0 or self.on_test[2] < 0 else ", which these pictures leave open"
            told += (
                f" and trial {tested[1].number} {self._with(tested[1])}: a gain of "
                f"{self._by(*self.on_test, signed=True)}{unsure}"
            )
        return f"{told}."

    def _noise(self) -> str:
        first = self.sides[0] if self.sides else None
        if first is None or first.spread is None:
            return ""
        ends = [self._value(end) for end in (min(first.values.values()), max(first.values.values()))]
        spread = f"{100 * first.spread:.1f} points" if self.metric in CORRECT else figure(first.spread)
        return (
            f"Chance alone: the default with {len(first.values)} seeds comes to {ends[0]} to {ends[1]} (standard "
            f"deviation {spread})."
        )

    def _flattery(self) -> str:
        """How much better the search's best looked than it is."""
        of = self.leader or (self.sides[1] if self.sides[1:] else None)
        if of is None or of.found is None or of.mean is None:
            return ""
        tested = f", {self._value(of.tested[0])} on test" if of.tested is not None else ""
        sign = 1.0 if self.higher_is_better else -1.0
        known = [of.mean, *([of.tested[0]] if of.tested is not None else [])]
        more = min(sign * (of.found - value) for value in known)
        looked = f"Trial {of.number} had {self._value(of.found)} in the search, {self._value(of.mean)} trained again"
        end = f": the best of {self.judged} looks better than it is" if more > 0 and self.judged > 1 else ""
        return f"{looked}{tested}{end}."

    def _gain(self, gain: Gain[int], signed: bool = False) -> str:
        return self._by(gain.mean, gain.low, gain.high, signed)

    def _by(self, value: float, low: float, high: float, signed: bool = False) -> str:
        told = difference(self.metric, value, low, high)
        return told if signed else told.replace("+", "", 1) if value >= 0 else told

    def _with(self, side: Side) -> str:
        assert side.tested is not None
        value, low, high = map(self._value, side.tested)
        return f"{value} [{low}, {high}]"

    def _value(self, value: float | None) -> str:
        if value is None:
            return "no value"
        return f"{100 * value:.1f}%" if self.metric in CORRECT else figure(value)

    # --- kept ---

    def to_json(self) -> dict[str, Any]:
        chosen = self.chosen
        return {
            "says": self.says,
            "lines": list(self.lines),
            "chosen": None if chosen is None else chosen.number,
            "model": self.model or None,
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "seeds": list(self.seeds),
            "sides": [{**_row(side), "mean": side.mean, "spread": side.spread} for side in self.sides],
            "gains": [{**dataclasses.asdict(gain), "shown": gain.shown} for gain in self.gains],
            "validation": self.validation,
            "test": self.test,
            "on_test": None if self.on_test is None else list(self.on_test),
            "judged": self.judged,
            "lacking": self.lacking,
            "more": self.more,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Verdict:
        """What `to_json` wrote."""
        sides = tuple(_side(one) for one in row["sides"])
        on_test = None if row["on_test"] is None else (*map(float, row["on_test"]),)
        kept = ("metric", "higher_is_better", "validation", "test", "judged", "lacking", "more")
        return cls(
            **{name: row[name] for name in kept}, sides=sides, seeds=tuple(row["seeds"]), on_test=on_test,  # type: ignore[arg-type]
        )  # fmt: skip

    def _repr_html_(self) -> str:
        from html import escape

        return "".join(f"<p>{escape(line)}</p>" for line in self.lines)


def together(
    rows: Sequence[tuple[Name, Name, Sequence[float]]], grain: float = 0.0
) -> tuple[Gain[Name], ...]:
    """Gains of several comparisons, all judged together (Holm 1979).

    Args:
        rows: of each, who is compared with whom, and by how much the one is better in each pair. One with fewer than
            two pairs has no gain, and counts as a comparison all the same.
        grain: see `gained`.
    """
    found = [
        Gain(one, other, len(pairs), *gained(pairs, grain)) for one, other, pairs in rows if len(pairs) > 1
    ]
    adjusted = holm([gain.p for gain in found] + [1.0] * (len(rows) - len(found)))
    return tuple(dataclasses.replace(g, p_of_all=p) for g, p in zip(found, adjusted, strict=False))


def gained(gains: Sequence[float], grain: float = 0.0) -> tuple[float, float, float, float]:
    """The mean of paired gains (two or more), its 95 % interval, and how probable a mean so far from 0 would be by
    chance (two-sided). Student (1908).

    Args:
        grain: the step in which scores come, 1 / pictures for a share: rounding to it is counted as the least that a
            pair can vary, so that a few equal gains do not claim certainty.
    """
    from scipy.special import stdtr, stdtrit

    values = np.asarray(gains, dtype=np.float64)
    count, mean = len(values), float(values.mean())
    # each of the two scores is rounded to the grain: a variance of grain² / 12 each
    error = max(float(values.std(ddof=1)), grain / math.sqrt(6)) / math.sqrt(count)
    if error == 0:
        return mean, mean, mean, 1.0 if mean == 0 else 0.0
    half = float(stdtrit(count - 1, 0.975)) * error
    return mean, mean - half, mean + half, float(2 * stdtr(count - 1, -abs(mean) / error))


def on_pictures(sides: Sequence[Sequence[Outcomes]]) -> list[Interval]:
    """The mean of each side over its seeds and pictures, with its interval, both drawn at random."""
    found: list[Interval] = []
    for side in sides:
        table = np.array([[one.values[key] for key in side[0].values] for one in side])
        mean = float(table.mean())
        found.append((mean, *(crossed(table) if np.ptp(table) else bootstrap(table[0]))))
    return found


def apart(default: Sequence[Outcomes], other: Sequence[Outcomes]) -> Interval | None:
    """How much better `other` is on the same pictures, the mean over pairs of seeds, with its 95 % interval; above 0
    is better. None where the two measure different things."""
    pairs = list(zip(default, other, strict=True))
    both = paired(*pairs[0])
    if both is None:
        return None
    sign = 1.0 if both.higher_is_better else -1.0
    keys = [key for key in default[0].values if all(key in one.values for pair in pairs for one in pair)]
    table = sign * np.array([[b.values[key] - a.values[key] for key in keys] for a, b in pairs])
    if np.ptp(table) == 0:
        ends = sorted((sign * both.low, sign * both.high))
        return float(table.mean()), ends[0], ends[1]
    return (float(table.mean()), *crossed(table))


def _row(side: Side) -> dict[str, Any]:
    row = dataclasses.asdict(side)
    row["values"] = {str(seed): value for seed, value in side.values.items()}
    row["runs"] = {str(seed): run for seed, run in side.runs.items()}
    return row


def _side(row: Mapping[str, Any]) -> Side:
    tested = None if row["tested"] is None else (*map(float, row["tested"]),)
    return Side(
        int(row["number"]), str(row["setting"]), row["found"],
        {int(seed): float(value) for seed, value in row["values"].items()},
        {int(seed): str(run) for seed, run in row["runs"].items()},
        tested, int(row["diverged"]),  # type: ignore[arg-type]
    )  # fmt: skip
