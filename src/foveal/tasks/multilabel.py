"""Any number of labels a picture, also none: a sigmoid and binary cross-entropy for each."""

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
from ..intervals import wilson
from ..structure.auxiliary import total_loss
from ..values import Batch, Dataset, Evaluation, Headline, Item, Preprocessing, Score, Step, Target
from ._targets import label_scores, label_target

SOURCE = (
    "one sigmoid a label: Zhang & Zhou 2014, A Review on Multi-Label Learning Algorithms (binary relevance); "
    "average precision: Everingham et al. 2015, without interpolation; thresholds of largest F1: Lipton et al. "
    "2014, and where a label is rare none, as they overfit there: Yang 2001; temperature: Guo et al. 2017"
)
DEFAULTS = {
    "loss": ("bce", "the sigmoids' negative log-likelihood: labels do not exclude each other"),
    "label_smoothing": (
        0.0,
        "most labels are absent from most pictures, and smoothing would call each of them a little there",
    ),
}
LOSSES = ("bce",)
SAMPLE: tuple[list[str], ...] = (
    ["sky"],
    ["sea", "sky"],
    [],
    ["sand"],
    ["sea"],
    ["sand", "sea", "sky"],
    ["sky"],
    [],
)
FEW = 10
"""A label keeps the threshold 0.5 unless validation has this many pictures with it and as many without."""
WORK = 30_000_000
"""Pictures times labels times resamples that an interval may cost, above 50 of them: about 0.6 s."""


