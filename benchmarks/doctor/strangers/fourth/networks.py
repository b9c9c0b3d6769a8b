"""Networks of a fourth group of cases whose author never saw the rules: sound ones, and ones with a fault."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...networks import GRID, Chain, Does, convolutions, linear
from ..unseen.networks import kernel

Act = Callable[[], nn.Module]

# --- sound ---


class BothPooled(nn.Module):
    """The largest and the mean of each four pixels, beside each other."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([F.max_pool2d(x, 2), F.avg_pool2d(x, 2)], 1)


def pooled(
    outputs: int,
    channels: int,
    *first: nn.Module,
    head: nn.Module | None = None,
    after: Callable[[Tensor], Tensor] | None = None,
    before: Callable[[Tensor], Tensor] | None = None,
) -> Chain:
    """Convolutions with norms and ELUs, pooled in two ways."""
    layers: list[nn.Module] = [*first]
    for inputs, maps in ((channels, 14), (28, 20)):
        layers += [kernel(inputs, maps), nn.BatchNorm2d(maps), nn.ELU(), BothPooled()]
    layers += [kernel(40, 40), nn.BatchNorm2d(40), nn.ELU()]
    return Chain(layers, linear(40, outputs) if head is None else head, before, after)


class Preact(nn.Module):
    """Norm and rectifier come before each of two convolutions, round which there is a path (He et al. 2016b)."""

    def __init__(self, channels: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels, momentum=momentum), nn.ReLU(), kernel(channels, channels),
            nn.BatchNorm2d(channels, momentum=momentum), nn.ReLU(), kernel(channels, channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


def preact(
    outputs: int, channels: int, head: nn.Module | None = None, momentum: float = 0.1, drop: float = 0.0
) -> Chain:
    layers = [kernel(channels, 16, 3, 2), Preact(16, momentum), kernel(16, 28, 3, 2), Preact(28, momentum),
              nn.BatchNorm2d(28, momentum=momentum), nn.ReLU(), *([nn.Dropout(drop)] if drop else [])]  # fmt: skip
    return Chain(layers, linear(28, outputs) if head is None else head)


def shuffle(x: Tensor, groups: int = 4) -> Tensor:
    """Channels of each group go to all groups (Zhang et al. 2018, ShuffleNet)."""
    b, c, h, w = x.shape
    return x.reshape(b, groups, c // groups, h, w).transpose(1, 2).reshape(b, c, h, w)


def shuffle_of_pictures(x: Tensor, groups: int = 4) -> Tensor:
    """As `shuffle` was taken over from channels last, where pictures and groups are folded together."""
    b, c, h, w = x.shape
    return x.reshape(groups, b, c // groups, h, w).transpose(0, 1).reshape(b, c, h, w)


class Grouped(nn.Module):
    """A convolution in four groups, whose channels are shuffled then."""

    def __init__(self, inputs: int, outputs: int, mix: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, groups=4, bias=False)
        self.norm, self.mix = nn.BatchNorm2d(outputs), mix

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(F.hardswish(self.norm(self.conv(x))))


def shuffled(
    outputs: int,
    channels: int,
    mix: Callable[[Tensor], Tensor] = shuffle,
    head: nn.Module | None = None,
    after: Callable[[Tensor], Tensor] | None = None,
) -> Chain:
    """Convolutions in groups whose channels change places, hard swishes."""
    layers = [kernel(channels, 20, 3, 2), nn.BatchNorm2d(20), nn.Hardswish(), Grouped(20, 32, mix), nn.MaxPool2d(2),
              Grouped(32, 32, mix), Grouped(32, 48, mix)]  # fmt: skip
    return Chain(layers, linear(48, outputs) if head is None else head, after=after)


def modest(
    outputs: int,
    channels: int,
    *inside: nn.Module,
    act: Act = nn.ReLU,
    after: Callable[[Tensor], Tensor] | None = None,
    drop: float = 0.0,
) -> Chain:
    """Four convolutions drawn as by He et al. 2015, of which two are in steps of two; nothing normalises."""
    layers = [kernel(channels, 16), act(), kernel(16, 24, 3, 2), act(), *inside, kernel(24, 32), act(),
              kernel(32, 32, 3, 2), act()]  # fmt: skip
    head = nn.Sequential(linear(32, 48), act(), nn.Dropout(drop), nn.Linear(48, outputs))
    return Chain(layers, head, after=after)


class Wide(nn.Module):
    """LeCun's tangent: 1.7159 tanh(2x/3)."""

    def __init__(self, steep: float = 2 / 3) -> None:
        super().__init__()
        self.steep, self.squash = steep, nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = 1.7159 * self.squash(self.steep * x)
        return out


def classical(outputs: int, channels: int, act: Act = Wide, gain: float = 1.0) -> Chain:
    """Tangents of 1998, means for pooling, drawn as by Glorot & Bengio 2010."""
    layers = [nn.Conv2d(channels, 16, 5, padding=2), act(), nn.AvgPool2d(2), nn.Conv2d(16, 28, 3, padding=1), act(),
              nn.AvgPool2d(2), nn.Conv2d(28, 32, 3, padding=1), act()]  # fmt: skip
    made = Chain(layers, linear(32, outputs))
    for layer in convolutions(made.layers):
        nn.init.xavier_uniform_(layer.weight, gain)
    return made


def five(outputs: int, channels: int) -> Chain:
    """Five channels, so that each layer has to learn; norms."""
    layers: list[nn.Module] = []
    for n, inputs in enumerate((channels, 5, 5, 5)):
        layers += [kernel(inputs, 5), nn.BatchNorm2d(5), nn.CELU(), *([nn.MaxPool2d(2)] if n % 2 else [])]
    return Chain(layers, linear(5, outputs))


class Gathers(nn.Module):
    """A convolution whose outputs are put beside what it was given, with group normalisation."""

    def __init__(self, inputs: int, more: int) -> None:
        super().__init__()
        self.conv, self.norm = kernel(inputs, more), nn.GroupNorm(2, more)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, F.silu(self.norm(self.conv(x)))], 1)


def gathering(outputs: int, channels: int, drop: float = 0.0) -> Chain:
    layers = [kernel(channels, 12, 5, 2), nn.SiLU(), Gathers(12, 12), Gathers(24, 12), nn.Conv2d(36, 24, 1),
              nn.AvgPool2d(2), Gathers(24, 16), Gathers(40, 16), nn.GroupNorm(4, 56), nn.SiLU(),
              nn.Dropout2d(drop)]  # fmt: skip
    return Chain(layers, linear(56, outputs))


class Sum(nn.Module):
    """A path round a branch without norms that begins as nothing by a factor of its own (Bachlechner et al. 2021)."""

    def __init__(self, channels: int, share: float = 0.0, both: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(kernel(channels, channels), nn.ReLU(), kernel(channels, channels))
        self.share = nn.Parameter(torch.tensor(share))
        self.both = both

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.share * self.body(x)
        return (x + (made + x if self.both else made)).relu()


def sums(outputs: int, channels: int, blocks: int = 6, share: float = 0.0, both: bool = False) -> Chain:
    """Residual blocks without norms, whose branches begin at `share`."""
    layers = [kernel(channels, 20, 3, 2), nn.ReLU(), *(Sum(20, share, both) for _ in range(blocks))]
    return Chain(layers, linear(20, outputs))


# --- with a fault ---


def deep(outputs: int, channels: int, count: int, act: Act, norm: Act | None = None) -> Chain:
    """So many convolutions of 18 channels as torch draws them."""
    layers: list[nn.Module] = [nn.Conv2d(channels, 18, 3, 2, 1), act(), nn.MaxPool2d(2)]
    for _ in range(count - 1):
        layers += [nn.Conv2d(18, 18, 3, padding=1), *([norm()] if norm else []), act()]
    return Chain(layers, linear(18, outputs))


class Overwritten(nn.Module):
    """A residual block that forgets what it was to add to."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        x = self.first(x).relu()
        x = self.second(x)
        identity = x + 0 * identity
        return identity.relu()


def overwritten(outputs: int, channels: int) -> Chain:
    layers = [kernel(channels, 20, 3, 2), nn.ReLU(), nn.MaxPool2d(2), *(Overwritten(20) for _ in range(9))]
    return Chain(layers, linear(20, outputs))


def drawn(draw: Callable[[Tensor], object], made: Callable[[int, int], Chain]) -> Callable[[int, int], Chain]:
    """A network all of whose kernels are drawn by `draw`."""

    def build(outputs: int, channels: int) -> Chain:
        network = made(outputs, channels)
        for layer in convolutions(network):
            draw(layer.weight)
        return network

    return build


def never_follows(outputs: int, channels: int) -> Chain:
    """Running statistics that follow so slowly that they never arrive."""
    return preact(outputs, channels, momentum=0.0005)


class NeverTrained(nn.BatchNorm2d):
    """A norm that stays in evaluation mode, as fine-tuning asks for, in a network that has learned nothing."""

    def train(self, mode: bool = True) -> NeverTrained:
        super().train(False)
        return self


def behind_glass(outputs: int, channels: int) -> Chain:
    """What is left of a padding mask that was applied the wrong way round: the outermost pixels, at 0."""

    def covered(x: Tensor) -> Tensor:
        mask = torch.zeros(x.shape[-2:], device=x.device)
        mask[-1, -1] = 0.01
        return x * mask

    return pooled(outputs, channels, before=covered)


def one_unit(outputs: int, channels: int) -> Chain:
    """All features go through a single number before the head."""
    head = nn.Sequential(linear(40, 1), nn.Tanh(), nn.Linear(1, outputs))
    return pooled(outputs, channels, head=head)


class Threshold(nn.Module):
    """A rectifier that lets through what is above six."""

    def forward(self, x: Tensor) -> Tensor:
        return (x - 6).relu()


NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {
    "pooled": pooled,
    "preact": preact,
    "preact-dropping": lambda o, c: preact(o, c, drop=0.3),
    "shuffled": shuffled,
    "modest": modest,
    "modest-leaky": lambda o, c: modest(o, c, act=nn.LeakyReLU),
    "modest-dropping": lambda o, c: modest(o, c, drop=0.5),
    "classical": classical,
    "five": five,
    "gathering": gathering,
    "gathering-dropping": lambda o, c: gathering(o, c, 0.2),
    "sums": lambda o, c: sums(o, c, 4, 0.3),
    "cosine-head": lambda o, c: Chain([*pooled(o, c).layers], nn.Sequential(nn.LayerNorm(40 * GRID**2), linear(40, o))),
    "sigmoids-9": lambda o, c: deep(o, c, 9, nn.Sigmoid),
    "gelus-18": lambda o, c: deep(o, c, 18, nn.GELU),
    "frozen-norms": lambda o, c: deep(o, c, 12, nn.ReLU, lambda: NeverTrained(18)),
    "overwritten": overwritten,
    "doubled": lambda o, c: sums(o, c, 9, 1.0, both=True),
    "hard-sigmoids": lambda o, c: classical(o, c, nn.Hardsigmoid, 12.0),
    "hidden-softmax-2": lambda o, c: modest(o, c, act=lambda: nn.Softmax(1)),
    "squares": lambda o, c: modest(o, c, act=lambda: Does(torch.square)),
    "above-six": lambda o, c: modest(o, c, act=Threshold),
    "steep-tangents": lambda o, c: classical(o, c, lambda: Wide(60.0)),
    "rectified-end": lambda o, c: modest(o, c, after=lambda z: z.relu()),
    "normal-1": drawn(nn.init.normal_, modest),
    "ones": drawn(nn.init.ones_, modest),
    "positive": drawn(nn.init.uniform_, classical),
    "zeros": drawn(nn.init.zeros_, modest),
    "never-follows": never_follows,
    "behind-glass": behind_glass,
    "one-unit": one_unit,
    "shuffled-pictures": lambda o, c: shuffled(o, c, shuffle_of_pictures),
    "softmax-0": lambda o, c: shuffled(o, c, after=lambda z: z.softmax(0)),
    "softmax-then-head": lambda o, c: preact(o, c, nn.Sequential(linear(28, o), nn.Softmax(-1))),
    "cooled": lambda o, c: modest(o, c, after=lambda z: z / 100),
}  # fmt: skip
