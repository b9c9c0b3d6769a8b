"""A metric that counts the classes from 1 where the loss counts from 0: it is never right."""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import Tensor

from foveal.doctor.case import Case
from foveal.tasks.classify import Classify, ClassifyMeter
from foveal.values import Batch, Evaluation, Score, Step
from staging import LABELS, trained


class Shifted(ClassifyMeter):
    """Loss as it should be, accuracy of the class before."""

    def add(self, step: Step, batch: Batch) -> None:
        super().add(step, batch)
        outputs: Tensor = step.outputs
        self.right = getattr(self, "right", 0) + int(((outputs.argmax(1) + 1) % 10 == batch.truths).sum())

    def result(self, split: str) -> Evaluation:
        made = super().result(split)
        value = self.right / made.count
        headline = Score("accuracy", value, max(0.0, value - 0.03), value + 0.03, True, split)
        return dataclasses.replace(made, headline=headline, metrics={**made.metrics, "accuracy": value})


class Counting(Classify):
    def meter(self) -> ClassifyMeter:
        return Shifted(self)


def build(labels: Any, label_smoothing: float) -> Classify:
    return Counting(tuple(labels), label_smoothing)


def staged() -> Case:
    assert len(LABELS) == 10
    return trained(build=build, batch=8)