@dataclass(frozen=True)
class Multilabel:
    """Several labels a picture. They do not exclude each other, so the last activation is one sigmoid
    a label and the loss the mean of their binary cross-entropies."""

    labels: tuple[str, ...]
    label_smoothing: float = 0.0
    loss: str = "bce"
    class_weights: tuple[float, ...] = ()
    """How many times a label's presence counts in the loss, one a label, mean 1; empty: all 1."""
    thresholds: tuple[float, ...] = ()
    """The probability from which a label counts as present, one a label; empty: all 0.5."""
    temperature: float = 1.0
    """What logits are divided by before the sigmoids, from validation."""
    prevalence: tuple[float, ...] = ()
    """Share of the training pictures that bear each label; empty: not known."""

    name = "multilabel"
    headline = Headline("mAP", higher_is_better=True)
    dense = False
    own_sizes = False

    @property
    def outputs(self) -> int:
        return len(self.labels)

    @property
    def chance(self) -> float | None:
        """A random ranking's precision is a label's prevalence at every recall, hence its mean is too."""
        return float(np.mean(self.prevalence)) if self.prevalence else None

    def knows(self, truth: Any) -> bool:
        return isinstance(truth, list | tuple) and all(label in self.labels for label in truth)

    def truth(self, item: Item, image: Image.Image, root: str) -> tuple[int, ...]:
        """The places of an item's labels; names decide, never positions."""
        return tuple(self.labels.index(label) for label in item.truth)

    def view(self, preprocessing: Preprocessing) -> View:
        return evaluation_view(preprocessing)

    def collate(self, truths: Sequence[Sequence[int]]) -> Tensor:
        """Whether each label is there, `BC`, 1.0 or 0.0."""
        there = torch.zeros(len(truths), len(self.labels))
        for row, places in zip(there, truths, strict=True):
            row[list(places)] = 1.0
        return there

    def step(self, network: nn.Module, batch: Batch) -> Step:
        """Forward and loss; outputs are logits `BC`. Smoothing and weights apply in training only."""
        wanted = batch.truths
        factors = None
        if network.training:
            wanted = wanted * (1 - self.label_smoothing) + self.label_smoothing / 2
            factors = torch.tensor(self.class_weights, device=wanted.device) if self.class_weights else None
        logits, loss = total_loss(
            network(batch.images),
            lambda made: F.binary_cross_entropy_with_logits(made.float(), wanted, pos_weight=factors),
        )
        return Step(loss, {}, logits, _each(logits, batch.truths) if network.training else None)

    def mix(self, truths: Tensor, order: Tensor, share: float | Tensor) -> Tensor:
        """Shares of each label `BC`: `share` of one's own, the rest of the picture's at `order`."""
        return truths * share + truths[order] * (1 - share)

    def calibrated(self, outputs: Tensor, truths: Tensor) -> Multilabel:
        """With one temperature for all labels, and for each the threshold of its largest F1; labels that
        fewer than `FEW` pictures bear, or all but so few, keep 0.5."""
        sound = torch.isfinite(outputs).all(1)
        logits, there = outputs[sound].double(), truths[sound] > 0.5
        if not len(logits):
            return self
        # a sigmoid is the softmax of a logit beside zero: each decision counts as a picture of two classes
        heat = temperature_of(torch.stack((0 * logits, logits), 2).flatten(0, 1), there.flatten().long())
        scores = (logits / heat).sigmoid().numpy()
        thresholds = (_threshold(p, t) for p, t in zip(scores.T, there.numpy().T, strict=True))
        return replace(self, temperature=heat, thresholds=tuple(thresholds))

    def predict(
        self, network: nn.Module, images: Tensor, sizes: Sequence[tuple[int, int]] = ()
    ) -> list[list[dict[str, Any]]]:
        """For each picture of `BCHW` every label with its probability and whether that is enough to call
        it `present`; most probable first."""
        probabilities = (network(images).float().cpu().double() / self.temperature).sigmoid()
        values, places = probabilities.sort(dim=1, descending=True, stable=True)
        least = self.least
        return [
            [
                {"label": self.labels[p], "probability": v, "present": v >= least[p]}
                for p, v in zip(ps, vs, strict=True)
            ]
            for ps, vs in zip(places.tolist(), values.tolist(), strict=True)
        ]

    @property
    def least(self) -> tuple[float, ...]:
        """Each label's threshold."""
        return self.thresholds or (0.5,) * len(self.labels)

    def score(self, outputs: Tensor, targets: Sequence[Target]) -> Tensor:
        """Logits `B` of the targets' labels, less those of the labels they are held against."""
        return label_scores(outputs, targets, self.labels)

    def targets(self, outputs: Tensor) -> list[Target]:
        """The most probable label of each picture, whether it is present or not."""
        return [Target(self.labels[place]) for place in outputs.argmax(1).tolist()]

    def target(self, words: str) -> Target:
        return label_target(words, self.labels)

    def building(self) -> dict[str, Any]:
        return {}

    def meter(self) -> MultilabelMeter:
        return MultilabelMeter(self)

    def card(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "labels": list(self.labels),
            "label_smoothing": self.label_smoothing,
            "loss": self.loss,
            "class_weights": list(self.class_weights),
            "thresholds": list(self.thresholds),
            "temperature": self.temperature,
            "prevalence": list(self.prevalence),
        }


@torch.no_grad()
def _each(logits: Tensor, truths: Tensor) -> Tensor:
    """Each picture's loss `B`, the mean over labels."""
    return F.binary_cross_entropy_with_logits(logits.float(), truths, reduction="none").mean(1)


def build(
    labels: Sequence[str],
    *,
    label_smoothing: float = 0.0,
    loss: str = "bce",
    class_weights: Sequence[float] = (),
    thresholds: Sequence[float] = (),
    temperature: float = 1.0,
    prevalence: Sequence[float] = (),
) -> Multilabel:
    """The task for these labels.

    Raises:
        OptionError: an unknown loss.
    """
    if loss not in LOSSES:
        raise UnknownNameError("loss for several labels", loss, LOSSES)
    numbers = (tuple(map(float, given)) for given in (class_weights, thresholds, prevalence))
    weights, least, shares = numbers
    return Multilabel(tuple(labels), label_smoothing, loss, weights, least, temperature, shares)


