"""Grid, random and adaptive search on equal budgets, each several times: what they came to, and whether they differ.

The folder of a comparison holds `searches.json` (what was asked for, and what is done) and a study for each search and
repeat: `grid-1/`, `random-1/`, `adaptive-1/`, `grid-2/`, ... A repeat has its own seeds, of the training and of the
search, which its three studies have in common: so searches are compared in pairs.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RunError
from ..folders import is_study
from ..intervals import student
from ..outcomes import CORRECT, difference
from ..ranges import Range
from ..records.contest import FEWEST, Gain, together
from ..records.study import Study
from ..storage import damaged, read_json
from ..values import figure
from .soon import Soon, how_soon

FILE, FORMAT = "searches.json", 1
SEARCHES = ("grid", "random", "adaptive")


@dataclass(frozen=True)
class Searches:
    """A comparison of the searches. `studies` has those that are done, by the search and in the order of repeats;
    `tests` what the best of each has on the test pictures, by the study's folder; `pictures` are those of the part
    that searches are compared on."""

    folder: Path
    data: str
    repeats: int
    epochs_total: int
    studies: Mapping[str, Mapping[int, Study]]
    tests: Mapping[str, float] = field(default_factory=dict)
    pictures: int = 0

    @classmethod
    def read(cls, folder: str | Path) -> Searches:
        """The comparison in a folder, as it stands now.

        Raises:
            RunError: there is none, or it is damaged.
        """
        folder = Path(folder)
        asked = record(folder)
        try:
            done = dict(asked["done"])
            studies: dict[str, dict[int, Study]] = {search: {} for search in SEARCHES}
            for repeat, search in itertools.product(range(1, int(asked["repeats"]) + 1), SEARCHES):
                if name_of(search, repeat) in done:
                    studies[search][repeat] = Study.read(folder / name_of(search, repeat))
            tests = {name: float(value) for name, value in done.items() if value is not None}
            told = int(asked["repeats"]), int(asked["epochs_total"])
            return cls(folder, str(asked["data"]), *told, studies, tests, int(asked["pictures"]))
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(folder / FILE, f"{type(error).__name__}: {error}") from None

    @property
    def first(self) -> Study | None:
        """The study that was done first: all have its data, network and metric."""
        return next((one for made in self.studies.values() for one in made.values()), None)

    @property
    def ranges(self) -> tuple[Range, ...]:
        """What all searches began with; one that met trainings that diverge may have ended its own sooner."""
        known = [study.ranges for made in self.studies.values() for study in made.values()]
        return tuple(max(alike, key=lambda one: one.high) for alike in zip(*known, strict=True))

    @property
    def whole(self) -> tuple[int, ...]:
        """Repeats in which all three searches are done."""
        return tuple(
            n for n in range(1, self.repeats + 1) if all(n in self.studies.get(s, {}) for s in SEARCHES)
        )

    @property
    def of_whole(self) -> dict[str, tuple[Study, ...]]:
        """The studies of whole repeats, by the search."""
        return {search: tuple(self.studies[search][n] for n in self.whole) for search in SEARCHES}

    @property
    def part(self) -> str:
        """The pictures on which searches are compared: test where there are such, else validation."""
        there = {name_of(search, n) for search in SEARCHES for n in self.whole}
        return "test" if there and there <= self.tests.keys() else "validation"

    def validation(self, search: str) -> list[float]:
        """What the best trial of each whole repeat has on validation; one without any counts as chance."""
        return [_value(study) for study in self.of_whole[search]]

    def judged(self, search: str) -> list[float]:
        """What the best trial of each whole repeat has on `part`."""
        if self.part == "test":
            return [self.tests[name_of(search, n)] for n in self.whole]
        return self.validation(search)

    @property
    def apart(self) -> tuple[Gain[str], ...]:
        """Every two searches beside each other, from three repeats on; all pairs are judged together (Holm 1979)."""
        if self.first is None or len(self.whole) < FEWEST:
            return ()
        sign = 1.0 if self.first.higher_is_better else -1.0
        grain = 1 / self.pictures if self.first.metric in CORRECT and self.pictures else 0.0
        rows = []
        for other, one in itertools.combinations(SEARCHES, 2):
            pairs = zip(self.judged(one), self.judged(other), strict=True)
            gains = [sign * (a - b) for a, b in pairs if math.isfinite(a) and math.isfinite(b)]
            rows.append((one, other, gains))
        return together(rows, grain)

    @property
    def level(self) -> float:
        """What random search reaches on validation, the mean over repeats: how soon do the others?"""
        values = [value for value in self.validation("random") if math.isfinite(value)]
        return statistics.fmean(values) if values else math.nan

    def soon(self, search: str) -> Soon:
        """When the search's best had come to the level, the mean over whole repeats and each by itself."""
        courses = [study.so_far() for study in self.of_whole[search]]
        return how_soon(courses, self.validation("random"), self.first is None or self.first.higher_is_better)

    # --- in words ---

    @property
    def says(self) -> tuple[str, ...]:
        """Whether the searches differ, and how soon each came to what random search reached."""
        count = len(self.whole)
        if self.first is None or not count:
            return ("No repeat of the three searches is done yet.",)
        said = [self._differ(count)]
        if math.isfinite(self.level):
            level = self.told(self.level)
            said.append(
                f"The mean curve of each is at {level} on validation, what random search reaches on average: "
                + "; ".join(f"{search} {self.soon(search).says}" for search in SEARCHES)
                + "."
            )
        return tuple(said)

    def _differ(self, count: int) -> str:
        where = f"on {self.part}"
        if count < FEWEST:
            ends = ", ".join(
                f"{s} {self.told(statistics.fmean(self.judged(s)))}" for s in SEARCHES if self.judged(s)
            )
            many = "once each" if count == 1 else f"{count} times each"
            return (
                f"Whether the searches differ cannot be said: they ran {many} ({ends} {where}), and chance alone "
                f"orders three; {FEWEST} repeats at least are compared."
            )
        shown = [one if one.shown else one.turned for one in self.apart if one.sure]
        rest = [one for one in self.apart if not one.sure]
        if not shown:
            listed = "; ".join(f"{one.one} against {one.other} {self._by(one)}" for one in rest)
            return (
                f"The searches do not surely differ: with {count} repeats each, chance may have brought all "
                f"differences {where} ({listed})."
            )
        better = "; ".join(f"{one.one} is better than {one.other} by {self._by(one)}" for one in shown)
        said = f"With {count} repeats each, {better}, {where}."
        if rest:
            listed = "; ".join(f"{one.one} against {one.other} {self._by(one)}" for one in rest)
            said += f" What else there is between them chance may have brought ({listed})."
        return said

    def _by(self, one: Gain[str]) -> str:
        assert self.first is not None, "something was compared"
        return difference(self.first.metric, one.mean, one.low, one.high)

    def told(self, value: float) -> str:
        """A value of the metric in words."""
        share = self.first is not None and self.first.metric in CORRECT
        return "no value" if not math.isfinite(value) else f"{100 * value:.1f}%" if share else figure(value)

    def with_interval(self, values: Sequence[float]) -> str:
        """Their mean with Student's 95 % interval, from three values on: that of two spans everything."""
        there = [value for value in values if math.isfinite(value)]
        if not there:
            return ""
        mean = self.told(statistics.fmean(there))
        if len(there) < FEWEST:
            return mean
        low, high = student(np.array(there))
        if self.first is not None and self.first.metric in CORRECT:
            low, high = max(0.0, low), min(1.0, high)
        return f"{mean} [{self.told(low)}, {self.told(high)}]"

    def rows(self) -> list[dict[str, Any]]:
        """A row a search: how often, what it tried and spent, what it came to, and how soon."""
        made = []
        for search, studies in self.of_whole.items():
            soon = self.soon(search)
            many = max(1, len(studies))
            trials = [len(study.trials) for study in studies]
            made.append({
                "search": search,
                "repeats": len(studies),
                "trials": sum(trials) / many,
                "stopped": sum(t.state == "paused" for study in studies for t in study.trials) / many,
                "epochs": sum(study.epochs_done for study in studies) / many,
                "seconds": sum(study.seconds for study in studies) / many,
                "validation": self.validation(search),
                "test": self.judged(search) if self.part == "test" else [],
                "reached": [_known(epochs) for epochs in soon.each],
                "mean_reached": _known(soon.epochs),
                "mean_reached_low": _known(soon.low),
                "mean_reached_high": _known(soon.high),
                "soon": soon.says,
            })  # fmt: skip
        return made

    def to_json(self) -> dict[str, Any]:
        first = self.first
        return {
            "comparison": str(self.folder),
            "data": self.data,
            "network": None if first is None else first.network,
            "metric": None if first is None else first.metric,
            "higher_is_better": None if first is None else first.higher_is_better,
            "ranges": [one.to_json() for one in self.ranges],
            "repeats": self.repeats,
            "done": len(self.whole),
            "epochs_total": self.epochs_total,
            "part": self.part,
            "level": self.level if math.isfinite(self.level) else None,
            "searches": self.rows(),
            "pairs": [{**dataclasses.asdict(one), "shown": one.sure} for one in self.apart],
            "says": list(self.says),
            "studies": {
                search: [str(study.folder) for study in made.values()]
                for search, made in self.studies.items()
            },
        }

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th>{row['search']}</th><td>{row['trials']:.1f}</td><td>{row['epochs']:.0f}</td>"
            f"<td>{escape(self.with_interval(self.judged(row['search'])))}</td></tr>"
            for row in self.rows()
        )
        head = f"<tr><th></th><th>trials</th><th>epochs</th><th>best on {self.part}</th></tr>"
        return "".join(f"<p>{escape(said)}</p>" for said in self.says) + f"<table>{head}{cells}</table>"


