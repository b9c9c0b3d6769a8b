"""Networks and pictures to make portraits from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import shapes
from foveal.contracts import Pictures, Sitting
from foveal.structure.subject import Subject
from foveal.values import Preprocessing


class Functional(nn.Module):
    """Convolutions without normalisation, rectified in place by functions, and one rectifier used twice."""

    def __init__(self, channels: int = 3, outputs: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 8, 3, 2, 1)
        self.second = nn.Conv2d(8, 12, 3, 1, 1)
        self.third = nn.Conv2d(12, 16, 3, 2, 1)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(16, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x), inplace=True)
        x = self.relu(self.third(self.relu(self.second(x))))
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


class Branches(nn.Module):
    """Two paths laid side by side, a residual sum, pooling behind a rectifier, logits that are rectified."""

    def __init__(self, channels: int = 3, outputs: int = 4) -> None:
        super().__init__()
        self.left = nn.Conv2d(channels, 6, 3, 2, 1)
        self.right = nn.Sequential(nn.Conv2d(channels, 4, 5, 2, 2), nn.BatchNorm2d(4), nn.ReLU6())
        self.mix = nn.Conv2d(10, 10, 3, 1, 1)
        self.last = nn.Conv2d(10, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.left(x).relu(), self.right(x)], 1)
        x = F.max_pool2d((x + self.mix(x)).relu(), 2)
        return F.adaptive_avg_pool2d(self.last(x).relu(), 1).flatten(1)


class Smooth(nn.Module):
    """Without a single rectifier; normalised in groups."""

    def __init__(self, channels: int = 3, outputs: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 8, 3, 2, 1), nn.GroupNorm(2, 8), nn.SiLU(),
            nn.Conv2d(8, 8, 3, 2, 1), nn.GroupNorm(2, 8), nn.GELU(),
        )  # fmt: skip
        self.fc = nn.Linear(8, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.body(x).amax((2, 3)))
        return out


NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "batch norm": lambda channels: (
        shapes.Net(widths=(6, 8, 8, 8, 8)) if channels == 3 else Functional(channels)
    ),
    "functional": Functional,
    "branches": Branches,
    "smooth": Smooth,
}


def images(count: int = 24, channels: int = 3, side: int = 32, seed: int = 0) -> Tensor:
    """Smooth blotches of two colours on noise, uint8 `BCHW`."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand((count, channels, 4, 4), generator=draw)
    smooth = F.interpolate(coarse, side, mode="bilinear")
    grain = torch.rand((count, channels, side, side), generator=draw)
    return (255 * (0.85 * smooth + 0.15 * grain)).round().byte()


def in_batches(pixels: Tensor, size: int = 10) -> Pictures:
    """Pictures in batches, each called by its number."""

    def go() -> Iterator[tuple[Sequence[str], Tensor]]:
        for start in range(0, len(pixels), size):
            part = pixels[start : start + size]
            yield [f"picture {start + n}" for n in range(len(part))], part

    return go


def sitting(
    network: nn.Module, pixels: Tensor | None, channels: int = 3, side: int = 32, seed: int = 0
) -> Sitting:
    """A network of four classes, or the shapes' five, and pictures that it has not learned from."""
    subject = Subject.of(network.eval(), (1, channels, side, side))
    pre = Preprocessing(side, channels, (0.5,) * channels, (0.25,) * channels)
    pictures = None if pixels is None else in_batches(pixels)
    outputs = subject.graph.operations[subject.graph.outputs[0]].shapes[0][1]
    labels = tuple("abcdefg"[:outputs])
    return Sitting(subject, pre, pictures, 0 if pixels is None else len(pixels), labels, seed)


def made(kind: str, channels: int = 3, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[kind](channels)


def shapes_sitting(count: int = 400, seed: int = 0) -> Sitting:
    """The trained network of `shapes` and some of the pictures that it has learned from."""
    network, task, pre = shapes.trained()
    pixels, _ = shapes.training_pictures()
    subject = Subject.of(network, (1, 3, shapes.SIDE, shapes.SIDE))
    return Sitting(subject, pre, in_batches(pixels[:count], 64), count, task.labels, seed)
