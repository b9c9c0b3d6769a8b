"""More networks of the staged runs, for cases whose author never saw the rules: sound ones, and ones with a fault."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...networks import GRID, Chain, block, convolutions, linear


def kernel(inputs: int, outputs: int, side: int = 3, stride: int = 1) -> nn.Conv2d:
    """A padded convolution, drawn as by He et al. 2015."""
    conv = nn.Conv2d(inputs, outputs, side, stride, side // 2)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    return conv


# --- sound ---


def stepped(
    outputs: int, channels: int, *inside: nn.Module, after: Callable[[Tensor], Tensor] | None = None
) -> Chain:
    """Five by five with steps of two first, GELUs."""
    layers = [kernel(channels, 12, 5, 2), nn.BatchNorm2d(12), nn.GELU(), *block(12, 24, act=nn.GELU), nn.MaxPool2d(2),
              *inside, *block(24, 48, act=nn.GELU)]  # fmt: skip
    return Chain(layers, linear(48, outputs), after=after)


def bare(outputs: int, channels: int, *inside: nn.Module) -> Chain:
    """Leaky rectifiers, nothing normalises."""
    layers = [kernel(channels, 16, 5, 2), nn.LeakyReLU(0.1), kernel(16, 24), nn.LeakyReLU(0.1), nn.MaxPool2d(2),
              *inside, kernel(24, 32), nn.LeakyReLU(0.1)]  # fmt: skip
    return Chain(layers, linear(32, outputs))


def tower(outputs: int, channels: int, drop: float = 0.0, head_drop: float = 0.0) -> Chain:
    """A little VGG: three convolutions, each pooled, two linear layers; whole maps are dropped with chance `drop`."""
    layers: list[nn.Module] = []
    for inputs, maps in ((channels, 16), (16, 32), (32, 32)):
        layers += [*block(inputs, maps), *([nn.Dropout2d(drop)] if drop else []), nn.MaxPool2d(2)]
    head = [
        linear(32, 48),
        nn.ReLU(),
        *([nn.Dropout(head_drop)] if head_drop else []),
        nn.Linear(48, outputs),
    ]
    return Chain(layers, nn.Sequential(*head))


class Inverted(nn.Module):
    """Out to `wide` channels, over each alone, and back, with a path round it (Sandler et al. 2018)."""

    def __init__(self, channels: int, wide: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.Hardswish(),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.Hardswish(),
            nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


def inverted(outputs: int, channels: int) -> Chain:
    layers = [kernel(channels, 16, 3, 2), nn.BatchNorm2d(16), nn.Hardswish(), Inverted(16, 32), Inverted(16, 32),
              nn.Conv2d(16, 48, 1), nn.BatchNorm2d(48), nn.Hardswish()]  # fmt: skip
    return Chain(layers, linear(48, outputs))


def alex(outputs: int, channels: int) -> Chain:
    """As in 2012: large kernels, pooling, two linear layers with dropout; nothing normalises."""
    layers = [kernel(channels, 16, 5), nn.ReLU(), nn.MaxPool2d(2), kernel(16, 32), nn.ReLU(), nn.MaxPool2d(2)]
    return Chain(layers, nn.Sequential(linear(32, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, outputs)))


class Shortcut(nn.Module):
    """A residual block with group normalisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(4, channels), nn.SiLU(), kernel(channels, channels), nn.GroupNorm(4, channels), nn.SiLU(),
            kernel(channels, channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


def shortcuts(outputs: int, channels: int) -> Chain:
    layers = [kernel(channels, 16, 3, 2), Shortcut(16), kernel(16, 32, 1), Shortcut(32), nn.GroupNorm(4, 32), nn.SiLU(),
              nn.AdaptiveAvgPool2d(GRID)]  # fmt: skip
    return Chain(layers, linear(32, outputs))


class Fire(nn.Module):
    """Few channels, then 1x1 and 3x3 beside each other (Iandola et al. 2016)."""

    def __init__(self, inputs: int, few: int, each: int) -> None:
        super().__init__()
        self.few = nn.Sequential(kernel(inputs, few, 1), nn.BatchNorm2d(few), nn.ReLU())
        self.points, self.squares = kernel(few, each, 1), kernel(few, each)

    def forward(self, x: Tensor) -> Tensor:
        x = self.few(x)
        return torch.cat([self.points(x), self.squares(x)], 1).relu()


def fire(outputs: int, channels: int) -> Chain:
    layers = [*block(channels, 16), Fire(16, 8, 12), nn.MaxPool2d(2), Fire(24, 12, 20), nn.BatchNorm2d(40)]
    return Chain(layers, linear(40, outputs))


class Fixed(nn.Module):
    """A first layer that is meant to stay as it was drawn: random kernels, as in scattering and texture work."""

    kernels: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("kernels", kernel(inputs, outputs, 5).weight.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernels, stride=2, padding=2)


class Again(nn.Module):
    """One convolution, four times over its own output."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.step = nn.Sequential(nn.GroupNorm(4, channels), kernel(channels, channels), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(4):
            x = x + self.step(x)
        return x


class Spare(Chain):
    """A tower with a second head, for other classes, that this task has no use for."""

    def __init__(self, outputs: int, channels: int) -> None:
        made = tower(outputs, channels)
        super().__init__(list(made.layers), made.head)
        self.other = nn.Sequential(kernel(32, 64), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 20, 1))


def instance(outputs: int, channels: int) -> Chain:
    layers = [kernel(channels, 16), nn.InstanceNorm2d(16, affine=True), nn.ReLU(), nn.MaxPool2d(2), kernel(16, 32),
              nn.InstanceNorm2d(32, affine=True), nn.ReLU(), nn.MaxPool2d(2), kernel(32, 32), nn.ReLU()]  # fmt: skip
    return Chain(layers, linear(32, outputs))


# --- with a fault ---


class Still(nn.Module):
    """Runs what it holds without gradients."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            out: Tensor = self.layers(x)
        return out


def fixed(whole: bool, width: int = 6) -> Callable[[int, int], nn.Module]:
    """A first layer that is fixed on purpose, and narrow ones after it; without gradients, too, if not `whole`."""

    def made(outputs: int, channels: int) -> nn.Module:
        first = [Fixed(channels, 12), nn.BatchNorm2d(12), nn.ReLU()]
        middle = [*block(12, width), *block(width, width), nn.MaxPool2d(2), *block(width, width)]
        return Chain([*first, *(middle if whole else [Still(middle)])], linear(width, outputs))

    return made


def normal_drawn(outputs: int, channels: int) -> nn.Module:
    """Weights from a normal distribution of deviation 1, as `init.normal_` draws if it is told nothing."""
    made = bare(outputs, channels)
    for layer in convolutions(made):
        nn.init.normal_(layer.weight)
    return made


class Gate(nn.Module):
    """A convolution of one pixel decides how much of each value passes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.share = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x * self.share(x).sigmoid()
        return out


def gates(outputs: int, channels: int) -> nn.Module:
    """Ten gates in a row, each of which halves what passes."""
    return bare(outputs, channels, *(Gate(24) for _ in range(10)))


def slow_norms(outputs: int, channels: int) -> nn.Module:
    """Momentum of the running statistics as another library counts it."""
    made = stepped(outputs, channels)
    for norm in made.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 0.001
    return made


def short_sighted(outputs: int, channels: int) -> nn.Module:
    """One convolution, and the mean over all places."""
    return Chain([*block(channels, 24), nn.AdaptiveAvgPool2d(1)], linear(24, outputs))


def large_stem(outputs: int, channels: int) -> nn.Module:
    """First layers made for 224 px: an eighth of the side is left after them."""
    layers = [
        kernel(channels, 16, 7, 4),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        *block(16, 32),
    ]
    return Chain(layers, linear(32, outputs))


NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {
    "stepped": stepped,
    "bare": bare,
    "tower": tower,
    "inverted": inverted,
    "alex": alex,
    "shortcuts": shortcuts,
    "fire": fire,
    "fixed-stem": fixed(True),
    "fixed-stem-wide": fixed(True, 28),
    "again": lambda o, c: Chain([kernel(c, 24, 5, 2), Again(24), nn.MaxPool2d(2), nn.ReLU()], linear(24, o)),
    "spare-head": Spare,
    "instance": instance,
    "log-softmax-end": lambda o, c: stepped(o, c, after=lambda out: out.log_softmax(1)),
    "half-dropped-head": lambda o, c: tower(o, c, head_drop=0.5),
    "without-gradients": fixed(False),
    "normal-drawn": normal_drawn,
    "gates": gates,
    "dropped-maps": lambda o, c: tower(o, c, drop=0.75),
    "slow-norms": slow_norms,
    "short-sighted": short_sighted,
    "large-stem": large_stem,
}  # fmt: skip
