"""Pictures with parts covered: the sums are right, patch by patch and mask by mask."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import looking
from foveal import catalog
from foveal.errors import UnknownNameError
from foveal.explainers import occlusion, rise
from foveal.structure.blur import LOST, blurred
from foveal.structure.subject import Subject
from looking import LABELS, noise, targets, twins

IMAGES = noise(2)


class Linear(nn.Module):
    """A score that is a weighted sum of pixels."""

    def __init__(self, height: int = 32, width: int = 32) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * height * width, len(LABELS))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(x.flatten(1))
        return out


@pytest.mark.parametrize("size", [(32, 32), (31, 45), (8, 20), (5, 5)])
@pytest.mark.parametrize("cover", occlusion.COVERS)
@pytest.mark.parametrize("overlap", [True, False])
def test_of_a_linear_network_nothing_is_lost_or_counted_twice(size, cover, overlap):
    torch.manual_seed(0)
    network, images = Linear(*size), torch.rand(2, 3, *size)
    with looking.looking(network, images) as look:
        found = occlusion.explain(look, cover, overlap)
        all_covered = look.score(torch.zeros_like(images) if cover == "grey" else blurred(images, LOST))
        lost = look.scores - all_covered
    side = int(re.findall(r"\d+", found.unit)[0])
    assert (found.pixels.sum((1, 2)) / side**2).tolist() == pytest.approx(lost.tolist(), abs=1e-4)


def test_occlusion_patch_by_patch():
    """Each pixel the mean over the patches on it; those inside of the picture as they are."""
    network = twins()[0]
    with looking.looking(network, IMAGES) as look:
        found = occlusion.explain(look).pixels
    stride = 2  # 32 / 7 / 2
    by_hand, times = np.zeros((2, 32, 32)), np.zeros((32, 32))
    with torch.no_grad():
        whole = looking.TASK.score(network(IMAGES), targets(2))
        for y in range(-stride, 32, stride):
            for x in range(-stride, 32, stride):
                rows, columns = slice(max(y, 0), y + 4), slice(max(x, 0), x + 4)
                covered = IMAGES.clone()
                covered[:, :, rows, columns] = 0
                lost = whole - looking.TASK.score(network(covered), targets(2))
                share = 16 / covered[0, 0, rows, columns].numel()
                by_hand[:, rows, columns] += lost.numpy()[:, None, None] * share
                times[rows, columns] += 1
    assert (times == 4).all()
    assert np.abs(found.numpy() - by_hand / 4).max() <= 1e-5 * np.abs(by_hand).max()


def test_an_unknown_cover_is_refused():
    with looking.looking(twins()[0], IMAGES) as look:
        with pytest.raises(UnknownNameError, match="white"):
            occlusion.explain(look, "white")


def test_rise_mask_by_mask():
    network = twins()[0]
    with looking.looking(network, IMAGES, seed=5) as look:
        found = rise.explain(look, 37).pixels
    draw = torch.Generator().manual_seed(5)
    masks = [rise._mask(32, 32, draw) for _ in range(37)]
    with torch.no_grad():
        scores = [looking.TASK.score(network(IMAGES * mask), targets(2)) for mask in masks]
    mean = torch.stack(scores).mean(0)
    by_hand = sum((s - mean)[:, None, None] * mask for s, mask in zip(scores, masks, strict=True)) / (
        0.5 * 37
    )
    assert torch.allclose(found, by_hand, atol=1e-6)


def test_masks_are_smooth_shifted_and_show_half():
    draw = torch.Generator().manual_seed(0)
    masks = torch.stack([rise._mask(50, 64, draw) for _ in range(400)])
    assert masks.shape == (400, 50, 64)
    assert 0 <= masks.min() < masks.max() <= 1
    assert masks.mean(0).sub(0.5).abs().max() < 0.12
    assert masks.diff(dim=1).abs().max() <= 1 / 8 + 1e-6  # cells of 8 pixels
    assert masks.diff(dim=2).abs().max() <= 1 / 10 + 1e-6
    edges = (masks.diff(dim=1).abs() > 0).any(2).float().mean(0)
    assert edges.min() > 0.3, "steps everywhere, as the cells are shifted"


def test_rise_finds_the_pixels_of_a_linear_network_that_count():
    network = Linear()
    with torch.no_grad():
        network.fc.weight.zero_()
        network.fc.weight.view(5, 3, 32, 32)[:, :, 8:14, 20:26] = 1
    with looking.looking(network, torch.ones(1, 3, 32, 32), [targets(1)[0]]) as look:
        found = rise.explain(look).pixels[0]
    row, column = divmod(int(found.argmax()), 32)
    assert 8 <= row < 14
    assert 20 <= column < 26


def test_score_cam_takes_channels_that_show_nothing_for_nothing():
    network = twins()[0]
    with torch.no_grad():
        network.last.weight[0].zero_()
        network.last.bias[0] = 3.0  # the same everywhere
        network.last.bias[1] = -99.0  # never
    subject = Subject.of(network, (1, 3, 32, 32))
    with looking.looking(subject, IMAGES) as look:
        found = catalog.find("explainers", "scorecam").explain(look)
    assert torch.isfinite(found.cells).all()
