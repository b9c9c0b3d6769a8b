"""Networks of a third group of cases whose author never saw the rules: sound ones, and ones with a fault."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...networks import Chain, Does, block, convolutions, linear
from ..unseen.networks import kernel

# --- sound ---


def tutorial(
    outputs: int,
    channels: int,
    *first: nn.Module,
    drop: Callable[[], nn.Module] | None = None,
    after: Callable[[Tensor], Tensor] | None = None,
    before: Callable[[Tensor], Tensor] | None = None,
) -> Chain:
    """As most courses begin: three convolutions as torch draws them, pooled, and two linear layers."""
    layers: list[nn.Module] = [*first]
    for inputs, maps in ((channels, 24), (24, 32)):
        layers += [
            nn.Conv2d(inputs, maps, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            *([drop()] if drop else []),
        ]
    layers += [nn.Conv2d(32, 48, 3, padding=1), nn.ReLU()]
    last = drop() if drop else nn.Dropout(0.2)
    head = nn.Sequential(linear(48, 64), nn.ReLU(), last, nn.Linear(64, outputs))
    return Chain(layers, head, before, after)


class Basic(nn.Module):
    """Two convolutions, with a convolution of one pixel round them where sizes differ (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            kernel(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs, momentum=momentum), nn.ReLU(),
            kernel(outputs, outputs), nn.BatchNorm2d(outputs, momentum=momentum),
        )  # fmt: skip
        self.round = kernel(inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = (self.round(x) + self.body(x)).relu()
        return out


def basic(
    outputs: int,
    channels: int,
    width: int = 16,
    head: nn.Module | None = None,
    momentum: float = 0.1,
    inside: tuple[nn.Module, ...] = (),
) -> Chain:
    """A little ResNet of three blocks."""
    layers = [kernel(channels, width), nn.BatchNorm2d(width, momentum=momentum), nn.ReLU(),
              Basic(width, width, 1, momentum), Basic(width, 2 * width, 2, momentum), *inside,
              Basic(2 * width, 2 * width, 2, momentum)]  # fmt: skip
    return Chain(layers, linear(2 * width, outputs) if head is None else head)


def tangents(outputs: int, channels: int) -> Chain:
    """As LeCun built them: large kernels, tangents, means for pooling; drawn as by Glorot & Bengio 2010."""
    layers = [nn.Conv2d(channels, 12, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(12, 24, 5, padding=2),
              nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(24, 32, 3, padding=1), nn.Tanh()]  # fmt: skip
    made = Chain(layers, linear(32, outputs))
    for layer in convolutions(made.layers):
        nn.init.xavier_uniform_(layer.weight)
    return made


class Mixes(nn.Module):
    """A large kernel over each channel alone with a path round it, then one pixel over all (Trockman & Kolter 2022)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.space = nn.Sequential(
            nn.Conv2d(channels, channels, 5, padding=2, groups=channels), nn.GELU(), nn.BatchNorm2d(channels)
        )
        self.points = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.GELU(), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.points(x + self.space(x))
        return out


def mixer(outputs: int, channels: int, before: Callable[[Tensor], Tensor] | None = None) -> Chain:
    layers = [nn.Conv2d(channels, 32, 2, 2), nn.GELU(), nn.BatchNorm2d(32), Mixes(32), Mixes(32), Mixes(32)]
    return Chain(layers, linear(32, outputs), before)


def separable(outputs: int, channels: int, mode: str = "fan_in") -> Chain:
    """Kernels over each channel alone, then of one pixel, five times; nothing normalises."""
    layers: list[nn.Module] = [nn.Conv2d(channels, 24, 3, 2, 1), nn.ReLU()]
    for n in range(5):
        layers += [nn.Conv2d(24, 24, 3, padding=1, groups=24), nn.ReLU(), nn.Conv2d(24, 24, 1), nn.ReLU(),
                   *([nn.MaxPool2d(2)] if n == 2 else [])]  # fmt: skip
    made = Chain(layers, linear(24, outputs))
    for layer in convolutions(made.layers):
        nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")  # type: ignore[arg-type]
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    return made


def slim(outputs: int, channels: int, *inside: nn.Module) -> Chain:
    """Four channels, so that each layer has to learn."""
    layers = [kernel(channels, 4), nn.BatchNorm2d(4), nn.SiLU(), kernel(4, 4), nn.BatchNorm2d(4), nn.SiLU(),
              nn.MaxPool2d(2), kernel(4, 4), nn.BatchNorm2d(4), *inside, nn.SiLU(), nn.MaxPool2d(2)]  # fmt: skip
    return Chain(layers, linear(4, outputs))


def fixed_variance(outputs: int, channels: int) -> Chain:
    """Self-normalising units (Klambauer et al. 2017), drawn as they ask for."""
    layers = [nn.Conv2d(channels, 24, 3, 2, 1), nn.SELU(), nn.Conv2d(24, 32, 3, padding=1), nn.SELU(),
              nn.Conv2d(32, 32, 3, padding=1), nn.SELU()]  # fmt: skip
    made = Chain(layers, linear(32, outputs))
    for layer in convolutions(made.layers):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    return made


class Mishes(nn.Module):
    """Two halves of the channels, of which one opens the other (Dauphin et al. 2017)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.both = kernel(inputs, 2 * outputs, 3, stride)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.glu(self.both(x), 1)


def opened(outputs: int, channels: int) -> Chain:
    layers = [
        Mishes(channels, 24, 2),
        nn.GroupNorm(4, 24),
        Mishes(24, 32, 1),
        nn.GroupNorm(4, 32),
        Mishes(32, 40, 1),
    ]
    return Chain(layers, linear(40, outputs))


# --- with a fault ---


def softsigns(outputs: int, channels: int) -> nn.Module:
    """Sixteen convolutions with softsigns, as torch draws them."""
    layers: list[nn.Module] = [nn.Conv2d(channels, 20, 3, 2, 1), nn.Softsign()]
    for _ in range(15):
        layers += [nn.Conv2d(20, 20, 3, padding=1), nn.Softsign()]
    return Chain(layers, linear(20, outputs))


class Grows(nn.Module):
    """One convolution, twelve times over its own output, each time half as large again."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.step = kernel(channels, channels)
        with torch.no_grad():
            self.step.weight.mul_(1.7)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(12):
            x = self.step(x).relu()
        return x


def growing(outputs: int, channels: int) -> nn.Module:
    return Chain([kernel(channels, 24, 3, 2), nn.ReLU(), Grows(24)], linear(24, outputs))


def all_zero(outputs: int, channels: int) -> nn.Module:
    """Every weight 0, as a first own initialisation may be."""
    made = tutorial(outputs, channels)
    for layer in convolutions(made):
        nn.init.zeros_(layer.weight)
    return made


def low_norms(outputs: int, channels: int) -> nn.Module:
    """Norms that begin five below zero: nothing passes a rectifier."""
    layers = [*block(channels, 16), *block(16, 32), nn.MaxPool2d(2), *block(32, 32)]
    for norm in layers:
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.constant_(norm.bias, -5.0)
    return Chain(layers, linear(32, outputs))


class Unregistered(nn.Module):
    """Blocks in a Python list: torch does not know of them, nor does an optimizer."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.blocks = [nn.Sequential(*block(channels, channels)) for _ in range(blocks)]

    def forward(self, x: Tensor) -> Tensor:
        for one in self.blocks:
            x = one(x)
        return x


def unregistered(outputs: int, channels: int) -> nn.Module:
    layers = [kernel(channels, 8), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), Unregistered(8, 4)]
    return Chain(layers, linear(8, outputs))


def steps(x: Tensor) -> Tensor:
    """1 above 0, else 0: no gradient comes back."""
    return (x > 0).to(x.dtype)


class Masked(nn.Module):
    """A dropout written at home, which forgets to scale what it leaves."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.rand_like(x) > self.share) if self.training else x


class Viewed(nn.Module):
    """A head that shapes what it gets as features by pictures, and turns that over."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.last = nn.Linear(features, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(x.reshape(x.shape[1], x.shape[0]).t())
        return out


NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {
    "tutorial": tutorial,
    "basic": basic,
    "tangents": tangents,
    "mixer": mixer,
    "separable": separable,
    "slim": slim,
    "self-normalising": fixed_variance,
    "opened": opened,
    "half-dropped-tutorial": lambda o, c: tutorial(o, c, drop=lambda: nn.Dropout(0.3)),
    "dropped-thrice": lambda o, c: tutorial(o, c, drop=lambda: nn.Dropout(0.8)),
    "home-made-dropout": lambda o, c: tutorial(o, c, drop=lambda: Masked(0.75)),
    "softmax-of-pictures": lambda o, c: tutorial(o, c, after=lambda z: z.softmax(0)),
    "softmax-head": lambda o, c: basic(o, c, head=nn.Sequential(linear(32, o), nn.Softmax(1))),
    "two-channels": lambda o, c: basic(o, c, width=2),
    "viewed": lambda o, c: basic(o, c, head=Viewed(128, o)),
    "logged": lambda o, c: tutorial(o, c, before=torch.log),
    "softsigns": softsigns,
    "growing": growing,
    "all-zero": all_zero,
    "low-norms": low_norms,
    "separable-fan-out": lambda o, c: separable(o, c, "fan_out"),
    "unregistered": unregistered,
    "steps": lambda o, c: slim(o, c, Does(steps)),
}  # fmt: skip
