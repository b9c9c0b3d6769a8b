"""What is tapped is what was computed, cell by cell; and what is said to be seen is what is seen."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import get_model

import looking
from foveal.structure.graph import PICTURE, Operation
from foveal.structure.receptive import pair
from foveal.structure.subject import Subject
from foveal.structure.taps import passed, rectifies, untouched
from foveal.values import Target
from looking import noise

CONVOLUTIONS = ("conv2d",)


class Grouped(nn.Module):
    """Convolutions of every make: groups, dilation, strides, sides and paddings that differ, without a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, (5, 3), (2, 1), (2, 0), bias=False)
        self.b = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)
        self.c = nn.Conv2d(8, 12, 3, stride=2, groups=4)
        self.d = nn.Conv2d(12, 6, (1, 3), padding="same", dilation=(1, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.a(x), inplace=True)
        x = F.relu(self.c(self.b(x).relu_()))
        return self.d(x).mean((2, 3))[:, :5]


def networks() -> list[object]:
    small = {
        "grouped": (lambda: looking.drawn(Grouped()), 32),
        "functions": (lambda: looking.twins()[1], 32),
        "resnet18": (lambda: get_model("resnet18", weights=None), 64),
    }
    large = {
        name: (lambda name=name: get_model(name, weights=None), 96)
        for name in ("mobilenet_v2", "densenet121", "vgg11_bn", "squeezenet1_1", "regnet_y_400mf")
    }
    return [
        *(pytest.param(*v, id=k) for k, v in small.items()),
        *(pytest.param(*v, id=k, marks=pytest.mark.slow) for k, v in large.items()),
    ]


@pytest.mark.parametrize(("network", "side"), networks())
def test_cells_of_every_convolution_are_what_the_sum_says(network, side):
    """A hundred at random places: the products of a window and a kernel, in double, and their sum."""
    torch.manual_seed(0)
    made = network().eval()
    subject, images = Subject.of(made, (1, 3, side, side)), noise(1, side)
    operations = subject.graph.operations
    places = [n for n, operation in enumerate(operations) if operation.function in CONVOLUTIONS]
    kept = {n for place in places for n in (place, operations[place].inputs[0]) if n != PICTURE}
    with untouched(subject.network):
        values = passed(subject.network, images, subject.graph, kept).values
    parameters = {name: p.detach().numpy() for name, p in made.named_parameters()}
    draw = random.Random(0)
    assert len(places) >= 4
    for place in places:
        operation = operations[place]
        source = operation.inputs[0]
        before = (images if source == PICTURE else values[source])[0].numpy()
        after = values[place][0].numpy()
        for _ in range(100):
            cell = tuple(draw.randrange(n) for n in after.shape)
            by_hand = summed(operation, before, parameters, cell)
            assert abs(by_hand - after[cell]) <= 1e-5 * max(1, abs(by_hand)), (place, cell)


def summed(
    operation: Operation,
    before: NDArray[np.float32],
    parameters: dict[str, NDArray[np.float32]],
    cell: tuple[int, ...],
) -> float:
    """A cell (channel, row, column) of a convolution's output: sum over c, u, v of x w, and the bias."""
    given = operation.arguments
    weight = next(parameters[n] for n in operation.weights if parameters[n].ndim == 4)
    bias = next((parameters[n] for n in operation.weights if parameters[n].ndim == 1), None)
    channel, *at = cell
    stride, dilation = pair(given.get("stride", 1)), pair(given.get("dilation", 1))
    kernel = weight.shape[2:]
    padding = given.get("padding", 0)
    around = (
        [(k - 1) * d // 2 for k, d in zip(kernel, dilation, strict=True)]
        if padding == "same"
        else pair(padding)
    )
    group = channel // (len(weight) // given.get("groups", 1))
    terms = [] if bias is None else [float(bias[channel])]
    seen = slice(group * weight.shape[1], (group + 1) * weight.shape[1])
    for u, v in itertools.product(*map(range, kernel)):
        row, column = (
            n * s - p + m * d for n, s, p, m, d in zip(at, stride, around, (u, v), dilation, strict=True)
        )
        if 0 <= row < before.shape[1] and 0 <= column < before.shape[2]:
            terms += (before[seen, row, column].astype(float) * weight[channel, :, u, v]).tolist()
    return math.fsum(terms)


@pytest.mark.parametrize(("network", "side"), networks())
def test_gradients_stay_within_the_box_of_a_cell(network, side):
    torch.manual_seed(0)
    subject = Subject.of(network().eval(), (1, 3, side, side))
    images = noise(1, side)
    draw, tried = random.Random(1), 0
    local = [n for n, place in subject.maps.items() if not subject.grid(place).whole]
    for name in draw.sample(local, min(12, len(local))):
        place = subject.place_of(name)
        channels, height, width = subject.graph.operations[place].shapes[0][1:]
        row, column = draw.randrange(height), draw.randrange(width)
        unit = Target(layer=name, channel=draw.randrange(channels), cell=(row, column))
        with looking.looking(subject, images, [unit]) as look:
            seen = look.gradient()[0][0].abs().sum(0)
        x0, y0, x1, y1 = subject.grid(place).box(row, column)
        y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        outside = (x < x0) | (x > x1) | (y < y0) | (y > y1)
        assert not seen[outside].any(), name
        tried += int(seen.any())
    assert tried >= 3


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "answer"),
    [
        ("relu", (), {}, True),
        ("relu_", (), {}, True),
        ("relu6", (), {}, True),
        ("hardtanh", (), {"min_val": 0.0, "max_val": 6.0}, True),
        ("hardtanh", (0, 0.0, 6.0, True), {}, True),
        ("hardtanh", (0,), {}, False),
        ("hardtanh", (), {"min_val": -1.0}, False),
        ("clamp", (0, 0), {}, True),
        ("clamp", (), {"min": 0}, True),
        ("clamp", (), {"max": 0}, False),
        ("clamp", (), {"min": -1, "max": 1}, False),
        ("clamp_min_", (0, 0.0), {}, True),
        ("threshold", (0, 0, 0), {}, True),
        ("threshold", (0, 0.1, 20), {}, False),
        ("leaky_relu", (), {}, False),
        ("gelu", (), {}, False),
    ],
)
def test_what_is_a_rectifier(name, args, kwargs, answer):
    assert rectifies(name, args, kwargs) is answer


