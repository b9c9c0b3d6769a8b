"""Detectors: as torchvision's own classes with the same parts, in both modes, precisions and layouts; anchors."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.image_list import ImageList

from foveal import catalog
from foveal.architectures import _anchors, detectors
from foveal.card import Card
from foveal.errors import ModelError
from foveal.machine.device import autocast
from foveal.model import Model
from foveal.tasks import detect, instances
from foveal.values import Dataset, Facts, Item, Preprocessing

SMALL = "timm/resnet10t"
KINDS = ("faster_rcnn", "fcos", "mask_rcnn", "retinanet", "ssdlite")
SOME = [k if k in ("fcos", "mask_rcnn") else pytest.param(k, marks=pytest.mark.slow) for k in KINDS]
"""One of each number of stages in the fast suite."""


def built(kind: str, size: int = 128, channels: int = 3, outputs: int = 3, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    name = f"{kind}/{SMALL}"
    return catalog.find("architectures", name).build(name, outputs=outputs, channels=channels, size=size)


def pictures(count: int = 2, size: int = 128, channels: int = 3) -> Tensor:
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(1))


def targets(size: int = 128) -> list[dict[str, Tensor]]:
    """Two objects on one picture, none on the other."""
    boxes = torch.tensor([[10.0, 20.0, 60.0, 90.0], [70.0, 30.0, 100.0, 60.0]])
    masks = torch.zeros(2, size, size, dtype=torch.bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y0:y1, x0:x1] = True
    none = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64), "masks": masks[:0]}
    return [{"boxes": boxes, "labels": torch.tensor([2, 0]), "masks": masks}, none]


class Untouched(nn.Module):
    """In the place of torchvision's transform: pictures as they are."""

    def forward(self, images: Sequence[Tensor], wanted: Any) -> tuple[ImageList, Any]:
        return ImageList(torch.stack(list(images)), [tuple(image.shape[-2:]) for image in images]), wanted

    def postprocess(self, found: Any, sizes: Any, original: Any) -> Any:
        return found


class Maps(nn.Module):
    """A backbone and what lies between it and torchvision's heads, as torchvision wants them."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        maps, head = self.network.encoder(images), self.network.head
        if hasattr(head, "fpn"):
            made: OrderedDict[str, Tensor] = head.fpn(
                OrderedDict((str(n), one) for n, one in enumerate(maps))
            )
            return made
        return OrderedDict((str(n), one) for n, one in enumerate(head.neck(maps)))


def theirs(network: Any) -> nn.Module:
    """The same weights in torchvision's own class, with its own forward pass."""
    if hasattr(network.head, "rpn"):
        return GeneralizedRCNN(Maps(network), network.head.rpn, network.head.roi_heads, Untouched())
    model: nn.Module = copy.copy(network.head.model)
    model._modules = dict(model._modules)
    model.backbone, model.transform = Maps(network), Untouched()
    return model


@pytest.mark.parametrize("kind", SOME)
def test_it_learns_and_finds_as_torchvision_does(kind: str) -> None:
    network = built(kind)
    other = theirs(network)
    first = network.head.first if hasattr(network.head, "first") else 1
    wanted = [{**target, "labels": target["labels"] + first} for target in targets()]
    images = pictures()
    torch.manual_seed(3)
    ours = network.train()(images, targets())
    torch.manual_seed(3)
    want = other.train()(list(images), wanted)
    assert set(ours) == set(want)
    for name, value in want.items():
        torch.testing.assert_close(ours[name], value)
    with torch.inference_mode():
        found = network.eval()(images)
        for one, reference in zip(found, other.eval()(list(images)), strict=True):
            assert set(one) == set(reference)
            torch.testing.assert_close(one["boxes"], reference["boxes"])
            torch.testing.assert_close(one["scores"], reference["scores"])
            assert torch.equal(one["labels"], reference["labels"] - first)


