"""Cures carried out: by Foveal where it can, else by taking the fault out, if the finding names what it is in."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from foveal.errors import DivergedError, FovealError
from foveal.finding import Cure, Finding
from foveal.training.fork import Mended, fork

from .rows import Fault
from .runs import RUN, Home, setting_of
from .second_patches import PATCHES

ENOUGH = 0.8
"""Share of what the fault cost that a cure is to bring back."""


@dataclass(frozen=True)
class Cured:
    """What a finding's cure brought back: `share` of what the fault cost. `carried` says how: `tried` by a fork of
    the run, `by hand` in the code or the data, or `none`, where the finding names another place than the fault's."""

    carried: str
    share: float
    score: float
    says: str = ""


def cured(row: Fault, finding: Finding, home: Home, certificate: dict[str, Any]) -> Cured:
    """Carry out the cure of a fault's first finding.

    Args:
        certificate: of the fault: `sound` and `ill` scores.
    """
    sound, ill = fmean(certificate["sound"]), fmean(certificate["ill"])
    if not finding.cure.can_be_tried:
        right = finding.rule in row.roots
        return Cured("by hand" if right else "none", float(right), sound if right else ill, finding.cure.says)
    place = home.place(row.name, 0)
    file = place / f"cured-{_digest(finding.cure)}.json"
    if file.exists():
        told = json.loads(file.read_text())
    else:
        score, honest, says = _forked(row, finding, home)
        told = {"score": score, "honest": honest, "says": says, "cure": finding.cure.to_json()}
        if score is not None:  # what could not be tried is tried again
            file.write_text(json.dumps(told), encoding="utf-8")
    if told["score"] is None:
        return Cured("tried", 0.0, ill, told["says"])
    gap = ill - sound if row.harm == "honesty" else sound - ill
    left = told["score"] - told["honest"] if row.harm == "honesty" else sound - told["score"]
    return Cured(
        "tried", 1 - left / gap if gap else 0.0, told["score"], str(finding.cure.to_json()["changes"])
    )


def _forked(row: Fault, finding: Finding, home: Home) -> tuple[float | None, float | None, str]:
    """The score of the run trained again with the cure, the fault's code being as it was."""
    out = home.place(row.name, 0) / "cured"
    shutil.rmtree(out, ignore_errors=True)
    cure = finding.cure
    changes = {**cure.changes, "out": str(out)}
    mended = Mended(cure.repairs, cure.exclude, finding.rule)
    try:
        with PATCHES[setting_of(row.name).patch]():
            run = home.place(row.name, 0) / RUN
            done = fork(run, changes, lambda said: None, time.time(), cure.source, mended)
    except DivergedError:
        return None, None, "diverged with the cure"
    except FovealError as error:
        return None, None, f"the cure cannot be tried: {error.came}"
    honest = home.accuracy_on(row.base, done.run) if row.harm == "honesty" else None
    shutil.rmtree(out, ignore_errors=True)
    return done.headline.value, honest, ""


def _digest(cure: Cure) -> str:
    told = json.dumps(dataclasses.asdict(cure), sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:10]
