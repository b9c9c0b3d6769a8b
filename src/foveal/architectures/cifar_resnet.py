"""The small residual networks of He et al. for CIFAR-10, with shortcuts that have no parameters."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from ..contracts import About
from ..structure.layers import parameter_count

SOURCE = "He et al. 2016, Deep Residual Learning for Image Recognition, section 4.2"
SIZE = 32
NAMES = ("cifar_resnet20", "cifar_resnet32", "cifar_resnet44", "cifar_resnet56", "cifar_resnet110")
ERRORS = {20: 8.75, 32: 7.51, 44: 7.17, 56: 6.97, 110: 6.43}
"""Per cent of CIFAR-10's test pictures (table 6)."""
WIDTHS = (16, 32, 64)


def build(name: str, *, outputs: int, channels: int, size: int) -> nn.Module:
    """Input `B, channels, H, W` of any size, made for 32 px; logits `B, outputs`."""
    return CifarResNet((_depth(name) - 2) // 6, outputs, channels)


def head(name: str) -> str:
    return "linear"


def weights(name: str, wanted: str | None) -> None:
    """None are published by the authors."""
    return


def sizes(name: str) -> tuple[int, int]:
    """From scratch 32 px to 64."""
    return SIZE, 64


def about(name: str) -> About:
    depth = _depth(name)
    return About(
        2015,
        "Residual blocks as narrow as small pictures bear, to see how depth alone behaves.",
        parameter_count(lambda: build(name, outputs=1000, channels=3, size=SIZE)),
        None,
        f"He et al. 2016; made for CIFAR-10, where it had {ERRORS[depth]} % errors (table 6)",
    )


def _depth(name: str) -> int:
    return int(name.removeprefix("cifar_resnet"))


class Block(nn.Module):
    """Two convolutions and a shortcut around them. Where the picture is halved the shortcut takes every other
    pixel and has zeros for the channels that are new, half of them on each side (option A)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride = 1 if inputs == outputs else 2
        self.new = outputs - inputs
        self.conv1 = nn.Conv2d(inputs, outputs, 3, self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.new:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.new // 2, self.new // 2))
        return F.relu(out + x)


class CifarResNet(nn.Module):
    """A convolution, three groups of blocks, the average of each map, and the head; 6 `blocks` + 2 layers."""

    def __init__(self, blocks: int, outputs: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.layer1, self.layer2, self.layer3 = (
            nn.Sequential(Block(inputs, width), *(Block(width, width) for _ in range(blocks - 1)))
            for inputs, width in pairwise((WIDTHS[0], *WIDTHS))
        )
        self.linear = nn.Linear(WIDTHS[-1], outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):  # as in their 2015 paper on rectifiers
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        out: Tensor = self.linear(x.mean((2, 3)))
        return out
