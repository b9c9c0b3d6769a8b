"""LeNet-5 of 1998, which read the digits on cheques: six layers, hand-made connections, hyperbolic tangents."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..contracts import About
from ..structure.layers import parameter_count

SOURCE = (
    "LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, section II.B and appendix A"
)
SIZE = 32
AMPLITUDE, SLOPE = 1.7159, 2 / 3
SEEN = (
    *((n, (n + 1) % 6, (n + 2) % 6) for n in range(6)),
    *((n, (n + 1) % 6, (n + 2) % 6, (n + 3) % 6) for n in range(6)),
    *((n, (n + 1) % 6, (n + 3) % 6, (n + 4) % 6) for n in range(3)),
    tuple(range(6)),
)
"""The maps of S2 that each map of C3 sees (table I)."""


def build(name: str, *, outputs: int, channels: int, size: int) -> nn.Module:
    """Input `B, channels, H, W` from 16 px, made for 32; logits `B, outputs`.

    As published: all layers up to F6 with their 60,000 parameters (for one channel), the sums with one
    coefficient a map in the place of a pooling, C3's incomplete connections, the scaled tangent, the draw of
    the weights. Modernised: the last layer, in the paper ten fixed pictures of digits to which distances were
    taken, is linear, for any classes; more channels than one; and for other sizes than 32 px the maps are
    averaged (or repeated) to the 5x5 that C5 takes.
    """
    return LeNet5(outputs, channels)


def head(name: str) -> str:
    return "output"


def weights(name: str, wanted: str | None) -> None:
    """None are published."""
    return


def sizes(name: str) -> tuple[int, int]:
    """Always 32 px, from scratch: the dense part of larger pictures would be averaged away."""
    return SIZE, SIZE


def about(name: str) -> About:
    return About(
        1998,
        "Small kernels slid over the whole picture, then halved maps, then again, trained from pixels to classes "
        "by gradients: what is called a convolutional network since.",
        parameter_count(lambda: LeNet5(1000, 3)),
        None,
        "LeCun et al. 1998; ImageNet came eleven years later (0.95 % errors on MNIST)",
        "The last layer is linear, where the paper has distances to fixed pictures of digits.",
    )


class LeNet5(nn.Module):
    """C1, S2, C3, S4, C5, F6 and the output, by the paper's names."""

    def __init__(self, outputs: int, channels: int) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(channels, 6, 5)
        self.s2 = Subsampling(6)
        self.c3 = Incomplete(SEEN, 5)
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, outputs)
        for layer in (self.c1, self.c5, self.f6, self.output):
            _draw(layer.weight, layer.weight[0].numel())
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x = self.s2(squash(self.c1(x)))
        x = self.s4(squash(self.c3(x)))
        x = squash(self.c5(F.adaptive_avg_pool2d(x, 5))).flatten(1)
        out: Tensor = self.output(squash(self.f6(x)))
        return out


def squash(x: Tensor) -> Tensor:
    """The scaled hyperbolic tangent, which maps 1 to 1 and -1 to -1."""
    return AMPLITUDE * torch.tanh(SLOPE * x)


class Subsampling(nn.Module):
    """The sum of 2x2 pixels times a coefficient plus a bias, both one a map, squashed."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(maps))
        self.bias = nn.Parameter(torch.zeros(maps))
        _draw(self.weight, 4)

    def forward(self, x: Tensor) -> Tensor:
        sums = 4 * F.avg_pool2d(x, 2)
        return squash(sums * self.weight[:, None, None] + self.bias[:, None, None])


class Incomplete(nn.Module):
    """A convolution of which each map sees only some of the maps before: one kernel a pair that is connected."""

    rows: Tensor
    columns: Tensor

    def __init__(self, seen: tuple[tuple[int, ...], ...], side: int) -> None:
        super().__init__()
        self.inputs, self.outputs = 1 + max(chain(*seen)), len(seen)
        self.weight = nn.Parameter(torch.empty(sum(map(len, seen)), side, side))
        self.bias = nn.Parameter(torch.zeros(len(seen)))
        rows = [row for row, columns in enumerate(seen) for _ in columns]
        self.register_buffer("rows", torch.tensor(rows), persistent=False)
        self.register_buffer("columns", torch.tensor([*chain(*seen)]), persistent=False)
        with torch.no_grad():
            for number, row in enumerate(rows):
                _draw(self.weight[number], len(seen[row]) * side**2)

    def forward(self, x: Tensor) -> Tensor:
        empty = self.weight.new_zeros(self.outputs, self.inputs, *self.weight.shape[1:])
        return F.conv2d(x, empty.index_put((self.rows, self.columns), self.weight), self.bias)


@torch.no_grad()
def _draw(weight: Tensor, inputs: int) -> None:
    """Uniform up to 2.4 over the number of inputs."""
    weight.uniform_(-2.4 / inputs, 2.4 / inputs)
