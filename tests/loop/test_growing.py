"""Progressive sizes: where the side stands, and that the loop follows it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import small
from foveal.loop.fit import fit
from foveal.loop.growing import grown, side_at
from foveal.loop.state import State
from foveal.values import Batch


def test_sides_grow_from_the_share_to_the_whole() -> None:
    sides = [side_at(n / 100, 0.5, 224) for n in range(101)]
    assert sides == sorted(sides)
    assert set(sides[:51]) == {112}
    assert set(sides[80:]) == {224}
    assert all(side % 4 == 0 for side in sides)
    assert len(set(sides)) > 10
    assert side_at(1.0, 0.5, 31) == 31
    assert side_at(0.0, 0.25, 12) == 8


def test_pictures_are_reduced_smoothly() -> None:
    """A fine checkerboard becomes even grey; the whole side is left alone."""
    board = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 2.0 - 1
    batch = Batch(board.expand(2, 3, 32, 32).contiguous(), torch.zeros(2), ["a", "b"])
    assert grown(batch, 1.0, 0.5) is batch
    small_ones = grown(batch, 0.0, 0.5)
    assert small_ones.images.shape == (2, 3, 16, 16)
    assert small_ones.images[..., 2:-2, 2:-2].abs().max() < 0.05
    assert small_ones.ids == batch.ids


@pytest.mark.parametrize("grow", [0.7, 1.0])
def test_the_loop_ends_at_the_whole_size(grow: float, tmp_path: Path) -> None:
    data, seen = small.drawings(tmp_path), []
    state = State(small.tiny(), small.fit_options(grow=grow))
    state.network.register_forward_pre_hook(
        lambda network, inputs: seen.append(inputs[0].shape[-1]) if network.training else None
    )
    train, val = small.batches(data, "train"), small.batches(data, "val")
    list(fit(state, small.task(), train, val, state.options))
    assert seen[0] == (8 if grow < 1 else 12)
    assert seen[-1] == 12
