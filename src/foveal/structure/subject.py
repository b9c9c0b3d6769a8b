"""A network to be explained: traced once, its layers by name, and where its feature maps lie on the picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod

from torch import nn

from ..errors import OptionError, nearest
from .anatomy import UNSEEN
from .effective import shift
from .graph import Graph, Operation, Shape, trace
from .placing import Grid, grid_of
from .receptive import Field, fields, pair
from .taps import untouched, unwrapped

POOLING = frozenset(
    ("max_pool2d", "avg_pool2d", "lp_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "mean", "amax")
)
DROPS = frozenset(("dropout", "dropout2d", "feature_dropout", "alpha_dropout"))


@dataclass(frozen=True)
class Subject:
    """`network` without wrappers, and its trace for pictures `1CHW` of the size it is looked at with."""

    network: nn.Module
    graph: Graph
    shifts: dict[int, tuple[float, float]] = field(default_factory=dict, compare=False, repr=False)
    """How far beside their receptive fields' centres cells look, by operation, once it was measured."""

    @classmethod
    def of(cls, network: nn.Module, shape: Shape) -> Subject:
        """The subject for pictures of `shape` `1CHW`; the network is passed once."""
        bare = unwrapped(network)
        with untouched(bare):
            return cls(bare, trace(bare, shape))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its pictures."""
        return self.graph.shape[2], self.graph.shape[3]

    @cached_property
    def fields(self) -> list[Field | None]:
        return fields(self.graph)

    @cached_property
    def names(self) -> dict[str, int]:
        """The operation that each layer's output comes from, by the layer's name, in order of their passes.

        A layer is a module, or a function that is called outside of innermost modules (`layer1.0.add`). Of what
        is passed several times the second pass is called `NAME#2`, and so on.
        """
        found: dict[str, int] = {}
        count = Counter[str]()
        for name, place in sorted(self._named(), key=lambda pair: (pair[1], -len(pair[0]))):
            count[name] += 1
            found[name if count[name] == 1 else f"{name}#{count[name]}"] = place
        return found

    def _named(self) -> Iterator[tuple[str, int]]:
        for call in self.graph.calls:
            if call.name and call.outputs:
                yield call.name, call.outputs[0]
        for place, operation in enumerate(self.graph.operations):
            call = self.graph.calls[operation.call]
            if call.children and operation.function not in UNSEEN:
                yield ".".join(filter(None, (call.name, operation.function.strip("_")))), place

    @cached_property
    def maps(self) -> dict[str, int]:
        """Of `names` those whose output is a map `BCHW` of more than one cell."""
        return {name: place for name, place in self.names.items() if self.is_map(place)}

    def is_map(self, place: int) -> bool:
        shape = self.graph.operations[place].shapes[0]
        field = self.fields[place]
        return len(shape) == 4 and prod(shape[2:]) > 1 and (field is None or field.dims == (2, 3))

    def grid(self, place: int) -> Grid:
        """Where the cells of an operation's map lie on the picture by their receptive fields."""
        height, width = self.graph.operations[place].shapes[0][2:]
        return grid_of(self.fields[place], (height, width), self.size)

    def drawn(self, place: int) -> Grid:
        """The same, with the cells moved to where gradients show that they look; measured once an operation."""
        grid, seen = self.grid(place), self.fields[place]
        if seen is None or seen.dims is None:
            return grid  # spread evenly, for want of better
        if place not in self.shifts:
            self.shifts[place] = shift(self.network, self.graph, place, grid)
        return replace(grid, shift=self.shifts[place])

    @cached_property
    def last_map(self) -> int | None:
        """The last map that the output is computed from, pooling and dropout left out: what class activation
        maps are drawn of. None where there is none. A network whose head works on several maps at a time says by its
        attribute `drawn` of which part the last one is meant."""
        part = getattr(self.network, "drawn", "")
        named = [call.outputs for call in self.graph.calls if part and call.name == part]
        return self.last_map_of(named[0] if named else self.graph.outputs)

    def last_map_of(self, ends: Iterable[int]) -> int | None:
        """The same for what operations give: the last map among them and what they are computed from."""
        places = [
            place
            for place in self.before(ends)
            if self.is_map(place)
            and self.graph.operations[place].function not in POOLING | DROPS | UNSEEN
            and self.fields[place] is not None
        ]
        return max(places, default=None)

    @cached_property
    def feeding(self) -> frozenset[int]:
        """The operations that the output is computed from."""
        return self.before(self.graph.outputs)

    def before(self, ends: Iterable[int]) -> frozenset[int]:
        """The operations `ends` and all that they are computed from."""
        found: set[int] = set()
        left = list(ends)
        while left:
            place = left.pop()
            if place >= 0 and place not in found:
                found.add(place)
                left += self.graph.operations[place].inputs
        return frozenset(found)

    @cached_property
    def linear_on_pooled(self) -> str | None:
        """The name of the linear layer's weights `OC`, where the last map is averaged over its places and the
        output is linear in that; else None."""
        place = self.last_map
        if place is None:
            return None
        averaged = False
        while True:
            after = [o for o in self.graph.operations if place in o.inputs]
            if len(after) != 1:
                return None
            operation = after[0]
            place = self.graph.operations.index(operation)
            if operation.function == "linear":
                weights = [w for w in operation.weights if w.endswith("weight")]
                last = place in self.graph.outputs
                return weights[0] if averaged and last and len(weights) == 1 else None
            if _averages(operation):
                averaged = True
            elif operation.function not in DROPS | UNSEEN | {"flatten", "view", "reshape", "squeeze"}:
                return None

    def name_of(self, place: int) -> str:
        """The layer's name that says most: the outermost module whose output comes from the operation."""
        named = [name for name, at in self.names.items() if at == place]
        return min(named, key=lambda name: (name.count("."), len(name))) if named else f"operation {place}"

    def place_of(self, layer: str, *, maps: bool = True) -> int:
        """The operation of a layer's name; with `maps` it must give a map of several cells.

        Raises:
            OptionError: there is no such layer, or its output is no map.
        """
        known = self.maps if maps else self.names
        if layer in known:
            return known[layer]
        if layer in self.names:
            shape = "x".join(map(str, self.graph.operations[self.names[layer]].shapes[0][1:]))
            raise OptionError(
                f"The layer {layer} gives {shape}, which is no map of channels, height and width.",
                "A layer whose output has places on the picture: " + _some(known) + ".",
                "See them all with: foveal anatomy MODEL",
            )
        raise OptionError(
            f"The network has no layer called {layer!r}.",
            "Its layers: " + _some(nearest(layer, known) or known) + ".",
            "See them all with: foveal anatomy MODEL",
        )


def _averages(operation: Operation) -> bool:
    """Whether an operation is the mean over all places of a map."""
    if operation.function == "adaptive_avg_pool2d":
        return operation.shapes[0][2:] == (1, 1)
    if operation.function == "avg_pool2d":
        return pair(operation.arguments["kernel_size"]) == operation.entering[0][2:]
    dims = operation.arguments.get("dim", ())
    return operation.function == "mean" and isinstance(dims, tuple) and {int(d) % 4 for d in dims} == {2, 3}


def _some(names: object) -> str:
    listed = list(names)  # type: ignore[call-overload]
    return ", ".join(listed[-8:]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")
