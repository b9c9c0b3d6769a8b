"""A network taken apart: its layers as rows, with what each costs and what its units see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import nn

from .graph import PICTURE, Graph, Operation, Shape
from .receptive import Field, fields, pair, window
from .timing import call_seconds

UNSEEN = frozenset(("contiguous", "to", "type", "float", "detach", "clone", "type_as", "requires_grad"))
"""Functions that change nothing of what a layer gives."""
WINDOWS = ("conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "max_pool2d", "avg_pool2d")


@dataclass(frozen=True)
class Layer:
    """One pass through a layer, or through a function outside of one. `inputs` are places of other layers, -1
    the picture; `output_shape` is without the batch. `receptive_field`, `jump` and `centre` are height and
    width in pixels, None where they are not known; `whole`: it sees all of the picture, too."""

    name: str
    kind: str
    inputs: tuple[int, ...]
    output_shape: Shape
    parameters: int
    multiply_adds: int
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    padding: tuple[int, int] | None = None
    dilation: tuple[int, int] | None = None
    groups: int | None = None
    shared: bool = False
    """Its parameters were counted where it was passed before."""
    dense_parameters: int | None = None
    """Of a fully connected layer between the same shapes, where this is a convolution."""
    output_bytes: int = 0
    saved_bytes: int = 0
    """Kept for the gradients, for a batch of one."""
    receptive_field: tuple[float, float] | None = None
    jump: tuple[float, float] | None = None
    centre: tuple[float, float] | None = None
    whole: bool = False
    seconds: float | None = None
    """Of one pass on this machine; None for functions outside of layers, and where it was not measured."""


@dataclass(frozen=True)
class Anatomy:
    """A network's layers in the order they are passed, and totals; bytes are for a batch of one in fp32."""

    shape: Shape
    layers: tuple[Layer, ...]
    parameters: int
    unused: dict[str, int]
    """Parameters that evaluation does not pass (auxiliary heads), by the outermost module that is not passed."""
    multiply_adds: int
    saved_bytes: int
    """Activations that training keeps for the gradients."""
    peak_bytes: int
    """Most that activations take at once without gradients."""
    outputs: tuple[int, ...]
    seconds: float | None = None
    """Of one pass for a batch of one, where it was measured."""

    @property
    def dense_parameters(self) -> int:
        """Parameters, had each convolution been a fully connected layer."""
        own = sum(n.parameters for n in self.layers) + sum(self.unused.values())
        return own + sum(
            n.dense_parameters - n.parameters for n in self.layers if n.dense_parameters and not n.shared
        )


def anatomy_of(network: nn.Module, graph: Graph, *, times: bool = False) -> Anatomy:
    """The rows of a traced network, with `times` also how long each takes."""
    seen = fields(graph)
    took, whole = call_seconds(network, graph.shape) if times else ([], None)
    nth = {call: n for n, call in enumerate(n for n, c in enumerate(graph.calls) if not c.children)}
    groups = list(_groups(graph))
    row = {place: n for n, group in enumerate(groups) for place in group}
    sizes = {name: p.numel() for name, p in network.named_parameters()}
    counted: set[str] = set()
    layers = []
    for n, group in enumerate(groups):
        operations = [graph.operations[place] for place in group]
        weights = frozenset[str]().union(*(o.weights for o in operations))
        layers.append(
            _layer(graph, operations, seen[group[-1]], _feeding(graph, group, row, n))
            | {"parameters": sum(sizes[w] for w in weights), "shared": bool(weights) and weights <= counted}
            | {"seconds": took[nth[operations[0].call]] if took and operations[0].call in nth else None}
        )
        counted |= weights
    rows = tuple(Layer(**layer) for layer in layers)
    left = {name: size for name, size in sizes.items() if name not in counted}
    return Anatomy(
        graph.shape[1:], rows, sum(sizes.values()), _outermost(left, counted),
        sum(o.multiply_adds for o in graph.operations), sum(o.saved_bytes for o in graph.operations),
        peak_bytes(graph), tuple(dict.fromkeys(row[o] for o in _through(graph, graph.outputs) if o in row)), whole,
    )  # fmt: skip


