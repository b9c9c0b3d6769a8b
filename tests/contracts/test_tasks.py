"""Every task overfits eight pictures, rebuilds itself from its card, and is held to a reference somewhere."""

from __future__ import annotations

import ast
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from foveal import catalog
from foveal.contracts import Task
from foveal.errors import UnknownNameError
from foveal.options import TrainOptions, make
from foveal.values import Batch, Evaluation
from posed import module_of, posed

NAMES = catalog.names("tasks")


def judged(task: Task, network: nn.Module, batch: Batch, pieces: int = 1) -> Evaluation:
    meter = task.meter()
    with torch.inference_mode():
        for piece in batch.split(pieces):
            meter.add(task.step(network.eval(), piece), piece)
    return meter.result("train")


@pytest.mark.parametrize(
    # Mask R-CNN takes as long as all others together, and is a detector with one more branch
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n == "instances" else n for n in NAMES],
)
def test_overfits_eight_pictures(name: str) -> None:
    p = posed(name)
    task, batch, network = p.task, p.batch, p.network()
    before = judged(task, network, batch)
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), p.rate)
    for _ in range(p.steps):
        optimizer.zero_grad()
        step = task.step(network, batch)
        step.loss.backward()
        optimizer.step()
    assert float(step.loss.detach()) < p.ends
    after = judged(task, network, batch)
    assert after.headline.better_than(before.headline)
    if task.chance is not None:
        assert after.headline.better_than(dataclasses.replace(after.headline, value=task.chance))
    # perfect is 1 where higher is better, else 0
    if task.headline.higher_is_better:
        assert after.headline.value > p.good
    else:
        assert after.headline.value < p.good * before.headline.value


