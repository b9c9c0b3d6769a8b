"""The packaged digits with something wrong, a network trained on them, and a look at both."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.doctor.case import Case
from foveal.doctor.data import examined
from foveal.loop.evaluation import evaluate
from foveal.tasks import classify
from foveal.values import Dataset, Item
from staging import LABELS, batches, digits, small, trained

Pixels = NDArray[np.uint8]


def case_of(data: Dataset, **options: Any) -> Case:
    """A network trained on the data, and what the data and its judgement of the validation pictures show."""
    network = small()
    case = trained(lambda: network, data=data, **{"epochs": 8, **options})
    task = classify.build(LABELS, label_smoothing=0.1)
    found = evaluate(network, task, batches(data, task, "val", 64), split="val", device="cpu")
    told = examined(data, task="classify", evaluation=found)
    return dataclasses.replace(case, data=told)


def shown() -> Pixels:
    """The digits' pixels `NHW`, in the items' order."""
    data = digits()
    return np.asarray(np.load(Path(data.root) / "digits.npy"))


def with_pixels(pixels: Pixels, items: Sequence[Item] | None = None) -> Dataset:
    """The digits' data set with other pixels, and other items where these are given."""
    data = digits()
    folder = Path(tempfile.mkdtemp(prefix="staged-"))
    np.save(folder / "digits.npy", pixels)
    return dataclasses.replace(data, root=str(folder), items=data.items if items is None else tuple(items))


def with_labels(labels: Sequence[str]) -> Dataset:
    data = digits()
    pairs = zip(data.items, labels, strict=True)
    return dataclasses.replace(
        data, items=tuple(dataclasses.replace(item, truth=label) for item, label in pairs)
    )


def labels() -> list[str]:
    return [str(item.truth) for item in digits().items]


@functools.cache
def sound() -> Case:
    return case_of(digits())
