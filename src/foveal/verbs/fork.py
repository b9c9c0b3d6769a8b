"""foveal runs fork: the same run with some options changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from ..errors import RunError
from ..records.moved import moved
from ..records.run import is_folds
from ..records.trained import Trained
from ..training.fork import Source
from ..training.fork import fork as fork_run
from .named import weights_named
from .runs import found
from .train import reported


def fork(
    run: str | os.PathLike[str],
    *,
    from_: Source = "start",
    data_at: str | os.PathLike[str] | None = None,
    screen: Callable[[Any], None] | None = None,
    began: float | None = None,
    **changes: Any,
) -> Trained:
    """Train a run again with some options changed, on its very pictures and split; it stays as it is.

    All other options are as they were there, chosen ones too. Only choices that depend on what is
    changed are made anew: with another optimizer the rate, with another network all of the recipe.

    Args:
        run: a run's folder, or the name of a run in `runs_dir`.
        from_: `start` begins as the run itself began; `best` and `last` begin with that model's weights.
        data_at: where the run's pictures are now, if they have moved; both then know it.
        screen: called with every choice and event as it comes.
        began: Unix time from which seconds and `minutes` count (default: now).
        changes: see `foveal.options.TrainOptions`; not those that say what the data is.

    Raises:
        FovealError: no such run or model, its pictures have changed, or an option cannot be used.
        KeyboardInterrupt: interrupted; everything was saved before.
    """
    began = time.time() if began is None else began
    folder = found(run, changes.get("runs_dir", "runs"))
    if is_folds(folder):
        raise RunError(
            f"{folder} holds the runs of several folds.",
            "One run.",
            f"Give one of them ({folder / 'fold-1'}), or train anew: foveal train DATA --folds ...",
        )
    show = screen or (lambda message: None)
    if data_at is not None:
        moved(folder, data_at, progress=lambda done, total: show(("examining", done, total)))
    if changes.get("weights") is not None:
        changes["weights"] = weights_named(changes["weights"], changes.get("runs_dir", "runs"))
    return reported(fork_run(folder, changes, show, began, from_), show)
