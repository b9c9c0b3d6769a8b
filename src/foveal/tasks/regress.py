"""One number a picture: an age, a weight, an angle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ..contracts import View
from ..data.views import evaluation_view
from ..errors import DataError, UnknownNameError
from ..intervals import bootstrap
from ..structure.auxiliary import total_loss
from ..values import Batch, Dataset, Evaluation, Headline, Item, Preprocessing, Score, Step, Target
from ._targets import label_target

SOURCE = (
    "a linear output for the standardised number: Lathuiliere et al. 2020, A Comprehensive Analysis of Deep "
    "Regression; Huber's loss: Huber 1964; intervals of predictions: split conformal, Lei et al. 2018, section 2.2"
)
DEFAULTS = {
    "loss": (
        "huber",
        (
            "a number has no limits, so no activation; squares for errors below one standard deviation, straight "
            "beyond: a few wild numbers do not rule (Huber 1964)"
        ),
    ),
}
LOSSES = ("huber", "mse")
SAMPLE: tuple[float, ...] = (12.5, -3.0, 7.25, 0.0, 3.5, 20.0, -8.0, 5.0)
COVERAGE = 0.9
"""Share of the true numbers that a prediction's `low` to `high` is to hold, as in Lei et al.'s experiments."""


@dataclass(frozen=True)
class Regress:
    """Regression. The network's one output is the number in standard deviations of the training numbers
    from their mean: such outputs suit the usual rates and initialisations, whatever the unit."""

    labels: tuple[str, ...] = ()
    """What the number is, as the table's column is called; empty where nothing says."""
    loss: str = "huber"
    mean: float = 0.0
    scale: float = 1.0
    """Mean and standard deviation of the training numbers."""
    baseline: float | None = None
    """Mean absolute error on the training pictures of always saying their median."""
    margin: float | None = None
    """Half the width of a prediction's interval, from validation; None: not known."""

    name = "regress"
    headline = Headline("mae", higher_is_better=False)
    dense = False
    own_sizes = False
    outputs = 1

    @property
    def chance(self) -> float | None:
        return self.baseline

    def knows(self, truth: Any) -> bool:
        return isinstance(truth, int | float) and not isinstance(truth, bool) and math.isfinite(truth)

    def truth(self, item: Item, image: Image.Image, root: str) -> float:
        return float(item.truth)

    def view(self, preprocessing: Preprocessing) -> View:
        return evaluation_view(preprocessing)

    def collate(self, truths: Sequence[float]) -> Tensor:
        """Standardised numbers `B1`: float32 would blur large numbers that differ by little."""
        return torch.tensor([[(truth - self.mean) / self.scale] for truth in truths], dtype=torch.float32)

    def step(self, network: nn.Module, batch: Batch) -> Step:
        """Forward and loss; outputs are standardised numbers `B1`."""
        of = F.huber_loss if self.loss == "huber" else F.mse_loss
        outputs, loss = total_loss(network(batch.images), lambda made: of(made.float(), batch.truths))
        each = (
            of(outputs.detach().float(), batch.truths, reduction="none").mean(1) if network.training else None
        )
        return Step(loss, {}, outputs, each)

    def mix(self, truths: Tensor, order: Tensor, share: float | Tensor) -> None:
        """None: a blend of two pictures does not show the blend of their numbers (Yao et al. 2022, C-Mixup)."""

    def calibrated(self, outputs: Tensor, truths: Tensor) -> Regress:
        """With the margin that held `COVERAGE` of the validation numbers (Lei et al. 2018, algorithm 2);
        without one where they are too few to tell, below nine."""
        errors = np.sort(np.abs(self.numbers(outputs) - self.numbers(truths)))
        rank = math.ceil((len(errors) + 1) * COVERAGE)
        known = rank <= len(errors) and math.isfinite(errors[rank - 1])
        return replace(self, margin=float(errors[rank - 1]) if known else None)

    def numbers(self, standardised: Tensor) -> NDArray[np.float64]:
        """`B1` in the data's unit, `B`; to a millionth of its scale, which float32 can tell."""
        values = standardised.detach().cpu().double().numpy()[:, 0] * self.scale + self.mean
        rounded: NDArray[np.float64] = values.round(6 - math.floor(math.log10(self.scale)))
        return rounded

    def predict(
        self, network: nn.Module, images: Tensor, sizes: Sequence[tuple[int, int]] = ()
    ) -> list[list[dict[str, Any]]]:
        """For each picture of `BCHW` one prediction: the `value` and, where the margin is known, the
        interval `low` to `high` around it; `label` says what it is, where that is known."""
        named = {"label": self.labels[0]} if self.labels else {}
        margin = self.margin
        return [
            [{**named, "value": v, **({} if margin is None else {"low": v - margin, "high": v + margin})}]
            for v in self.numbers(network(images)).tolist()
        ]

    def score(self, outputs: Tensor, targets: Sequence[Target]) -> Tensor:
        """The numbers `B` in the data's unit."""
        return outputs[:, 0] * self.scale + self.mean

    def targets(self, outputs: Tensor) -> list[Target]:
        """The number, for each picture."""
        return [self.target(self._named)] * len(outputs)

    def target(self, words: str) -> Target:
        return label_target(words, (self._named,))

    @property
    def _named(self) -> str:
        return self.labels[0] if self.labels else "the number"

    def building(self) -> dict[str, Any]:
        return {}

    def meter(self) -> RegressMeter:
        return RegressMeter(self)

    def card(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "labels": list(self.labels),
            "loss": self.loss,
            "mean": self.mean,
            "scale": self.scale,
            "baseline": self.baseline,
            "margin": self.margin,
        }


