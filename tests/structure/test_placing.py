"""Cells are drawn where gradients show that they look."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models import get_model

from foveal.structure.placing import Grid, grid_of, spread
from foveal.structure.subject import Subject


def ones(network: nn.Module) -> nn.Module:
    """All kernels alike and positive, so that what a unit sees is symmetric."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
    return network.eval()


def keep(kept: dict[str, Tensor], name: str, module: nn.Module, inputs: object, output: Tensor) -> None:
    kept[name] = output


def test_the_cells_of_resnet18_lie_where_gradients_show():
    """Stage 3's cell 12 sees around pixel 192, stage 4's cell 7 around pixel 224: not half a cell further on."""
    network = get_model("resnet18", weights=None)
    network.maxpool = nn.AvgPool2d(3, 2, 1)  # the same window; of equal pixels the largest is the first
    subject = Subject.of(network, (1, 3, 448, 448))
    picture = torch.ones(1, 3, 448, 448, requires_grad=True)
    kept: dict[str, Tensor] = {}
    for layer in ("layer3", "layer4"):
        getattr(network, layer).register_forward_hook(partial(keep, kept, layer))
    ones(network)(picture)
    for layer, cell, middle in (("layer3", 12, 192.0), ("layer4", 7, 224.0)):
        place = subject.place_of(layer)
        grid = subject.grid(place)
        assert grid.centre[0] + cell * grid.jump[0] == middle
        (gradient,) = torch.autograd.grad(kept[layer][0, 0, cell, cell], picture, retain_graph=True)
        seen = gradient[0].sum(0)
        at = (seen.sum(1) * torch.arange(448)).sum() / seen.sum()
        assert float(at) == pytest.approx(middle, abs=0.5)
        one = torch.zeros(1, *subject.graph.operations[place].shapes[0][2:])
        one[0, cell, cell] = 1
        drawn = spread(one, grid, (448, 448))[0]
        assert divmod(int(drawn.argmax()), 448) == (middle, middle)
        assert float(drawn.max()) == pytest.approx(1)


class Taps(nn.Module):
    """Convolutions that each look at one pixel of their windows, the last with a stride."""

    def __init__(self, places: list[tuple[int, int]], stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(nn.Conv2d(3, 3, 5, 1, 2) for _ in places))
        self.body[-1].stride = (stride, stride)
        with torch.no_grad():
            for layer, (row, column) in zip(self.body, places, strict=True):
                weight = torch.zeros_like(layer.weight)
                weight[:, :, row, column] = torch.eye(3) + 0.1
                layer.weight.copy_(weight)  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=3),
    st.sampled_from([1, 2, 4]),
)
def test_cells_are_drawn_where_their_weights_look(places, stride):
    """A cell that sees one pixel only is drawn on it; its receptive field is still the whole window."""
    subject = Subject.of(Taps(places, stride).eval(), (1, 3, 48, 48))
    place = subject.maps["body"]
    grid, drawn = subject.grid(place), subject.drawn(place)
    beside = [sum(one[axis] - 2 for one in places) for axis in (0, 1)]
    assert grid.centre == (0, 0)
    assert drawn.shift == pytest.approx(beside, abs=1e-6)
    assert drawn.box(1, 1) == grid.box(1, 1)
    one = torch.zeros(1, *subject.graph.operations[place].shapes[0][2:])
    one[0, 20 // stride, 24 // stride] = 1
    assert divmod(int(spread(one, drawn, (48, 48)).argmax()), 48) == (20 + beside[0], 24 + beside[1])


def test_uneven_padding_is_undone_by_the_weights():
    """TensorFlow's "same" padding puts the field's centre half a pixel too low; weights that look half a pixel up
    (two of three taps) bring the cell back to the middle of its stride."""
    network = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(1, 1, 3, 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([1.0, 1.0, 0.0]).outer(torch.tensor([1.0, 1.0, 0.0])))
    subject = Subject.of(network.eval(), (1, 1, 32, 32))
    drawn = subject.drawn(subject.maps["1"])
    assert drawn.centre == (1, 1)
    assert drawn.shift == pytest.approx((-0.5, -0.5), abs=0.1)


def test_what_looks_nowhere_stays():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1))
    with torch.no_grad():
        network[0].weight.zero_()
    subject = Subject.of(network.eval(), (1, 3, 32, 32))
    assert subject.drawn(subject.maps["0"]).shift == (0, 0)


def test_measuring_leaves_the_network_as_it_was():
    network = get_model("resnet18", weights=None)
    subject = Subject.of(network, (1, 3, 64, 64))
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    with torch.inference_mode():
        first = subject.drawn(subject.last_map or 0)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(module.training for module in network.modules())
    assert subject.drawn(subject.last_map or 0) == first
    assert first.shift != (0, 0)
    assert max(map(abs, first.shift)) < 16, "half a cell"


def test_stride_one_without_a_shift_is_the_same_map():
    maps = torch.rand(2, 7, 9)
    assert torch.allclose(spread(maps, Grid((0, 0), (1, 1), (3, 3)), (7, 9)), maps, atol=1e-6)


@given(
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.floats(-4, 12), st.floats(-4, 12)),
    st.tuples(st.sampled_from([0.5, 1, 2, 4, 8]), st.sampled_from([0.5, 1, 3, 4])),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(0, 99),
)
def test_between_centres_lines_beyond_them_the_outermost(cells, centre, jump, picture, seed):
    """As NumPy interpolates, one axis after the other."""
    maps = torch.rand(1, *cells, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    found = spread(maps, Grid(centre, jump, (1, 1)), picture)[0]
    by_hand = maps[0].numpy()
    for axis in (0, 1):
        at = (np.arange(picture[axis]) - centre[axis]) / jump[axis]
        by_hand = np.apply_along_axis(
            lambda row, at=at: np.interp(at, np.arange(len(row)), row), axis, by_hand
        )
    assert found.shape == picture
    assert np.abs(found.numpy() - by_hand).max() < 1e-9


def test_what_is_the_same_everywhere_stays_so_and_sums_go_by_the_jump():
    grid = Grid((3.5, 3.5), (8, 8), (8, 8))
    assert torch.allclose(spread(torch.full((1, 4, 4), 0.7), grid, (32, 32)), torch.tensor(0.7))
    inner = torch.zeros(1, 4, 4)
    inner[0, 1:3, 1:3] = torch.rand(2, 2)
    assert float(spread(inner, grid, (32, 32)).sum()) == pytest.approx(float(inner.sum()) * 64, rel=1e-5)


def test_where_the_field_is_not_known_cells_are_spread_evenly():
    grid = grid_of(None, (4, 8), (32, 32))
    assert grid.whole
    assert (grid.centre, grid.jump) == ((3.5, 1.5), (8.0, 4.0))
    resized = torch.nn.functional.interpolate(
        (maps := torch.rand(1, 4, 8))[None], (32, 32), mode="bilinear", align_corners=False
    )[0]
    assert torch.allclose(spread(maps, grid, (32, 32)), resized, atol=1e-5)


def test_the_box_of_a_cell():
    grid = Grid((2.0, 3.0), (4.0, 8.0), (7.0, 5.0))
    assert grid.box(1, 2) == (17.0, 3.0, 21.0, 9.0)
