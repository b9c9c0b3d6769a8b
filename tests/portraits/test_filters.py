"""Filters: dead and repeated kernels that were planted are found, and no others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import shapes
import sitters
from foveal.contracts import Sitting
from foveal.errors import OptionError
from foveal.portraits import filters
from foveal.portraits.filters import Filters, alike, coloured
from foveal.structure.subject import Subject


def run(sitting: Sitting, **options: object) -> Filters:
    return list(filters.portray(sitting, **options))[-1]  # type: ignore[arg-type]


def test_of_a_healthy_network_nothing_is_dead() -> None:
    made = run(sitters.shapes_sitting())
    network, _, _ = shapes.trained()
    assert torch.equal(made.kernels, network.features[0].weight.detach())
    assert made.name == "features.0.weight"
    assert made.dead == ()
    assert made.silent == ()


def planted() -> Sitting:
    """Kernel 3 all but 0, 7 silenced by its normalisation, 9 twice kernel 4, 11 minus kernel 6."""
    sitting = sitters.shapes_sitting(64)
    convolution, norm = sitting.subject.network.features[:2]  # type: ignore[index, misc]
    with torch.no_grad():
        convolution.weight[3] *= 1e-5
        norm.bias[7] = -100.0
        convolution.weight[9] = 2 * convolution.weight[4]
        convolution.weight[11] = -convolution.weight[6]
    return sitting


def test_planted_illnesses_are_found() -> None:
    made, healthy = run(planted()), run(sitters.shapes_sitting(64))
    assert made.tiny == (3,)
    assert made.silent is not None
    assert 7 in made.silent
    assert set(made.silent) <= {3, 7, 9, 11}
    assert {(a, b) for a, b, _ in made.same} - {(a, b) for a, b, _ in healthy.same} == {(4, 9)}
    assert {(a, b) for a, b, _ in made.opposite} - {(a, b) for a, b, _ in healthy.opposite} == {(6, 11)}
    words = " ".join(made.says)
    assert "1 of 16 kernels are all but 0: 3." in words
    assert "4 and 9" in words
    marked = [tile.words[0] for tile in made.sheet().rows[0].tiles if tile.mark == "dead"]
    assert marked == [str(n) + (" = 4" if n == 9 else "") for n in made.dead]


def test_before_against_after() -> None:
    sitting = sitters.shapes_sitting(64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        young = shapes.Net()
    with torch.no_grad():
        weight = sitting.subject.network.features[0].weight  # type: ignore[index, union-attr]
        young.features[0].weight.copy_(weight * 0.5)  # type: ignore[index, operator, union-attr]
        young.features[0].weight[2] = weight[2] * 4  # type: ignore[index, union-attr]
    made = run(sitting, before=Subject.of(young, (1, 3, 64, 64)))
    assert made.changed == pytest.approx([1.0] * 2 + [0.75] + [1.0] * 13, rel=1e-4)
    assert "median kernel by 100%" in made.says[-1]
    assert [row.name for row in made.sheet().rows] == ["the kernels", "before", "most changed"]
    other = Subject.of(shapes.Net(widths=(8, 8, 8, 8, 8)), (1, 3, 64, 64))
    with pytest.raises(OptionError, match="8 x 3 x 5 x 5"):
        run(sitting, before=other)


def test_without_pictures_silence_is_not_known() -> None:
    made = run(sitters.sitting(sitters.made("smooth"), None))
    assert made.silent is None
    assert made.dead == ()


@pytest.mark.parametrize("kind", sitters.NETWORKS)
def test_a_kernel_of_noughts_is_found_in_any_network(kind: str) -> None:
    network = sitters.made(kind)
    with torch.no_grad():
        next(p for p in network.parameters() if p.dim() == 4)[1] = 0
    assert run(sitters.sitting(network, sitters.images(8))).tiny == (1,)


def test_no_convolution() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    with pytest.raises(OptionError, match="no convolution"):
        run(sitters.sitting(network, None, side=8))


def test_alike_is_the_cosine_of_all_numbers() -> None:
    kernels = torch.randn((12, 3, 3, 3), generator=torch.Generator().manual_seed(0))
    assert alike(kernels) == ((), ())
    kernels[5] = 3 * kernels[1] + 0.01 * kernels[2]
    ((pair,), none) = alike(kernels)
    assert pair[:2] == (1, 5)
    assert pair[2] == pytest.approx(
        float(torch.cosine_similarity(kernels[1].flatten(), kernels[5].flatten(), 0))
    )
    assert none == ()
    small = torch.tensor([[1.0, 0.1, 0], [1.0, 0, 0.1]]).view(2, 3, 1, 1)
    assert alike(small) == ((), ()), "kernels of three numbers come near each other by chance"


def test_colours_have_one_scale() -> None:
    kernel = torch.tensor([[[0.5]], [[0.0]], [[-0.5]]])
    assert coloured(kernel, 0.5)[0, 0].tolist() == [255, 128, 0]
    assert coloured(kernel, 1.0)[0, 0].tolist() == [191, 128, 64]
    four: Tensor = torch.zeros((4, 2, 2))
    assert coloured(four, 1.0).shape == (2, 11), "planes side by side, a line between them"
