"""What earlier studies and runs found for the same data or network: the first settings that a new study tries."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FovealError
from ..folders import is_study
from ..ranges import Range
from ..records.run import DATA, OPTIONS, Run, is_run
from ..records.study import Study
from ..records.trials import Trial, ranked
from ..storage import from_json

MOST = 3
"""Settings that are taken over at most."""
NEWEST = 200
"""Runs that are looked at, the newest first."""


@dataclass(frozen=True)
class Found:
    """`warm`: settings to try first, each with where it is `from` and the value it had there; `prior`: trials that
    count as this study's own, as data, network, schedule and options were the same; `says`: that in words."""

    warm: tuple[Mapping[str, Any], ...] = ()
    prior: tuple[Mapping[str, Any], ...] = ()
    says: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Setting:
    of: str
    options: Mapping[str, Any]
    value: float
    same_data: bool


def found(
    runs_dir: str, own: Path, fingerprint: str, network: str, metric: str, mark: str, ranges: Sequence[Range]
) -> Found:
    """What `runs_dir` holds that is of use. Damaged runs and studies are passed over.

    Args:
        own: the new study's folder.
        mark: what studies with the same data, network, options and schedule have in common.
    """
    settings: list[_Setting] = []
    prior: list[Mapping[str, Any]] = []
    says: list[str] = []
    higher = True
    for folder in _newest(Path(runs_dir), own):
        try:
            if is_study(folder):
                study = Study.read(folder)
                same = study.fingerprint == fingerprint
                if study.metric != metric or not (same or study.network == network):
                    continue
                higher = study.higher_is_better
                if study.record.get("mark") == mark:
                    prior += _as_prior(study, ranges)
                    says.append(
                        f"{len(study.trials)} trials of {folder.name}, on the same data, count here, too"
                    )
                settings += _of_study(study, ranges, same)
            else:
                setting = _of_run(Run(folder), fingerprint, network, metric, ranges)
                settings += [setting] if setting is not None else []
        except (FovealError, OSError, ValueError, KeyError, TypeError):
            continue
    chosen: list[Mapping[str, Any]] = []
    for one in sorted(settings, key=lambda s: (not s.same_data, -s.value if higher else s.value)):
        if len(chosen) < MOST and all(dict(one.options) != dict(other["options"]) for other in chosen):
            chosen.append({"options": one.options, "from": one.of, "value": one.value})
            where = "this data" if one.same_data else "this network on other data"
            says.append(f"{one.of} did well on {where} ({one.value:.4g}): its setting is tried early")
    return Found(tuple(chosen), tuple(prior), tuple(says))


def _newest(home: Path, own: Path) -> Iterator[Path]:
    try:
        places = [p for p in home.iterdir() if p.resolve() != own.resolve() and (is_study(p) or is_run(p))]
    except OSError:
        return
    yield from sorted(places, key=lambda p: p.stat().st_mtime, reverse=True)[:NEWEST]


def _of_study(study: Study, ranges: Sequence[Range], same: bool) -> Iterator[_Setting]:
    """The best of a study's whole trainings, where it is not the default."""
    done = [t for t in study.trials if t.state == "finished"]
    for trial in ranked(done, study.higher_is_better)[:1]:
        options = _fitting(trial.options, ranges)
        if options is not None and trial.number and trial.value is not None:
            yield _Setting(f"{study.folder.name}, trial {trial.number}", options, trial.value, same)


def _of_run(
    run: Run, fingerprint: str, network: str, metric: str, ranges: Sequence[Range]
) -> _Setting | None:
    """A finished run on the same data, where the user chose something that is tuned here."""
    if not (run.folder / OPTIONS).is_file() or run.result is None or not run.result.get("headline"):
        return None
    kept = run.options
    if (kept.get("architecture") or {}).get("name") != network or _fingerprint(run) != fingerprint:
        return None
    given = {choice.option for choice in run.choices if not choice.automatic}
    if not given & {one.name for one in ranges} or run.result["headline"]["name"] != metric:
        return None
    options = _fitting(kept["train"], ranges)
    value = float(run.result["headline"]["value"])
    return None if options is None or math.isnan(value) else _Setting(run.name, options, value, True)


def _fingerprint(run: Run) -> str:
    """The data's, from the first line of `data.json` alone."""
    with (run.folder / DATA).open("rb") as stream:
        head = stream.readline().rstrip().removesuffix(b',"items":[')
    return str(from_json(head + b"}").get("fingerprint"))


def _fitting(options: Mapping[str, Any], ranges: Sequence[Range]) -> dict[str, Any] | None:
    """These options where all that is tuned has a value here that may be tried."""
    chosen = {one.name: options.get(one.name) for one in ranges if one.is_on(options)}
    for one in ranges:
        value = chosen.get(one.name)
        if one.name in chosen and (
            not one.takes(value) or not (one.choices or one.least <= value <= one.most)  # type: ignore[operator]
        ):
            return None
    return chosen


def _as_prior(study: Study, ranges: Sequence[Range]) -> list[dict[str, Any]]:
    """A study's trials as this study's search is told of them."""
    return [
        {"options": options, "value": trial.value, "share": trial.share}
        for trial in study.trials
        if _counts(trial) and (options := _fitting(trial.options, ranges)) is not None
    ]


def _counts(trial: Trial) -> bool:
    return trial.value is not None and trial.state in ("finished", "paused")