def _groups(graph: Graph) -> Iterator[list[int]]:
    """Places of operations that make one row: a pass of a module that calls no other, else one function."""
    whole: dict[int, list[int]] = {}
    for place, operation in enumerate(graph.operations):
        if graph.calls[operation.call].children == 0:
            whole.setdefault(operation.call, []).append(place)
    given: set[int] = set()
    for place, operation in enumerate(graph.operations):
        if operation.call in whole:
            if operation.call not in given:
                given.add(operation.call)
                yield whole[operation.call]
        elif operation.function not in UNSEEN:
            yield [place]


def _through(graph: Graph, places: tuple[int, ...]) -> Iterator[int]:
    """The same places, those that change nothing replaced by what they take."""
    for place in places:
        operation = None if place == PICTURE else graph.operations[place]
        if operation is not None and operation.function in UNSEEN and graph.calls[operation.call].children:
            yield from _through(graph, operation.inputs)
        else:
            yield place


def _feeding(graph: Graph, group: list[int], row: dict[int, int], own: int) -> tuple[int, ...]:
    """The rows that a row takes results of, in order, each once."""
    places = (p for place in group for p in _through(graph, graph.operations[place].inputs))
    found = dict.fromkeys(PICTURE if p == PICTURE else row[p] for p in places)
    return tuple(n for n in found if n != own)


def _layer(
    graph: Graph, operations: list[Operation], seen: Field | None, inputs: tuple[int, ...]
) -> dict[str, Any]:
    first, last = operations[0], operations[-1]
    call = graph.calls[first.call]
    leaf = call.children == 0
    told: dict[str, Any] = {
        "name": call.name if leaf else ".".join(filter(None, (call.name, last.function.strip("_")))),
        "kind": type(call.module).__name__ if leaf else last.function.strip("_"),
        "inputs": inputs,
        "output_shape": last.shapes[0][1:],
        "multiply_adds": sum(o.multiply_adds for o in operations),
        "output_bytes": sum(dict(last.storages).values()),
        "saved_bytes": sum(o.saved_bytes for o in operations),
    }
    slid = next((o for o in operations if o.function in WINDOWS), None)
    if slid is not None:
        told |= _window(slid)
    if seen is not None:
        told |= {
            "receptive_field": tuple(float(axis.size) for axis in seen.axes),
            "jump": tuple(float(axis.jump) for axis in seen.axes),
            "centre": tuple(float(axis.centre) for axis in seen.axes),
            "whole": any(axis.whole for axis in seen.axes),
        }
    return told


def _window(operation: Operation) -> dict[str, Any]:
    """How a kernel slides, and what a layer without sharing or locality would need."""
    given = operation.arguments
    if not operation.function.startswith("conv"):
        kernel, stride, padding, dilation = window(given, pair(given["kernel_size"]))
        return {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    kernel, stride, padding, dilation = window({"stride": 1, **given}, pair(given["weight"][2:]))
    before, after = prod(operation.entering[0][1:]), prod(operation.shapes[0][1:])
    return {
        "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation,
        "groups": int(given.get("groups", 1)),
        "dense_parameters": before * after + (after if given.get("bias") is not None else 0),
    }  # fmt: skip


def peak_bytes(graph: Graph) -> int:
    """Most bytes of activations that are needed at once, each until the last operation that takes it."""
    last: dict[int, int] = {}
    size: dict[int, int] = {}
    born: dict[int, int] = {}
    for place, operation in enumerate(graph.operations):
        taken = [s for p in operation.inputs if p != PICTURE for s, _ in graph.operations[p].storages]
        for storage, count in operation.storages:
            size[storage] = count
            born.setdefault(storage, place)
        for storage in (*taken, *(s for s, _ in operation.storages)):
            last[storage] = place
    change = Counter[int]()
    for storage, count in size.items():
        change[born[storage]] += count
        change[last[storage] + 1] -= count
    now = most = 4 * prod(graph.shape)  # the picture stays
    for place in range(len(graph.operations)):
        now += change[place]
        most = max(most, now)
    return most


def _outermost(left: dict[str, int], passed: set[str]) -> dict[str, int]:
    """Parameters by the shortest module name that holds only such."""
    found = Counter[str]()
    for name, size in left.items():
        parts = name.split(".")
        heads = (".".join(parts[:n]) for n in range(1, len(parts) + 1))
        found[next(h for h in heads if not any(p == h or p.startswith(h + ".") for p in passed))] += size
    return dict(found)