def from_data(dataset: Dataset) -> dict[str, Any]:
    """What only the training pictures tell: how common each label is."""
    truths = [set(item.truth) for item in dataset.part("train")]
    return {"prevalence": [sum(label in t for t in truths) / max(1, len(truths)) for label in dataset.labels]}


class MultilabelMeter:
    """Gathers logits and truths, and judges them."""

    def __init__(self, task: Multilabel) -> None:
        self.task = task
        self.logits: list[Tensor] = []
        self.truths: list[Tensor] = []
        self.ids: list[str] = []

    def add(self, step: Step, batch: Batch) -> None:
        # left on the device until the end: fetching each batch would wait for the GPU
        self.logits.append(step.outputs.detach().float())
        self.truths.append(batch.truths)
        self.ids += batch.ids

    def result(self, split: str) -> Evaluation:
        """mAP over the labels that occur among the truths, with its bootstrap interval over pictures;
        F1, exact matches, wrong decisions, loss; a row a label; examples, whose `probability` is the
        least that the network gives to any of its decisions on the picture."""
        task = self.task
        logits = torch.cat(self.logits).cpu().double().numpy() / task.temperature
        there = torch.cat(self.truths).cpu().numpy() > 0.5
        broken = ~np.isfinite(logits).all(1)  # a network gone wrong: wrong everywhere, and infinitely so
        logits[broken] = np.where(there[broken], -np.inf, np.inf)
        scores = torch.from_numpy(logits).sigmoid().numpy()
        said = scores >= np.array(task.least)
        losses = np.logaddexp(0, np.where(there, -logits, logits)).mean(1)
        sure = np.where(said, scores, 1 - scores).min(1)
        precisions = average_precisions(logits, there)  # far out, probabilities are all the same
        occurs = np.isfinite(precisions)
        value = float(precisions[occurs].mean()) if occurs.any() else 0.0
        low, high = _interval(logits, there, value) if occurs.any() else (0.0, 1.0)
        per_class = _per_label(task, said, there, precisions)
        metrics = {
            "mAP": value,
            "micro_f1": _f1(int((said & there).sum()), int(said.sum()), int(there.sum())),
            "macro_f1": float(np.mean([row["f1"] for row in per_class if row["count"]] or [0.0])),
            "exact_match": float((said == there).all(1).mean()),
            "hamming_loss": float((said != there).mean()),
            "loss": float(losses.mean()),
        }
        rows = zip(self.ids, there, said, sure, losses, strict=True)
        examples = [
            {
                "id": i,
                "truth": self._names(t),
                "predicted": self._names(s),
                "probability": float(p),
                "loss": float(loss),
            }
            for i, t, s, p, loss in rows
        ]
        headline = Score("mAP", value, low, high, True, split)
        return Evaluation(headline, metrics, len(self.ids), per_class, examples=examples)

    def _names(self, there: NDArray[np.bool_]) -> list[str]:
        return [self.task.labels[place] for place in np.flatnonzero(there)]


