"""What detection and instance segmentation share: places in the picture's own pixels, examples, preferences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from foveal.tasks import detect, instances
from foveal.tasks._objects import seen_on
from foveal.values import Batch, Dataset, Facts, Item, Preprocessing

PRE = Preprocessing(64, 3, (0.5,) * 3, (0.25,) * 3)


class Given(nn.Module):
    """A detector that finds what it is told, however often it is asked."""

    def __init__(self, found: list[dict[str, Tensor]]) -> None:
        super().__init__()
        self.found = found

    def forward(self, images: Tensor, targets: Any = None) -> Any:
        found = self.found[: len(images)]
        return found if targets is None else (found, {"all": torch.ones(len(images))})


def told(*boxes: tuple[float, float, float, float], label: str = "a", **more: Any) -> list[dict[str, Any]]:
    return [{"label": label, "box": list(box), **more} for box in boxes]


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 900), st.integers(8, 900), st.tuples(*[st.floats(0.02, 0.98)] * 4))
def test_what_a_view_does_to_a_box_is_undone(width: int, height: int, shares: tuple[float, ...]) -> None:
    """A detector that finds just what it was taught is right in the picture's own pixels."""
    xs, ys = sorted(shares[:2]), sorted(shares[2:])
    box = (xs[0] * width, ys[0] * height, xs[1] * width + 1, ys[1] * height + 1)
    box = (box[0], box[1], min(box[2], width), min(box[3], height))
    task = detect.build(("a",))
    picture = Image.new("RGB", (width, height))
    truth = task.truth(Item("1", "1.png", told(box), "train"), picture, "")
    viewed = task.view(PRE)(picture, truth)[1]["boxes"].as_subclass(Tensor)
    found = {"boxes": viewed, "scores": torch.ones(1), "labels": torch.zeros(1, dtype=torch.int64)}
    things = seen_on(found, 64, (width, height))
    assert len(things) == 1
    np.testing.assert_allclose(things[0].box, box, atol=1e-3 * max(width, height))


def test_what_lies_beside_the_picture_is_left_out() -> None:
    """A picture twice as wide as high fills the upper half of its square."""
    found = {
        "boxes": torch.tensor([[0.0, 40.0, 20.0, 60.0], [10.0, 20.0, 30.0, 50.0]]),
        "scores": torch.tensor([0.9, 0.8]),
        "labels": torch.tensor([0, 0]),
    }
    things = seen_on(found, 64, (640, 320))
    assert [thing.box for thing in things] == [(100.0, 200.0, 300.0, 320.0)]


def test_an_evaluation_tells_each_picture_and_each_class() -> None:
    task = detect.build(("a", "b"))
    items = [
        Item("1", "1.png", told((10, 10, 30, 30), (40, 10, 60, 30)), "val"),
        Item("2", "2.png", told((10, 10, 30, 30), label="b"), "val"),
        Item("3", "3.png", [], "val"),
    ]
    picture = Image.new("RGB", (64, 64))
    view = task.view(PRE)
    truths = task.collate([view(picture, task.truth(item, picture, ""))[1] for item in items])
    found = [
        {"boxes": torch.tensor([[10.0, 10, 30, 30], [0, 40, 20, 60]]), "scores": torch.tensor([0.9, 0.3])},
        {"boxes": torch.tensor([[10.0, 10, 30, 30]]), "scores": torch.tensor([0.8])},
        {"boxes": torch.zeros(0, 4), "scores": torch.zeros(0)},
    ]
    network = Given(
        [{**one, "labels": torch.zeros(len(one["scores"]), dtype=torch.int64)} for one in found]
    ).eval()
    batch = Batch(torch.zeros(3, 3, 64, 64), truths, ["1", "2", "3"])
    meter = task.meter()
    meter.add(task.step(network, batch), batch)
    made = meter.result("val")
    first, second, third = made.examples
    assert made.metrics["threshold"] == pytest.approx(0.9)
    assert [row["kind"] for row in first["truth"]] == ["right", "missed"]
    assert [row["kind"] for row in first["predicted"]] == ["right"]
    assert first["predicted"][0]["box"] == [10, 10, 30, 30]
    assert first["score"] == pytest.approx(2 / 3)
    assert (second["predicted"], second["score"], third["score"]) == ([], 0.0, 1.0)
    assert [row["kind"] for row in second["truth"]] == ["missed"]
    a, b = made.per_class
    assert (a["count"], a["precision"], a["recall"], a["missed"]) == (2, 1.0, 0.5, 1)
    assert (b["count"], b["AP"], b["missed"]) == (1, 0.0, 1)
    assert made.metrics["f1"] == pytest.approx(0.5)
    assert made.metrics["missed"] == 2
    # of two classes one finds one of its two objects first
    assert made.metrics["mAP"] == pytest.approx(51 / 101 / 2)


def test_predictions_are_in_the_pictures_own_pixels_best_first() -> None:
    found = {
        "boxes": torch.tensor([[0.0, 0, 32, 16], [32, 16, 64, 32]]),
        "scores": torch.tensor([0.5, 0.75]),
        "labels": torch.tensor([1, 0]),
        "masks": torch.ones(2, 1, 28, 28),
    }
    task = instances.build(("a", "b"))
    said = task.predict(Given([found]).eval(), torch.zeros(1, 3, 64, 64), [(128, 64)])[0]
    assert [(row["label"], row["probability"], row["box"]) for row in said] == [
        ("a", 0.75, [64, 32, 128, 64]),
        ("b", 0.5, [0, 0, 64, 32]),
    ]
    assert said[0]["mask"]["size"] == [64, 128]
    assert isinstance(said[0]["mask"]["counts"], str)


@pytest.mark.parametrize(("side", "object_", "size"), [(200, 50, 192), (2000, 400, 320), (2000, 20, 640)])
def test_pictures_are_as_large_as_their_objects_ask(side: int, object_: int, size: int) -> None:
    items = tuple(Item(f"{n}", f"{n}.png", told((0, 0, object_, object_)), "train") for n in range(3))
    facts = Facts(side, side // 2, side // 2, side, False, 1)
    wants = detect.prefers(Dataset("", "detect", "test", "made", ("a",), items, facts=facts))
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert wants["size"][0] == size
    assert wants["batch"][0] == 3, "no more than there are"
    assert all(reason for _, reason in wants.values())


@pytest.mark.parametrize(("size", "gone"), [(64, 2), (128, 1), (640, 0)])
def test_objects_that_vanish_at_the_size_of_training_are_counted(size: int, gone: int) -> None:
    boxes = told((0, 0, 5, 40), (10, 10, 40, 22), (100, 100, 300, 300), (0, 0, 1, 1), label="a")
    boxes[3]["crowd"] = True
    items = (Item("a", "a", boxes, "train"), Item("b", "b", told((0, 0, 1, 1)), "test"))
    data = Dataset("", "detect", "voc", "", ("a",), items, facts=Facts(640, 480, 480, 640, False, 1))
    said = detect.remarks(data, size)
    assert len(said) == bool(gone)
    if gone:
        assert said[0].startswith(f"{gone} object{'s' * (gone > 1)} of 3 to train on")
        assert f"--size {size}" in said[0]
