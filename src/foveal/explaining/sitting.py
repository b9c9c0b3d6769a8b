"""What portraits of a network are made with: its pictures, as evaluation sees them, from a run or a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from ..contracts import Pictures, Sitting
from ..data.views import to_input
from ..errors import PictureError
from ..model import Model
from ..records.run import Run
from ..structure.subject import Subject
from .given import Given, network_of

MOST = 2000
"""Pictures that a portrait looks at, drawn where there are more."""
CHUNK = 64


def sitting_of(model: Model, given: Sequence[Given], seed: int = 0) -> Sitting:
    """What portraits of the model are made from; of more than `MOST` pictures as many are drawn, in their order.

    Pictures that cannot be read are left out.
    """
    pre = model.preprocessing
    subject = Subject.of(network_of(model), (1, pre.channels, pre.size, pre.size))
    chosen = list(given)
    if len(chosen) > MOST:
        places = np.random.default_rng(seed).permutation(len(chosen))[:MOST]
        chosen = [chosen[n] for n in sorted(places.tolist())]
    pictures = _pictures(model, chosen) if chosen else None
    pictured = getattr(model.task, "pictures", None)
    return Sitting(subject, pre, pictures, len(chosen), tuple(model.labels), seed, pictured)


def of_run(run: Run) -> tuple[list[Given], dict[str, str]]:
    """A run's training pictures, and the label of each that has one, by its id."""
    dataset = run.dataset
    items = dataset.part("train")
    kinds = {item.id: item.truth for item in items if isinstance(item.truth, str)}
    return [Given.item(dataset.root, item) for item in items], kinds


def _pictures(model: Model, given: Sequence[Given]) -> Pictures:
    view, channels = model.task.view(model.preprocessing), model.preprocessing.channels

    def one(picture: Given) -> Tensor | None:
        try:
            return to_input(picture.opened(channels, None), view)
        except (PictureError, OSError, ValueError, SyntaxError):
            return None

    def batches() -> Iterator[tuple[Sequence[str], Tensor]]:
        with ThreadPoolExecutor(thread_name_prefix="foveal-decode") as threads:
            for start in range(0, len(given), CHUNK):
                chunk = given[start : start + CHUNK]
                seen = [
                    (g.path, t) for g, t in zip(chunk, threads.map(one, chunk), strict=True) if t is not None
                ]
                if seen:
                    yield [path for path, _ in seen], torch.stack([image for _, image in seen])

    return batches
