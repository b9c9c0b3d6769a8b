"""One label a picture: softmax and cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ..calibration import temperature_of
from ..contracts import View
from ..data.views import evaluation_view
from ..errors import UnknownNameError
from ..intervals import bootstrap
from ..structure.auxiliary import total_loss
from ..values import Batch, Evaluation, Headline, Item, Preprocessing, Score, Step, Target
from ._targets import label_scores, label_target

SOURCE = (
    "cross-entropy of a softmax: Bridle 1990; label smoothing: Szegedy et al. 2016, section 7; "
    "expected calibration error: Guo et al. 2017, with 15 bins"
)
DEFAULTS = {
    "loss": ("cross-entropy", "the softmax's negative log-likelihood: classes exclude each other"),
    "label_smoothing": (
        0.1,
        "a little more accurate in long trainings (Szegedy et al. 2016, section 7)",
    ),
}
SAMPLE: tuple[str, ...] = ("owl", "dog", "cat", "owl", "dog", "cat", "owl", "dog")
BINS = 15
LOSSES = ("cross-entropy", "bce")


@dataclass(frozen=True)
class Classify:
    """Classification. The classes exclude each other, so the last activation is a softmax and the
    loss the cross-entropy, its negative log-likelihood."""

    labels: tuple[str, ...]
    label_smoothing: float = 0.0
    loss: str = "cross-entropy"
    class_weights: tuple[float, ...] = ()
    """One a label, mean 1 over the training pictures; empty: all 1."""
    temperature: float = 1.0
    """What logits are divided by before the softmax, from validation (Guo et al. 2017)."""

    name = "classify"
    headline = Headline("accuracy", higher_is_better=True)
    dense = False
    own_sizes = False

    @property
    def outputs(self) -> int:
        return len(self.labels)

    @property
    def chance(self) -> float:
        return 1 / len(self.labels)

    def knows(self, truth: Any) -> bool:
        return truth in self.labels

    def truth(self, item: Item, image: Image.Image, root: str) -> int:
        """The class index of an item; names decide, never positions."""
        return self.labels.index(item.truth)

    def view(self, preprocessing: Preprocessing) -> View:
        return evaluation_view(preprocessing)

    def collate(self, truths: Sequence[int]) -> Tensor:
        """Class indices `B`, int64."""
        return torch.tensor(truths)

    def step(self, network: nn.Module, batch: Batch) -> Step:
        """Forward and loss; outputs are logits `BC`. Smoothing applies in training only."""
        logits, loss = total_loss(
            network(batch.images), lambda made: self._loss(made, batch.truths, network.training)
        )
        each = None
        if network.training and not batch.truths.is_floating_point():
            with torch.no_grad():
                each = F.cross_entropy(logits.float(), batch.truths, reduction="none")
        return Step(loss, {}, logits, each)

    def _loss(self, logits: Tensor, truths: Tensor, training: bool) -> Tensor:
        smoothing = self.label_smoothing if training else 0.0
        classes = len(self.labels)
        if self.loss == "bce":
            wanted = truths if truths.is_floating_point() else F.one_hot(truths, classes).float()
            wanted = wanted * (1 - smoothing) + smoothing / classes
            each = F.binary_cross_entropy_with_logits(logits.float(), wanted, reduction="none").mean(1)
        else:
            # torch's own mean where nothing is weighted: equal to a bare loop bit for bit
            how = "none" if self.class_weights else "mean"
            each = F.cross_entropy(logits.float(), truths, label_smoothing=smoothing, reduction=how)
        if self.class_weights and training:
            weights = torch.tensor(self.class_weights, device=logits.device)
            each = each * (truths @ weights if truths.is_floating_point() else weights[truths])
        return each.mean()

    def mix(self, truths: Tensor, order: Tensor, share: float | Tensor) -> Tensor:
        """Class shares `BC`: `share` of one's own, the rest of the picture's at `order` (Zhang et al. 2018)."""
        own = truths if truths.is_floating_point() else F.one_hot(truths, len(self.labels)).float()
        return own * share + own[order] * (1 - share)

    def calibrated(self, outputs: Tensor, truths: Tensor) -> Classify:
        """With the temperature that validation logits `BC` ask for; the most probable label stays."""
        return replace(self, temperature=temperature_of(outputs, truths))

    def predict(
        self, network: nn.Module, images: Tensor, sizes: Sequence[tuple[int, int]] = ()
    ) -> list[list[dict[str, Any]]]:
        """For each picture of `BCHW` every label with its probability, most probable first."""
        probabilities = (network(images).float() / self.temperature).softmax(1).cpu()
        values, places = probabilities.sort(dim=1, descending=True, stable=True)
        return [
            [{"label": self.labels[p], "probability": v} for p, v in zip(ps, vs, strict=True)]
            for ps, vs in zip(places.tolist(), values.tolist(), strict=True)
        ]

    def score(self, outputs: Tensor, targets: Sequence[Target]) -> Tensor:
        """Logits `B` of the targets' classes, less those of the classes they are held against."""
        return label_scores(outputs, targets, self.labels)

    def targets(self, outputs: Tensor) -> list[Target]:
        """The most probable class of each picture."""
        return [Target(self.labels[place]) for place in outputs.argmax(1).tolist()]

    def target(self, words: str) -> Target:
        return label_target(words, self.labels)

    def building(self) -> dict[str, Any]:
        return {}

    def meter(self) -> ClassifyMeter:
        return ClassifyMeter(self)

    def card(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "labels": list(self.labels),
            "label_smoothing": self.label_smoothing,
            "loss": self.loss,
            "class_weights": list(self.class_weights),
            "temperature": self.temperature,
        }


