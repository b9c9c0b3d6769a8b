"""Convolution arithmetic: how large an output is and why, what each of its cells sees, and what it costs.

The letters are those of Dumoulin & Visin 2016, A guide to convolution arithmetic for deep learning
(arXiv:1603.07285): input i, kernel k, stride s, padding p on each side, dilation d, output o; and a for the
output padding of a transposed convolution; where the padding after differs from that before, it is q. Sizes
are in cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["convolution", "transposed", "max", "average"]
PADDED, STRETCHED, BEYOND = -1, -2, -3
"""In an axis's `line`, cells that are not the input's: put around it, in between, and behind it all where a
pooling's last window reaches further."""


@dataclass(frozen=True)
class Axis:
    """One axis of an input over which a kernel slides; `before` and `after` are its padding."""

    size: int
    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1
    transposed: bool = False
    output_padding: int = 0
    ceil: bool = False
    """Pooling: the size is rounded up, so that the last window may reach beyond the padded input."""

    @property
    def padded(self) -> int:
        """The input with its padding."""
        return self.size + self.before + self.after

    @property
    def reach(self) -> int:
        """Cells from the kernel's first to its last: d(k - 1) + 1."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def output(self) -> int:
        """o; less than 1 where the settings give no output."""
        if self.transposed:
            grown = (self.size - 1) * self.stride + self.reach
            return grown - self.before - self.after + self.output_padding
        return self._steps + 1 - self.left_out

    @property
    def _steps(self) -> int:
        """The window's moves from its first place, rounded down or up."""
        room = self.padded - self.reach
        return -(-room // self.stride) if self.ceil else room // self.stride

    @property
    def left_out(self) -> int:
        """1 where rounding up asks for a window that would begin behind the input: torch leaves it out."""
        return int(self.ceil and self._steps * self.stride >= self.size + self.before)

    @property
    def beyond(self) -> int:
        """Cells behind the padded input that the last window reaches, where the size is rounded up."""
        return 0 if self.transposed else max(0, (self.output - 1) * self.stride + self.reach - self.padded)

    @property
    def line(self) -> tuple[int, ...]:
        """What the window slides over: numbers of the input's cells, PADDED and STRETCHED ones among them.

        A transposed convolution is a direct one of stride 1 over the input stretched by s - 1 zeros between
        its cells and padded by d(k - 1) - p zeros (Dumoulin & Visin 2016, section 4).
        """
        before, after = self._around
        between = (STRETCHED,) * (self.stride - 1) if self.transposed else ()
        cells = [0, *(cell for n in range(1, self.size) for cell in (*between, n))]
        line = (PADDED,) * max(0, before) + tuple(cells) + (PADDED,) * max(0, after)
        return line + (BEYOND,) * self.beyond

    @property
    def length(self) -> int:
        """Of `line`."""
        stretched = (self.size - 1) * (self.stride if self.transposed else 1) + 1
        return stretched + sum(max(0, side) for side in self._around) + self.beyond

    @property
    def _around(self) -> tuple[int, int]:
        """Cells put before and after; below zero, cells there that no window begins or ends at."""
        if not self.transposed:
            return self.before, self.after
        return self.reach - 1 - self.before, self.reach - 1 - self.after + self.output_padding

    def places(self, unit: int) -> tuple[int, ...]:
        """The places in `line` that the kernel's cells lie on for the output's cell `unit`."""
        start = unit + max(0, -self._around[0]) if self.transposed else unit * self.stride
        return tuple(start + self.dilation * n for n in range(self.kernel))

    def sees(self, unit: int) -> tuple[int, ...]:
        """The input's cells that the output's cell `unit` is made of."""
        step, first = self.stride if self.transposed else 1, max(0, self._around[0])
        ways = [divmod(place - first, step) for place in self.places(unit)]
        return tuple(cell for cell, beside in ways if beside == 0 and 0 <= cell < self.size)

    @property
    def unseen(self) -> int:
        """Cells at the end of the padded input that no window of a direct convolution reaches."""
        return 0 if self.transposed else max(0, self.padded - (self.output - 1) * self.stride - self.reach)

    def formula(self) -> tuple[str, ...]:
        """o in letters, with the numbers put in, and worked out."""
        even = self.before == self.after
        sides = f"2·{self.before}" if even else f"{self.before} + {self.after}"
        spread = f"{self.dilation}·({self.kernel} − 1)"
        if self.transposed:
            grown = (self.size - 1) * self.stride
            cut = ("2p", sides) if even else ("(p + q)", f"({sides})")
            return (
                f"o = (i − 1)·s − {cut[0]} + d·(k − 1) + a + 1",
                f"= ({self.size} − 1)·{self.stride} − {cut[1]} + {spread} + {self.output_padding} + 1",
                f"= {grown} − {self.before + self.after} + {self.reach - 1} + {self.output_padding} + 1",
                f"= {self.output}",
            )
        room = f"{self.padded - self.reach}".replace("-", "−")
        down, up = "⌈⌉" if self.ceil else "⌊⌋"
        less = " − 1" if self.left_out else ""
        return (
            f"o = {down}(i + {'2p' if even else 'p + q'} − d·(k − 1) − 1) / s{up} + 1{less}",
            f"= {down}({self.size} + {sides} − {spread} − 1) / {self.stride}{up} + 1{less}",
            f"= {down}{room} / {self.stride}{up} + 1{less}",
            f"= {self._steps} + 1{less} = {self.output}",
        )

    def words(self, what: str = "kernel") -> tuple[str, ...]:
        """The same reasoning in sentences."""
        return _words_transposed(self) if self.transposed else _words_direct(self, what)


@dataclass(frozen=True)
class Same:
    """The padding that keeps the size: the output is the input's size over the stride, rounded up; of a
    transposed convolution, the input's size times the stride."""

    before: int
    after: int
    output_padding: int
    output: int


@dataclass(frozen=True)
class Setting:
    """A sliding window of one or two axes, over so many channels into so many."""

    kind: Kind
    axes: tuple[Axis, ...]
    channels: int = 1
    filters: int = 1
    groups: int = 1
    """Parts that the channels are cut into, each seen by its own part of the filters."""

    @property
    def pools(self) -> bool:
        return self.kind in ("max", "average")

    @property
    def shape(self) -> tuple[int, ...]:
        """The input's, without channels."""
        return tuple(axis.size for axis in self.axes)

    @property
    def kernel(self) -> tuple[int, ...]:
        return tuple(axis.kernel for axis in self.axes)

    @property
    def output(self) -> tuple[int, ...]:
        return tuple(axis.output for axis in self.axes)

    @property
    def parameters(self) -> int:
        """Weights, and one bias a filter, which sees the channels of its group."""
        return 0 if self.pools else self.filters * (self.channels // self.groups * prod(self.kernel) + 1)

    @property
    def multiplications(self) -> int:
        """A direct convolution multiplies for each cell of its output, those with padding's zeros counted; a
        transposed one for each cell of its input."""
        if self.pools:
            return 0
        over = self.shape if self.kind == "transposed" else self.output
        return prod(over) * prod(self.kernel) * self.channels * self.filters // self.groups

    @property
    def dense_multiplications(self) -> int:
        """Of a fully connected layer between the same shapes: as many as its weights."""
        return prod(self.shape) * self.channels * prod(self.output) * self.filters

    @property
    def dense_parameters(self) -> int:
        return self.dense_multiplications + prod(self.output) * self.filters

    @property
    def even(self) -> bool:
        """Whether each axis is padded alike on both sides."""
        return all(axis.before == axis.after for axis in self.axes)

    def torch(self, word: str = "") -> str:
        """The layer as PyTorch writes it; `word` is a padding that was given as one.

        PyTorch pads both sides alike. Where they differ, a layer for the padding stands before it; behind a
        transposed convolution, as its padding is cut off.
        """
        dims, apart = len(self.axes), not self.even and not word
        name = {"convolution": "Conv", "transposed": "ConvTranspose", "max": "MaxPool", "average": "AvgPool"}
        given = [] if self.pools else [str(self.channels), str(self.filters)]
        given.append(f"kernel_size={_pair(*self.kernel)}")
        if any(axis.stride != (axis.kernel if self.pools else 1) for axis in self.axes):
            given.append(f"stride={_pair(*(axis.stride for axis in self.axes))}")
        if word:
            given.append(f'padding="{word}"')
        elif any(axis.before for axis in self.axes) and not apart:
            given.append(f"padding={_pair(*(axis.before for axis in self.axes))}")
        if any(axis.output_padding for axis in self.axes):
            given.append(f"output_padding={_pair(*(axis.output_padding for axis in self.axes))}")
        if any(axis.dilation != 1 for axis in self.axes):
            given.append(f"dilation={_pair(*(axis.dilation for axis in self.axes))}")
        if self.groups != 1:
            given.append(f"groups={self.groups}")
        if any(axis.ceil for axis in self.axes):
            given.append("ceil_mode=True")
        layer = f"torch.nn.{name[self.kind]}{dims}d({', '.join(given)})"
        return layer if not apart else self._padded_apart(layer)

    def _padded_apart(self, layer: str) -> str:
        """The layer with its padding as a layer of its own, in torch's order: the last axis's sides first."""
        sign = -1 if self.kind == "transposed" else 1
        sides = [str(sign * side) for axis in reversed(self.axes) for side in (axis.before, axis.after)]
        around = f"({', '.join(sides)})"
        pad = f"torch.nn.ZeroPad{len(self.axes)}d({around})"
        if self.kind == "max":
            pad = f'torch.nn.ConstantPad{len(self.axes)}d({around}, float("-inf"))'
        first, second = (layer, pad) if self.kind == "transposed" else (pad, layer)
        return f"torch.nn.Sequential({first}, {second})"


def same(axis: Axis) -> Same | None:
    """The padding that keeps the axis's size; None where a transposed convolution has none."""
    if not axis.transposed:
        kept = -(-axis.size // axis.stride)
        total = max(0, (kept - 1) * axis.stride + axis.reach - axis.size)
        return Same(total // 2, total - total // 2, 0, kept)
    over = axis.reach - axis.stride
    if over < 0:
        return Same(0, 0, -over, axis.size * axis.stride)
    odd = over % 2
    if odd >= max(axis.stride, axis.dilation):
        return None
    return Same((over + odd) // 2, (over + odd) // 2, odd, axis.size * axis.stride)


def _pair(*numbers: int) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else f"({', '.join(map(str, numbers))})"


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _words_direct(axis: Axis, what: str) -> tuple[str, ...]:
    padded, room, cells = axis.padded, axis.padded - axis.reach, _cells(axis.output)
    said = [f"The input is {_cells(axis.size)} long"]
    if axis.before or axis.after:
        said[0] += f", with its padding {axis.before} + {axis.size} + {axis.after} = {padded}"
    said[0] += "."
    if axis.dilation > 1 and axis.kernel > 1:
        said.append(
            f"The {what} has {axis.kernel} cells with {axis.dilation - 1} left out between each two, so that it "
            f"covers {axis.reach}."
        )
    else:
        said.append(f"The {what} covers {axis.reach}.")
    outside = (
        f"the last {what} reaches {_cells(axis.beyond)} beyond the end, and what lies there does not count."
    )
    if room < 0:
        said.append(f"That is more than there is, which rounding up allows: {outside}")
        return tuple(said)
    steps = room // axis.stride
    if axis.beyond:
        said.append(
            f"From its first place it can move on {_cells(room)}, {axis.stride} at a time: {_times(steps)} and a part "
            f"of one. The part is rounded up to a step, which with the first place makes {cells} of output: {outside}"
        )
        return tuple(said)
    said.append(
        f"From its first place it can move on {_cells(room)}, {axis.stride} at a time: {_times(steps)}, "
        f"which with the first makes {cells} of output."
    )
    if axis.left_out:
        ends = "the input and the padding before it end" if axis.before else "the input ends"
        said.append(
            f"Rounding up asks for one {what} more, but it would begin at cell {(steps + 1) * axis.stride}, and {ends} "
            f"with cell {axis.size + axis.before - 1}, counted from 0. The last one must begin within these, so it is "
            "left out."
        )
    if axis.unseen:
        why = "." if axis.left_out else ": that is what rounding down means."
        said.append(
            f"The last {_cells(axis.unseen)} would need another step of {axis.stride}, and no window reaches "
            f"{'it' if axis.unseen == 1 else 'them'}{why}"
        )
    return tuple(said)


def _words_transposed(axis: Axis) -> tuple[str, ...]:
    stretched = (axis.size - 1) * axis.stride + 1
    around, behind = axis._around
    laid = (
        f"Each cell of the input lays a copy of the kernel, times its own value, on the output, {axis.stride} "
        f"further on each time; where copies overlap they are added. {axis.size - 1} moves of {axis.stride} and "
        f"a kernel that covers {axis.reach} fill {stretched + axis.reach - 1} cells."
    )
    said = [laid]
    if axis.before or axis.after:
        cut = f"{axis.before} is cut off on each side"
        if axis.before != axis.after:
            cut = f"{axis.before} before and {axis.after} after is cut off there"
        said.append(f"The padding of {cut}: it undoes a convolution's padding.")
    if axis.output_padding:
        said.append(f"The output padding adds {_cells(axis.output_padding)} at the end, on one side only.")
    between = f"with {_zeros(axis.stride - 1)} between its cells" if axis.stride > 1 else "as it is"
    sides = (
        [_side(around, "on each side")]
        if around == behind
        else [_side(around, "before"), _side(behind, "after")]
    )
    said.append(
        f"The same as a convolution of stride 1 with the kernel turned half round, over the input {between} "
        f"({_cells(stretched)}), {' and '.join(sides)}."
    )
    takers = [size for n in range(axis.stride) if (size := axis.output - axis.output_padding + n) > 0]
    if len(takers) > 1:
        said.append(
            f"A convolution of the same settings turns {_list(takers)} cells alike into {axis.size}; the output "
            "padding says which of them is meant."
        )
    return tuple(said)


def _side(zeros: int, where: str) -> str:
    return f"{-zeros} cut off {where}" if zeros < 0 else f"{_zeros(zeros)} {where}"


def _zeros(count: int) -> str:
    return "1 zero" if count == 1 else f"{count} zeros"


def _times(count: int) -> str:
    return "no step" if count == 0 else "1 step" if count == 1 else f"{count} steps"


def _list(numbers: list[int]) -> str:
    head = [str(n) for n in numbers]
    return head[0] if len(head) == 1 else f"{', '.join(head[:-1])} or {head[-1]}"
