"""What a network really computes, traced: every layer in the order it is passed, and what feeds what.

A network is run once, and each function that it calls on tensors is noted: with the module it was called in,
the functions whose results it takes, its multiply-adds. So residual paths, branches and layers passed twice
are seen as they are, whatever the module tree looks like.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from .layers import evaluating

Shape = tuple[int, ...]
PICTURE = -1
"""The place of the picture among the operations that feed others."""


@dataclass
class Operation:
    """One function call. `inputs` are places of the operations it takes results of, one a tensor, in the order
    of its arguments (`PICTURE` for the picture itself); tensors that come from nowhere (weights) are no input."""

    function: str
    call: int
    """Place of the module call it was made in."""
    tick: int
    """How many functions the pass had called before, those on other tensors (weights) too."""
    inputs: tuple[int, ...]
    shapes: tuple[Shape, ...]
    """Of the tensors it gives, the batch included."""
    entering: tuple[Shape, ...]
    """Of the tensors it takes from `inputs`."""
    arguments: Mapping[str, Any]
    """By name, tensors as their shapes."""
    weights: frozenset[str] = frozenset()
    """The parameters it computes with, also those that were computed with before (a standardised kernel)."""
    storages: tuple[tuple[int, int], ...] = ()
    """Where the tensors it gives lie, and the bytes there; what works in place gives what it was given."""
    multiply_adds: int = 0
    saved_bytes: int = 0
    """Of tensors kept for the gradients that no operation before has kept already."""


@dataclass
class Call:
    """One pass through a module; the network itself is the first."""

    name: str
    module: nn.Module
    parent: int
    children: int = 0
    outputs: tuple[int, ...] = ()
    """Places of the operations that its outputs come from."""


@dataclass
class Graph:
    """A network's one forward pass for a picture of `shape` `1CHW`."""

    shape: Shape
    operations: list[Operation] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    outputs: tuple[int, ...] = ()
    """Places of the operations that the network's outputs come from."""


def trace(network: nn.Module, shape: Shape) -> Graph:
    """Run `network` in evaluation mode on noise `1CHW`, gradients enabled but none computed.

    Its modes and hooks are afterwards as they were. Operations are counted by PyTorch's own table of
    formulas (`torch.utils.flop_counter`), halved, as it counts a multiplication and an addition as two.
    """
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    picture = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    recorder = _Recorder(network, picture)
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.enter_context(evaluating(network))
        stack.enter_context(recorder.hooked())
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))  # fused kernels are not in the table of formulas
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        torch.backends.mha.set_fastpath_enabled(False)
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(recorder.pack, lambda kept: kept))
        stack.enter_context(_Counter(recorder))
        stack.enter_context(recorder)
        made = network(picture)
    recorder.graph.outputs = tuple(dict.fromkeys(recorder.places(made)))
    recorder.forget()
    return recorder.graph


