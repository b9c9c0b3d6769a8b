"""Whole detectors of torchvision: they say and learn what torchvision's own do, and its files of COCO's classes fit."""

from __future__ import annotations

import copy
import re
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.models.detection.image_list import ImageList
from torchvision.ops.misc import FrozenBatchNorm2d

from foveal.architectures import coco_detectors
from foveal.errors import OfflineError
from foveal.machine.device import autocast
from foveal.options import TrainOptions, make
from foveal.plan.published import model_of
from foveal.plan.start import choose
from foveal.structure.subject import Subject
from foveal.structure.transplant import transplant
from foveal.values import Dataset, Facts

FAST = ("fasterrcnn_mobilenet_v3_large_320_fpn", "ssdlite320_mobilenet_v3_large")
ALL = [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in coco_detectors.NAMES]
"""One of each number of stages in the fast suite."""
SSDLITE = "ssdlite320_mobilenet_v3_large"
SIZE = 160


def theirs(name: str, classes: int = coco_detectors.LISTED) -> Any:
    """torchvision's own, as if it had learned something: its class layers say more than nothing."""
    torch.manual_seed(0)
    model: Any = get_model(name, weights=None, weights_backbone=None, num_classes=classes)
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if any(end in key for end in coco_detectors._kind(name).ends):
                # of regions little, so that no class has all of them, and no box lies beside the picture
                scale = 0.5 if tensor.dim() == 1 else 0.005 if "box_predictor" in key else 0.2
                tensor.copy_(torch.randn_like(tensor) * scale)
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
    return model


def ours(name: str, model: Any, outputs: int) -> Any:
    """Our network with the same tensors."""
    network = coco_detectors.build(name, outputs=outputs, channels=3, size=SIZE)
    heads = "head.model." if hasattr(network.head, "model") else "head."
    state = model.state_dict().items()
    network.load_state_dict(
        {(f"encoder.{k}" if k.startswith("backbone") else heads + k): v for k, v in state}
    )
    return network


class Untouched(nn.Module):
    """In the place of torchvision's transform: pictures as they are."""

    def forward(self, images: Sequence[Tensor], wanted: Any = None) -> tuple[ImageList, Any]:
        return ImageList(torch.stack(list(images)), [tuple(image.shape[-2:]) for image in images]), wanted

    def postprocess(self, found: Any, sizes: Any, original: Any) -> Any:
        return found


def pictures() -> Tensor:
    return torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def targets() -> list[dict[str, Tensor]]:
    boxes = torch.tensor([[10.0, 20.0, 90.0, 120.0], [70.0, 30.0, 150.0, 90.0]])
    masks = torch.zeros(2, SIZE, SIZE, dtype=torch.bool)
    masks[:, 40:80, 75:85] = True
    return [{"boxes": boxes, "labels": torch.tensor([2, 0]), "masks": masks}] * 2