def build(
    labels: Sequence[str] = (),
    *,
    loss: str = "huber",
    mean: float = 0.0,
    scale: float = 1.0,
    baseline: float | None = None,
    margin: float | None = None,
) -> Regress:
    """The task for numbers with this mean and standard deviation; `labels` is what they are called, or empty.

    Raises:
        OptionError: an unknown loss.
    """
    if loss not in LOSSES:
        raise UnknownNameError("loss for numbers", loss, LOSSES)
    if not (scale > 0 and math.isfinite(scale) and math.isfinite(mean)) or len(labels) > 1:
        raise ValueError(f"numbers named {labels!r} of mean {mean!r} and scale {scale!r}")
    return Regress(tuple(labels), loss, mean, scale, baseline, margin)


def from_data(dataset: Dataset) -> dict[str, Any]:
    """What only the training pictures tell: mean, standard deviation, and what always saying the median costs.

    Raises:
        DataError: all their numbers are the same.
    """
    numbers = np.array([item.truth for item in dataset.part("train")], dtype=np.float64)
    mean, scale = float(numbers.mean()), float(numbers.std())
    if not scale > 1e-9 * abs(mean):
        raise DataError(
            f"All {len(numbers)} training pictures in {dataset.root} have the number {mean:g}.",
            "Numbers that differ from picture to picture.",
            "Check the column; another one can be named with --label-column.",
        )
    return {"mean": mean, "scale": scale, "baseline": float(np.abs(numbers - np.median(numbers)).mean())}


class RegressMeter:
    """Gathers outputs and truths, and judges them."""

    def __init__(self, task: Regress) -> None:
        self.task = task
        self.outputs: list[Tensor] = []
        self.truths: list[Tensor] = []
        self.ids: list[str] = []

    def add(self, step: Step, batch: Batch) -> None:
        # left on the device until the end: fetching each batch would wait for the GPU
        self.outputs.append(step.outputs.detach().float())
        self.truths.append(batch.truths)
        self.ids += batch.ids

    def result(self, split: str) -> Evaluation:
        """Mean absolute error with its bootstrap interval, root mean square and median error in the data's
        unit; R2, where the numbers differ; the share that the intervals hold, where there are any; the loss,
        of standardised numbers; a row a quarter of the pictures."""
        task = self.task
        outputs, wanted = torch.cat(self.outputs).cpu().double(), torch.cat(self.truths).cpu().double()
        # a network gone wrong knows nothing but the mean there, and its loss is infinite
        broken = ~torch.isfinite(outputs)
        outputs = outputs.masked_fill(broken, 0.0)
        losses = (F.huber_loss if task.loss == "huber" else F.mse_loss)(outputs, wanted, reduction="none")
        losses = losses.masked_fill(broken, math.inf)[:, 0]
        truths, predicted = task.numbers(wanted), task.numbers(outputs)
        errors = predicted - truths
        size = np.abs(errors)
        metrics = {
            "mae": float(size.mean()),
            "rmse": float(np.sqrt((errors**2).mean())),
            "median_error": float(np.median(size)),
            "loss": float(losses.mean()),
        }
        spread = float(((truths - truths.mean()) ** 2).sum())
        if spread > 0:
            metrics["r2"] = 1 - float((errors**2).sum()) / spread
        if task.margin is not None:
            metrics["coverage"] = float((size <= task.margin).mean())
        # errors that are all the same show no spread; they are no shares that bootstrap could judge so
        low, high = bootstrap(size) if np.ptp(size) else (metrics["mae"],) * 2
        rows = zip(self.ids, truths.tolist(), predicted.tolist(), losses.tolist(), strict=True)
        examples = [{"id": i, "truth": t, "predicted": p, "loss": loss} for i, t, p, loss in rows]
        return Evaluation(
            Score("mae", metrics["mae"], low, high, False, split),
            metrics,
            len(self.ids),
            _quarters(truths, errors),
            examples=examples,
            quantity=task.labels[0] if task.labels else "",
        )


def _quarters(truths: NDArray[np.float64], errors: NDArray[np.float64]) -> list[dict[str, Any]]:
    """A row for each quarter of the pictures in the order of their numbers: mean absolute error, and bias
    (how much too high it is told)."""
    order = np.argsort(truths, kind="stable")
    return [
        {
            "label": f"{truths[part[0]]:.6g} to {truths[part[-1]]:.6g}",
            "count": len(part),
            "mae": float(np.abs(errors[part]).mean()),
            "bias": float(errors[part].mean()),
        }
        for part in np.array_split(order, 4)
        if len(part)
    ]
