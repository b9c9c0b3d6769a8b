"""LeNet-5 and the small ResNets as their papers describe them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import small
from foveal.architectures import cifar_resnet, lenet5
from foveal.options import TrainOptions, make
from foveal.plan import choose
from foveal.structure.transplant import transplant

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

TABLE = """
X . . . X X X . . X X X X . X X
X X . . . X X X . . X X X X . X
X X X . . . X X X . . X . X X X
. X X X . . X X X X . . X . X X
. . X X X . . X X X X . X X . X
. . . X X X . . X X X X . X X X
"""
"""The paper's table I: columns are maps of C3, rows the maps of S2 that they see."""


def lenet(channels: int = 1, outputs: int = 10) -> lenet5.LeNet5:
    torch.manual_seed(0)
    made = lenet5.build("lenet5", outputs=outputs, channels=channels, size=32)
    assert isinstance(made, lenet5.LeNet5)
    return made


def test_lenet_has_the_paper_s_parameters_layer_by_layer() -> None:
    made = lenet()
    counts = {n: sum(p.numel() for p in child.parameters()) for n, child in made.named_children()}
    published = {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48_120, "f6": 10_164}
    assert {name: counts[name] for name in published} == published
    assert sum(published.values()) == 60_000
    assert counts["output"] == 850


def test_lenet_s_connections_are_table_one() -> None:
    rows = [line.split() for line in TABLE.strip().splitlines()]
    wanted = [tuple(r for r in range(6) if rows[r][c] == "X") for c in range(16)]
    assert [tuple(sorted(seen)) for seen in lenet5.SEEN] == wanted


def test_a_map_of_c3_sees_its_own_maps_only() -> None:
    layer, x = lenet().c3, torch.randn(1, 6, 14, 14)
    with torch.no_grad():
        whole = layer(x)
        for place in range(6):
            other = x.clone()
            other[:, place] += 1
            moved = {n for n in range(16) if not torch.equal(layer(other)[:, n], whole[:, n])}
            assert moved == {n for n, seen in enumerate(lenet5.SEEN) if place in seen}
        kernels = torch.zeros(16, 6, 5, 5)
        at = 0
        for row, seen in enumerate(lenet5.SEEN):
            for column in seen:
                kernels[row, column] = layer.weight[at]
                at += 1
        torch.testing.assert_close(whole, F.conv2d(x, kernels, layer.bias))


def test_subsampling_is_a_sum_with_a_coefficient() -> None:
    layer, x = lenet().s2, torch.randn(2, 6, 8, 8)
    with torch.no_grad():
        layer.bias.uniform_(-1, 1)
        sums = x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]
        wanted = 1.7159 * torch.tanh(2 / 3 * (sums * layer.weight[:, None, None] + layer.bias[:, None, None]))
        torch.testing.assert_close(layer(x), wanted)
    assert float(lenet5.squash(torch.tensor(1.0))) == pytest.approx(1, abs=1e-4)


@torch.no_grad()
def test_weights_are_drawn_by_the_number_of_inputs() -> None:
    made = lenet()
    for weight, inputs in ((made.c1.weight, 25), (made.c5.weight, 400), (made.f6.weight, 120)):
        assert 0.95 * 2.4 / inputs < float(weight.abs().max()) <= 2.4 / inputs
    assert 0.8 * 2.4 / 150 < float(made.c3.weight[-6:].abs().max()) <= 2.4 / 150
    assert float(made.c3.weight[:3].abs().max()) <= 2.4 / 75


@pytest.mark.parametrize("size", [16, 28, 31, 32, 33, 64])
def test_other_sizes(size: int) -> None:
    assert lenet(3, 4)(torch.randn(2, 3, size, size)).shape == (2, 4)


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_small_resnets_have_the_paper_s_depth_and_parameters(depth: int, millions: float) -> None:
    name = f"cifar_resnet{depth}"
    made = cifar_resnet.build(name, outputs=10, channels=3, size=32)
    weights = [n for n, p in made.named_parameters() if p.dim() > 1]
    assert len(weights) == depth
    assert sum(p.numel() for p in made.parameters()) / 1e6 == pytest.approx(
        millions, abs=0.005 + 0.02 * millions
    )


def test_their_shortcuts_have_no_parameters_and_keep_every_other_pixel() -> None:
    block = cifar_resnet.Block(4, 8).eval()
    x = torch.rand(1, 4, 7, 7)
    with torch.no_grad():
        block.bn2.weight.zero_()
        out = block(x)
    assert torch.equal(out[:, 2:6], x[..., ::2, ::2])
    assert not out[:, :2].any()
    assert not out[:, 6:].any()


def published(place: Path) -> cifar_resnet.CifarResNet:
    """A ResNet-20 with weights that others trained."""
    loaded = torch.load(place, map_location="cpu", weights_only=True)["state_dict"]
    state = {name.removeprefix("module."): tensor for name, tensor in loaded.items()}
    made = cifar_resnet.build("cifar_resnet20", outputs=10, channels=3, size=32)
    assert isinstance(made, cifar_resnet.CifarResNet)
    done = transplant(state, made, "linear", source=str(place))
    assert not done.fresh
    assert not done.adapted
    return made.eval()


def cifar(folder: Path, each: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first test pictures of each class from their mosaics, `N3HW` as the weights want them, and classes."""
    images, labels = [], []
    for number, name in enumerate(CLASSES):
        with Image.open(folder / "mosaics" / f"test_{name}.webp") as file:
            mosaic = np.asarray(file.convert("RGB"))
        tiles = mosaic.reshape(mosaic.shape[0] // 32, 32, -1, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3)
        images.append(torch.from_numpy(tiles[:each].copy()))
        labels += [number] * len(images[-1])
    pixels = torch.cat(images).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return (pixels - mean) / std, torch.tensor(labels)


@pytest.mark.parametrize("each", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_weights_of_others_are_as_accurate_here(test_data, each: int) -> None:  # type: ignore[no-untyped-def]
    """91.73 % of the 10,000 test pictures, so the shortcuts are theirs."""
    made = published(test_data("weights") / "resnet_cifar10" / "resnet20-12fca82f.th")
    images, labels = cifar(test_data("cifar10"), each)
    with torch.inference_mode():
        right = torch.cat([made(part).argmax(1) for part in images.split(500)]) == labels
    assert float(right.float().mean()) == pytest.approx(0.9173, abs=1e-6 if each == 1000 else 0.04)


def test_a_weights_file_of_theirs_starts_a_network(test_data, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = test_data("weights") / "resnet_cifar10" / "resnet20-12fca82f.th"
    options = make(TrainOptions, {"weights": str(file), "network": "cifar_resnet20"})
    start = choose(small.drawings(tmp_path), options)
    assert start.state is not None
    network = cifar_resnet.build("cifar_resnet20", outputs=10, channels=3, size=32)
    assert set(start.state()) == {n for n in network.state_dict() if not n.endswith("num_batches_tracked")}
