"""Several labels a picture: against scikit-learn, brute force and known cases."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import Tensor, nn

from foveal.tasks import multilabel
from foveal.tasks.multilabel import FEW, average_precisions, build
from foveal.values import Batch, Dataset, Evaluation, Item

LABELS = ("sand", "sea", "sky", "tree", "never")


class Given(nn.Module):
    """A network that answers with the logits it is fed."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def drawn(count: int = 300, seed: int = 3) -> tuple[Tensor, Tensor]:
    """Logits that tell something of the truths, many of them equal; the last label never occurs."""
    draw = torch.Generator().manual_seed(seed)
    there = (torch.rand(count, 5, generator=draw) < torch.tensor([0.05, 0.2, 0.5, 0.8, 0.0])).float()
    logits = ((torch.randn(count, 5, generator=draw) + 2 * there - 1.5) * 4).round() / 4
    return logits, there


def judged(task: multilabel.Multilabel, logits: Tensor, there: Tensor) -> Evaluation:
    meter = task.meter()
    batch = Batch(logits, there, [str(n) for n in range(len(logits))])
    for piece in batch.split(7):
        meter.add(task.step(Given().eval(), piece), piece)
    return meter.result("test")


@pytest.mark.parametrize("thresholds", [(), (0.1, 0.3, 0.5, 0.7, 0.9)])
def test_measures_as_scikit_learn(thresholds: tuple[float, ...]) -> None:
    logits, there = drawn()
    found = judged(build(LABELS, thresholds=thresholds), logits, there)
    scores, truths = logits.double().sigmoid().numpy(), there.numpy().astype(int)
    said = (scores >= np.array(thresholds or [0.5] * 5)).astype(int)
    m, rows = found.metrics, found.per_class
    each = [metrics.average_precision_score(truths[:, n], scores[:, n]) for n in range(4)]
    assert [row["average_precision"] for row in rows] == [*(pytest.approx(ap) for ap in each), None]
    assert m["mAP"] == pytest.approx(np.mean(each))
    assert m["micro_f1"] == pytest.approx(metrics.f1_score(truths, said, average="micro"))
    assert m["macro_f1"] == pytest.approx(metrics.f1_score(truths[:, :4], said[:, :4], average="macro"))
    assert m["exact_match"] == pytest.approx(metrics.accuracy_score(truths, said))
    assert m["hamming_loss"] == pytest.approx(metrics.hamming_loss(truths, said))
    loss = metrics.log_loss(truths.ravel(), scores.ravel())
    assert m["loss"] == pytest.approx(loss)
    precision, recall, f1, count = metrics.precision_recall_fscore_support(truths, said, zero_division=0)
    assert [r["precision"] for r in rows] == pytest.approx(precision.tolist())
    assert [r["recall"] for r in rows] == pytest.approx(recall.tolist())
    assert [r["f1"] for r in rows] == pytest.approx(f1.tolist())
    assert [r["count"] for r in rows] == count.tolist()
    assert [r["threshold"] for r in rows] == list(thresholds or [0.5] * 5)


def test_average_precision_of_known_cases() -> None:
    there = np.array([[1], [0], [1], [0]], dtype=bool)
    assert average_precisions(np.array([[4.0], [3], [2], [1]]), there) == pytest.approx([(1 + 2 / 3) / 2])
    assert average_precisions(np.array([[4.0], [2], [3], [1]]), there) == pytest.approx([1])
    assert average_precisions(np.zeros((4, 1)), there) == pytest.approx([0.5]), "no order is the prevalence"
    assert np.isnan(average_precisions(np.zeros((4, 1)), np.zeros((4, 1), dtype=bool))).all()


def test_examples_say_what_was_decided() -> None:
    logits = torch.tensor([[3.0, -2.0, 0.5, -3.0, -4.0], [-3.0] * 5])
    there = torch.tensor([[1.0, 0, 0, 0, 0], [0.0] * 5])
    first, second = judged(build(LABELS), logits, there).examples
    assert (first["truth"], first["predicted"]) == (["sand"], ["sand", "sky"])
    assert first["probability"] == pytest.approx(1 / (1 + np.exp(-0.5))), (
        "of the decision it is least sure of"
    )
    assert first["loss"] > second["loss"]
    assert (second["truth"], second["predicted"]) == ([], [])


def test_nothing_to_be_found_is_judged() -> None:
    logits, there = drawn(20)
    found = judged(build(LABELS), logits, there * 0)
    assert (found.headline.value, found.headline.low, found.headline.high) == (0.0, 0.0, 1.0)
    assert found.metrics["macro_f1"] == 0
    assert [row["average_precision"] for row in found.per_class] == [None] * 5


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    logits, there = drawn(50_000, 0)
    task, tries = build(LABELS), 50
    true = judged(task, logits[:40_000], there[:40_000]).headline.value
    held = 0
    for n in range(tries):
        part = slice(40_000 + 200 * n, 40_000 + 200 * (n + 1))
        score = judged(task, logits[part], there[part]).headline
        held += score.low <= true <= score.high
    assert held >= 0.85 * tries  # of 95 %: about one chance in a thousand of less


