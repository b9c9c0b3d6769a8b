"""The layers of one's own network, made from words, with every shape known before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import nearest
from ._words import ACTIVATIONS, NESTED, Line, Pair, Shape, listed, parsed, said

Made = tuple[nn.Module, Shape]
FUNCTIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "leaky-relu": nn.LeakyReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}  # fmt: skip


class Residual(nn.Module):
    """Layers and a path around them, through a projection where the shapes differ."""

    def __init__(self, body: nn.Module, projection: nn.Module | None) -> None:
        super().__init__()
        self.body = body
        self.projection = nn.Identity() if projection is None else projection

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.projection(x) + self.body(x)
        return out


class Branches(nn.Module):
    """Paths side by side whose channels are put behind each other."""

    def __init__(self, paths: list[nn.Module]) -> None:
        super().__init__()
        self.paths = nn.ModuleList(paths)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([path(x) for path in self.paths], 1)


class DenseBlock(nn.Module):
    """Layers each of which sees all that was there before it, and adds `growth` channels: batch normalisation,
    rectifier, 3x3 convolution (Huang et al. 2017, section 3)."""

    def __init__(self, inputs: int, layers: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(inputs + n * growth),
                nn.ReLU(),
                nn.Conv2d(inputs + n * growth, growth, 3, padding=1, bias=False),
            )
            for n in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class Builder:
    """Makes modules of layers as they were written; `remarks` says what was added to them."""

    def __init__(self) -> None:
        self.remarks: list[str] = []

    def sequence(self, layers: Any, shape: Shape, number: str = "") -> tuple[nn.Sequential, Shape]:
        """The layers one after another; each is called by its place and its first word.

        Raises:
            OptionError: naming the layer that cannot be.
        """
        written = listed(layers, number, shape)
        made = nn.Sequential()
        for place, entry in enumerate(written, 1):
            own = f"{number}.{place}" if number else str(place)
            follows = written[place] if place < len(written) else ""
            if isinstance(entry, str):
                line = parsed(own, entry, shape)
                module, shape = MAKERS[line.kind](line, follows == "bn")
                word = line.kind
            else:
                word, inside = next(iter(entry.items()))
                module, shape = self._nested(str(word), inside, own, shape)
            made.add_module(f"{place:02}-{word}", module)
        return made, shape

    def _nested(self, word: str, inside: Any, number: str, shape: Shape) -> Made:
        line = Line(number, f"{word}:", shape)
        if word not in NESTED:
            near = nearest(word, NESTED)
            raise line.refused(
                f"{word!r} has no layers inside.",
                "residual: with a list of layers, branch: with a list of such lists.",
                f"Did you mean {near[0]}?" if near else "Write a plain line without a colon.",
            )
        _maps(line)
        return self._residual(line, inside) if word == "residual" else self._branch(line, inside)

    def _residual(self, line: Line, inside: Any) -> Made:
        body, shape = self.sequence(inside, line.shape, line.number)
        if shape == line.shape:
            return Residual(body, None), shape
        rows, columns = line.shape[1:]
        sides = shape[1:] if len(shape) == 3 else (0, 0)
        strides = [s for s in range(1, rows + 1) if (-(-rows // s), -(-columns // s)) == sides]
        if not strides:
            raise line.refused(
                f"its layers make {said(shape)} of that, which a path around them cannot be.",
                "Layers that keep rows and columns (pad same), or divide both by one stride, rounded up.",
                "Give the convolutions inside `pad same`, and at most one of them a stride.",
            )
        self.remarks.append(
            f"layer {line.number}, residual: {said(line.shape)} become {said(shape)}, so the path around it is a "
            f"1x1 convolution with stride {strides[0]} and batch normalisation (He et al. 2016, section 3.3)"
        )
        around = nn.Sequential(
            nn.Conv2d(line.shape[0], shape[0], 1, strides[0], bias=False), nn.BatchNorm2d(shape[0])
        )
        return Residual(body, around), shape

    def _branch(self, line: Line, inside: Any) -> Made:
        if not isinstance(inside, list | tuple) or len(inside) < 2:
            raise line.refused(
                "it has no paths.", "A list of at least two lists of layers.", "Write branch: [[...], [...]]."
            )
        made = [self.sequence(path, line.shape, f"{line.number}.{n}") for n, path in enumerate(inside, 1)]
        shapes = [shape for _, shape in made]
        if any(len(shape) != 3 for shape in shapes) or len({shape[1:] for shape in shapes}) > 1:
            raise line.refused(
                f"its paths end with {'; '.join(said(shape) for shape in shapes)}.",
                "Paths that end with the same rows and columns: their channels are put behind each other.",
                "Give convolutions inside `pad same`, and all paths the same strides.",
            )
        channels = sum(shape[0] for shape in shapes)
        return Branches([path for path, _ in made]), (channels, *shapes[0][1:])


def _maps(line: Line) -> None:
    """Refuse a layer of maps behind those that made numbers of them."""
    if len(line.shape) != 3:
        raise line.refused(
            "there are no rows and columns any more.",
            "Behind gap, flatten or linear: linear, bn, dropout and activations.",
            "Move it before them.",
        )


def _window(line: Line, kernel: Pair, stride: int, pad: Pair, dilation: int) -> Pair:
    """Rows and columns of what a window gives that slides over the input.

    Raises:
        OptionError: the window is larger than the padded input; says what would fit.
    """
    sides = line.shape[1:]
    extents = [dilation * (k - 1) + 1 for k in kernel]
    rooms = [side + 2 * p for side, p in zip(sides, pad, strict=True)]
    if all(extent <= room for extent, room in zip(extents, rooms, strict=True)):
        rows, columns = ((r - e) // stride + 1 for r, e in zip(rooms, extents, strict=True))
        return rows, columns
    most = "x".join(str(min(k, (r - 1) // dilation + 1)) for k, r in zip(kernel, rooms, strict=True))
    need = max(-(-(extent - side) // 2) for extent, side in zip(extents, sides, strict=True))
    spread = f" spread to {extents[0]} x {extents[1]}" if dilation > 1 else ""
    padded = f" padded to {rooms[0]} x {rooms[1]}" if max(pad) else ""
    raise line.refused(
        f"the kernel of {kernel[0]} x {kernel[1]}{spread} is larger than that{padded}.",
        f"What fits here: a kernel of {most}" + ("." if line.kind.endswith("pool") else f", or pad {need}."),
        "Choose that, or shrink the picture less before this layer.",
    )


def _convolution(line: Line, bn_follows: bool) -> Made:
    _maps(line)
    kernel, stride, dilation = line.get("kernel", (1, 1)), line.get("stride", 1), line.get("dilation", 1)
    inputs, outputs, groups = line.shape[0], line.get("channels", 1), line.get("groups", 1)
    pad = line.get("pad", 0)
    if pad == "same":
        if any(dilation * (k - 1) % 2 for k in kernel):
            odd = "x".join(str(k + 1 - k % 2) for k in kernel)
            raise line.refused(
                "an even kernel has no middle, so no padding keeps the size.",
                f"pad same with odd kernels, such as {odd}.",
                f"Take a kernel of {odd}, or give pad a number.",
            )
        pads = (dilation * (kernel[0] - 1) // 2, dilation * (kernel[1] - 1) // 2)
    else:
        pads = (pad, pad)
    if inputs % groups or outputs % groups:
        fitting = [n for n in range(1, min(inputs, outputs) + 1) if inputs % n == outputs % n == 0]
        raise line.refused(
            f"{groups} groups do not divide {inputs} channels and {outputs}.",
            f"groups: {', '.join(map(str, fitting))}.",
            "Choose one of these.",
        )
    sides = _window(line, kernel, stride, pads, dilation)
    module = nn.Conv2d(inputs, outputs, kernel, stride, pads, dilation, groups, bias=not bn_follows)
    return module, (outputs, *sides)


def _transposed(line: Line, bn_follows: bool) -> Made:
    _maps(line)
    kernel, stride, pad = line.get("kernel", (1, 1)), line.get("stride", 1), line.get("pad", 0)
    more, outputs = line.get("output-pad", 0), line.get("channels", 1)
    if more >= stride:
        raise line.refused(
            f"output-pad {more} is not below the stride of {stride}.",
            f"output-pad 0 to {stride - 1}.",
            "Give less, or leave it out.",
        )
    sides = [(n - 1) * stride - 2 * pad + k + more for n, k in zip(line.shape[1:], kernel, strict=True)]
    if min(sides) < 1:
        most = min(
            ((n - 1) * stride + k + more - 1) // 2 for n, k in zip(line.shape[1:], kernel, strict=True)
        )
        raise line.refused(
            f"pad {pad} cuts all of it away.", f"pad 0 to {most}.", "Give less padding, or a larger kernel."
        )
    module = nn.ConvTranspose2d(line.shape[0], outputs, kernel, stride, pad, more, bias=not bn_follows)
    return module, (outputs, *sides)


def _pooling(line: Line, bn_follows: bool) -> Made:
    _maps(line)
    kernel, pad = line.get("kernel", (2, 2)), line.get("pad", 0)
    stride = line.get("stride", None)
    if pad > min(kernel) // 2:
        raise line.refused(
            f"pad {pad} is more than half of the kernel.",
            f"pad 0 to {min(kernel) // 2}.",
            "Give less, or leave it out.",
        )
    if stride is None and kernel[0] != kernel[1]:
        raise line.refused(
            "its kernel has two sides, and it has no stride.", "A stride.", "Add stride and a number."
        )
    stride = stride or kernel[0]
    sides = _window(line, kernel, stride, (pad, pad), 1)
    pool = nn.MaxPool2d if line.kind == "maxpool" else nn.AvgPool2d
    return pool(kernel, stride, pad), (line.shape[0], *sides)


def _dense_block(line: Line, bn_follows: bool) -> Made:
    _maps(line)
    layers, growth = line.get("layers", 1), line.get("growth", 1)
    module = DenseBlock(line.shape[0], layers, growth)
    return module, (line.shape[0] + layers * growth, *line.shape[1:])


def _bn(line: Line, bn_follows: bool) -> Made:
    norm = nn.BatchNorm2d if len(line.shape) == 3 else nn.BatchNorm1d
    return norm(line.shape[0]), line.shape


def _gap(line: Line, bn_follows: bool) -> Made:
    _maps(line)
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), line.shape[:1]


def _flatten(line: Line, bn_follows: bool) -> Made:
    _maps(line)
    return nn.Flatten(), (_numbers(line.shape),)


def _linear(line: Line, bn_follows: bool) -> Made:
    if "units" not in line.values:
        raise line.refused(
            "without a number it gives the labels, and layers follow it.",
            "linear alone as the last layer of all; linear with a number of units before.",
            "Give it a number, or move it to the end.",
        )
    layer = nn.Linear(_numbers(line.shape), line.get("units", 1), bias=not bn_follows)
    return (layer if len(line.shape) == 1 else nn.Sequential(nn.Flatten(), layer)), (line.get("units", 1),)


def _numbers(shape: Shape) -> int:
    count = 1
    for side in shape:
        count *= side
    return count


MAKERS: dict[str, Callable[[Line, bool], Made]] = {
    "conv": _convolution,
    "transposed": _transposed,
    "maxpool": _pooling,
    "avgpool": _pooling,
    "dense-block": _dense_block,
    "dropout": lambda line, bn_follows: (nn.Dropout(line.get("share", 0.5)), line.shape),
    "bn": _bn,
    "gap": _gap,
    "flatten": _flatten,
    "linear": _linear,
    **dict.fromkeys(ACTIVATIONS, lambda line, bn_follows: (FUNCTIONS[line.kind](), line.shape)),
}
