"""Gathers how class maps were judged, and sums it up."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from ..values import Batch, Evaluation, Score, Step
from ._segment_maps import Judged
from ._segment_measures import Counts, Map, interval

WORST = 100
"""Pictures whose maps are given with an evaluation: the worst ones."""


class SegmentMeter:
    """Gathers each picture's counts of pixels, and judges them together. `behind` is the place of the background."""

    def __init__(self, labels: Sequence[str], behind: int | None) -> None:
        self.labels, self.behind = tuple(labels), behind
        self.found: list[Judged] = []
        self.ids: list[str] = []

    def add(self, step: Step, batch: Batch) -> None:
        self.found += step.outputs
        self.ids += batch.ids

    def result(self, split: str) -> Evaluation:
        """mIoU over the classes that occur among the truths, from all pixels together, with its bootstrap interval
        over pictures; Dice likewise, for two classes that of the foreground too; the shares of pixels that are right,
        of all and as the mean over classes; boundary F1, the mean over pictures; loss; a row a class; examples.

        An example's `truth` and `predicted` are the labels on the picture, largest first; `score` is its own mIoU;
        `map`, for the worst pictures, a PNG file of class indices, made small, in base64 (255: none)."""
        tables = np.stack([one.table for one in self.found])
        each, total = Counts.of(tables), Counts.of(tables.sum(0))
        losses = np.array([one.loss for one in self.found])
        losses[~np.isfinite(losses)] = np.inf  # a network gone wrong: infinitely so
        value = float(total.mean(total.iou))
        edges = [one.boundary for one in self.found if one.boundary is not None]
        metrics = {
            "mIoU": value,
            "dice": float(total.mean(total.dice)),
            "pixel_accuracy": float(total.hits.sum() / max(1.0, total.truly.sum())),
            "mean_accuracy": float(total.mean(total.recall)),
            "boundary_f1": float(np.mean(edges)) if edges else 0.0,
            "loss": float(losses.mean()),
        }
        if len(self.labels) == 2:
            front = 0 if self.behind == 1 else 1
            metrics["foreground_dice"] = float(total.dice[front])
        low, high = interval(each, value)
        headline = Score("mIoU", value, low, high, True, split)
        return Evaluation(
            headline, metrics, len(self.ids), self._per_class(total), examples=self._examples(each, losses)
        )

    def _per_class(self, total: Counts) -> list[dict[str, Any]]:
        """A row a label; IoU and Dice are None where it neither occurs nor is said."""
        pixels = max(1.0, float(total.truly.sum()))
        rows = []
        for n, label in enumerate(self.labels):
            seen = total.truly[n] + total.said[n] > 0
            rows.append(
                {
                    "label": label,
                    "count": int(total.truly[n]),
                    "share": float(total.truly[n] / pixels),
                    "iou": float(total.iou[n]) if seen else None,
                    "dice": float(total.dice[n]) if seen else None,
                    "precision": float(total.precision[n]),
                    "recall": float(total.recall[n]),
                }
            )
        return rows

    def _examples(self, each: Counts, losses: Any) -> list[dict[str, Any]]:
        scores = each.mean(each.iou)
        worst = set(np.argsort(scores, kind="stable")[:WORST].tolist())
        rows = []
        for n, (one, name) in enumerate(zip(self.found, self.ids, strict=True)):
            row = {
                "id": name,
                "truth": self._named(each.truly[n]),
                "predicted": self._named(each.said[n]),
                "loss": float(losses[n]),
                "score": float(scores[n]),
            }
            rows.append({**row, "map": _as_text(one.small)} if n in worst else row)
        return rows

    def _named(self, counts: Any) -> list[str]:
        """The labels that have pixels, largest first."""
        order = np.argsort(-counts, kind="stable")
        return [self.labels[place] for place in order if counts[place] > 0]


def _as_text(small: Map) -> str:
    stream = io.BytesIO()
    Image.fromarray(small).save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()
