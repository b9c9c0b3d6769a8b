"""The record's network: what it starts as, and that it is the record's."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import small
from foveal.architectures import sprintnet
from foveal.architectures.sprintnet import SprintNet
from foveal.loop.optimizers import build
from foveal.structure.layers import parameter_groups, set_trainable
from foveal.structure.transplant import transplant


def network(channels: int = 3, outputs: int = 10, seed: int = 0) -> SprintNet:
    torch.manual_seed(seed)
    made = sprintnet.build("sprintnet", outputs=outputs, channels=channels, size=32)
    assert isinstance(made, SprintNet)
    return made


def smooth(count: int, channels: int = 3, side: int = 32) -> Tensor:
    """Pictures whose neighbouring pixels and channels are alike, as in photographs."""
    coarse = F.interpolate(torch.randn(count, channels, side // 4, side // 4), size=side, mode="bilinear")
    return coarse + 0.5 * coarse.mean(1, keepdim=True) + 0.2 * torch.randn(count, channels, side, side)


def moments(layer: nn.Conv2d, images: Tensor) -> Tensor:
    """Second moments of the kernels' outputs over all patches."""
    out = F.conv2d(images, layer.weight).transpose(0, 1).flatten(1)
    return out @ out.T / out.shape[1]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_first_outputs_are_white(channels: int) -> None:
    torch.manual_seed(0)
    images = smooth(600, channels)
    made, half = network(channels), 4 * channels
    before = torch.linalg.eigvalsh(moments(made.whiten, images)[:half, :half])
    assert before[-1] / before[0] > 20, "the pictures have something to whiten"
    sprintnet.initialise(made, images[:500])
    seen = moments(made.whiten, images[500:])[:half, :half]
    assert (seen - torch.eye(half)).abs().max() < 0.1
    assert torch.equal(made.whiten.weight[:half], -made.whiten.weight[half:])


def test_whitening_is_an_eigenvalue_problem() -> None:
    """Kernels times their deviation are orthonormal; a patch that never varies stays small."""
    torch.manual_seed(1)
    flat = torch.randn(20, 1, 1, 1).expand(-1, -1, 8, 8)
    made = network(1)
    sprintnet.initialise(made, flat)
    assert made.whiten.weight.isfinite().all()
    rows = made.whiten.weight[:4].flatten(1)
    unit = rows / rows.norm(dim=1, keepdim=True)
    torch.testing.assert_close(unit @ unit.T, torch.eye(4), atol=1e-5, rtol=0)
    assert float(rows.norm(dim=1).max()) == pytest.approx(sprintnet.EPSILON**-0.5, rel=1e-3)
    assert float(rows[0].sum().abs()) == pytest.approx(float(4 * rows[0].abs().mean()), rel=1e-4), (
        "the strongest is the mean"
    )


def test_kernels_are_no_parameter() -> None:
    made = network()
    sprintnet.initialise(made, smooth(50))
    kernels = made.whiten.weight.clone()
    assert "whiten.weight" in made.state_dict()
    set_trainable(made, "fc", "all")
    groups = parameter_groups(made, "fc", lr=0.24, weight_decay=0.1, layer_decay=1.0)
    optimizer = build("muon", groups, lr=0.24, momentum=0.6, weight_decay=0.1, device="cpu")
    made.train()(smooth(8)).square().mean().backward()
    assert made.whiten.bias is not None
    before = made.whiten.bias.clone()
    optimizer.step()
    assert torch.equal(made.whiten.weight, kernels)
    assert not torch.equal(made.whiten.bias, before)
    names = {name for name, _ in made.named_parameters()}
    assert not any(name.endswith("norm1.weight") for name in names), "norms have no scale"


def test_blocks_begin_as_the_identity() -> None:
    made, x = network(), torch.randn(2, 64, 7, 7)
    torch.testing.assert_close(made.layer1.conv2(x), x)
    x = torch.randn(2, 24, 7, 7)
    torch.testing.assert_close(made.layer1.conv1(x)[:, :24], x)
    drawn = made.layer2.conv1.weight[64:].detach()
    assert drawn.std() == pytest.approx((1 / (3 * 64 * 9)) ** 0.5, rel=0.05)


def test_statistics_follow_fast_and_shifts_are_learned() -> None:
    norm, x = sprintnet.Norm(2), torch.randn(4, 2, 5, 5) * 3 + 1
    y = norm(x)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(norm.running_mean, 0.4 * x.mean((0, 2, 3)))
    assert [name for name, _ in norm.named_parameters()] == ["bias"]
    assert "weight" not in norm.state_dict()
    assert copy.deepcopy(norm).tempo == sprintnet.Norm.tempo


@pytest.mark.parametrize("size", [2, 3, 8, 9, 32, 33, 64])
def test_any_size(size: int) -> None:
    assert network(1).train()(torch.randn(3, 1, size, size)).shape == (3, 10)


def test_at_32_pixels_it_is_the_record_s() -> None:
    """Layer by layer as airbench94_muon has it, its outputs divided by 256 where these features are by 9."""
    made = network().eval()
    x = torch.randn(4, 3, 32, 32)
    y = F.gelu(F.conv2d(x, made.whiten.weight, made.whiten.bias))
    for block in (made.layer1, made.layer2, made.layer3):
        y = F.max_pool2d(F.conv2d(y, block.conv1.weight, padding="same"), 2)
        y = F.gelu(F.batch_norm(y, torch.zeros(y.shape[1]), torch.ones(y.shape[1]), None, block.norm1.bias))
        y = F.conv2d(y, block.conv2.weight, padding="same")
        y = F.gelu(F.batch_norm(y, torch.zeros(y.shape[1]), torch.ones(y.shape[1]), None, block.norm2.bias))
    y = F.max_pool2d(y, 3).flatten(1)
    theirs = (y @ (made.fc.weight * 256 / 9).T) / 256 + made.fc.bias
    torch.testing.assert_close(made(x), theirs, rtol=1e-4, atol=1e-5)


def test_channels_last_and_bf16() -> None:
    made, x = network().eval(), smooth(4)
    plain = made(x)
    last = made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert last.whiten.weight.is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        half = last(x.contiguous(memory_format=torch.channels_last))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), plain, atol=0.03, rtol=0.05)


def test_weights_for_other_channels_are_refused_with_words(tmp_path: Path) -> None:
    """The number of kernels goes with the channels, so they cannot be adapted."""
    from foveal.errors import ModelError

    with pytest.raises(ModelError, match="do not fit"):
        transplant(network(3).state_dict(), network(1), "fc", source="a model")
    done = transplant(network(3).state_dict(), network(3, outputs=4, seed=1), "fc", source="a model")
    assert set(done.fresh) == {"fc.weight", "fc.bias"}


def test_it_learns_drawings(tmp_path: Path) -> None:
    """A few steps of the record's optimizer on 48 drawings."""
    data = small.drawings(tmp_path)
    batches = small.batches(data, "train", size=24)
    made = network(1, outputs=3)
    first = next(batches.epoch(0))
    sprintnet.initialise(made, batches.to(first, "cpu", False).images)
    groups = parameter_groups(made, "fc", lr=0.05, weight_decay=0.01, layer_decay=1.0)
    optimizer = build("muon", groups, lr=0.05, momentum=0.6, weight_decay=0.01, device="cpu")
    losses = []
    for epoch in range(5):
        for raw in batches.epoch(epoch):
            loss = small.task().step(made.train(), batches.to(raw, "cpu", False)).loss
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(1.1, abs=0.2), "it begins at chance"
    assert losses[-1] < 0.6