def build(
    labels: Sequence[str],
    *,
    label_smoothing: float = 0.0,
    loss: str = "cross-entropy",
    class_weights: Sequence[float] = (),
    temperature: float = 1.0,
) -> Classify:
    """The task for these class names.

    Raises:
        OptionError: an unknown loss.
    """
    if loss not in LOSSES:
        raise UnknownNameError("loss for classes", loss, LOSSES)
    return Classify(tuple(labels), label_smoothing, loss, tuple(class_weights), temperature)


class ClassifyMeter:
    """Gathers probabilities and truths, and judges them."""

    def __init__(self, task: Classify) -> None:
        self.task = task
        self.probabilities: list[Tensor] = []
        self.truths: list[Tensor] = []
        self.ids: list[str] = []

    def add(self, step: Step, batch: Batch) -> None:
        # left on the device until the end: fetching each batch would wait for the GPU
        self.probabilities.append((step.outputs.detach().float() / self.task.temperature).softmax(1))
        self.truths.append(batch.truths)
        self.ids += batch.ids

    def result(self, split: str) -> Evaluation:
        """Accuracy with its bootstrap interval, top-5, macro F1 (over the classes that occur among the
        truths), per class, calibration, examples."""
        scores = torch.cat(self.probabilities).double().cpu().numpy()
        truths = torch.cat(self.truths).cpu().numpy()
        broken = ~np.isfinite(scores).all(1)  # a network gone wrong: wrong everywhere, and infinitely so
        scores[broken] = 0
        labels = self.task.labels
        count, classes = scores.shape
        predicted = scores.argmax(1)
        right = (predicted == truths).astype(np.float64)
        confusion = np.zeros((classes, classes), dtype=np.int64)
        np.add.at(confusion, (truths, predicted), 1)
        of_truth = np.clip(scores[np.arange(count), truths], 1e-12, 1.0)
        losses = np.where(broken, np.inf, -np.log(of_truth))
        per_class = _per_class(confusion, labels)
        present = [row["f1"] for row in per_class if row["count"]]
        metrics = {
            "accuracy": float(right.mean()),
            "macro_f1": float(np.mean(present)),
            "loss": float(losses.mean()),
            "calibration_error": calibration_error(scores.max(1), right),
        }
        if classes > 5:
            top = np.argpartition(-scores, 4, axis=1)[:, :5]
            metrics["top5"] = float((top == truths[:, None]).any(1).mean())
        low, high = bootstrap(right)
        headline = Score("accuracy", metrics["accuracy"], low, high, True, split)
        examples = [
            {
                "id": i,
                "truth": labels[t],
                "predicted": labels[p],
                "probability": float(s[p]),
                "loss": float(loss),
            }
            for i, t, p, s, loss in zip(self.ids, truths, predicted, scores, losses, strict=True)
        ]
        return Evaluation(headline, metrics, count, per_class, confusion.tolist(), examples)


def calibration_error(confidences: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Expected calibration error of confidences `N` against hits `N` in 15 equal bins (Guo 2017)."""
    bins = np.clip(np.ceil(confidences * BINS) - 1, 0, BINS - 1).astype(int)
    error = 0.0
    for number in range(BINS):
        inside = bins == number
        if inside.any():
            error += inside.mean() * abs(float(right[inside].mean()) - float(confidences[inside].mean()))
    return float(error)


def _per_class(confusion: NDArray[np.int64], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class; 0 where undefined."""
    hits = confusion.diagonal()
    truly, said = confusion.sum(1), confusion.sum(0)
    rows = []
    for n, label in enumerate(labels):
        precision = float(hits[n] / said[n]) if said[n] else 0.0
        recall = float(hits[n] / truly[n]) if truly[n] else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        rows.append(
            {"label": label, "count": int(truly[n]), "precision": precision, "recall": recall, "f1": f1}
        )
    return rows