@pytest.mark.parametrize("kind", SOME)
def test_judging_draws_nothing_changes_nothing_and_knows_each_picture_alone(kind: str) -> None:
    network = built(kind).eval()
    images, wanted = pictures(), targets()
    modes = [module.training for module in network.modules()]
    before, state = torch.get_rng_state(), {k: v.clone() for k, v in network.state_dict().items()}
    with torch.inference_mode():
        found, losses = network(images, wanted)
        plain = network(images)
        alone = [network(images[n : n + 1], wanted[n : n + 1]) for n in range(2)]
        with ThreadPoolExecutor(4) as pool:
            several = list(pool.map(lambda n: network(images[n % 2][None], [wanted[n % 2]])[1], range(8)))
    assert torch.equal(before, torch.get_rng_state())
    assert modes == [module.training for module in network.modules()]
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    for name, values in losses.items():
        assert values.shape == (2,)
        assert torch.isfinite(values).all()
        torch.testing.assert_close(values, torch.cat([one[1][name] for one in alone]), rtol=1e-4, atol=1e-5)
        for n, one in enumerate(several):
            assert torch.equal(one[name], several[n % 2][name])
    for one, other in zip(found, plain, strict=True):
        torch.testing.assert_close(one["boxes"], other["boxes"], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", SOME)
def test_it_works_in_bf16_channels_last_copied_and_without_objects(kind: str) -> None:
    network = copy.deepcopy(built(kind)).to(memory_format=torch.channels_last)
    images = pictures().contiguous(memory_format=torch.channels_last)
    with autocast("cpu", "bf16"):
        losses = network.train()(images, targets())
        torch.autograd.backward(sum(losses.values()))
        with torch.inference_mode():
            found, each = network.eval()(images, targets())
    assert all(torch.isfinite(value).all() for value in (*losses.values(), *each.values()))
    lacking = [name for name, p in network.named_parameters() if p.grad is None]
    assert not lacking
    for one in found:
        assert one["boxes"].dtype == one["scores"].dtype == torch.float32
        assert len(one["boxes"]) <= 100
        assert (one["scores"].diff() <= 0).all()
    assert all(torch.isfinite(value) for value in network.train()(images).values()), "no objects at all"


@pytest.mark.parametrize("kind", KINDS)
def test_it_takes_any_channels_and_is_saved_bit_equal(kind: str, tmp_path: Path) -> None:
    for channels, size in ((1, 128), (4, 100)):
        network = built(kind, size, channels).eval()
        with torch.inference_mode():
            found = network(pictures(1, size, channels))[0]
        if len(found["boxes"]):
            assert found["boxes"].min() >= 0
            assert found["boxes"].max() <= size
        assert found["labels"].numel() == 0 or found["labels"].max() < 3
    card = {"name": f"{kind}/{SMALL}", "outputs": 3, "channels": 4, "size": 100}
    pre = Preprocessing(100, 4, (0.5,) * 4, (0.25,) * 4)
    task = (instances if kind == "mask_rcnn" else detect).build(["a", "b", "c"])
    file = tmp_path / "m.safetensors"
    Model(network, task, pre, Card(task=task.card(), architecture=card, preprocessing=pre)).save(file)
    again = Model.load(file).network.state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in network.state_dict().items())


def test_coordinates_keep_their_digits_in_bf16() -> None:
    network = built("fcos", 640)
    with autocast("cpu", "bf16"), torch.inference_mode():
        grid = network.head.model.anchor_generator(
            ImageList(pictures(1, 640), [(640, 640)]),
            [torch.zeros(1, 1, side, side, dtype=torch.bfloat16) for side in (80, 40, 20, 10, 5)],
        )[0]
    assert grid[:3].tolist() == [[0, 0, 8, 8], [8, 0, 16, 8], [16, 0, 24, 8]]
    assert grid[6399].tolist() == [632, 632, 640, 640]
    assert grid[-1].tolist() == [512, 512, 640, 640]


