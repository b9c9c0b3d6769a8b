"""A network that looks several times, against views made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from foveal.errors import OptionError
from foveal.loop.evaluation import evaluate
from foveal.structure.views import Views
from small import batches, drawings, task, tiny


class Seen(nn.Module):
    """Keeps what it is shown; its outputs are the pictures' corner pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.shown.append(images)
        return images[:, 0, :2, 0]


def by_hand(image: Tensor, count: int, down: int, right: int) -> list[Tensor]:
    """Views of a `HW` picture, by NumPy."""
    wide = np.pad(image.numpy(), ((down, down), (right, right)), "reflect")
    height, width = image.shape
    shifted = [wide[:height, :width], wide[2 * down :, 2 * right :]] if count == 6 else []
    views = [
        v for view in (image.numpy(), *shifted) for v in ((view, view[:, ::-1]) if count > 1 else (view,))
    ]
    return [torch.from_numpy(view.copy()) for view in views]


@pytest.mark.parametrize("count", [1, 2, 6])
@pytest.mark.parametrize(("height", "width", "down", "right"), [(8, 8, 1, 1), (32, 48, 1, 2), (96, 9, 3, 1)])
def test_views_are_averaged(count: int, height: int, width: int, down: int, right: int) -> None:
    images = torch.randn(3, 2, height, width)
    network = Seen()
    out = Views(network, count)(images)
    assert len(network.shown) == count
    wanted = [by_hand(images[1, 0], count, down, right)[n] for n in range(count)]
    for shown, hand in zip(network.shown, wanted, strict=True):
        assert shown.shape == images.shape
        assert torch.equal(shown[1, 0], hand)
    weights = {1: [1.0], 2: [0.5, 0.5], 6: [0.25, 0.25, *[0.125] * 4]}[count]
    mean = sum(weight * hand[:2, 0] for weight, hand in zip(weights, wanted, strict=True))
    torch.testing.assert_close(out[1], mean)


def test_mirrored_pictures_get_the_same_answer() -> None:
    network, images = tiny().eval(), torch.randn(4, 1, 12, 12)
    two = Views(network, 2)
    torch.testing.assert_close(two(images), two(images.flip(-1)))
    assert not torch.allclose(network(images), network(images.flip(-1)))


@pytest.mark.parametrize("count", [0, 3, -1, 10])
def test_other_numbers_are_refused(count: int) -> None:
    with pytest.raises(OptionError, match=f"--views was given as {count}") as caught:
        Views(tiny(), count)
    assert "2 (and mirrored)" in caught.value.allowed
    assert caught.value.todo


def test_the_evaluator_takes_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Logits are averaged, modes put back, and one view is the network itself."""
    data = drawings(tmp_path_factory.mktemp("views"))
    network = tiny()
    own = task()
    plain = evaluate(network, own, batches(data, "val"), "val")
    assert evaluate(Views(network, 1), own, batches(data, "val"), "val") == plain
    network.train()
    six = evaluate(Views(network, 6), own, batches(data, "val"), "val")
    assert network.training
    assert six.count == plain.count
    assert six.metrics["loss"] != plain.metrics["loss"]
