"""foveal compare: runs side by side, and which differences between them can be believed."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from ..errors import OptionError, RunError
from ..options import TrainOptions, flag, make
from ..outcomes import holm, paired, probability
from .beside import Pair, Row, limits, row, shown
from .judged import alike, judged
from .runs import found

if TYPE_CHECKING:
    from ..records.run import Run
    from .judged import Judged

Screen = Callable[[Any], None]
Place = str | os.PathLike[str]


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class CompareOptions(TrainOptions):
    """Everything `foveal compare` can be told; all but `out` and `runs_dir` is for `--train`."""

    out: str | None = None
    """Write the comparison as a page to this .html file."""
    minutes: Annotated[float, Field(gt=0)] | None = None
    """Time for all networks together, shared evenly by those still to come."""


OF_ONE = ("network", "weights", "folds", "find_lr")
"""Options of one training that mean nothing where several networks are trained."""


@dataclass(frozen=True)
class Comparison:
    """Runs side by side, the best first, then networks that came to nothing. `says` are sentences on what is
    shown and what is not, `notes` on how far that goes."""

    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    says: tuple[str, ...]
    notes: tuple[str, ...] = ()
    html: str | None = None

    def to_json(self) -> dict[str, Any]:
        pairs = [dataclasses.asdict(pair) | {"better": pair.better or None} for pair in self.pairs]
        rows = [dataclasses.asdict(row) for row in self.rows]
        words = {"says": list(self.says), "notes": list(self.notes)}
        return {"rows": rows, "pairs": pairs, **words, "html": self.html}

    def _repr_html_(self) -> str:
        from ..report.compare import page

        return page(self, whole=False)


def compare(
    runs: Sequence[Place] | None = None,
    *,
    train: Sequence[str] | str | None = None,
    data: Place | None = None,
    screen: Screen | None = None,
    began: float | None = None,
    **options: Any,
) -> Comparison:
    """Set runs side by side: what each cost and came to, and which differences between them can be believed.

    Two runs are compared picture by picture on those that both were judged on, and all pairs are judged
    together, so that no more than 5 in 100 comparisons of equals name any difference.

    Args:
        runs: two or more run folders, or names in `runs_dir`; all must be finished.
        train: instead of runs, networks to be trained first, each with its published recipe (`recipe`) from
            scratch. Finished ones are kept: the same call again goes on where it was stopped.
        data: what they are trained on (the built-in digits when not given).
        screen: called with what happens while they are trained.
        began: Unix time from which `minutes` count (default: now).
        options: see `CompareOptions`.

    Raises:
        OptionError: fewer than two runs, or options that mean nothing here.
        RunError: a run is not finished or damaged, or no two can be compared.
        FovealError: the data cannot be used, or no network could be trained.
        KeyboardInterrupt: interrupted; says how to go on.
    """
    chosen = make(CompareOptions, options)
    _check_page(chosen.out)
    failed: Sequence[Row] = ()
    if train is not None:
        from .compare_train import trained

        if runs:
            raise _both_given(runs, train)
        names = [name.strip() for name in (train.split(",") if isinstance(train, str) else train)]
        places, failed = trained(names, data, chosen, screen or (lambda message: None), began)
    else:
        _check_alone(options, data)
        places = _places(runs or (), chosen.runs_dir)
    made = compared(places, failed)
    return made if chosen.out is None else _written(made, chosen.out)


def compared(places: Sequence[Path], failed: Sequence[Row] = ()) -> Comparison:
    """The comparison of finished runs; `failed` are networks that came to nothing.

    Raises:
        RunError: one is not finished, or they are judged by different measures or on different pictures.
    """
    from ..records.run import Run

    there = [Run.open(place) for place in places]
    for run in there:
        _check_finished(run)
    names = _names(there)
    datasets = [run.dataset for run in there]
    rows = [row(*one) for one in zip(there, names, datasets, strict=True)]
    _check_measure(rows)
    on = dict(zip(names, (judged(run, data) for run, data in zip(there, datasets, strict=True)), strict=True))
    pairs, apart = _pairs(on)
    if len(rows) > 1 and not pairs:
        raise RunError(
            f"{names[0]} and {names[1]} were not judged on the same pictures.",
            "Runs whose test split (or, where there is none, validation split) has pictures in common.",
            "Train both on the same data with the same --split-seed, then compare them.",
        )
    best_first = sorted(rows, key=_rank)
    lost = [f"{one.name} was not trained: {one.failed}" for one in failed]
    return Comparison(
        (*best_first, *failed),
        tuple(pairs),
        (*shown(best_first, pairs), *lost),
        tuple(limits(best_first, pairs, apart)),
    )


def _rank(row: Row) -> float:
    assert row.headline is not None, "it is finished"
    return -row.headline.value if row.headline.higher_is_better else row.headline.value


def _pairs(on: Mapping[str, Judged | None]) -> tuple[list[Pair], list[tuple[str, str]]]:
    """All pairs that can be compared, and those that cannot."""
    found, apart = [], []
    for (a, first), (b, second) in itertools.combinations(on.items(), 2):
        both = alike(first, second)
        made = None if both is None else paired(*both)
        if both is None or made is None:
            apart.append((a, b))
        else:
            found.append((a, b, made, probability(*both, made)))
    adjusted = holm([p for *_, p in found])
    return [
        Pair(a, b, m.name, m.higher_is_better, m.count, m.difference, m.low, m.high, p, together)
        for (a, b, m, p), together in zip(found, adjusted, strict=True)
    ], apart


def _names(runs: Sequence[Run]) -> list[str]:
    """The networks' names where no two are the same, else the folders', else their paths."""
    for names in ([_network(run) for run in runs], [run.name for run in runs]):
        if len(set(names)) == len(names):
            return names
    return [str(run.folder) for run in runs]


def _network(run: Run) -> str:
    return str((run.options.get("architecture") or {}).get("name", run.name))


def _places(runs: Sequence[Place], runs_dir: str) -> list[Path]:
    """The folders of the runs, each once.

    Raises:
        OptionError: fewer than two are left.
        RunError: one is no run.
    """
    given = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    places = list({place.resolve(): place for place in (found(run, runs_dir) for run in given)}.values())
    if len(places) < 2:
        raise OptionError(
            f"{'One run was' if places else 'No run was'} given to compare"
            + (f", {len(given)} times." if len(given) > 1 else "."),
            "Two or more runs: foveal compare RUN RUN; or networks to be trained first: --train NETWORK,... DATA.",
            "See the runs with: foveal runs",
        )
    return places


def _check_finished(run: Run) -> None:
    status = run.status
    if run.result is None or run.headline is None:
        goes_on = status in ("interrupted", "died")
        raise RunError(
            f"{run.folder} is not finished ({status}).",
            "Runs that have ended, so that each was judged by its best model.",
            f"foveal train --resume {run.folder}" if goes_on else "Wait for it, or leave it out.",
        )


def _check_measure(rows: Sequence[Row]) -> None:
    """All are judged by the same measure."""
    by: dict[str, str] = {}
    for one in rows:
        assert one.headline is not None
        by.setdefault(one.headline.name, one.name)
    if len(by) > 1:
        told = " and ".join(f"{name} by {measure}" for measure, name in by.items())
        raise RunError(
            f"These runs are judged differently: {told}.",
            "Runs of one task, which have one measure.",
            "Compare those of each task by themselves.",
        )


def _check_alone(options: Mapping[str, Any], data: Place | None) -> None:
    """Without --train nothing is trained."""
    senseless = [name for name in options if name not in ("out", "runs_dir") and options[name] is not None]
    if senseless or data is not None:
        what = flag(senseless[0]) if senseless else "Data"
        raise OptionError(
            f"{what} was given without --train.",
            "Options of training belong to foveal compare --train NETWORK,... DATA.",
            f"Leave {what if senseless else 'the data'} out, or name networks with --train.",
        )


def _both_given(runs: Sequence[Place], train: object) -> OptionError:
    return OptionError(
        f"Runs ({', '.join(map(str, runs))}) and --train were both given.",
        "Runs that are finished, or networks to be trained first.",
        "Leave one out; the runs that --train makes can be compared with others afterwards.",
    )


def _check_page(out: str | None) -> None:
    if out is not None and Path(out).suffix.lower() != ".html":
        raise OptionError(
            f"--out {out} was given.", "A file whose name ends in .html.", "Give a name like comparison.html."
        )


def _written(made: Comparison, out: str) -> Comparison:
    from ..report.compare import page
    from ..storage import write_whole

    write_whole(Path(out), page(made).encode("utf-8", "xmlcharrefreplace"))
    return dataclasses.replace(made, html=out)