def test_a_pass_can_end_early():
    network, images = looking.twins()[0], noise(1)
    subject = Subject.of(network, (1, 3, 32, 32))
    calls: list[int] = []
    hook = network.fc.register_forward_hook(lambda *_: calls.append(1))
    with untouched(network):
        seen = passed(network, images, subject.graph, [subject.place_of("inner")], whole=False)
    hook.remove()
    assert seen.outputs is None
    assert not calls
    assert [*seen.values] == [subject.place_of("inner")]


def test_values_are_those_before_what_works_in_place():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 5))
    subject = Subject.of(network, (1, 3, 8, 8))
    with looking.looking(subject, noise(1, 8) - 0.5) as look:
        before, after = look.at(subject.place_of("0")).values, look.at(subject.place_of("1")).values
    assert before.min() < 0
    assert torch.equal(before.clamp(min=0), after)


def test_another_pass_than_the_trace_is_noticed():
    class Fickle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.other = nn.Conv2d(3, 5, 3), False

        def forward(self, x: Tensor) -> Tensor:
            x = x.tanh().sin() if self.other else x.tanh()
            return self.conv(x).mean((2, 3))

    network = Fickle().eval()
    subject = Subject.of(network, (1, 3, 8, 8))
    network.other = True
    with untouched(network), pytest.raises(ValueError, match="its trace has conv2d"):
        passed(network, noise(1, 8), subject.graph, [subject.place_of("conv")])


def test_modes_come_back_module_by_module():
    network = looking.twins()[0].train()
    network.left.eval()
    with pytest.raises(KeyboardInterrupt), untouched(network):
        assert not any(module.training for module in network.modules())
        assert torch.is_grad_enabled()
        raise KeyboardInterrupt
    assert [name for name, module in network.named_modules() if not module.training] == ["left"]
