"""One pass through a network, watched function by function: what operations give, and by which rule rectifiers
hand gradients back. No hook is placed on any module, so none can be left.

Operations are those of a trace (`structure.graph`), so that functions, functional and in-place rectifiers, and
each pass of a reused module are reached alike.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.overrides import TorchFunctionMode

from .graph import Graph, function_name
from .layers import evaluating

SOURCE = (
    "guided: Springenberg et al. 2015, Striving for Simplicity; deconvolution: Zeiler & Fergus 2014, Visualizing "
    "and Understanding Convolutional Networks"
)
Rule: TypeAlias = Literal["guided", "deconvolution"]
RECTIFIERS = frozenset(("relu", "relu_", "relu6"))
"""Functions that pass on what is positive, and nothing else; those with an upper bound as well."""
BOUNDED = frozenset(("hardtanh", "hardtanh_", "clamp", "clamp_", "clamp_min", "clamp_min_", "clip", "clip_"))
"""Functions that are rectifiers where their lower bound is 0."""


@dataclass
class Pass:
    """What one pass gave. `values` and `edges` are by operation: its output as it was at that moment, whatever
    worked in place on it later, and where its gradient can be asked for (`torch.autograd.grad`'s inputs).
    `outputs` is None where the pass was ended early; `rectifiers` counts those that followed the rule."""

    outputs: Any = None
    values: dict[int, Tensor] = field(default_factory=dict)
    edges: dict[int, GradientEdge] = field(default_factory=dict)
    rectifiers: int = 0


class _Enough(Exception):
    """Ends a pass: all that was asked for has been seen."""


def passed(
    network: nn.Module,
    images: Tensor,
    graph: Graph,
    places: Collection[int] = (),
    *,
    rule: Rule | None = None,
    whole: bool = True,
) -> Pass:
    """The network's pass for `images` `BCHW`; call it inside `untouched`.

    Args:
        graph: the network's trace, for pictures of this size.
        places: operations whose first output is to be kept.
        rule: how rectifiers hand gradients back; None: as they do.
        whole: False ends the pass when all `places` were seen, and nothing after them is computed.

    Raises:
        ValueError: the pass calls other functions than the trace did.
    """
    watch = _Watch(graph, places, rule, whole)
    try:
        with watch:
            watch.seen.outputs = network(images)
    except _Enough:
        pass
    if missing := set(places) - set(watch.seen.values):
        raise ValueError(f"the pass never came to operation {min(missing)} of its trace")
    return watch.seen


class _Watch(TorchFunctionMode):
    """Counts functions as a trace does."""

    def __init__(self, graph: Graph, places: Collection[int], rule: Rule | None, whole: bool) -> None:
        super().__init__()
        self.wanted = {graph.operations[place].tick: place for place in places}
        self.graph, self.rule, self.whole = graph, rule, whole
        self.tick = -1
        self.seen = Pass()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.tick += 1
        place = self.wanted.get(self.tick)
        if self.rule is None:
            result = func(*args, **(kwargs or {}))
        else:
            result = self._by_rule(func, args, kwargs or {})
        return result if place is None else self._kept(place, func, result)

    def _by_rule(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not rectifies(function_name(func), args, kwargs):
            return func(*args, **kwargs)
        if self.rule == "deconvolution":
            given = args[0] if args else kwargs["input"]
            result = _Deconvolution.apply(
                given, func, args[1:], {k: kwargs[k] for k in kwargs if k != "input"}
            )
        else:
            result = func(*args, **kwargs)
            if result.requires_grad:
                result.register_hook(_positive)
        self.seen.rectifiers += 1
        return result

    def _kept(self, place: int, func: Any, result: Any) -> Any:
        operation = self.graph.operations[place]
        if function_name(func) != operation.function:
            raise ValueError(
                f"the pass called {function_name(func)}, where its trace has {operation.function}"
            )
        first = result if isinstance(result, Tensor) else next(t for t in result if isinstance(t, Tensor))
        self.seen.values[place] = first.detach().clone()  # what comes next may work in place
        if first.requires_grad:
            self.seen.edges[place] = get_gradient_edge(first)
        if not self.whole and len(self.seen.values) == len(self.wanted):
            raise _Enough
        return result


def rectifies(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether a function called so passes on what is positive, and nothing else."""
    if name in RECTIFIERS:
        return True
    given = [*args[1:3], None, None]
    if name in BOUNDED:
        least = kwargs.get("min_val", kwargs.get("min", given[0]))
        return isinstance(least, int | float) and least == 0
    if name in ("threshold", "threshold_"):
        return bool(kwargs.get("threshold", given[0]) == 0 and kwargs.get("value", given[1]) == 0)
    return False


def _positive(gradient: Tensor) -> Tensor:
    return gradient.clamp(min=0)


class _Deconvolution(torch.autograd.Function):
    """A rectifier whose gradient is rectified itself, and does not ask what went forward."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        result: Tensor = func(given, *args, **kwargs)
        if result is given:
            ctx.mark_dirty(given)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return gradient.clamp(min=0), None, None, None


def unwrapped(network: nn.Module) -> nn.Module:
    """The network itself, out of what `torch.compile`, `DataParallel` and `DistributedDataParallel` put around it:
    compiled code is called without the functions that it was made of."""
    while True:
        inner = getattr(network, "_orig_mod", None)
        if inner is None and isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = network.module
        if inner is None:
            return network
        network = inner


@contextmanager
def untouched(network: nn.Module) -> Iterator[None]:
    """Inside, the network is in evaluation mode, compiled parts of it run as written, and gradients can be taken.

    Afterwards the mode of each of its modules, its buffers and the random states of torch, NumPy and Python are
    as before, also when something was raised.
    """
    devices = sorted({p.device.index or 0 for p in network.parameters() if p.device.type == "cuda"})
    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        stack.enter_context(torch.random.fork_rng(devices=devices))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(evaluating(network))
        stack.callback(_put_back, [(buffer, buffer.clone()) for buffer in network.buffers()])
        fast = torch.backends.mha.get_fastpath_enabled()
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        torch.backends.mha.set_fastpath_enabled(False)  # a trace goes without it
        if any(_compiled(module) for module in network.modules()):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


def _compiled(module: nn.Module) -> bool:
    return hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None


def _put_back(buffers: list[tuple[Tensor, Tensor]]) -> None:
    """Buffers as they were, where a network writes to its own while it is only looked at."""
    for buffer, before in buffers:
        if not torch.equal(buffer, before):
            with torch.no_grad():
                buffer.copy_(before)