def average_precisions(scores: NDArray[np.float64], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For each column of `NC` the mean over its positives of the precision down to them (equal scores
    count together); NaN where there is none."""
    once = np.ones((1, len(scores)))
    found = np.full(scores.shape[1], np.nan)
    for label in np.flatnonzero(there.any(0)):
        found[label] = _Ranked.of(scores[:, label], there[:, label]).precision(once)[0]
    return found


@dataclass(frozen=True)
class _Ranked:
    """Pictures from the highest score down, cut behind the last positive into stretches that each end
    with the positives of one score."""

    order: NDArray[np.intp]
    hits: NDArray[np.bool_]
    starts: NDArray[np.intp]

    @classmethod
    def of(cls, scores: NDArray[np.float64], there: NDArray[np.bool_]) -> _Ranked:
        order = np.argsort(-scores, kind="stable")
        ranked, hits = scores[order], there[order]
        begins = np.r_[True, ranked[1:] != ranked[:-1]]
        group = begins.cumsum() - 1
        ends = np.r_[begins.nonzero()[0][1:], len(order)][np.unique(group[hits])]
        return cls(order[: ends[-1]], hits[: ends[-1]], np.r_[0, ends[:-1]])

    def precision(self, counts: NDArray[Any]) -> NDArray[Any]:
        """Average precision `R` in resamples that drew each picture `counts` (`RN`) times; NaN where no
        positive was drawn."""
        drawn = counts[:, self.order]
        seen = np.add.reduceat(drawn, self.starts, axis=1).cumsum(1)
        gained = np.add.reduceat(drawn * self.hits, self.starts, axis=1)
        found = gained.cumsum(1)
        with np.errstate(invalid="ignore"):
            average: NDArray[Any] = (gained * found / np.maximum(seen, 1)).sum(1) / found[:, -1]
        return average


def _interval(
    scores: NDArray[np.float64], there: NDArray[np.bool_], value: float, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the mAP: two standard errors, from resamples of the pictures. 200 suffice for those
    (Efron & Tibshirani 1993, chapter 6). Their percentiles would lie too high, as a resample holds
    pictures twice, and a positive beside its own copy is ranked the better for it."""
    count, occurs = len(scores), np.flatnonzero(there.any(0))
    resamples = int(np.clip(WORK / (count * len(occurs)), 50, 200))
    ranked = [_Ranked.of(scores[:, label], there[:, label]) for label in occurs]
    draws = np.random.default_rng(seed)
    means = np.full(resamples, np.nan)
    step = max(1, 4_000_000 // count)  # bounds the memory of the counts to 16 MB
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        places = draws.integers(0, count, (rows, count)) + count * np.arange(rows)[:, None]
        counts = np.bincount(places.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float32)
        found = np.stack([label.precision(counts) for label in ranked])
        held = np.isfinite(found)  # a label that a resample lacks is left out, as where the data lacks it
        with np.errstate(invalid="ignore"):
            means[start : start + rows] = np.where(held, found, 0).sum(0) / held.sum(0)
    means = means[np.isfinite(means)]
    if np.ptp(means) == 0:  # all right, or a single picture: no resample shows a spread
        return wilson(value, count)
    error = 1.959964 * float(means.std(ddof=1))
    return max(0.0, float(value) - error), min(1.0, float(value) + error)


def _threshold(scores: NDArray[np.float64], there: NDArray[np.bool_]) -> float:
    """The score from which a label is called present with the largest F1: halfway between two pictures';
    of equally good ones that nearest to 0.5."""
    positives = int(there.sum())
    if min(positives, len(there) - positives) < FEW:
        return 0.5
    order = np.argsort(-scores, kind="stable")
    ranked = np.append(scores[order], 0.0)
    f1 = 2 * there[order].cumsum() / (np.arange(1, len(order) + 1) + positives)
    f1[ranked[1:] == ranked[:-1]] = -1  # no threshold comes between equal scores
    cuts = (ranked[1:] + ranked[:-1]) / 2
    best = cuts[f1 >= f1.max() - 1e-12]
    return float(best[np.abs(best - 0.5).argmin()])


def _f1(hits: int, said: int, truly: int) -> float:
    return 2 * hits / (said + truly) if said + truly else 0.0


def _per_label(
    task: Multilabel, said: NDArray[np.bool_], there: NDArray[np.bool_], precisions: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each label, 0 where undefined; average precision, None where undefined."""
    rows = []
    for n, label in enumerate(task.labels):
        hits, calls, truly = (int(a.sum()) for a in (said[:, n] & there[:, n], said[:, n], there[:, n]))
        rows.append(
            {
                "label": label,
                "count": truly,
                "threshold": task.least[n],
                "precision": hits / calls if calls else 0.0,
                "recall": hits / truly if truly else 0.0,
                "f1": _f1(hits, calls, truly),
                "average_precision": float(precisions[n]) if truly else None,
            }
        )
    return rows
