"""Networks of the staged runs, as the author of a plug-in would write them: sound ones, and ones with a fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foveal import catalog

SOURCE = "our own; where a fault was published before, its row in `faults` says where"
FAMILY = "staged/"

WRITTEN: dict[str, list[str]] = {
    "small": ["conv 16 3x3 pad same", "bn", "relu", "conv 32 3x3 pad same", "bn", "relu", "maxpool 2",
              "conv 32 3x3 pad same", "bn", "relu", "maxpool 2", "linear"],
    "plain": ["conv 16 3x3 pad same", "relu", "conv 16 3x3 pad same", "relu", "maxpool 2", "conv 32 3x3 pad same",
              "relu", "conv 32 3x3 pad same", "relu", "maxpool 2", "linear 64", "relu", "dropout 0.1", "linear"],
    "mobile": ["conv 16 3x3 pad same", "bn", "relu", "conv 16 3x3 pad same groups 16", "bn", "relu", "conv 32 1x1",
               "bn", "relu", "conv 32 3x3 stride 2 pad 1 groups 32", "bn", "relu", "conv 64 1x1", "bn", "relu",
               "maxpool 2", "linear"],
    "strided": ["conv 16 3x3 stride 2 pad 1", "bn", "relu", "conv 32 3x3 stride 2 pad 1", "bn", "relu",
                "conv 48 3x3 pad same", "bn", "relu", "linear"],
    "bottleneck": ["conv 1 3x3 stride 2 pad 1", "relu", "gap", "linear"],
    "linear-only": ["conv 16 3x3 pad same", "conv 32 3x3 pad same", "maxpool 2", "conv 32 3x3 pad same", "gap",
                    "linear"],
    "sigmoids": [*["conv 16 3x3 pad same", "sigmoid"] * 3, "maxpool 2", *["conv 16 3x3 pad same", "sigmoid"] * 9,
                 "gap", "linear"],
    "tanh": ["conv 16 3x3 pad same", "tanh", "conv 32 3x3 pad same", "tanh", "maxpool 2", "conv 32 3x3 pad same",
             "tanh", "maxpool 2", "linear"],
    "gelu": ["conv 16 3x3 pad same", "bn", "gelu", "conv 32 3x3 pad same", "bn", "gelu", "maxpool 2",
             "conv 32 3x3 pad same", "bn", "gelu", "maxpool 2", "linear"],
    "silu": ["conv 16 3x3 pad same", "bn", "silu", "conv 32 3x3 pad same", "bn", "silu", "maxpool 2",
             "conv 32 3x3 pad same", "bn", "silu", "maxpool 2", "linear"],
    "leaky": ["conv 16 3x3 pad same", "leaky-relu", "conv 32 3x3 pad same", "leaky-relu", "maxpool 2",
              "conv 32 3x3 pad same", "leaky-relu", "maxpool 2", "linear"],
    "dropping": ["conv 16 3x3 pad same", "bn", "relu", "conv 32 3x3 pad same", "bn", "relu", "maxpool 2",
                 "conv 48 3x3 pad same", "bn", "relu", "maxpool 2", "dropout 0.5", "linear"],
    "dense": ["conv 16 3x3 pad same", "dense-block 4 growth 8", "bn", "relu", "avgpool 2", "dense-block 4 growth 8",
              "bn", "relu", "maxpool 2", "linear"],
    "wide": ["conv 64 3x3 pad same", "bn", "relu", "maxpool 2", "conv 64 3x3 pad same", "bn", "relu", "maxpool 2",
             "linear"],
}  # fmt: skip
"""Networks as people write them in a file, by name."""


def written(name: str, folder: Path) -> str:
    """The network's file, written into `folder` if it is not there."""
    file = folder / f"{name}.yaml"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text("layers:\n" + "".join(f"- {line}\n" for line in WRITTEN[name]), encoding="utf-8")
    return str(file)


def register() -> None:
    """Make the family known, as the entry point of an installed plug-in would."""
    catalog._table("architectures")[FAMILY] = __name__


def build(name: str, *, outputs: int, channels: int, size: int) -> nn.Module:
    """Logits (or what is wrong instead) `B, outputs` from `B, channels, size, size`."""
    from . import strangers  # which build on this module

    return {**NETWORKS, **strangers.NETWORKS}[name.removeprefix(FAMILY)](outputs, channels)


def head(name: str) -> str:
    return "head"


def weights(name: str, wanted: str | None) -> None:
    """None are published."""
    return


def sizes(name: str) -> tuple[int, int]:
    """From scratch 8 px to 64."""
    return 8, 64


GRID = 2
"""Side of the map that enters a head."""


