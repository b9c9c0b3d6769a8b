"""Which run or model a name means: a path, a name in the folder of runs, or a network as published."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .. import catalog
from ..card import BEST, like
from ..errors import DataError, ModelError, OptionError
from ..folders import is_study
from ..records.run import is_folds, is_run

if TYPE_CHECKING:
    from ..model import Model

Place = str | os.PathLike[str]


def model_named(model: Model | Place, runs_dir: Place = "runs") -> Model | str:
    """A model as it was given, where that is a model, a path that is there or a network's name; else, of a run's name
    or of a file in a run (`flowers-1`, `flowers-1/last.safetensors`), its path in `runs_dir`.

    Raises:
        ModelError: the name is a network's and a run's, or nothing's (the nearest names are given).
    """
    if not isinstance(model, str | os.PathLike):
        return model
    placed = in_runs(model, runs_dir)
    if placed != model or Path(model).exists() or is_network(model):
        return os.fspath(placed)
    near = like(Path(model), Path(runs_dir))
    raise ModelError(
        f"There is no model at {model}, and no run of that name in {runs_dir}.",
        "A run's folder or its name in --runs-dir, a .safetensors file that Foveal saved, or the name of a network "
        "with published weights.",
        f"Did you mean {' or '.join(near)}?"
        if near
        else f"See what is there with: foveal runs{_of(runs_dir)}",
    )


def in_runs(given: Place, runs_dir: Place = "runs") -> Place:
    """What was given; or its path in `runs_dir`, where a run, a set of folds or a model is only there.

    Raises:
        ModelError: it is a network's name as well.
    """
    inside = Path(runs_dir) / given
    if _holds(Path(given)) or not _holds(inside):
        return given
    if is_network(given) and not Path(given).exists():
        raise ModelError(
            f"{given} is the name of a network and of a run in {runs_dir}.",
            "One of the two.",
            f"For the run give its folder: {inside}. For the network as published name a folder without such a run: "
            "--runs-dir FOLDER",
        )
    return inside


def run_of(model: object) -> Path | None:
    """The folder of the run that a model lies in, where it is a path and lies in one."""
    if not isinstance(model, str | os.PathLike):
        return None
    path = Path(model)
    folder = path if path.is_dir() else path.parent
    return folder if is_run(folder) else None


def find_again(
    model: object,
    others: object,
    data_at: Place,
    verb: str,
    data_home: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Have the run that a model lies in learn where its pictures are now. `others`: what was given in their stead.

    Raises:
        OptionError: others were given.
        DataError: the model lies in no run, or other pictures are there.
        DiskError: the run cannot note it.
    """
    from ..records.moved import moved

    if others:
        raise OptionError(
            f"--data {data_at} was given together with other pictures.",
            "Other pictures; or (--data) the place that the run's own ones have moved to.",
            "Leave one out.",
        )
    folder = run_of(model)
    if folder is None:
        raise DataError(
            f"--data {data_at} was given, and the model lies in no run whose pictures could have moved.",
            "A run's folder as the model; other pictures without --data.",
            f"foveal {verb} MODEL {data_at}",
        )
    moved(folder, data_at, data_home=data_home, progress=progress)


def weights_named(weights: str | None, runs_dir: Place) -> str | None:
    """Weights to start from: a run's name becomes its path, all else stays.

    Raises:
        ModelError: the name is a network's, too.
    """
    if not isinstance(weights, str) or "://" in weights:
        return weights
    return str(in_runs(weights, runs_dir))


def study_named(study: Place, runs_dir: Place = "runs") -> Path:
    """The path of a study or of a comparison of searches: as it was given, or in `runs_dir`, where it is only there."""
    from ..tuners.compared import is_comparison

    path, inside = Path(study), Path(runs_dir) / study
    there = not (is_study(path) or is_comparison(path)) and (is_study(inside) or is_comparison(inside))
    return inside if there else path


def is_network(name: Place) -> bool:
    """Whether an architecture is called so."""
    return str(name) in catalog.names("architectures") or str(name).startswith("timm/")


def _holds(path: Path) -> bool:
    """Whether a path is a run, a set of folds, or a model in one."""
    try:
        file = path.suffix == ".safetensors" and path.is_file()
        return file or is_run(path) or is_folds(path) or (path / BEST).is_file()
    except (OSError, ValueError):
        return False


def _of(runs_dir: Place) -> str:
    return "" if str(runs_dir) == "runs" else f" --runs-dir {runs_dir}"
