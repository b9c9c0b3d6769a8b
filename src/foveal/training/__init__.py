"""Data -> plan -> fit -> run folder: the one way a network is trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from .. import catalog, events, plan
from ..data.examine import changed
from ..errors import RunError
from ..machine import device
from ..options import TrainOptions, make
from ..plan import Plan
from ..plan.network import built
from ..plan.range_test import RangeTest
from ..plan.trial import begun_network
from ..records.run import FIND_LR, RESUME, Run
from ..records.trained import Trained
from ..storage import previous, write_json
from ..values import Choice, Dataset
from . import launch
from .job import Job, Screen
from .pausing import Pause, Paused

__all__ = ["Job", "Pause", "Paused", "Screen", "resume", "start"]


def start(
    dataset: Dataset,
    planned: Plan,
    name: str,
    screen: Screen,
    began: float,
    split: list[Choice],
    lineage: dict[str, Any] | None = None,
    found: RangeTest | None = None,
    pause: Pause | None = None,
    judged_on: str = "",
) -> Trained:
    """Train by a plan in a new run folder.

    Args:
        name: the data's.
        began: the command's start, Unix seconds.
        lineage: where the run comes from (`training.fork`, `training.folds`); kept with it.
        found: the range test that gave the rate; kept with it, too.
        pause: asked whether to stop for now.
        judged_on: `val` where the best model is not to be judged on the test split.

    Raises:
        Paused: `pause` said so.
    """
    o = planned.options
    network = begun_network(dataset, planned, screen)  # first: weights that do not fit leave no folder behind
    run = Run.create(o.runs_dir, f"{name}-{planned.start.network.replace('/', '-')}", o.out)
    launch.note(o, run.folder)
    screen(("run", str(run.folder)))
    with run.lock():
        run.write_dataset(dataset)
        # all that a resumed run needs, so that it plans nothing anew
        run.write_options(
            {
                "data": name,
                "train": dataclasses.asdict(o),
                "fit": dataclasses.asdict(planned.fit),
                "task": planned.task.card(),
                "preprocessing": dataclasses.asdict(planned.preprocessing),
                "architecture": planned.architecture,
                "channels_last": planned.channels_last,
                "origin": planned.start.origin,
                "lineage": lineage,
                **({"judged_on": judged_on} if judged_on else {}),
            },
            [*split, *planned.choices],
        )
        if found is not None:
            write_json(run.folder / FIND_LR, found.to_json())
        return Job.of(run, dataset, network, planned.task, screen, began).train(None, pause)


def resume(
    path: str, screen: Screen, began: float, pause: Pause | None = None, verified: Dataset | None = None
) -> Trained:
    """Go on with a run that was stopped or killed, from its last saved state. `verified`: its data, where that was
    compared with the pictures already.

    Raises:
        RunError: no such run, in use, damaged, or its pictures have changed.
        Paused: `pause` said so.
    """
    run = Run.open(path)
    with run.lock():
        done = Trained.read(run)
        if done is not None:
            screen(
                events.Noticed(what="finished", says=f"{path} was finished already; nothing is left to train")
            )
            return done
        kept, dataset = run.options, run.dataset if verified is None else verified
        if verified is None:
            verify(dataset, path, kept["train"]["data_home"])
        state = run.folder / RESUME
        if not (state.exists() or previous(state).exists()):  # killed before the first: begin again
            planned = plan.make(dataset, make(TrainOptions, kept["train"]))
            network = begun_network(dataset, planned, screen)
            return Job.of(run, dataset, network, planned.task, screen, began).train(None, pause)
        saved, notice = run.load_state()
        if notice:
            screen(events.Noticed(what="state", says=notice))
        card = dict(kept["task"])
        task = catalog.find("tasks", card.pop("name")).build(**card)
        device.choose(kept["fit"]["device"])
        device.seed_all(kept["fit"]["seed"], kept["fit"]["deterministic"])
        network = built(kept["architecture"], make(TrainOptions, kept["train"]))
        return Job.of(run, dataset, network, task, screen, began).train(saved, pause)


def verify(dataset: Dataset, path: str, data_home: str | None) -> None:
    """Refuse to go on with other pictures than the run began with."""
    if dataset.reader != "builtin" and not Path(dataset.root).exists():
        raise RunError(
            f"The pictures of {path} are no longer at {dataset.root}.",
            "The pictures where they were; or, of a run, the place that they have moved to.",
            f"Put them back, or say once where they are: foveal runs resume {path} --data PLACE (or fork, evaluate, "
            "explain, diagnose).",
        )
    if other := changed(dataset, data_home=data_home):
        raise RunError(
            f"The data of {path} has changed since: {len(other)} pictures are gone or others now "
            f"({', '.join(other[:5])}).",
            "The pictures that the run began with; other ones would make its results mean nothing.",
            "Put them back, or train a new run: foveal train DATA",
        )
