"""Cures carried out: by Foveal where it can, else by taking the fault out, if the finding names what it is in."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from foveal.doctor.course import Scale, Trial, course, looked, opening
from foveal.doctor.proof import HONEST, WORTH
from foveal.errors import DivergedError, FovealError
from foveal.finding import Cure, Finding
from foveal.records.gathered import gather
from foveal.records.run import Run
from foveal.training.fork import Mended, fork

from .rows import Fault
from .runs import PATCHES, RUN, Home, setting_of

ENOUGH = 0.8
"""Share of what the fault cost that a cure is to bring back."""


@dataclass(frozen=True)
class Cured:
    """What was brought back: `share` of what the fault cost. `carried` says how: `tried` by forks of the run, `by hand`
    in the code or the data, or `none`, where the finding names another place than the fault's and nothing could be
    tried. `alone` is the share of the first finding's own cure without any other, None where that is for a person."""

    carried: str
    share: float
    score: float
    says: str = ""
    alone: float | None = None
    trials: int = 0


def cured(row: Fault, findings: Sequence[Finding], home: Home, certificate: dict[str, Any]) -> Cured:
    """Carry out what `foveal diagnose --prove` does: the cure of the first finding; where the run is ill still, the
    others that its findings name, and a second round on the best of them. Which one is kept is chosen by the
    validation pictures alone; the test pictures tell what it brought back.

    Args:
        certificate: of the fault: `sound` and `ill` scores.
    """
    first = findings[0]
    sound, ill = fmean(certificate["sound"]), fmean(certificate["ill"])
    bench = Bench(row, home)
    cures = opening(first, findings[1:], bench.record)
    right = first.rule in row.roots
    if not cures or (right and not first.cure.can_be_tried):
        return Cured("by hand" if right else "none", float(right), sound if right else ill, first.cure.says)
    with PATCHES[setting_of(row.name).patch]():
        trials = course(cures, bench.scale, bench.trial, looked, on_top=first.rule not in HONEST)
    bench.tidy()
    best = bench.scale.best(trials)
    assert best is not None

    def share(one: Trial) -> float:
        told = bench.told[_digest(one.cure)]
        if told["score"] is None:
            return 0.0
        gap = ill - sound if row.harm == "honesty" else sound - ill
        left = told["score"] - told["honest"] if row.harm == "honesty" else sound - told["score"]
        return 1 - left / gap if gap else 0.0

    kept = bench.told[_digest(best.cure)]
    own = first.cure.can_be_tried
    score = ill if kept["score"] is None else kept["score"]
    return Cured("tried", share(best), score, _says(best), share(trials[0]) if own else None, len(trials))


@dataclass
class Bench:
    """Where the forks of a row's run are trained; what was told of them is kept."""

    row: Fault
    home: Home

    def __post_init__(self) -> None:
        self.place = self.home.place(self.row.name, 0)
        self.run = Run.open(self.place / RUN)
        self.record = gather(self.run)
        self.told: dict[str, dict[str, Any]] = {}
        best = self.record.best
        head = (best.headline if best is not None else None) or {}
        self.scale = Scale(head.get("value"), bool(head.get("higher_is_better", True)), WORTH)

    def trial(self, cure: Cure) -> Trial:
        """The run trained again with a cure, the fault's code being as it was."""
        name = _digest(cure)
        out, file = self.place / f"cured-{name}", self.place / f"cured-{name}.json"
        told = json.loads(file.read_text()) if file.exists() else {}
        if "val" not in told or not (out / "events.jsonl").exists():
            told = {**self._forked(cure, out), "cure": cure.to_json()}
            if told["score"] is not None:  # what could not be tried is tried again
                file.write_text(json.dumps(told), encoding="utf-8")
        self.told[name] = told
        there = told["val"] is not None
        return Trial(cure, told["val"], Run.open(out) if there else None, told["says"])

    def _forked(self, cure: Cure, out: Path) -> dict[str, Any]:
        shutil.rmtree(out, ignore_errors=True)
        nothing = {"score": None, "val": None, "honest": None}
        mended = Mended(cure.repairs, cure.exclude, "the fault")
        changes = {**cure.changes, "out": str(out)}
        try:
            done = fork(self.place / RUN, changes, lambda said: None, time.time(), cure.source, mended)
        except DivergedError:
            return {**nothing, "says": "diverged with the cure"}
        except FovealError as error:
            return {**nothing, "says": f"the cure cannot be tried: {error.came}"}
        best = gather(Run.open(done.run)).best
        honest = self.home.accuracy_on(self.row.base, done.run) if self.row.harm == "honesty" else None
        val = best.headline["value"] if best is not None and best.headline else None
        return {"score": done.headline.value, "val": val, "honest": honest, "says": ""}

    def tidy(self) -> None:
        """What nobody looks at again goes."""
        for out in self.place.glob("cured-*/"):
            for file in (*out.glob("resume*"), *out.glob("*.html")):
                file.unlink()


def _says(trial: Trial) -> str:
    told = {k: v for k, v in trial.cure.to_json().items() if k in ("changes", "repairs") and v}
    return trial.failed or (str(told) if told else f"{len(trial.cure.exclude)} pictures left out")


def _digest(cure: Cure) -> str:
    told = {k: v for k, v in cure.to_json().items() if k != "says"}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:10]