def record(folder: Path) -> dict[str, Any]:
    """What `searches.json` holds.

    Raises:
        RunError: there is no comparison here, or it is of another format.
    """
    if not is_comparison(folder):
        raise RunError(
            f"There is no comparison of searches at {folder}.",
            "The folder that foveal tune --compare-searches named.",
            "Begin one with: foveal tune DATA --compare-searches",
        )
    asked = read_json(folder / FILE)
    if asked.get("format") != FORMAT:
        raise RunError(
            f"{folder / FILE} has format {asked.get('format')!r}.",
            f"Format {FORMAT}, which this Foveal writes.",
            "Go on with the Foveal that began the comparison.",
        )
    return asked


def is_comparison(folder: str | Path) -> bool:
    """Whether a folder is a comparison of searches."""
    try:
        return (Path(folder) / FILE).is_file()
    except (OSError, ValueError):
        return False


def studies_in(home: Path) -> list[Path]:
    """The folders of all studies in `home`, those of comparisons among them, by name.

    Raises:
        OSError: it is no folder, or may not be read.
    """
    found: list[Path] = []
    for folder in sorted(home.iterdir()):
        if is_comparison(folder):
            found += [inner for inner in sorted(folder.iterdir()) if is_study(inner)]
        elif is_study(folder):
            found.append(folder)
    return found


def name_of(search: str, repeat: int) -> str:
    """The folder of a study in its comparison."""
    return f"{search}-{repeat}"


def _value(study: Study) -> float:
    best = study.best
    if best is not None and best.value is not None and math.isfinite(best.value):
        return best.value
    return math.nan if study.chance is None else study.chance


def _known(epochs: float) -> float | None:
    """For JSON, which has no name for never."""
    return epochs if math.isfinite(epochs) else None