def test_the_interval_of_much_data_is_quick_and_of_perfect_order_not_certain() -> None:
    draw = np.random.default_rng(0)
    logits, there = (
        torch.from_numpy(draw.normal(size=(5000, 80))),
        torch.from_numpy(draw.random((5000, 80)) < 0.1),
    )
    began = time.perf_counter()
    score = judged(build([f"{n}" for n in range(80)]), logits.float(), there.float()).headline
    assert time.perf_counter() - began < 20  # two seconds where nothing else runs
    assert score.high - score.low < 0.02
    perfect = judged(build(LABELS), drawn(20)[1] * 4 - 2, drawn(20)[1]).headline
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert 0.8 < perfect.low < 1


def test_thresholds_are_those_of_the_largest_f1() -> None:
    logits, there = drawn()
    task = build(LABELS).calibrated(logits, there)
    scores = (logits.double() / task.temperature).sigmoid().numpy()
    truths = there.numpy().astype(int)
    for n in range(1, 4):
        tries = [metrics.f1_score(truths[:, n], scores[:, n] >= t) for t in [*np.unique(scores[:, n]), 0.5]]
        mine = metrics.f1_score(truths[:, n], scores[:, n] >= task.thresholds[n])
        assert mine == pytest.approx(max(tries))
    before, after = (judged(t, logits, there).metrics for t in (build(LABELS), task))
    assert after["macro_f1"] > before["macro_f1"]


@pytest.mark.parametrize(
    ("positives", "chosen"), [(FEW - 1, False), (FEW, True), (40 - FEW, True), (41 - FEW, False)]
)
def test_rare_labels_and_rare_absences_keep_one_half(positives: int, chosen: bool) -> None:
    there = torch.zeros(40, 1)
    there[:positives] = 1
    task = build(("a",)).calibrated(there * 2 - 3, there)  # told apart at -2
    assert (task.thresholds[0] != 0.5) is chosen


def test_the_temperature_is_found_and_never_infinite() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 5, generator=draw) * 2
    there = (torch.rand(4000, 5, generator=draw) < logits.sigmoid()).float()
    assert build(LABELS).calibrated(logits, there).temperature == pytest.approx(1, abs=0.06)
    assert build(LABELS).calibrated(logits * 3, there).temperature == pytest.approx(3, abs=0.2)
    apart = build(("a",)).calibrated(torch.tensor([[1.0], [-1.0]] * 12), torch.tensor([[1.0], [0.0]] * 12))
    assert 0.3 < apart.temperature < 1, "a few pictures told apart make nobody certain"
    broken = logits.clone()
    broken[::7] = float("nan")
    assert build(LABELS).calibrated(broken, there).temperature == pytest.approx(1, abs=0.06)


def test_smoothing_and_weights_are_for_training_only() -> None:
    logits, there = drawn(40)
    batch = Batch(logits, there, [str(n) for n in range(40)])
    weights = (3.0, 0.5, 0.5, 0.5, 0.5)
    plain, task = build(LABELS), build(LABELS, label_smoothing=0.2, class_weights=weights)
    assert task.step(Given().eval(), batch).loss == plain.step(Given().eval(), batch).loss
    p, y = logits.sigmoid(), there * 0.8 + 0.1
    by_hand = -(torch.tensor(weights) * y * p.log() + (1 - y) * (1 - p).log()).mean()
    assert task.step(Given().train(), batch).loss == pytest.approx(float(by_hand))


def test_predictions_by_each_labels_threshold() -> None:
    task = build(LABELS, thresholds=(0.9, 0.2, 0.5, 0.5, 0.5), temperature=2.0)
    (row,) = task.predict(Given(), torch.tensor([[2.0, -2.0, 0.0, -4.0, -8.0]]))
    assert [(guess["label"], guess["present"]) for guess in row] == [
        ("sand", False), ("sky", True), ("sea", True), ("tree", False), ("never", False)
    ]  # fmt: skip
    assert row[0]["probability"] == pytest.approx(1 / (1 + np.exp(-1)))


def test_prevalence_is_the_training_pictures_and_chance_its_mean() -> None:
    truths = [["sea"], ["sea", "sky"], [], ["sky"], ["sea"]]
    items = tuple(Item(f"{n}", "", t, "train" if n < 4 else "val") for n, t in enumerate(truths))
    told = multilabel.from_data(Dataset("", "multilabel", "t", "w", ("sea", "sky", "tree"), items))
    task = build(("sea", "sky", "tree"), **told)
    assert task.prevalence == (0.5, 0.5, 0.0)
    assert task.chance == pytest.approx(1 / 3)
    assert build(LABELS).chance is None
    draw = np.random.default_rng(0)
    there = draw.random((20_000, 3)) < (0.5, 0.3, 0.1)
    assert average_precisions(draw.random((20_000, 3)), there).mean() == pytest.approx(0.3, abs=0.01)


def test_which_truths_are_known() -> None:
    task = build(LABELS)
    assert task.knows([])
    assert task.knows(["sky", "sea"])
    assert not task.knows(["sky", "lake"])
    assert not task.knows("sky")
