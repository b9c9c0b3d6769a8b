"""A residual network of nine layers for small pictures, trained from scratch in minutes."""

from __future__ import annotations

from torch import Tensor, nn

from ..contracts import About
from ..structure.layers import parameter_count

SOURCE = "David Page 2018, How to Train Your ResNet (DAWNBench); here with half the width"
SIZE = 32
WIDTH = 32


def build(name: str, *, outputs: int, channels: int, size: int) -> nn.Module:
    """Input `B, channels, H, W` of any size from 8 px; logits `B, outputs`."""
    return ResNet9(outputs, channels)


def head(name: str) -> str:
    return "fc"


def weights(name: str, wanted: str | None) -> None:
    """None are published."""
    return


def sizes(name: str) -> tuple[int, int]:
    """From scratch 8 px to 64."""
    return 8, 64


def about(name: str) -> About:
    return About(
        2018,
        "As few residual blocks as CIFAR-10 needs, so that it is learned in minutes.",
        parameter_count(lambda: ResNet9(1000, 3)),
        None,
        "Page 2018, DAWNBench; made for CIFAR-10, where it had 94 % right at twice this width",
    )


class Unit(nn.Sequential):
    """3x3 convolution, batch normalisation, rectifier, and where wanted a 2x2 maximum."""

    def __init__(self, inputs: int, outputs: int, pool: bool = False) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            # rounded up, so that the smallest pictures keep a pixel
            *([nn.MaxPool2d(2, ceil_mode=True)] if pool else []),
        )


class Residual(nn.Module):
    """Two units and a path around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Unit(channels, channels)
        self.second = Unit(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(self.first(x))
        return out


class ResNet9(nn.Module):
    """Stem, three halvings with doubled channels, residuals after the first and the third."""

    def __init__(self, outputs: int, channels: int, width: int = WIDTH) -> None:
        super().__init__()
        self.stem = Unit(channels, width)
        self.layer1 = nn.Sequential(Unit(width, 2 * width, pool=True), Residual(2 * width))
        self.layer2 = Unit(2 * width, 4 * width, pool=True)
        self.layer3 = nn.Sequential(Unit(4 * width, 8 * width, pool=True), Residual(8 * width))
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.fc = nn.Linear(8 * width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        out: Tensor = self.fc(self.pool(x).flatten(1))
        return out
