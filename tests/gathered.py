"""What a run's folder would hold, made up: evaluations, epochs, and all of it gathered for a report."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from foveal.events import Epoch, Event, Stopped
from foveal.records.gathered import Gathered
from foveal.report.advice import advice
from foveal.values import Dataset, Evaluation, Facts, Item, Score

LABELS = ("cat", "dog", "owl")


def judged(matrix: list[list[int]], probability: float = 0.6, sure: float = 0.6) -> Evaluation:
    """An evaluation with this confusion; wrong answers have the probability `sure`."""
    total, hits = sum(map(sum, matrix)), sum(matrix[n][n] for n in range(len(matrix)))
    value = hits / total
    rows, examples = [], []
    for a, row in enumerate(matrix):
        said = sum(matrix[n][a] for n in range(len(matrix)))
        recall = row[a] / sum(row) if sum(row) else 0.0
        rows.append(
            {
                "label": LABELS[a],
                "count": sum(row),
                "precision": row[a] / said if said else 0.0,
                "recall": recall,
            }
        )
        for b, count in enumerate(row):
            for n in range(count):
                p = probability if a == b else sure
                examples.append(
                    {
                        "id": f"{a}{b}{n}",
                        "truth": LABELS[a],
                        "predicted": LABELS[b],
                        "probability": p,
                        "loss": 1.0,
                    }
                )
    headline = Score("accuracy", value, value - 0.02, min(1.0, value + 0.02), True, "test")
    return Evaluation(headline, {"accuracy": value, "loss": 0.5}, total, rows, matrix, examples)


def epoch(
    number: int, value: float, train: float, val: float, best: bool = False, stage: str = "train"
) -> Epoch:
    headline = {
        "name": "accuracy", "value": value, "low": value - 0.03, "high": value + 0.03,
        "higher_is_better": True, "split": "val",
    }  # fmt: skip
    return Epoch(
        epoch=number,
        stage=stage,
        train_loss=train,
        metrics={"loss": val},
        headline=headline,
        best=best,
        step=number,
    )


STEADY: tuple[Event, ...] = (
    *(epoch(n, 0.9, 0.5, 0.4, n == 2) for n in range(1, 11)), Stopped(why="finished", step=10),
)  # fmt: skip


def made(evaluation: Evaluation | None, events: tuple[Event, ...] = STEADY, **more: Any) -> Gathered:
    items = tuple(Item(f"{label}{n}", "x.png", label, "train") for label in LABELS for n in range(50))
    data = Dataset("/data", "classify", "folder", "", LABELS, items, (), Facts(128, 128, 128, 128, False, 9))
    base = Gathered(
        folder=Path("runs/one"), name="one", status="finished",
        options={"preprocessing": {"size": 128}, "train": {"lr": 0.1}},
        choices=(), dataset=data, machine={}, events=events, result={"headline": {}, "why": "finished"},
        evaluation=evaluation, score=evaluation.headline if evaluation else None, find_lr={},
    )  # fmt: skip
    return dataclasses.replace(base, **more)


def titles(g: Gathered) -> list[str]:
    return [one.title for one in advice(g)]


FINE = [[970, 15, 15], [15, 970, 15], [15, 15, 970]]