class _Recorder(TorchFunctionMode):
    """Notes every function that is called on tensors."""

    def __init__(self, network: nn.Module, picture: Tensor) -> None:
        super().__init__()
        self.network = network
        self.graph = Graph(tuple(picture.shape))
        self.stack: list[int] = []
        self.now: Operation | None = None
        self.tick = -1
        self.made: dict[int, int] = {id(picture): PICTURE}
        self.alive: list[Tensor] = [picture]  # an id is a tensor's own only as long as the tensor is there
        self.weights = {_storage(t)[0] for t in [*network.parameters(), *network.buffers()]}
        self.kept: set[int] = set()
        self.parameters = {id(p): frozenset((name,)) for name, p in network.named_parameters()}
        """Names of the parameters that a tensor was computed from, without the picture."""

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Inside, module calls are noted."""
        with ExitStack() as stack:
            for name, module in self.network.named_modules():
                before = module.register_forward_pre_hook(self._entering(name))
                stack.callback(before.remove)
                after = module.register_forward_hook(self._leaving, always_call=True)
                stack.callback(after.remove)
            yield

    def _entering(self, name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def enter(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            parent = self.stack[-1] if self.stack else PICTURE
            if self.stack:
                self.graph.calls[parent].children += 1
            self.stack.append(len(self.graph.calls))
            self.graph.calls.append(Call(name, module, parent))

        return enter

    def _leaving(self, module: nn.Module, inputs: tuple[Any, ...], outputs: Any) -> None:
        self.graph.calls[self.stack.pop()].outputs = tuple(dict.fromkeys(self.places(outputs)))

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        self.tick += 1
        tick = self.tick
        taken = list(_tensors((args, kwargs)))
        inputs = tuple(self.made[id(t)] for t in taken if id(t) in self.made)
        weights = frozenset[str]().union(*(self.parameters.get(id(t), ()) for t in taken))
        if not inputs or not self.stack:
            result = func(*args, **kwargs)
            for tensor in _tensors(result) if weights else ():
                self.parameters[id(tensor)] = weights
                self.alive.append(tensor)
            return result
        entering = tuple(tuple(t.shape) for t in taken if id(t) in self.made)
        name = function_name(func)
        operation = Operation(
            name, self.stack[-1], tick, inputs, (), entering, _named(name, func, args, kwargs), weights
        )
        before, self.now = self.now, operation
        try:
            result = func(*args, **kwargs)
        finally:
            self.now = before
        given = [args[0]] if name == "__setitem__" else [t for t in _tensors(result) if t.dim()]
        if given and name != "__get__":
            operation.shapes = tuple(tuple(t.shape) for t in given)
            operation.storages = tuple(_storage(t) for t in given)
            for tensor in given:
                self.made[id(tensor)] = len(self.graph.operations)
            self.alive += given
            self.graph.operations.append(operation)
        return result

    def pack(self, tensor: Tensor) -> Tensor:
        """Counts a tensor that is kept for gradients, each memory once and weights never."""
        place, size = _storage(tensor)
        if self.now is not None and place not in self.weights and place not in self.kept:
            self.kept.add(place)
            self.now.saved_bytes += size
        return tensor.detach()  # itself it would hold what holds it

    def forget(self) -> None:
        """Let the tensors go: what they keep for gradients holds this recorder, as it holds them."""
        self.alive.clear()
        self.made.clear()

    def places(self, made: Any) -> Iterator[int]:
        """Which operations tensors come from."""
        return (self.made[id(tensor)] for tensor in _tensors(made) if id(tensor) in self.made)


POSITIONS = {
    **dict.fromkeys(
        ("conv1d", "conv2d"), ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    ),
    **dict.fromkeys(
        ("conv_transpose1d", "conv_transpose2d"),
        ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"),
    ),
    "max_pool2d": ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    "avg_pool2d": ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "var", "std"), ("input", "dim", "keepdim")),
    **dict.fromkeys(("cat", "concat", "concatenate", "stack"), ("tensors", "dim")),
    "pad": ("input", "pad", "mode", "value"),
}
"""Names of the arguments of functions that are written in C and tell none."""


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what is computed below the functions, for the one that is being called."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder = recorder

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        now = self.recorder.now
        if now is not None and func._overloadpacket in flop_registry:
            now.multiply_adds += (
                flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=result) // 2
            )
        return result


def function_name(func: Any) -> str:
    """A function's own name, without those of its modules."""
    name: str = resolve_name(func) or getattr(func, "__name__", "?")
    return name.rpartition(".")[2]


def _storage(tensor: Tensor) -> tuple[int, int]:
    storage = tensor.untyped_storage()
    return storage.data_ptr(), storage.nbytes()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)


def _named(name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by their names, where the function tells them, else by their place."""
    names: Sequence[str] = POSITIONS.get(name, ())
    try:
        names = names or tuple(inspect.signature(func).parameters)
    except (TypeError, ValueError):
        pass
    told = {names[n] if n < len(names) else str(n): _plain(arg) for n, arg in enumerate(args)}
    return told | {name: _plain(arg) for name, arg in kwargs.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, list | tuple):
        return tuple(_plain(one) for one in value)
    return value
