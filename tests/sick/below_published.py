"""A ResNet-18 with first layers for small pictures that has 71 % on CIFAR-10 after 200 epochs."""

from __future__ import annotations

import dataclasses
from typing import Any

from foveal.doctor.case import Case
from foveal.records.gathered import Gathered
from foveal.values import Dataset, Evaluation, Facts, Item, Score
from gathered import epoch, made

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def run(
    value: float, *, epochs: int = 200, train: int = 45_000, val: int = 5_000, test: int = 10_000, **more: Any
) -> Gathered:
    """A ResNet-18 with first layers for small pictures on CIFAR-10, as it would be gathered."""
    counts = {"train": train, "val": val, "test": test}
    items = tuple(
        Item(f"{part}{n}", "x", CIFAR[n % 10], part) for part, count in counts.items() for n in range(count)
    )
    data = Dataset("/cifar", "classify", "folder", "", CIFAR, items, (), Facts(32, 32, 32, 32, False, 9))
    score = Score("accuracy", value, value - 0.009, value + 0.009, True, "test")
    judged = Evaluation(score, {"accuracy": value}, test, [])
    rows = tuple(epoch(n, value, 0.5, 0.5, n == 1) for n in range(1, epochs + 1))
    options = {
        "train": {"network": "resnet18"}, "preprocessing": {"size": 32}, "origin": None, "data": "pictures",
        "architecture": {"name": "resnet18", "stem": "small", "size": 32}, "task": {"name": "classify"},
    }  # fmt: skip
    base = made(judged, rows, dataset=data, options=options)
    return dataclasses.replace(base, **more)


def staged() -> Case:
    return Case(run(0.71))