@pytest.mark.parametrize("name", NAMES)
def test_an_evaluation_is_whole_and_the_same_in_pieces(name: str) -> None:
    p = posed(name)
    task, batch, network = p.task, p.batch, p.network()
    whole, pieces = (judged(task, network, batch, n) for n in (1, 3))
    score = whole.headline
    assert (score.name, score.higher_is_better) == (task.headline.name, task.headline.higher_is_better)
    assert (score.split, whole.count) == ("train", 8)
    assert score.low <= score.value <= score.high
    assert whole.metrics[score.name] == score.value
    assert all(math.isfinite(value) for value in whole.metrics.values())
    assert {"loss", score.name} <= set(whole.metrics)
    assert [row["id"] for row in whole.examples] == batch.ids
    assert {"id", "truth", "predicted", "loss"} <= set(whole.examples[0])
    assert whole.metrics["loss"] == pytest.approx(np.mean([row["loss"] for row in whole.examples]))
    assert pieces.metrics == pytest.approx(whole.metrics, rel=1e-5)
    json.dumps(whole.to_json(), allow_nan=False)
    assert score.name in whole._repr_html_()
    with torch.inference_mode():
        assert whole.metrics["loss"] == pytest.approx(float(task.step(network.eval(), batch).loss), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_card_makes_it_again(name: str) -> None:
    task = posed(name).task
    card = json.loads(json.dumps(task.card(), allow_nan=False))
    assert card.pop("name") == name
    assert module_of(name).build(**card) == task
    assert dataclasses.is_dataclass(task)
    own = {f.name for f in dataclasses.fields(task)}  # type: ignore[arg-type]
    assert set(module_of(name).DEFAULTS) <= own
    make(TrainOptions, {option: value for option, (value, _) in module_of(name).DEFAULTS.items()})


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_loss_is_answered_with_the_known_ones(name: str) -> None:
    for loss in module_of(name).LOSSES:
        module_of(name).build((), loss=loss)
    with pytest.raises(UnknownNameError, match=module_of(name).LOSSES[0]):
        module_of(name).build((), loss="unheard-of")


@pytest.mark.parametrize("name", NAMES)
def test_truths_of_others_are_not_known(name: str) -> None:
    task = posed(name).task
    for truth in (object(), None, math.nan, "unheard of", ["unheard of"], {"a": 1}):
        if truth is not None or None not in module_of(name).SAMPLE:  # None: the picture is its own truth
            assert not task.knows(truth)


@pytest.mark.parametrize("name", NAMES)
def test_calibration_leaves_the_headline_and_travels_in_the_card(name: str) -> None:
    p = posed(name)
    task, batch, network = p.task, p.batch, p.network().eval()
    if not hasattr(task, "calibrated"):
        return
    many = Batch(*(torch.cat([t] * 5) for t in (batch.images, batch.truths)), [str(n) for n in range(40)])
    with torch.inference_mode():
        outputs = task.step(network, many).outputs
    sure = task.calibrated(outputs, many.truths)
    card = json.loads(json.dumps(sure.card(), allow_nan=False))
    assert module_of(card.pop("name")).build(**card) == sure
    want, found = (judged(t, network, many).headline for t in (task, sure))
    assert (found.name, found.value) == (want.name, pytest.approx(want.value))
    nothing = task.calibrated(outputs[:0], many.truths[:0])
    assert nothing == task


@pytest.mark.parametrize("name", NAMES)
def test_blends_cost_what_lies_between(name: str) -> None:
    """None, or truths of which all of one's own is one's own, and half is something between."""
    p = posed(name)
    task, batch, network = p.task, p.batch, p.network().eval()
    order = torch.arange(8).roll(1)
    if task.mix(batch.truths, order, 0.5) is None:
        return

    def loss(truths: Any) -> float:
        with torch.inference_mode():
            return float(task.step(network, Batch(batch.images, truths, batch.ids)).loss)

    own, other = loss(batch.truths), loss(batch.truths[order])
    assert loss(task.mix(batch.truths, order, 1.0)) == pytest.approx(own, rel=1e-5)
    assert loss(task.mix(batch.truths, order, 0.25)) == pytest.approx(0.25 * own + 0.75 * other, rel=1e-5)
    shares = torch.full((8, 1), 0.25)
    assert loss(task.mix(batch.truths, order, shares)) == pytest.approx(0.25 * own + 0.75 * other, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_predictions_are_plain_and_one_list_a_picture(name: str) -> None:
    p = posed(name)
    task, batch, network = p.task, p.batch, p.network().eval()
    with torch.inference_mode():
        sizes = [(image.shape[-1], image.shape[-2]) for image in batch.images]
        said = task.predict(network, batch.images, sizes)
        alone = [
            task.predict(network, image[None], [s])[0] for image, s in zip(batch.images, sizes, strict=True)
        ]
    assert len(said) == 8
    # a picture is a Pillow picture, which the verb writes to a file
    plain = [[{k: v for k, v in row.items() if k != "picture"} for row in rows] for rows in said]
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert all(hasattr(row["picture"], "getbands") for rows in said for row in rows if "picture" in row)
    for one, other in zip(said, alone, strict=True):
        assert len(one) == len(other) >= 1
        assert {key: type(value) for key, value in one[0].items()} == {
            k: type(v) for k, v in other[0].items()
        }


@pytest.mark.parametrize("name", NAMES)
def test_a_network_gone_wrong_is_judged_all_the_same(name: str) -> None:
    """Not-a-number in, a finite headline and an infinite loss out."""
    p = posed(name)
    task, batch, network = p.task, p.batch, p.network()
    for parameter in network.parameters():
        parameter.data.fill_(math.nan)
    found = judged(task, network, batch)
    score = found.headline
    assert all(math.isfinite(value) for value in (score.value, score.low, score.high))
    assert found.metrics["loss"] == math.inf
    if task.chance is not None:
        assert not score.better_than(dataclasses.replace(score, value=task.chance))


@pytest.mark.parametrize("name", NAMES)
def test_its_metrics_are_held_to_a_reference(name: str) -> None:
    """tests/tasks/test_NAME*.py has a test called test_measures_as_..., which names what it is compared with."""
    files = sorted((Path(__file__).parents[1] / "tasks").glob(f"test_{name}*.py"))
    tests = [
        node.name
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]
    assert any(test.startswith("test_measures_as_") for test in tests)