@pytest.mark.parametrize("name", ALL)
def test_it_finds_and_learns_as_torchvision_does(name: str) -> None:
    model = theirs(name, 5)
    first = (
        0 if coco_detectors._kind(name).stage in (coco_detectors.RetinaStage, coco_detectors.FcosStage) else 1
    )
    network = ours(name, model, 5 - first)
    part = getattr(model, "roi_heads", model)
    part.score_thresh, part.detections_per_img = (0.01 if name == SSDLITE else 0.05), 100
    if hasattr(model, "rpn"):
        model.rpn.score_thresh = 0.0
    model.transform = Untouched()
    images = pictures()
    with torch.inference_mode():
        found, wanted = network.eval()(images), model.eval()(list(images))
    for one, reference in zip(found, wanted, strict=True):
        assert len(one["boxes"])
        assert set(one) == set(reference)
        torch.testing.assert_close(one["boxes"], reference["boxes"], rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(one["scores"], reference["scores"], rtol=1e-4, atol=1e-5)
        assert torch.equal(one["labels"] + first, reference["labels"])
    moved = [{**target, "labels": target["labels"] + first} for target in targets()]
    torch.manual_seed(3)
    losses = network.train()(images, targets())
    torch.manual_seed(3)
    expected = model.train()(list(images), moved)
    assert set(losses) == set(expected)
    for key, value in expected.items():
        torch.testing.assert_close(losses[key], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_it_judges_and_is_explained_as_our_other_detectors(name: str) -> None:
    network = coco_detectors.build(name, outputs=3, channels=1, size=128)
    images = pictures()[:, :1]
    with autocast("cpu", "bf16"), torch.inference_mode():
        found, losses = network.eval()(images, targets())
        assert [one["boxes"].dtype for one in found] == [torch.float32] * 2
        assert all(torch.isfinite(value).all() and value.shape == (2,) for value in losses.values())
    placed: Any = network
    assert placed.strongest()(images).shape == (2, 3)
    outputs = placed.placed()(images)
    assert outputs.shape[::2] == (2, 7)
    assert placed.before_choosing()(images)


def old_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As torchvision's file of 2019 calls them."""
    return {
        k.replace("rpn.head.conv.0.0.", "rpn.head.conv.").replace("blocks.0.0.", "blocks.0."): v
        for k, v in state.items()
        if not k.endswith("num_batches_tracked")
    }


def test_names_of_old_files_are_brought_up_to_date() -> None:
    model = theirs(FAST[0])
    plain = coco_detectors.renamed(FAST[0], model.state_dict())
    old = old_names(model.state_dict())
    assert "rpn.head.conv.weight" in old
    found = coco_detectors.renamed(FAST[0], old)
    network = coco_detectors.build(FAST[0], outputs=coco_detectors.LISTED - 1, channels=3, size=SIZE)
    assert set(plain) == set(network.state_dict())
    lacking = {k for k in plain if k.endswith("num_batches_tracked")}
    assert set(plain) - set(found) <= lacking
    assert all(torch.equal(tensor, plain[k]) for k, tensor in found.items() if k not in lacking)


def test_normalisation_learned_without_an_epsilon_says_the_same_with_one() -> None:
    torch.manual_seed(0)
    state = {
        "a.running_var": torch.tensor([1e-7, 4e-6, 2.0]),
        "a.running_mean": torch.randn(3),
        "a.weight": torch.randn(3),
        "a.bias": torch.randn(3),
    }
    bare = {k.removeprefix("a."): v for k, v in state.items()}
    frozen = FrozenBatchNorm2d(3, eps=0.0)
    frozen.load_state_dict(bare)
    norm = nn.BatchNorm2d(3).eval()
    told = coco_detectors._with_epsilon(state)
    norm.load_state_dict({k.removeprefix("a."): v for k, v in told.items()}, strict=False)
    images = (
        bare["running_mean"][:, None, None]
        + torch.randn(1, 3, 4, 4) * bare["running_var"].sqrt()[:, None, None]
    )
    torch.testing.assert_close(norm(images), frozen(images), rtol=1e-4, atol=1e-4)


@pytest.fixture
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """torchvision's file of SSDlite, as if it had been downloaded before; with drawn weights."""
    model = theirs(SSDLITE)
    place = tmp_path / "hub" / "checkpoints"
    place.mkdir(parents=True)
    published = coco_detectors.weights(SSDLITE, None)
    assert published is not None
    torch.save(model.state_dict(), place / published.entry.url.rpartition("/")[2])
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return model


def test_as_published_it_names_cocos_80_classes(downloaded: Any) -> None:
    model = model_of(SSDLITE)
    assert len(model.labels) == 80
    assert (model.labels[0], model.labels[-1]) == ("person", "toothbrush")
    assert model.task.name == "detect"
    categories = coco_detectors.weights(SSDLITE, None).entry.meta["categories"]  # type: ignore[union-attr]
    kept = [0, *(categories.index(label) for label in model.labels)]
    images = pictures()
    with torch.inference_mode():
        maps = OrderedDict(downloaded.eval().backbone(images))
        wanted = downloaded.head(list(maps.values()))["cls_logits"][..., kept]
        network: Any = model.network
        got = network.head.said(network.encoder(images), images)["cls_logits"]
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_other_classes_begin_from_all_but_the_last_layers(downloaded: Any, tmp_path: Path) -> None:
    data = Dataset("", "detect", "voc", "", ("cat", "dog"), (), facts=Facts(320, 320, 320, 320, False, 1))
    start = choose(data, make(TrainOptions, {"network": SSDLITE}))
    assert start.state is not None
    assert "COCO" in start.licence
    file = tmp_path / "theirs.pth"
    torch.save(downloaded.state_dict(), file)
    given = choose(data, make(TrainOptions, {"network": SSDLITE, "weights": str(file)}))
    assert given.state is not None
    for one in (start, given):
        network = coco_detectors.build(SSDLITE, outputs=2, channels=3, size=320)
        before = copy.deepcopy(network.state_dict())
        assert one.state is not None
        done = transplant(
            one.state(), network, coco_detectors.head(SSDLITE), source="x", old_labels=one.labels,
            new_labels=("cat", "dog"),
        )  # fmt: skip
        assert done.fresh
        assert all("classification_head" in name for name in done.fresh)
        state = downloaded.state_dict()
        for name, tensor in network.state_dict().items():
            if name.startswith("encoder.backbone."):
                assert torch.equal(tensor, state[name.removeprefix("encoder.")])
            if name in done.fresh:
                assert torch.equal(tensor, before[name])


def test_without_a_network_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    data = Dataset("", "detect", "voc", "", ("cat", "dog"), (), facts=Facts(320, 320, 320, 320, False, 1))
    start = choose(data, make(TrainOptions, {"network": SSDLITE}))
    assert start.state is None
    assert start.reason.startswith(
        "from scratch: The weights SSDLite320_MobileNet_V3_Large_Weights.COCO_V1 could not"
    )
    published = choose(data, make(TrainOptions, {"network": SSDLITE, "weights": "COCO_V1"}))
    assert published.state is not None
    with pytest.raises(OfflineError) as error:
        published.state()
    assert "--weights FILE" in error.value.todo


def test_maps_are_drawn_of_the_backbones_last_stage() -> None:
    for name in FAST:
        network: Any = coco_detectors.build(name, outputs=3, channels=3, size=SIZE)
        subject = Subject.of(network.strongest().eval(), (1, 3, SIZE, SIZE))
        assert subject.last_map is not None
        assert subject.graph.operations[subject.last_map].shapes[0][2:] == (SIZE // 32, SIZE // 32)


def test_the_guide_names_detectors_that_there_are(root: Path) -> None:
    text = (root / "docs" / "tasks.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b\w+_(?:mobilenet|resnet50)\w+", text))
    assert {name.partition("_coco")[0] for name in named} <= set(coco_detectors.NAMES)
    assert len(named) > 5