def linear(channels: int, outputs: int) -> nn.Linear:
    return nn.Linear(channels * GRID**2, outputs)


class Chain(nn.Module):
    """Layers, the largest of each quarter, and the head; `before` and `after` are done to what comes and goes."""

    def __init__(
        self,
        layers: list[nn.Module],
        head: nn.Module,
        before: Callable[[Tensor], Tensor] | None = None,
        after: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.layers, self.head = nn.Sequential(*layers), head
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.before is None else self.before(x)
        x = self.layers(x)
        out: Tensor = self.head(F.adaptive_max_pool2d(x, GRID).flatten(1))
        return out if self.after is None else self.after(out)


class Does(nn.Module):
    """A function as a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def block(
    inputs: int, outputs: int, norm: bool = True, act: Callable[[], nn.Module] = nn.ReLU
) -> list[nn.Module]:
    """A 3x3 convolution, batch normalisation where wanted, and an activation; drawn as by He et al. 2015."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=not norm)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    return [conv, *([nn.BatchNorm2d(outputs)] if norm else []), act()]


def small(
    outputs: int, channels: int, *inside: nn.Module, norm: bool = True, **more: Callable[[Tensor], Tensor]
) -> Chain:
    """Three convolutions, `inside` before the last of them."""
    layers = [
        *block(channels, 16, norm),
        *block(16, 32, norm),
        nn.MaxPool2d(2),
        *inside,
        *block(32, 32, norm),
    ]
    return Chain(layers, linear(32, outputs), **more)


def convolutions(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    return [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


# --- with a fault ---


def constant(outputs: int, channels: int) -> nn.Module:
    made = small(outputs, channels, norm=False)
    for layer in convolutions(made):
        nn.init.constant_(layer.weight, 0.01)
    return made


def scaled(by: float) -> Callable[[int, int], nn.Module]:
    def made(outputs: int, channels: int) -> nn.Module:
        network = small(outputs, channels, norm=False)
        with torch.no_grad():
            for layer in convolutions(network):
                layer.weight.mul_(by)
        return network

    return made


def dead(outputs: int, channels: int) -> nn.Module:
    made = small(outputs, channels, norm=False)
    for layer in convolutions(made.layers):
        assert layer.bias is not None
        nn.init.constant_(layer.bias, -10.0)
    return made


def default_deep(outputs: int, channels: int) -> nn.Module:
    """Twenty convolutions as torch draws them: each halves what passes, as its own gain is 1/sqrt(3)."""
    layers: list[nn.Module] = [nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU()]
    for n in range(19):
        layers += [nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), *([nn.MaxPool2d(2)] if n == 4 else [])]
    return Chain(layers, linear(16, outputs))


def saturated(outputs: int, channels: int) -> nn.Module:
    layers = [*block(channels, 16, False, nn.Tanh), *block(16, 32, False, nn.Tanh), nn.MaxPool2d(2),
              *block(32, 32, False, nn.Tanh)]  # fmt: skip
    made = Chain(layers, linear(32, outputs))
    with torch.no_grad():
        for layer in convolutions(made.layers):
            layer.weight.mul_(25)
    return made


def stale(outputs: int, channels: int) -> nn.Module:
    made = small(outputs, channels)
    for norm in made.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 0.0
    return made


class Reversed(torch.autograd.Function):
    """The identity, whose gradient has the wrong sign."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: object, *grads: Tensor) -> Tensor:
        return -grads[0]


def turned(outputs: int, channels: int) -> nn.Module:
    return small(outputs, channels, Does(lambda x: Reversed.apply(x)), norm=False)


def detached(outputs: int, channels: int) -> nn.Module:
    layers = [*block(channels, 4), *block(4, 4), *block(4, 4), nn.MaxPool2d(2), *block(4, 4), nn.MaxPool2d(2)]
    return Chain([*layers, Does(Tensor.detach)], linear(4, outputs))


def narrow(outputs: int, channels: int) -> nn.Module:
    """`detached`, but whole."""
    layers = [*block(channels, 4), *block(4, 4), *block(4, 4), nn.MaxPool2d(2), *block(4, 4), nn.MaxPool2d(2)]
    return Chain(layers, linear(4, outputs))


def reshaped(x: Tensor) -> Tensor:
    """Channels and pictures exchanged, and shaped back: what was meant was a permutation."""
    return x.transpose(0, 1).reshape(x.shape)


def gated(x: Tensor) -> Tensor:
    """A gate whose shares sum to 1 over the batch, where over the channels was meant."""
    return x * x.mean((2, 3), keepdim=True).softmax(0) * 4


class Rooted(nn.Module):
    """A length over some channels, whose gradient where they are all 0 is infinite."""

    def forward(self, x: Tensor) -> Tensor:
        return x / (x[:, :3].relu().square().sum(1, keepdim=True).sqrt() + 1)


# --- sound, though they look odd ---


class Residual(nn.Module):
    """Two convolutions round which there is a path; the last norm begins at 0 where `zero` (Goyal et al. 2017)."""

    def __init__(self, channels: int, zero: bool) -> None:
        super().__init__()
        conv, norm, act = block(channels, channels)
        self.body = nn.Sequential(conv, norm, act, *block(channels, channels)[:2])
        last = self.body[-1]
        assert isinstance(last, nn.BatchNorm2d)
        if zero:
            nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = (x + self.body(x)).relu()
        return out


class Scaled(nn.Module):
    """A ConvNeXt block: depthwise 5x5, norm, twice as wide, GELU, back; times a scale that begins at 1e-6."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 5, padding=2, groups=channels), nn.GroupNorm(1, channels),
            nn.Conv2d(channels, 2 * channels, 1), nn.GELU(), nn.Conv2d(2 * channels, channels, 1),
        )  # fmt: skip
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.scale * self.body(x)
        return out


def residual(zero: bool) -> Callable[[int, int], nn.Module]:
    def made(outputs: int, channels: int) -> nn.Module:
        layers = [
            *block(channels, 16),
            Residual(16, zero),
            *block(16, 32),
            nn.MaxPool2d(2),
            Residual(32, zero),
        ]
        return Chain(layers, linear(32, outputs))

    return made


def convnext(outputs: int, channels: int) -> nn.Module:
    stem = [nn.Conv2d(channels, 24, 2, 2), nn.GroupNorm(1, 24)]
    layers = [
        *stem,
        Scaled(24),
        Scaled(24),
        nn.GroupNorm(1, 24),
        nn.Conv2d(24, 48, 2, 2),
        Scaled(48),
        Scaled(48),
    ]
    return Chain(layers, nn.Sequential(nn.LayerNorm(48 * GRID**2), linear(48, outputs)))


def sparse(outputs: int, channels: int) -> nn.Module:
    """Norms that begin 0.8 below zero, so that four of five outputs of a rectifier are 0."""
    made = small(outputs, channels)
    for norm in made.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.constant_(norm.bias, -0.8)
    return made


def grouped(outputs: int, channels: int) -> nn.Module:
    layers = [nn.Conv2d(channels, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1),
              nn.GroupNorm(4, 32), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()]  # fmt: skip
    return Chain(layers, linear(32, outputs))


def zero_head(outputs: int, channels: int) -> nn.Module:
    """A head that begins at 0, as timm's and many published ones do."""
    made = small(outputs, channels)
    assert isinstance(made.head, nn.Linear)
    nn.init.zeros_(made.head.weight)
    nn.init.zeros_(made.head.bias)
    return made


NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {
    "softmax-end": lambda o, c: small(o, c, after=lambda out: out.softmax(1)),
    "softmax-end-plain": lambda o, c: small(o, c, norm=False, after=lambda out: out.softmax(1)),
    "sigmoid-end": lambda o, c: small(o, c, after=lambda out: out.sigmoid()),
    "relu-end": lambda o, c: small(o, c, norm=False, after=lambda out: (out - 2).relu()),
    "constant": constant,
    "huge": scaled(12.0),
    "tiny-weights": scaled(0.02),
    "dead": dead,
    "default-deep": default_deep,
    "saturated": saturated,
    "blind": lambda o, c: small(o, c, before=lambda x: x * 0),
    "stale": stale,
    "turned": turned,
    "detached": detached,
    "narrow": narrow,
    "reshaped": lambda o, c: small(o, c, Does(reshaped)),
    "gated": lambda o, c: small(o, c, Does(gated)),
    "batch-centred": lambda o, c: small(o, c, Does(lambda x: x - x.mean(0, keepdim=True)), norm=False),
    "hidden-softmax": lambda o, c: Chain(
        [*block(c, 16, False, lambda: nn.Softmax(1)), *block(16, 32, False, lambda: nn.Softmax(1)), nn.MaxPool2d(2),
         *block(32, 32, False, lambda: nn.Softmax(1))], linear(32, o)),
    "exponential": lambda o, c: Chain(
        [*block(c, 16, False, lambda: Does(torch.exp)), *block(16, 16, False, lambda: Does(torch.exp))],
        linear(16, o)),
    "rooted": lambda o, c: small(o, c, Rooted(), norm=False),
    "unnormed": lambda o, c: small(o, c, norm=False),
    "residual": residual(False),
    "zero-residual": residual(True),
    "convnext": convnext,
    "sparse": sparse,
    "grouped": grouped,
    "zero-head": zero_head,
}  # fmt: skip