def dataset(sides: Sequence[tuple[float, float]], tall: int = 480, wide: int = 640) -> Dataset:
    objects = [{"label": "a", "box": [0, 0, w, h]} for w, h in sides]
    facts = Facts(wide, tall, tall, wide, False, 1)
    items = (Item("1", "1.png", objects, "train"),)
    return Dataset("", "detect", "test", "made for a test", ("a",), items, facts=facts)


def test_anchors_are_fitted_at_the_working_size() -> None:
    """Tall boxes of 40 x 160 pixels on pictures twice as large as they are seen."""
    told = detectors.told("retinanet", dataset([(40, 160)] * 15 + [(44, 150)] * 15), 320)["anchors"]
    json.dumps(told)
    assert [len(level) for level in told] == [9] * 5
    usual = _anchors.shapes_of((8, 16, 32, 64, 128), (1.0, 2 ** (1 / 3), 2 ** (2 / 3)), 4.0)
    sides = np.array([[20.0, 80.0], [22.0, 75.0]])
    assert _anchors.overlap(sides, told) > 0.85 > 0.6 > _anchors.overlap(sides, usual)
    assert detectors.told("fcos", dataset([(40, 160)] * 30), 320) == {}
    assert detectors.told("retinanet", dataset([(40, 160)] * 3), 320) == {}, "three boxes tell nothing"
    network = detectors.build(f"retinanet/{SMALL}", outputs=1, channels=3, size=320, anchors=told).eval()
    with torch.inference_mode():
        assert len(network(pictures(1, 320))) == 1
    assert "9 a place" in detectors.remarks({"anchors": told})[0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(2, 600), st.floats(2, 600)), min_size=20, max_size=60))
def test_fitted_anchors_are_many_as_usual_apart_and_no_worse(sides: list[tuple[float, float]]) -> None:
    strides, scales = (8, 16, 32, 64, 128), (1.0, 2**0.5)
    found = _anchors.fitted(np.array(sides), strides, scales)
    assert found is not None
    assert [len(level) for level in found] == [6] * 5
    ratios = sorted(h / w for w, h in found[-1][:3])
    assert ratios[1] / ratios[0] > 1.2
    assert ratios[2] / ratios[1] > 1.2
    least = [_anchors.shapes_of(strides, scales, base, sorted(ratios)) for base in (2, 4, 8)]
    best = _anchors.overlap(np.array(sides), found)
    assert all(best >= _anchors.overlap(np.array(sides), other) - 0.01 for other in least)


def test_weights_are_the_backbones_and_fit() -> None:
    published = detectors.weights("fcos", None)
    assert published is not None
    network = detectors.build("fcos", outputs=2, channels=3, size=224)
    own = {name for name, _ in network.named_parameters() if not name.startswith("head.")}
    assert own <= set(published.state())
    assert published.labels == ()
    assert detectors.weights("fcos", "unheard of") is None


def test_a_backbone_without_such_maps_is_refused() -> None:
    with pytest.raises(ModelError, match="stride"):
        detectors.build("fcos/lenet5", outputs=2, channels=3, size=128)


def test_small_pictures_give_finite_gradients_in_bf16() -> None:
    """Of 64 px a map at stride 64 is one cell, on which torch's bf16 convolutions of stride 2 had none now and then."""
    network = built("fcos", 64).train()
    told = [{"boxes": torch.tensor([[5.0, 5.0, 40.0, 45.0]]), "labels": torch.tensor([1])}] * 4
    for seed in range(3):
        images = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
        with autocast("cpu", "bf16"):
            maps = network.head.neck(network.encoder(images))
            loss = torch.stack(list(network(images, told).values())).sum()
        assert [level.dtype for level in maps[3:]] == [torch.float32] * 2
        network.zero_grad()
        loss.backward()
        wrong = [
            n for n, p in network.named_parameters() if p.grad is not None and not p.grad.isfinite().all()
        ]
        assert wrong == []
