"""Networks of a second group of cases whose author never saw the rules: sound ones, and ones with a fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...networks import Chain, Does, block, convolutions, linear
from ..unseen.networks import kernel

# --- sound ---


def dilated(outputs: int, channels: int, *first: nn.Module) -> Chain:
    """Three convolutions, the second with holes."""
    holes = nn.Conv2d(16, 24, 3, padding=2, dilation=2, bias=False)
    layers = [
        *first,
        *block(channels, 16),
        holes,
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.MaxPool2d(2),
        *block(24, 32),
    ]
    return Chain(layers, linear(32, outputs))


def smooth(
    outputs: int, channels: int, *inside: nn.Module, act: Callable[[], nn.Module] = nn.ELU, scale: float = 1.0
) -> Chain:
    """Exponential linear units, nothing normalises; kernels drawn `scale` times as large as by He et al. 2015."""
    layers = [kernel(channels, 16), act(), kernel(16, 24, 3, 2), act(), *inside, kernel(24, 32), act()]
    made = Chain(layers, linear(32, outputs))
    with torch.no_grad():
        for layer in convolutions(made.layers):
            layer.weight.mul_(scale)
    return made


def points(outputs: int, channels: int, *first: nn.Module, head: nn.Module | None = None) -> Chain:
    """Convolutions with one of a single pixel after each (Lin et al. 2014)."""
    layers = [*first, kernel(channels, 20, 5, 2), nn.BatchNorm2d(20), nn.ReLU(), nn.Conv2d(20, 20, 1), nn.ReLU(),
              *block(20, 40), nn.Conv2d(40, 40, 1), nn.ReLU()]  # fmt: skip
    return Chain(layers, linear(40, outputs) if head is None else head)


class Squeezed(nn.Module):
    """Two convolutions whose channels a sigmoid gate weighs, with a path round them (Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*block(channels, channels), *block(channels, channels)[:2])
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels // 4, 1), nn.ReLU(),
            nn.Conv2d(channels // 4, channels, 1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        made = self.body(x)
        out: Tensor = (x + made * self.gate(made)).relu()
        return out


def squeezed(
    outputs: int, channels: int, *first: nn.Module, before: Callable[[Tensor], Tensor] | None = None
) -> Chain:
    layers = [*first, kernel(channels, 16, 3, 2), nn.BatchNorm2d(16), nn.ReLU(), Squeezed(16), *block(16, 32),
              Squeezed(32)]  # fmt: skip
    return Chain(layers, linear(32, outputs), before=before)


def thin(outputs: int, channels: int) -> Chain:
    """So few channels that each layer is needed; parametric rectifiers."""
    layers = [*block(channels, 4, act=nn.PReLU), *block(4, 4, act=nn.PReLU), nn.MaxPool2d(2),
              *block(4, 6, act=nn.PReLU), nn.MaxPool2d(2), *block(6, 6, act=nn.PReLU)]  # fmt: skip
    return Chain(layers, linear(6, outputs))


class Angle(nn.Module):
    """Cosines to a direction a class, times 12 (Luo et al. 2018)."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, features))

    def forward(self, x: Tensor) -> Tensor:
        return 12 * F.linear(F.normalize(x), F.normalize(self.weight))


class Looks(nn.Module):
    """Where to look: a softmax over the places of a map, as many times as there are channels in the head."""

    def __init__(self, channels: int, looks: int = 4) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, looks, 1)

    def forward(self, x: Tensor) -> Tensor:
        shares = self.score(x).flatten(2).softmax(2)
        seen: Tensor = torch.einsum("bcp,blp->bcl", x.flatten(2), shares)
        return seen.reshape(len(x), -1, 2, 2)


class Placed(nn.Module):
    """Two more channels say where each pixel is (Liu et al. 2018)."""

    def forward(self, x: Tensor) -> Tensor:
        line = torch.linspace(-1, 1, x.shape[-1], device=x.device, dtype=x.dtype)
        where = torch.stack(torch.meshgrid(line, line, indexing="ij")).expand(len(x), -1, -1, -1)
        return torch.cat([x, where], 1)


class Branches(nn.Module):
    """Kernels of 1, 3 and 5 pixels beside each other (Szegedy et al. 2015)."""

    def __init__(self, inputs: int, each: int) -> None:
        super().__init__()
        self.sides = nn.ModuleList(kernel(inputs, each, side) for side in (1, 3, 5))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([side(x) for side in self.sides], 1).relu()


def weight_normed(outputs: int, channels: int) -> nn.Module:
    """A length and a direction for each kernel (Salimans & Kingma 2016)."""
    made = smooth(outputs, channels)
    for layer in convolutions(made.layers):
        nn.utils.parametrizations.weight_norm(layer)
    return made


def without_shifts(outputs: int, channels: int) -> nn.Module:
    """Norms that only scale, and no bias anywhere but in the head."""
    made = dilated(outputs, channels)
    for norm in made.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.bias = None  # type: ignore[assignment]
    return made


# --- with a fault ---


def fading(outputs: int, channels: int) -> nn.Module:
    """Layers whose outputs are scaled to a tenth, as in a residual branch, but with no path round them."""
    steps: list[nn.Module] = []
    for _ in range(5):
        steps += [kernel(24, 24), nn.ELU(), Does(lambda x: 0.1 * x)]
    return smooth(outputs, channels, *steps)


class Doubled(nn.Module):
    """A path round two convolutions, without a norm: each block adds as much again."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(kernel(channels, channels), nn.ReLU(), kernel(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = (x + self.body(x)).relu()
        return out


def doubling(outputs: int, channels: int) -> nn.Module:
    return smooth(outputs, channels, *(Doubled(24) for _ in range(14)), act=nn.ReLU)


def thresholds(outputs: int, channels: int) -> nn.Module:
    """What is below 5 does not pass: nothing does."""
    return smooth(outputs, channels, act=lambda: nn.Threshold(5.0, 0.0), scale=0.6)


def steep(outputs: int, channels: int) -> nn.Module:
    """Tangents forty times as steep, which are 1 or -1 nearly everywhere."""
    return smooth(outputs, channels, act=lambda: Does(lambda x: (40 * x).tanh()))


def two_percent(outputs: int, channels: int) -> nn.Module:
    """Weights of deviation 0.02, as language models draw them, in convolutions without norms."""
    made = smooth(
        outputs, channels, *(layer for _ in range(3) for layer in (kernel(24, 24), nn.GELU())), act=nn.GELU
    )
    for layer in convolutions(made):
        nn.init.normal_(layer.weight, 0, 0.02)
    return made


class Attends(nn.Module):
    """Attention over the places of a map; as the batch does not come first unless that is said, over the pictures."""

    def __init__(self, channels: int, batch_first: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, 2, batch_first=batch_first)

    def forward(self, x: Tensor) -> Tensor:
        places = x.flatten(2).transpose(1, 2)
        made, _ = self.attention(places, places, places, need_weights=False)
        out: Tensor = made.transpose(1, 2).unflatten(2, x.shape[2:])
        return out


def attending(batch_first: bool) -> Callable[[int, int], nn.Module]:
    def made(outputs: int, channels: int) -> nn.Module:
        layers = [kernel(channels, 16, 5, 2), nn.BatchNorm2d(16), nn.ReLU(), *block(16, 24), nn.MaxPool2d(2),
                  Attends(24, batch_first), nn.GroupNorm(4, 24), kernel(24, 32), nn.ReLU()]  # fmt: skip
        return Chain(layers, linear(32, outputs))

    return made


class Shared(nn.Module):
    """One norm for three layers whose outputs are of different sizes: its running statistics are of all of them."""

    def __init__(self, channels: int, maps: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([kernel(channels, maps), kernel(maps, maps), kernel(maps, maps)])
        self.norm = nn.BatchNorm2d(maps)
        with torch.no_grad():
            self.layers[1].weight.mul_(4)  # type: ignore[operator]
            self.layers[2].weight.mul_(0.25)  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        for n, layer in enumerate(self.layers):
            x = self.norm(layer(x)).relu()
            x = F.max_pool2d(x, 2) if n == 0 else x
        return x


def standardised(x: Tensor) -> Tensor:
    """Each picture less its mean, by its deviation, which is 0 where all is one shade."""
    mean, std = x.mean((1, 2, 3), keepdim=True), x.std((1, 2, 3), keepdim=True)
    return (x - mean) / std


def always_dropped(share: float) -> nn.Module:
    """The function, which drops unless it is told in which mode the network is."""
    return Does(lambda x: F.dropout(x, share))


def chain_of(layers: Sequence[nn.Module], width: int, outputs: int) -> Chain:
    return Chain(list(layers), linear(width, outputs))


NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {
    "dilated": dilated,
    "smooth": smooth,
    "points": points,
    "squeezed": squeezed,
    "thin": thin,
    "angles": lambda o, c: points(o, c, head=Angle(160, o)),
    "looking": lambda o, c: chain_of([*block(c, 16), nn.MaxPool2d(2), *block(16, 32), Looks(32)], 32, o),
    "placed": lambda o, c: chain_of([Placed(), *block(c + 2, 16), nn.MaxPool2d(2), *block(16, 32)], 32, o),
    "branches": lambda o, c: chain_of(
        [kernel(c, 16), nn.ReLU(), nn.MaxPool2d(2), Branches(16, 8), nn.BatchNorm2d(24), Branches(24, 12)], 36, o),
    "weight-normed": weight_normed,
    "without-shifts": without_shifts,
    "hard-tangents": lambda o, c: smooth(o, c, act=nn.Hardtanh),
    "attending": attending(True),
    "fading": fading,
    "doubling": doubling,
    "thresholds": thresholds,
    "steep": steep,
    "two-percent": two_percent,
    "attending-over-pictures": attending(False),
    "noise-for-pictures": lambda o, c: squeezed(o, c, before=torch.randn_like),
    "dropped-pixels": lambda o, c: points(o, c, nn.Dropout(0.93)),
    "always-dropped": lambda o, c: dilated(o, c, always_dropped(0.8)),
    "shared-norm": lambda o, c: chain_of([Shared(c, 24)], 24, o),
    "pooled-too-soon": lambda o, c: squeezed(o, c, nn.AdaptiveAvgPool2d(3)),
    "shares-end": lambda o, c: Chain(
        [*block(c, 16), *block(16, 24), nn.MaxPool2d(2), *block(24, 32)], linear(32, o), after=lambda z: z.softmax(1)),
    "standardising": lambda o, c: Chain(
        [kernel(c, 16), nn.ELU(), kernel(16, 24, 3, 2), nn.ELU(), kernel(24, 32), nn.ELU()], linear(32, o),
        before=standardised),
}  # fmt: skip
