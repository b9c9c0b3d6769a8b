"""The model of a run as its training began: the same weights, drawn or published, before its first step."""

from __future__ import annotations

import dataclasses

from ..card import Card
from ..model import Model
from ..options import TrainOptions, make
from ..records.run import Run


def begun_model(run: Run) -> Model:
    """The run's network with the weights that its training began with, made again as training made them: from the
    run's options and seed, and from its training pictures where its architecture takes some from them.

    Raises:
        FovealError: its published weights, or its pictures where they are needed, are not to be had any more.
    """
    from .. import plan
    from ..plan.trial import begun_network, untouched

    kept = run.options
    with untouched("cpu"):
        options = dataclasses.replace(make(TrainOptions, kept["train"]), device="cpu")
        planned = plan.make(run.dataset, options)
        planned = dataclasses.replace(planned, architecture=dict(kept["architecture"]))
        network = begun_network(run.dataset, planned, lambda message: None).eval()
    card = Card(
        task=planned.task.card(), architecture=dict(kept["architecture"]), preprocessing=planned.preprocessing
    )
    return Model(network, planned.task, planned.preprocessing, card)
