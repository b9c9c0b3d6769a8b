"""foveal tune: a search over settings, whose every trial is a run of its own."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import training
from ..errors import OptionError
from ..folders import discard, held
from ..options import TuneOptions, make
from ..records.run import Run
from ..records.study import Shelf, Study
from ..report.study import write
from ..tuners import begin
from ..tuners.again import CONTEST
from ..tuners.cluster_join import joined
from ..tuners.orders import Place
from ..tuners.places import LocalWorkers
from ..tuners.record import keep
from ..tuners.tuner import Tuner
from .named import study_named, weights_named
from .train import check_early, data_name

Screen = Callable[[Any], None]
RAISED = ("minutes", "trials", "epochs_total")
"""What a study that goes on may be given more of."""


def tune(
    data: str | Path | None = None,
    *,
    over: Sequence[str] | Mapping[str, Any] = (),
    resume: str | Path | None = None,
    screen: Screen | None = None,
    began: float | None = None,
    **options: Any,
) -> Study:
    """Search for settings that train a better network on `data` (a folder, a CSV, a name; the digits when not given).

    Trial 0 has the default recipe; what is tuned follows the budget, unless `over` says it. Each trial is an ordinary
    run in `STUDY/trials/`, judged on validation. In the end the best and the default are trained again with other
    seeds (`STUDY/verdict/`), compared in pairs on validation, and the winner and the default judged once on the test
    pictures: `Study.verdict`.

    Args:
        data: where the pictures are.
        over: what to tune: texts like `lr=log(1e-4,1e-1)`, `momentum=0.8..0.99`, `network=resnet18,densenet121`; or a
            mapping from an option to such a text, to a list of values, or to a pair of floats, its ends.
        resume: a study to go on with instead, its folder or its name in `runs_dir`. It keeps its own data and options;
            only `minutes`, `trials` and `epochs_total` may be given, to make its budget larger: they count from its
            beginning; and `cluster`, to go on elsewhere (`none`: here).
        screen: called with every choice, issue, event and `study.Turn` as it comes.
        began: Unix time from which `minutes` count (default: now).
        options: see `foveal.options.TuneOptions`.

    Raises:
        FovealError: the data, an option, the study's folder or the cluster cannot be used.
        KeyboardInterrupt: interrupted; what ran was saved before, and it says how to go on.
    """
    began = time.time() if began is None else began
    show = screen or (lambda message: None)
    if resume is not None:
        options = dict(options)
        folder = study_named(resume, options.pop("runs_dir", "runs"))
        return _gone_on(folder, data, over, options, show, began)
    wanted = make(TuneOptions, options)
    wanted = dataclasses.replace(wanted, weights=weights_named(wanted.weights, wanted.runs_dir))
    check_early(begin.training_options(wanted), False)
    with joined(wanted.cluster) as ray:
        return _begun(None if data is None else str(data), wanted, over, show, began, ray)


def _begun(
    data: str | None,
    wanted: TuneOptions,
    over: Sequence[str] | Mapping[str, Any],
    screen: Screen,
    began: float,
    ray: Any,
) -> Study:
    """A new study; `ray` is a cluster's, or None."""
    row = None
    if ray is not None:
        row, room = _shared(ray, wanted.cluster, wanted.threads, wanted.device, wanted.jobs)
        wanted = dataclasses.replace(wanted, jobs=room, threads=row["cpus"])
    study = begin.ready(data, data_name(data), wanted, over, screen, began)
    if row is not None:
        study = dataclasses.replace(study, record={**study.record, "cluster": row, "gpus": []})
    folder = begin.made(study, screen)
    with held(folder):
        try:
            return _searched(folder, screen, began, ray)
        except Exception:
            if not any((folder / "trials").glob("*.json")):
                discard(folder)  # it never came to a first trial
            raise


def _shared(
    ray: Any, address: str | None, threads: int | None, device: str | None, jobs: int | None
) -> tuple[dict[str, Any], int]:
    """What a study's record says of its cluster, and the trials that the cluster has room for now."""
    from ..tuners.cluster_nodes import Share

    nodes = ray.nodes()
    share = Share.of(nodes, threads, device, jobs)
    room = share.room(nodes)
    row = {"address": address, "cpus": share.cpus, "gpus": share.gpus, "jobs": jobs}
    return row, min(room, jobs or room)


def _searched(folder: Path, screen: Screen, began: float, ray: Any = None) -> Study:
    record = Shelf(folder).record()
    place: Place
    if ray is None:
        place = LocalWorkers(folder, int(record["jobs"]), tuple(record["gpus"]))
    else:
        from ..tuners.cluster import ClusterWorkers

        place = ClusterWorkers.of(ray, folder, record["cluster"], screen)
    done = Tuner(folder, place, screen, began).run()
    try:
        screen(("says", f"To look at: {write(done)}"))
    except OSError as error:  # the study itself is whole
        screen(("says", f"The report could not be written: {error}"))
    return done


def _gone_on(
    folder: Path,
    data: str | Path | None,
    over: Sequence[str] | Mapping[str, Any],
    options: dict[str, Any],
    screen: Screen,
    began: float,
) -> Study:
    """Go on with a study that was stopped, killed, or is to be given more."""
    record = Shelf(folder).record()
    more = {name: value for name, value in options.items() if value is not None}
    others = [
        *(["DATA"] if data is not None else []),
        *(["--over"] if over else []),
        *(more.keys() - {*RAISED, "cluster"}),
    ]
    if others:
        raise OptionError(
            f"--resume {folder} was given together with {', '.join(sorted(others))}.",
            "A study goes on with its own data and options; --minutes, --trials and --epochs-total give it more, and "
            "--cluster says where.",
            f"foveal tune --resume {folder}",
        )
    wanted = make(TuneOptions, more)
    more.pop("cluster", None)
    row = record.get("cluster")
    address = wanted.cluster or (row and row["address"])
    with held(folder), joined(address) as ray:
        dataset = Run(folder).dataset
        training.verify(dataset, str(folder), record["options"]["data_home"])
        if more:
            budget = {**record["budget"], **{name: getattr(wanted, name) for name in more}}
            # more may be tried, and others be the best
            keep(folder, budget=budget, verdict=None, **{CONTEST: None})
        _move(folder, record, address, ray)
        screen(("study", str(folder)))
        return _searched(folder, screen, began, ray)


def _move(folder: Path, record: Mapping[str, Any], address: str | None, ray: Any) -> None:
    """Note where a study goes on: on another cluster, on one for the first time, or here again."""
    row = record.get("cluster")
    if ray is None:
        if row is not None:
            keep(folder, cluster=None, jobs=1)
    elif row is None:
        own = record["options"]
        row, room = _shared(ray, address, own["threads"], own["device"], None)
        keep(folder, cluster=row, jobs=room, gpus=[])
    else:
        keep(folder, cluster={**row, "address": address})
