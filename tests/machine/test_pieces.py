"""Pieces of a batch side by side: the same results, in order, and nothing left behind."""

from __future__ import annotations

import threading

import pytest
import torch

from foveal import catalog
from foveal.far import watched
from foveal.loop.frozen import up_to
from foveal.machine.pieces import PIXELS, pieces_of, side_by_side


@pytest.fixture(autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_from_several_threads_and_torchs_threads_are_as_before():
    meet = threading.Barrier(2, timeout=10)  # breaks where only one works at a time

    def work(n: int) -> tuple[int, int]:
        meet.wait()
        return n, torch.get_num_threads()

    with side_by_side() as run:
        assert run(work, [3, 1, 2, 0]) == [(3, 1), (1, 1), (2, 1), (0, 1)]
    seen: list[int] = []
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [2] == [torch.get_num_threads()]


def test_the_first_error_is_raised_and_the_threads_are_as_before():
    def work(n: int) -> int:
        if n:
            raise ArithmeticError(n)
        return n

    with pytest.raises(ArithmeticError, match="1"), side_by_side() as run:
        run(work, [0, 1, 2])
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("count", "side", "device", "precision", "pieces"),
    [
        (32, 224, "cpu", "fp32", 8),
        (32, 224, "cpu", "bf16", 4),
        (30, 224, "cpu", "bf16", 4),
        (32, 224, "cuda", "bf16", 1),
        (256, 28, "cpu", "fp32", 1),
        (3, 2048, "cpu", "fp32", 3),
    ],
)
def test_a_piece_has_as_many_pixels_as_a_cache_bears(count, side, device, precision, pieces):
    images = torch.zeros(1, 1, 1, 1).expand(count, 3, side, side)
    assert pieces_of(images, device, precision) == pieces
    assert pieces > 1 or device != "cpu" or count * side**2 <= PIXELS


def test_two_threads_watch_one_network_each_its_own_pictures():
    net = catalog.find("architectures", "resnet9").build("resnet9", outputs=3, channels=3, size=32).eval()
    pictures = list(torch.randn(24, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))

    def work(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.inference_mode(), watched(net, "fc") as seen:
            net(images)
        return seen[0], up_to(net, "fc", images)[0]

    with side_by_side() as run:
        together = run(work, pictures)
    for images, (features, entering) in zip(pictures, together, strict=True):
        alone = work(images)
        torch.testing.assert_close(features, alone[0])
        torch.testing.assert_close(entering, alone[1])
    assert not net.get_submodule("fc")._forward_pre_hooks
