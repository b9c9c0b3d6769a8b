"""One pass forward and back, looked at layer by layer through hooks that are gone when it is over."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

PICTURES = 16
"""Pictures of a batch that are looked at."""
CELLS, DENSER = 1 << 16, 1 << 18
"""Numbers of a layer's output beyond which only every second, third, ... row and column is looked at: for its
spread, and for channels that are silent everywhere."""
PLACES = 3
"""Rows and columns that are looked at in any case."""
NEAR = 0.02
"""How near its limit a squashing function counts as saturated."""
KINDS: tuple[tuple[str, tuple[type[nn.Module], ...]], ...] = (
    ("conv", (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)),
    ("linear", (nn.Linear, nn.Bilinear)),
    ("norm", (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm)),
    ("rectifier", (nn.ReLU, nn.ReLU6, nn.Threshold)),
    ("squash", (nn.Sigmoid, nn.Tanh, nn.Hardsigmoid, nn.Hardtanh)),
    ("softmax", (nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Softmin)),
    ("smooth", (nn.GELU, nn.SiLU, nn.Hardswish, nn.Mish, nn.ELU, nn.SELU, nn.CELU, nn.Softplus, nn.LeakyReLU)),
)  # fmt: skip
FUNCTIONS = {
    "relu": "rectifier", "relu_": "rectifier", "relu6": "rectifier", "threshold": "rectifier", "tanh": "squash",
    "sigmoid": "squash", "sigmoid_": "squash", "hardsigmoid": "squash", "hardtanh": "squash", "softmax": "softmax",
    "log_softmax": "softmax", "gelu": "smooth", "silu": "smooth", "hardswish": "smooth", "leaky_relu": "smooth",
    "elu": "smooth", "selu": "smooth", "mish": "smooth", "softplus": "smooth",
}  # fmt: skip
"""Functions that are layers where no module calls them."""


def kind_of(module: nn.Module) -> str:
    """What a module is, empty where it is not watched."""
    for name, types in KINDS:
        if isinstance(module, types):
            return name
    own = type(module).__name__.lower()  # other libraries' own norms and convolutions
    return "norm" if own.endswith(("norm2d", "batchnormact2d", "layernorm2d")) else ""


@dataclass
class Passing:
    """What a pass showed: by layer its measures as 0-dimensional tensors, and samples of what it gave."""

    kinds: dict[str, str] = field(default_factory=dict)
    measures: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    samples: dict[str, Tensor] = field(default_factory=dict)
    outputs: Tensor | None = None
    seconds: float = 0.0
    """Spent on looking."""
    passes: int = 0
    stds: dict[int, tuple[Any, int, Tensor]] = field(default_factory=dict)
    """Standard deviations of tensors that were looked at, as the next layer is given them: unless changed since."""

    def std_of(self, given: Tensor) -> Tensor:
        """The standard deviation of what a layer is given."""
        there, version, std = self.stds.get(id(given), (None, -1, None))
        if std is not None and there is not None and there() is given and given._version == version:
            return std
        return spread(some(given))["out_std"]


@contextmanager
def passing(network: nn.Module, samples: bool = False) -> Iterator[Passing]:
    """Look at the first pass of `network` inside, and at its gradients; with `samples` keep some of each output."""
    seen, handles = Passing(), []
    names = Counter[str]()
    inside: list[str] = []

    def note(name: str, kind: str, given: Any, made: Any) -> None:
        """Look at what a layer gave; of pieces of the batch, and of the same again in smaller ones, at the first."""
        usable = isinstance(made, Tensor) and made.is_floating_point() and made.dim() > 1 and made.numel()
        if seen.passes != 1 or not usable:
            return
        began = perf_counter()
        names[name] += 1
        with torch.no_grad(), torch._C.DisableTorchFunction():  # looking is not to be looked at
            _look(seen, name if names[name] == 1 else f"{name}#{names[name]}", kind, given, made, samples)
        seen.seconds += perf_counter() - began

    def entered(module: nn.Module, given: Any) -> None:
        inside.append("")

    def hook(name: str, kind: str) -> Callable[..., None]:
        def after(module: nn.Module, given: Any, made: Any) -> None:
            if inside:
                inside.pop()
            note(name, kind, given[0] if given else None, made)

        return after

    def began(module: nn.Module, given: Any) -> None:
        seen.passes += 1
        if seen.passes == 1:
            functions.listen()

    def ended(module: nn.Module, given: Any, made: Any) -> None:
        if seen.passes != 1:
            return
        functions.leave()
        if isinstance(made, Tensor) and made.is_floating_point():
            seen.outputs = made.detach()

    functions = _Functions(note, inside)
    try:
        handles.append(network.register_forward_pre_hook(began))
        for name, module in network.named_modules():
            kind = kind_of(module)
            if kind and "forward" not in module.__dict__ and not any(True for _ in module.children()):
                handles.append(module.register_forward_pre_hook(entered))
                handles.append(module.register_forward_hook(hook(name, kind)))
            else:
                handles.append(module.register_forward_pre_hook(functions.into(name)))
                handles.append(module.register_forward_hook(functions.out_of))
        handles.append(network.register_forward_hook(ended))
        yield seen
    finally:
        functions.leave()
        for handle in handles:
            handle.remove()
        seen.kinds = {name: kind for name, kind in seen.kinds.items() if name in seen.measures}


class _Functions(TorchFunctionMode):
    """Sees rectifiers and the like that are called as functions, named by the module that calls them."""

    def __init__(self, note: Callable[..., None], inside: list[str]) -> None:
        super().__init__()
        self.note, self.inside = note, inside
        self.where: list[str] = []
        self.listening = False

    def listen(self) -> None:
        """Hear each function of torch from now on, as long as the pass lasts: hearing slows every one of them."""
        self.__enter__()  # type: ignore[no-untyped-call]
        self.listening = True

    def leave(self) -> None:
        if self.listening:
            self.listening = False
            self.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def into(self, name: str) -> Callable[..., None]:
        def enter(module: nn.Module, given: Any) -> None:
            self.where.append(name)

        return enter

    def out_of(self, module: nn.Module, given: Any, made: Any) -> None:
        if self.where:
            self.where.pop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        kind = FUNCTIONS.get(getattr(func, "__name__", ""))
        # a function calls others of its name below: those have no modules around them that are ours
        if kind is not None and not self.inside and self.where and args and isinstance(args[0], Tensor):
            self.inside.append("")
            try:
                own = func.__name__.strip("_")
                self.note(f"{self.where[-1]}:{own}" if self.where[-1] else own, kind, args[0], made)
            finally:
                self.inside.pop()
        return made


def _look(seen: Passing, name: str, kind: str, given: Any, made: Tensor, samples: bool) -> None:
    """Measure what a layer gave, and have its gradients measured when they come."""
    seen.kinds[name] = kind
    own = seen.measures[name] = {}
    values = some(made)
    own |= spread(values)
    own["out_zero"] = (values == 0).float().mean()
    if kind == "rectifier":
        own["dead"] = (some(made, DENSER).transpose(0, 1).flatten(1).amax(1) <= 0).float().mean()
    if kind == "squash":
        low = torch.where(values.amin() < -NEAR, -1.0, 0.0)  # tanh, else sigmoid
        own["saturated"] = ((values <= low + NEAR) | (values >= 1 - NEAR)).float().mean()
    if isinstance(given, Tensor) and given.is_floating_point() and given.numel() > 1 and given is not made:
        own["forward_gain"] = own["out_std"] / seen.std_of(given).clamp_min(1e-12)
    seen.stds[id(made)] = weakref.ref(made), made._version, own["out_std"]
    if samples:
        seen.samples[name] = values.flatten()[:: max(1, values.numel() // 4096)].clone()
    if made.requires_grad and made.grad_fn is not None:
        made.register_hook(_gradient(seen, own, "_out"))  # type: ignore[no-untyped-call]
        if isinstance(given, Tensor) and given.requires_grad and given is not made:
            given.register_hook(_gradient(seen, own, "_in"))  # type: ignore[no-untyped-call]


def _gradient(seen: Passing, own: dict[str, Tensor], name: str) -> Callable[[Tensor], None]:
    def told(gradient: Tensor) -> None:
        began = perf_counter()
        if name not in own:  # of what goes two ways, the whole comes last; each way alone is told here
            own[name] = torch.linalg.vector_norm(gradient.detach()[: PICTURES // 2].float())
            if "_in" in own and "_out" in own:
                own["backward_gain"] = own["_in"] / own["_out"].clamp_min(1e-30)
        seen.seconds += perf_counter() - began

    return told


def some(values: Tensor, cells: int = CELLS) -> Tensor:
    """Some of a layer's output, in fp32: the first pictures, and of large maps not every row and column."""
    values = values.detach()[:PICTURES]
    if values.dim() == 4 and values.numel() > cells:
        step = min(int((values.numel() / cells) ** 0.5) + 1, max(1, min(values.shape[-2:]) // PLACES))
        values = values[..., ::step, ::step]
    return values.float()


def spread(values: Tensor) -> dict[str, Tensor]:
    """Mean, standard deviation, largest size, what is not finite, and how alike pictures are: the share of the
    variance over pictures and places that is between pictures' means, channel by channel. In passes over all that the
    processor does fast, centred and scaled before anything is squared."""
    x = values.flatten(2) if values.dim() > 2 else values[..., None]
    most = x.abs().amax()
    scaled = x / most.clamp_min(1e-30)
    mean = scaled.mean()
    centred = scaled - mean
    means, squares = centred.mean(2), centred.square().mean(2)
    apart = means.var(0, unbiased=False).sum()
    whole = (squares.mean(0) - means.mean(0).square()).sum()
    count = x.numel()
    return {
        "out_mean": mean * most,
        "out_std": (squares.mean() * (count / max(1, count - 1))).sqrt() * most,
        "out_max": most,
        "out_bad": (~means.isfinite()).sum(),
        "alike": (apart / whole.clamp_min(1e-12)).clamp_max(1.0),
    }
