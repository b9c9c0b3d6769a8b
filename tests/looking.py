"""Small networks of every make, and looks at what they see."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foveal import catalog
from foveal.contracts import Maps
from foveal.structure.look import Look
from foveal.structure.placing import spread
from foveal.structure.subject import Subject
from foveal.structure.taps import untouched
from foveal.tasks.classify import build
from foveal.values import Preprocessing, Target

LABELS = ("a", "b", "c", "d", "e")
TASK = build(LABELS)
PLAIN = Preprocessing(32, 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""Pixels as they are: what is computed by normalised values is computed by pixels."""
EXPLAINERS = tuple(
    name for name in catalog.names("explainers") if hasattr(catalog.find("explainers", name), "explain")
)


def quickly(module: ModuleType, look: Look) -> Maps:
    """The maps of an explainer that is told to do everything fewer times, where it can be told."""
    told = inspect.signature(module.explain).parameters.values()
    few = {p.name: min(p.default, 20) for p in told if isinstance(p.default, int)}
    found: Maps = module.explain(look, **few)
    return found


def noise(count: int = 2, side: int = 32, seed: int = 0, channels: int = 3) -> Tensor:
    """Pictures `BCHW` from 0 to 1 with some structure: coarse noise under fine noise."""
    draw = torch.Generator().manual_seed(seed)
    coarse = F.interpolate(torch.rand(count, channels, 4, 4, generator=draw), (side, side), mode="bilinear")
    return 0.7 * coarse + 0.3 * torch.rand(count, channels, side, side, generator=draw)


def targets(count: int) -> list[Target]:
    """One a picture, all unlike, the second held against another."""
    return [Target(LABELS[n % 5], LABELS[(n + 2) % 5] if n == 1 else "") for n in range(count)]


@contextmanager
def looking(
    network: nn.Module | Subject,
    images: Tensor,
    wanted: Sequence[Target] | None = None,
    preprocessing: Preprocessing = PLAIN,
    **more: object,
) -> Iterator[Look]:
    """A look inside `untouched`. A network is traced as single, then has the images' precision."""
    if isinstance(network, Subject):
        subject = network
    else:
        subject = Subject.of(network, (1, *images.shape[1:]))
        subject.network.to(images.dtype)
    with untouched(subject.network):
        wanted = targets(len(images)) if wanted is None else wanted
        yield Look(subject, images, wanted, TASK.score, preprocessing, **more)  # type: ignore[arg-type]


def on_pixels(maps: Maps, subject: Subject) -> Tensor:
    """Maps `BHW` on the picture."""
    if maps.pixels is not None:
        return maps.pixels
    assert maps.cells is not None
    assert maps.place is not None
    return spread(maps.cells, subject.drawn(maps.place), subject.size)


def raw(maps: Maps) -> Tensor:
    """Maps as they were found, of cells or of pixels."""
    found = maps.cells if maps.pixels is None else maps.pixels
    assert found is not None
    return found


def drawn(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with weights, biases and statistics that leave nothing 0 or 1."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
            if not tensor.is_floating_point():
                continue
            random = torch.randn(tensor.shape, generator=draw)
            if tensor.dim() > 1:
                tensor.copy_(random * (2 / tensor[0].numel()) ** 0.5)
            elif name.endswith(("weight", "running_var")):
                tensor.copy_(1 + 0.2 * random.abs())
            else:
                tensor.copy_(0.2 * random)
    return network


class Modules(nn.Module):
    """Every rectifier a module of its own; a residual path, branches, the mean over places, a linear layer."""

    def __init__(self, norm: bool = True) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.norm = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.inner = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.left = nn.Conv2d(8, 6, 3, 2, 1)
        self.right = nn.Conv2d(8, 4, 3, 2, padding=2, dilation=2)
        self.last = nn.Conv2d(10, 12, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(12, len(LABELS))
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(6))

    def rectified(self, n: int, x: Tensor) -> Tensor:
        out: Tensor = self.relus[n](x)
        return out

    def forward(self, x: Tensor) -> Tensor:
        x = self.rectified(0, self.norm(self.stem(x)))
        x = self.rectified(2, x + self.rectified(1, self.inner(x)) - 0.1)
        x = torch.cat([self.rectified(3, self.left(x)), self.rectified(4, self.right(x))], 1)
        x = self.rectified(5, self.last(x))
        out: Tensor = self.fc(self.pool(x).flatten(1))
        return out


class Functions(Modules):
    """The same network, written with functions and methods, in place, and one module passed twice."""

    def __init__(self, norm: bool = True) -> None:
        super().__init__(norm)
        self.relus = nn.ModuleList()
        self.shared = nn.ReLU(inplace=True)

    def rectified(self, n: int, x: Tensor) -> Tensor:
        ways = (
            self.shared,
            lambda y: F.relu(y),
            lambda y: y.relu_(),
            self.shared,
            lambda y: torch.clamp(y, min=0),
            lambda y: F.relu(y, inplace=True),
        )
        out: Tensor = ways[n](x)
        return out


class Smooth(nn.Module):
    """No rectifier, gates that see the whole picture, the largest value instead of the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 5, 2, 2)
        self.gate = nn.Linear(8, 8)
        self.second = nn.Conv2d(8, 8, 3, 2, 1)
        self.fc = nn.Linear(8, len(LABELS))

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.first(x))
        x = x * self.gate(x.mean((2, 3))).sigmoid()[:, :, None, None]
        out: Tensor = self.fc(F.silu(self.second(x)).amax((2, 3)))
        return out


def twins(norm: bool = True, seed: int = 0) -> tuple[Modules, Functions]:
    """The two with the same weights, in evaluation mode."""
    one, other = Modules(norm), Functions(norm)
    drawn(one, seed)
    other.load_state_dict(one.state_dict())
    return one.eval(), other.eval()
