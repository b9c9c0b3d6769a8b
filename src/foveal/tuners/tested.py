"""A model of a study judged on the test pictures: once, when all that it could have been chosen by is done."""

from __future__ import annotations

from pathlib import Path

from ..data.batches import Batches
from ..loop import evaluation
from ..machine import device as devices
from ..records.run import Run
from ..storage import read_json, write_json
from ..structure.views import Views
from ..values import Evaluation, Issue, Score

TESTED = "on_test.json"
"""Under this name a run of a study keeps what its best model came to on the test pictures."""
TOGETHER = 64


def judged(folder: Path, study: Path, device: str | None) -> Evaluation:
    """A run's best model on the test pictures of its study; read where that was done before.

    Raises:
        ModelError: its model is damaged.
    """
    kept = folder / TESTED
    if kept.is_file():
        row = read_json(kept)
        return Evaluation(
            **{
                **row,
                "headline": Score(**row["headline"]),
                "issues": tuple(Issue(**{**one, "paths": tuple(one["paths"])}) for one in row["issues"]),
            }
        )
    where, _ = devices.choose(device)
    model, dataset = Run(folder).model("best", where), Run(study).dataset
    pre, task = model.preprocessing, model.task
    size = 1 if task.own_sizes else TOGETHER
    batches = Batches(dataset.root, dataset.part("test"), task, task.view(pre), pre, size, varied=False)
    network = model.network if pre.views == 1 else Views(model.network, pre.views)
    found = evaluation.evaluate(network, task, batches, "test", where)
    write_json(kept, found.to_json())
    return found
