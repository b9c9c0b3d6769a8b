"""Classification measures as scikit-learn does, whatever the network says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import nn

import small
from foveal.tasks import classify
from foveal.values import Batch, Step


class Given(nn.Module):
    """A network that answers with the logits it is fed."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.fixture
def judged() -> tuple[np.ndarray, np.ndarray, object]:
    draw = torch.Generator().manual_seed(3)
    labels = tuple(f"class {n}" for n in range(8))
    task = classify.build(labels)
    logits = torch.randn(300, 8, generator=draw) * 2
    truths = torch.randint(0, 7, (300,), generator=draw)  # the last class never occurs
    logits[torch.arange(300), truths] += 1.5
    meter = task.meter()
    for n in range(0, 300, 64):
        batch = Batch(logits[n : n + 64], truths[n : n + 64], [str(i) for i in range(n, min(n + 64, 300))])
        meter.add(task.step(Given().eval(), batch), batch)
    return logits.softmax(1).numpy(), truths.numpy(), meter.result("test")


def test_measures_as_scikit_learn(judged: tuple[np.ndarray, np.ndarray, object]) -> None:
    scores, truths, found = judged
    said = scores.argmax(1)
    m = found.metrics  # type: ignore[attr-defined]
    assert m["accuracy"] == pytest.approx(metrics.accuracy_score(truths, said))
    present = sorted(set(truths.tolist()))
    assert m["macro_f1"] == pytest.approx(metrics.f1_score(truths, said, labels=present, average="macro"))
    assert m["loss"] == pytest.approx(metrics.log_loss(truths, scores, labels=range(8)), rel=1e-4)
    assert m["top5"] == pytest.approx(metrics.top_k_accuracy_score(truths, scores, k=5, labels=range(8)))
    want = metrics.confusion_matrix(truths, said, labels=range(8)).tolist()
    assert found.confusion == want  # type: ignore[attr-defined]
    precision, recall, f1, count = metrics.precision_recall_fscore_support(
        truths, said, labels=range(8), zero_division=0
    )
    rows = found.per_class  # type: ignore[attr-defined]
    assert [r["precision"] for r in rows] == pytest.approx(precision.tolist())
    assert [r["recall"] for r in rows] == pytest.approx(recall.tolist())
    assert [r["f1"] for r in rows] == pytest.approx(f1.tolist())
    assert [r["count"] for r in rows] == count.tolist()


def test_examples_are_in_order(judged: tuple[np.ndarray, np.ndarray, object]) -> None:
    scores, truths, found = judged
    rows = found.examples  # type: ignore[attr-defined]
    assert [r["id"] for r in rows] == [str(n) for n in range(300)]
    assert [r["truth"] for r in rows] == [f"class {t}" for t in truths]
    worst = max(rows, key=lambda r: r["loss"])
    n = int(worst["id"])
    assert worst["loss"] == pytest.approx(-np.log(scores[n, truths[n]]), rel=1e-5)


def test_calibration_error_of_known_cases() -> None:
    right = np.array([1.0] * 80 + [0.0] * 20)
    assert classify.calibration_error(np.full(100, 0.8), right) == pytest.approx(0.0)
    assert classify.calibration_error(np.full(100, 0.99), right) == pytest.approx(0.19)
    two = np.concatenate([np.full(50, 0.5), np.full(50, 0.95)])
    hits = np.array([1.0] * 25 + [0.0] * 25 + [1.0] * 40 + [0.0] * 10)
    assert classify.calibration_error(two, hits) == pytest.approx(0.5 * 0 + 0.5 * 0.15)


def test_predictions_are_sorted_and_sum_to_one() -> None:
    task = classify.build(small.LABELS)
    (row,) = task.predict(Given(), torch.tensor([[0.0, 2.0, 1.0]]))
    assert [p["label"] for p in row] == ["ring", "stripes", "cross"]
    assert sum(p["probability"] for p in row) == pytest.approx(1)


def test_smoothing_is_for_training_only() -> None:
    task = classify.build(small.LABELS, label_smoothing=0.2)
    batch = Batch(torch.tensor([[0.0, 5.0, 0.0]]), torch.tensor([1]), ["a"])
    network = Given()
    smooth = task.step(network.train(), batch).loss
    plain = task.step(network.eval(), batch).loss
    assert smooth > plain
    assert Step(plain, {}, None).loss is plain


def test_a_network_gone_wrong_is_judged_all_the_same() -> None:
    """Not-a-number in, a finite accuracy and an infinite loss out."""
    task = classify.build(small.LABELS)
    batch = Batch(torch.tensor([[float("nan")] * 3, [0.0, 9.0, 0.0]]), torch.tensor([2, 1]), ["a", "b"])
    meter = task.meter()
    meter.add(task.step(Given().eval(), batch), batch)
    judged = meter.result("val")
    assert judged.metrics["accuracy"] == 0.5
    assert judged.metrics["loss"] == float("inf")
