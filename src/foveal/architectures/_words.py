"""A layer of one's own network as words: `conv 32 3x3 stride 2 pad same`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ..errors import OptionError, nearest

Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]
Written: TypeAlias = "str | Mapping[str, Any]"
"""A line, or one of `residual` and `branch` with the layers inside."""

ACTIVATIONS = ("relu", "leaky-relu", "gelu", "silu", "tanh", "sigmoid")
FORMS = {
    "conv": ("conv 32 3x3", ("channels", "kernel"), ("stride", "pad", "dilation", "groups")),
    "transposed": ("transposed 16 2x2 stride 2", ("channels", "kernel"), ("stride", "pad", "output-pad")),
    "maxpool": ("maxpool 2", ("kernel",), ("stride", "pad")),
    "avgpool": ("avgpool 2", ("kernel",), ("stride", "pad")),
    "dropout": ("dropout 0.3", ("share",), ()),
    "dense-block": ("dense-block 4 growth 12", ("layers",), ("growth",)),
    "linear": ("linear 128, or linear alone at the end", ("units",), ()),
    **{word: (word, (), ()) for word in ("bn", "gap", "flatten", *ACTIVATIONS)},
}
"""By a line's first word: an example, what follows without a name, and what follows with one."""
NESTED = ("residual", "branch")


@dataclass(frozen=True)
class Line:
    """A layer as it was written: its number (`6.2` is the second inside the sixth), its text, the shape that
    comes in, and the values by name."""

    number: str
    text: str
    shape: Shape
    kind: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def refused(self, why: str, allowed: str, todo: str) -> OptionError:
        """What is wrong with it, for a person."""
        return OptionError(
            f"Layer {self.number}, `{self.text}`, gets {said(self.shape)}: {why}", allowed, todo
        )

    def get(self, name: str, default: Any) -> Any:
        return self.values.get(name, default)


def said(shape: Shape) -> str:
    """A shape in words."""
    if len(shape) == 1:
        return f"{shape[0]} numbers"
    return f"{shape[0]} channels of {shape[1]} x {shape[2]}"


def parsed(number: str, text: str, shape: Shape) -> Line:
    """The line's kind and values.

    Raises:
        OptionError: a word or number that is not known there.
    """
    words = text.split()
    bare = Line(number, text, shape)
    kind = words[0] if words else ""
    if kind not in FORMS:
        near = nearest(kind, (*FORMS, *NESTED))
        raise bare.refused(
            f"there is no layer called {kind!r}.",
            f"Layers: {', '.join((*FORMS, *NESTED))}.",
            f"Did you mean {' or '.join(near)}?" if near else "Choose one of these words.",
        )
    example, places, names = FORMS[kind]
    rest, values = words[1:], dict[str, Any]()
    for place in places:
        if rest and rest[0] not in names:
            values[place] = _value(bare, place, rest.pop(0), example)
    while rest:
        name = rest.pop(0)
        if name not in names or not rest:
            what = f"{name!r} has no value" if name in names else f"{name!r} is not known there"
            raise bare.refused(
                f"{what}.",
                f"As in `{example}`"
                + (f", then, where wanted, {', '.join(names)} with a value each." if names else "."),
                f"Write {kind} like that.",
            )
        values[name] = _value(bare, name, rest.pop(0), example)
    missing = [place for place in places if place not in values and kind != "linear"]
    if kind == "dense-block" and "growth" not in values:
        missing.append("growth")
    if missing:
        raise bare.refused(f"it lacks its {missing[0]}.", f"As in `{example}`.", f"Add the {missing[0]}.")
    return Line(number, text, shape, kind, values)


def _value(line: Line, name: str, word: str, example: str) -> Any:
    """A word as the value of this name: an integer from 1 on (padding: from 0), a kernel, a share, `same`."""
    wanted = "a whole number from 1 on"
    if name == "kernel":
        wanted = "a kernel such as 3 or 3x3"
        if found := re.fullmatch(r"([1-9]\d{0,3})(?:x([1-9]\d{0,3}))?", word):
            return (int(found[1]), int(found[2] or found[1]))
    elif name == "share":
        wanted = "a share from 0 to below 1"
        if re.fullmatch(r"0(\.\d+)?|\.\d+", word):
            return float(word)
    elif name in ("pad", "output-pad"):
        wanted = "a whole number from 0 on" + (
            ", or same" if name == "pad" and line.text.startswith("conv") else ""
        )
        if word == "same" and wanted.endswith("same"):
            return word
        if re.fullmatch(r"\d{1,4}", word):
            return int(word)
    elif re.fullmatch(r"[1-9]\d{0,5}", word):
        return int(word)
    raise line.refused(f"{word!r} is no {name}.", f"{name}: {wanted}; as in `{example}`.", f"Give {wanted}.")


def listed(layers: Any, number: str, shape: Shape) -> Sequence[Written]:
    """A list of layers as it was written.

    Raises:
        OptionError: it is something else.
    """
    if isinstance(layers, Sequence) and not isinstance(layers, str) and all(_is_written(x) for x in layers):
        return list(layers)
    place = f"In layer {number}" if number else "In the network"
    raise OptionError(
        f"{place} there is {str(layers)[:80]!r} where a list of layers is wanted.",
        "A list, each of whose entries is a line such as `conv 32 3x3`, or residual: or branch: with a list.",
        "Write one layer a line, each after a dash.",
    )


def _is_written(entry: Any) -> bool:
    return isinstance(entry, str) or (isinstance(entry, Mapping) and len(entry) == 1)
