"""Numbers: against scikit-learn, and in the data's own unit whatever it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import Tensor, nn

from foveal.errors import DataError
from foveal.tasks import regress
from foveal.tasks.regress import COVERAGE, Regress, build
from foveal.values import Batch, Dataset, Evaluation, Item


class Given(nn.Module):
    """A network that answers with what it is fed."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def judged(task: Regress, numbers: np.ndarray, told: np.ndarray) -> Evaluation:
    meter = task.meter()
    batch = Batch(
        task.collate(told.tolist()), task.collate(numbers.tolist()), [str(n) for n in range(len(told))]
    )
    for piece in batch.split(5):
        meter.add(task.step(Given().eval(), piece), piece)
    return meter.result("test")


def dataset(numbers: list[float], labels: tuple[str, ...] = ("age",)) -> Dataset:
    items = tuple(Item(f"{n}", "", number, "train") for n, number in enumerate(numbers))
    return Dataset("/d", "regress", "t", "w", labels, (*items, Item("other", "", 1e9, "val")))


@pytest.mark.parametrize("loss", regress.LOSSES)
@pytest.mark.parametrize(("middle", "scale"), [(40.0, 20.0), (1.7e9, 1e3), (0.0, 1e-5), (-3e-3, 1e7)])
def test_measures_as_scikit_learn(loss: str, middle: float, scale: float) -> None:
    draw = np.random.default_rng(0)
    numbers = middle + scale * draw.normal(size=203)
    told = numbers + scale * draw.standard_t(2, size=203) / 3
    task = build(("age",), loss=loss, mean=middle, scale=scale)
    found = judged(task, numbers, told)
    m = found.metrics
    assert m["mae"] == pytest.approx(metrics.mean_absolute_error(numbers, told), rel=1e-5)
    assert m["rmse"] == pytest.approx(metrics.root_mean_squared_error(numbers, told), rel=1e-5)
    assert m["median_error"] == pytest.approx(metrics.median_absolute_error(numbers, told), rel=1e-4)
    assert m["r2"] == pytest.approx(metrics.r2_score(numbers, told), rel=1e-5)
    errors = np.abs(numbers - told) / scale
    huber = np.where(errors < 1, errors**2 / 2, errors - 0.5)
    assert m["loss"] == pytest.approx((huber if loss == "huber" else errors**2).mean(), rel=1e-4)
    assert [row["truth"] for row in found.examples] == pytest.approx(numbers.tolist(), abs=1e-6 * scale)
    assert found.quantity == "age"
    assert "of age" in found._repr_html_()


def test_numbers_come_back_as_they_were_written() -> None:
    task = build(mean=37.123456, scale=17.98765)
    numbers = np.array([0.0, 1.5, 34.0, 99.0, 12.25])
    assert [row["truth"] for row in judged(task, numbers, numbers + 1).examples] == numbers.tolist()


def test_the_interval_and_its_edges() -> None:
    draw = np.random.default_rng(1)
    score = judged(build(), numbers := draw.normal(size=400), numbers + draw.normal(size=400)).headline
    assert score.value == pytest.approx(np.sqrt(2 / np.pi), abs=0.1)
    assert score.high - score.low == pytest.approx(2 * 1.96 * np.sqrt((1 - 2 / np.pi) / 400), rel=0.15)
    same = judged(build(), np.arange(20) / 20, np.arange(20) / 20 + 0.5).headline
    assert (same.low, same.high) == (same.value, same.value) == (0.5, 0.5), "errors are no shares"
    one = judged(build(), np.array([3.0]), np.array([3.5]))
    assert "r2" not in one.metrics
    assert (one.headline.value, len(one.per_class)) == (0.5, 1)


def test_quarters_show_where_it_fails() -> None:
    numbers = np.arange(100.0)
    rows = judged(build(mean=50, scale=30), numbers, np.where(numbers < 25, 30, numbers)).per_class
    assert [row["label"] for row in rows] == ["0 to 24", "25 to 49", "50 to 74", "75 to 99"]
    assert [row["count"] for row in rows] == [25] * 4
    assert rows[0]["mae"] == rows[0]["bias"] == pytest.approx(18, abs=1e-4)
    assert rows[3]["mae"] == pytest.approx(0, abs=1e-4)


def test_the_training_pictures_tell_mean_scale_and_baseline() -> None:
    told = regress.from_data(dataset([1.0, 2.0, 3.0, 10.0]))
    assert told == {"mean": 4.0, "scale": pytest.approx(np.std([1, 2, 3, 10])), "baseline": 2.5}
    task = build(("age",), **told)
    assert task.chance == 2.5 == np.abs(np.array([1, 2, 3, 10]) - 2.5).mean()
    assert task.collate([4.0, 4.0 + told["scale"]]).tolist() == [[0.0], [1.0]]
    assert build().chance is None


@pytest.mark.parametrize("number", [0.0, 7.0, 1e12])
def test_numbers_that_are_all_the_same_are_refused(number: float) -> None:
    with pytest.raises(DataError, match="have the number") as error:
        regress.from_data(dataset([number] * 5))
    assert "--label-column" in error.value.todo


@pytest.mark.parametrize("bad", [{"scale": 0.0}, {"scale": float("nan")}, {"mean": float("inf")}])
def test_a_card_that_cannot_be(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        build(**bad)


def test_intervals_hold_their_share_of_new_numbers() -> None:
    """Lei et al. 2018, theorem 2.2: at least `COVERAGE`, and at most 1 / (n + 1) more."""
    draw = np.random.default_rng(0)
    held, tries, count = 0, 2000, 39
    task = build(mean=5.0, scale=2.0)
    for _ in range(tries):
        errors = draw.standard_t(3, size=count + 1)
        truths = torch.zeros(count, 1)
        margin = task.calibrated(torch.from_numpy(errors[:count, None]), truths).margin
        assert margin is not None
        held += abs(errors[-1]) * 2.0 <= margin + 1e-5
    assert COVERAGE - 0.02 < held / tries < COVERAGE + 1 / (count + 1) + 0.02


def test_too_few_numbers_give_no_interval() -> None:
    task = build(scale=2.0)
    outputs = torch.arange(9.0)[:, None] / 10
    assert task.calibrated(outputs, outputs * 0).margin == pytest.approx(1.6)
    assert task.calibrated(outputs[:8], outputs[:8] * 0).margin is None
    outputs[3] = float("nan")
    assert task.calibrated(outputs, outputs * 0).margin is None, "the ninth error is not known"


def test_predictions() -> None:
    task = build(mean=10.0, scale=2.0)
    assert task.predict(Given(), torch.tensor([[1.5], [0.0]])) == [[{"value": 13.0}], [{"value": 10.0}]]
    sure = build(("age",), mean=10.0, scale=2.0, margin=1.5)
    assert sure.predict(Given(), torch.tensor([[1.5]])) == [
        [{"label": "age", "value": 13.0, "low": 11.5, "high": 14.5}]
    ]
    covered = judged(sure, np.array([1.0, 2.0]), np.array([2.0, 8.0])).metrics["coverage"]
    assert covered == 0.5


def test_which_truths_are_known() -> None:
    assert build().knows(3)
    assert build().knows(-0.5)
    assert not any(map(build().knows, (True, "3", float("inf"), [3.0])))
