"""foveal anatomy conv: convolution arithmetic without a network."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from ..errors import OptionError
from ..options import make

if TYPE_CHECKING:
    from ..structure.arithmetic import Axis, Kind, Setting
    from ..structure.kernels import Array

WORKED, LARGEST, FROM_PICTURE = 64, 100_000, 12
"""Sides in cells: at most to work out numbers for, at most at all, and of a picture's longer side."""
Count = Annotated[int, Field(ge=1, le=100_000)]


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class ConvolutionOptions:
    """Everything `foveal anatomy conv` can be told. A size for both axes is a number, or two as in 5x7."""

    input: int | str | None = None
    """The input's size in cells: 5 for a square, 5x7 for rows and columns (default: 5; of a picture, 12)."""
    kernel: int | str | None = None
    """The kernel's size: 3, or 1x7 (default: 3, or 2 for pooling, or as many as --kernel-values has)."""
    stride: int | str | None = None
    """How far the window moves each time (default: 1; for pooling, its own size)."""
    padding: int | str = 0
    """Cells put around on each side: a number, 1x3, same or valid."""
    dilation: int | str = 1
    """The step from one cell of the kernel to its next: with 2, one is left out between them."""
    transposed: bool = False
    """A transposed convolution, which enlarges."""
    output_padding: int | str = 0
    """Cells added at the end of a transposed convolution's output."""
    pool: Literal["max", "average"] | None = None
    """Pooling in place of a convolution: max or average."""
    dims: Literal[1, 2] = 2
    """Axes: 1 for signals, 2 for pictures."""
    channels: Count = 1
    """Channels of the input, for counting parameters and multiplications."""
    filters: Count = 1
    """Channels of the output, one a filter, for counting."""
    kernel_values: str | None = None
    """edge, blur, sharpen, emboss, ones, or rows of numbers: "0 -1 0, -1 5 -1, 0 -1 0" (default: edge, or ones)."""
    picture: str | None = None
    """A picture to shrink and use in place of the drawn one."""
    at: int | str | None = None
    """The output cell whose view is told, counted from 0: 1 or 0x2 (default: the middle one)."""
    svg: str | None = None
    """Write the moving picture to this .svg file."""
    gif: str | None = None
    """Write the moving picture to this .gif file."""


@dataclass(frozen=True, eq=False)
class Numbers:
    """Worked out by hand for one channel: `input`, `kernel` (None for pooling) and `output`, `HW` or `W`."""

    input: Array
    kernel: Array | None
    output: Array


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution or pooling of one setting: sizes, why, numbers where it is small, where pictures lie."""

    setting: Setting
    at: tuple[int, ...]
    """The output cell whose view is told."""
    word: str = ""
    """The padding as it was given, where that was a word."""
    numbers: Numbers | None = None
    svg: str | None = None
    gif: str | None = None

    def to_json(self) -> dict[str, Any]:
        from ..charts.sliding import in_ascii
        from ..report.convolution import along, costs, keeping, seen, title
        from ..structure.arithmetic import same

        s, kept = self.setting, [same(axis) for axis in self.setting.axes]
        return {
            "kind": s.kind,
            "says": in_ascii(title(s, self.word)),
            "input_shape": list(s.shape),
            "kernel_shape": list(s.kernel),
            "stride": [axis.stride for axis in s.axes],
            "padding": [[axis.before, axis.after] for axis in s.axes],
            "dilation": [axis.dilation for axis in s.axes],
            "output_padding": [axis.output_padding for axis in s.axes],
            "output_shape": list(s.output),
            "formula": [
                {
                    "axis": name,
                    "lines": [in_ascii(line) for line in axis.formula()],
                    "words": list(axis.words("window" if s.pools else "kernel")),
                }
                for name, axis in along(s)
            ],
            "same": [None if one is None else dataclasses.asdict(one) for one in kept],
            "same_says": in_ascii(keeping(s)),
            "channels": s.channels,
            "filters": s.filters,
            "multiplications": s.multiplications,
            "parameters": s.parameters,
            "dense_multiplications": s.dense_multiplications,
            "dense_parameters": s.dense_parameters,
            "costs": [{"name": name, "says": in_ascii(said)} for name, said in costs(s)],
            "unit": {
                "at": list(self.at),
                "sees": [list(axis.sees(n)) for axis, n in zip(s.axes, self.at, strict=True)],
                "says": seen(s, self.at),
            },
            "torch": s.torch(self.word),
            "numbers": None if self.numbers is None else _worked(s, self.numbers, self.at),
            "svg": self.svg,
            "gif": self.gif,
        }

    def _repr_html_(self) -> str:
        from ..report.convolution import html

        return html(self)


def convolution(**options: Any) -> Convolution:
    """Convolution arithmetic: the output's size and why, the numbers themselves, what it costs.

    Args:
        options: see `ConvolutionOptions`. Sizes may also be sequences, and a kernel's values an array.

    Raises:
        OptionError: a value out of range, options that do not go together, or an output that would be empty.
        PictureError: the picture cannot be read.
        DiskError: a picture cannot be written.
    """
    from ..structure.allowed import check
    from ..structure.arithmetic import Setting

    chosen = make(ConvolutionOptions, {name: _as_typed(name, value) for name, value in options.items()})
    for path, ending in ((chosen.svg, ".svg"), (chosen.gif, ".gif")):
        _check_file(path, ending)
    _check_together(chosen)
    kind: Kind = chosen.pool or ("transposed" if chosen.transposed else "convolution")
    kernel = _kernel(chosen)
    axes, word = _axes(chosen, kernel, kind)
    setting = Setting(kind, axes, chosen.channels, chosen.filters)
    check(setting)
    at = _unit(chosen, setting)
    small = max(max(axis.length, axis.output) for axis in axes) <= WORKED
    if not small and (chosen.picture or chosen.kernel_values):
        raise _too_large("numbers", setting, WORKED)
    done = Convolution(setting, at, word, _numbers(chosen, setting, kernel) if small else None)
    return _drawn(done, chosen)


def _as_typed(name: str, value: Any) -> Any:
    """A sequence, or a kernel's array, as it would be typed."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], list | tuple):
            return ", ".join(" ".join(map(str, row)) for row in value)
        return (" " if name == "kernel_values" else "x").join(map(str, value))
    return str(value) if isinstance(value, Path) else value


def _check_together(chosen: ConvolutionOptions) -> None:
    """Refuse options that do not go together.

    Raises:
        OptionError: there are such.
    """
    pooled = f"--pool {chosen.pool}"
    plain = (0, "0")
    for wrong, came, why, todo in (
        (chosen.pool and chosen.transposed, f"{pooled} and --transposed.", "Pooling has no transposed form.",
         "Leave one of them out."),
        (chosen.pool and chosen.kernel_values, f"{pooled} and --kernel-values.", "A pooling window has no weights.",
         "Give --kernel for its size."),
        (chosen.pool and chosen.filters != 1, f"{pooled} and --filters.", "Pooling keeps the input's channels.",
         "Leave --filters out."),
        (chosen.pool == "average" and chosen.dilation not in (1, "1"), f"{pooled} and --dilation.",
         "PyTorch dilates max pooling only.", "Leave --dilation out, or give --pool max."),
        (chosen.pool and chosen.padding == "same", f"{pooled} and --padding same.",
         "PyTorch pads pooling by a number: at most half the window.",
         "Give a number: the answer then says which keeps the size."),
        (chosen.transposed and chosen.padding == "same", "--transposed and --padding same.",
         "A transposed convolution's padding is a number, cut off its output.",
         "Give a number: the answer then says which multiplies the size by the stride."),
        (not chosen.transposed and chosen.output_padding not in plain, "--output-padding without --transposed.",
         "Only a transposed convolution's output can be padded: it says which of several sizes is meant.",
         "Give --transposed too, or leave --output-padding out."),
    ):  # fmt: skip
        if wrong:
            raise OptionError(came, why, todo)


def _axes(chosen: ConvolutionOptions, kernel: tuple[int, ...], kind: Kind) -> tuple[tuple[Axis, ...], str]:
    """The axes, and the padding where it was given as a word."""
    from ..structure.arithmetic import Axis, same

    def numbers(name: str, least: int = 1) -> tuple[int, ...]:
        return sizes(name, getattr(chosen, name), chosen.dims, least)

    word = str(chosen.padding).strip().lower()
    word = word if word in ("same", "valid") else ""
    padding = (0,) * chosen.dims if word else numbers("padding", 0)
    stride = numbers("stride") if chosen.stride is not None else kernel if chosen.pool else (1,) * chosen.dims
    found = [
        Axis(i, k, s, p, p, d, kind == "transposed", a)
        for i, k, s, p, d, a in zip(
            _input(chosen),
            kernel,
            stride,
            padding,
            numbers("dilation"),
            numbers("output_padding", 0),
            strict=True,
        )
    ]
    if word == "same":
        kept = [same(axis) for axis in found]
        if any(axis.stride > 1 for axis in found):
            least = max(-(-(one.before + one.after) // 2) for one in kept if one)
            raise OptionError(
                f"--padding same with stride {'x'.join(str(axis.stride) for axis in found)}.",
                "PyTorch keeps the size with stride 1 only: a larger stride is there to shrink it.",
                f"Give --padding {least}, or leave --stride out.",
            )
        found = [
            dataclasses.replace(a, before=k.before, after=k.after)
            for a, k in zip(found, kept, strict=True)
            if k
        ]
    return tuple(found), "" if word == "valid" else word


def sizes(name: str, value: int | str, dims: int, least: int = 1) -> tuple[int, ...]:
    """One number for each axis, from one for all or as many as there are: 3, "5x7".

    Raises:
        OptionError: it is neither, or a number is out of range.
    """
    parts = re.split(r"\s*[x×,]\s*|\s+", str(value).strip().lower())
    numbers = [int(part) for part in parts if re.fullmatch(r"-?\d{1,9}", part)]
    fits = len(numbers) == len(parts) and len(parts) in (1, dims)
    if fits and all(least <= number <= LARGEST for number in numbers):
        return tuple(numbers * dims) if len(numbers) == 1 else tuple(numbers)
    flag = f"--{name.replace('_', '-')}"
    two = "" if dims == 1 else ", or two of them for rows and columns, as in 5x7"
    words = ", same or valid" if name == "padding" else ""
    todo = (
        "Leave --dims 1 out for two axes."
        if dims == 1 and len(numbers) == 2
        else f"Give {flag} {max(least, 1)}, say."
    )
    raise OptionError(
        f"{flag} was given as {str(value)!r}.",
        f"{flag} takes a whole number from {least} to {LARGEST:,}{two}{words}.",
        todo,
    )


def _input(chosen: ConvolutionOptions) -> tuple[int, ...]:
    if chosen.input is not None:
        return sizes("input", chosen.input, chosen.dims)
    if chosen.picture is None:
        return (5,) * chosen.dims
    from ..structure.kernels import shape_within

    return shape_within(chosen.picture, FROM_PICTURE, chosen.dims)


def _kernel(chosen: ConvolutionOptions) -> tuple[int, ...]:
    """The kernel's size, which typed values bring with them."""
    from ..structure.kernels import NAMED, typed

    asked = None if chosen.kernel is None else sizes("kernel", chosen.kernel, chosen.dims)
    if chosen.kernel_values is None or chosen.kernel_values in NAMED:
        return asked or ((2 if chosen.pool else 3),) * chosen.dims
    found = tuple(typed(chosen.kernel_values, chosen.dims).shape)
    if asked is not None and asked != found:
        raise OptionError(
            f"--kernel {chosen.kernel} and --kernel-values of {' x '.join(map(str, found))} numbers.",
            "The values say the kernel's size.",
            "Leave --kernel out.",
        )
    return found


def _unit(chosen: ConvolutionOptions, setting: Setting) -> tuple[int, ...]:
    """The output cell whose view is told."""
    if chosen.at is None:
        return tuple(size // 2 for size in setting.output)
    at = sizes("at", chosen.at, chosen.dims, 0)
    if any(n >= size for n, size in zip(at, setting.output, strict=True)):
        last = "x".join(str(size - 1) for size in setting.output)
        raise OptionError(
            f"--at {chosen.at} is outside of the output.",
            f"The output has {' x '.join(map(str, setting.output))} cells, counted from 0.",
            f"Give --at {last} for the last one.",
        )
    return at


def _numbers(chosen: ConvolutionOptions, setting: Setting, size: tuple[int, ...]) -> Numbers:
    """The output, worked out by hand for one channel and one filter."""
    from ..structure import kernels
    from ..structure.by_hand import convolve, convolve_transposed, pool

    draw = kernels.varied_picture if setting.pools else kernels.shape_picture
    image = kernels.from_file(chosen.picture, setting.shape) if chosen.picture else draw(setting.shape)
    if setting.kind in ("max", "average"):
        how: Literal["max", "average"] = "max" if setting.kind == "max" else "average"
        return Numbers(image, None, pool(image[None], setting.axes, how)[0])
    name = chosen.kernel_values or ("ones" if chosen.transposed else "edge")
    kernel = kernels.NAMED[name](size) if name in kernels.NAMED else kernels.typed(name, chosen.dims)
    work = convolve_transposed if chosen.transposed else convolve
    return Numbers(image, kernel, work(image[None], kernel[None, None], setting.axes)[0])


def _worked(setting: Setting, numbers: Numbers, at: Sequence[int]) -> dict[str, Any]:
    """The numbers for JSON; `slid_over` is the input with what is put around and between (`looks`), and
    `window` the places in it that the unit's window covers."""
    from ..report.convolution import spread

    cells, looks = spread(setting, numbers.input)
    return {
        "input": numbers.input.tolist(),
        "kernel": None if numbers.kernel is None else numbers.kernel.tolist(),
        "output": numbers.output.tolist(),
        "slid_over": cells.tolist(),
        "looks": [list(row) for row in looks],
        "window": [list(axis.places(n)) for axis, n in zip(setting.axes, at, strict=True)],
    }


def _drawn(done: Convolution, chosen: ConvolutionOptions) -> Convolution:
    """Write what was asked for."""
    from ..report.convolution import DRAWN, drawable, sliding
    from ..storage import write_whole

    if not (chosen.svg or chosen.gif):
        return done
    if done.numbers is None or not drawable(done.setting):
        raise _too_large("--svg" if chosen.svg else "--gif", done.setting, DRAWN)
    drawn = sliding(done.setting, done.numbers, done.word, done.at)
    if chosen.svg:
        from ..charts.sliding_svg import sliding_svg

        write_whole(Path(chosen.svg), sliding_svg(drawn).encode())
    if chosen.gif:
        from ..charts.sliding_gif import sliding_gif

        write_whole(Path(chosen.gif), sliding_gif(drawn))
    return dataclasses.replace(done, svg=chosen.svg, gif=chosen.gif)


def _too_large(what: str, setting: Setting, most: int) -> OptionError:
    side = max(max(axis.length, axis.output) for axis in setting.axes)
    asked = "Numbers were asked for" if what == "numbers" else f"{what} was asked for"
    return OptionError(
        f"{asked}, of a side of {side} cells, padding and stretching included.",
        f"At most {most}: beyond that they cannot be read. The formula has no such bound.",
        "Give a smaller --input, or leave "
        + ("--picture and --kernel-values out." if what == "numbers" else f"{what} out."),
    )


def _check_file(path: str | None, ending: str) -> None:
    if path is not None and Path(path).suffix.lower() != ending:
        raise OptionError(
            f"--{ending[1:]} {path} was given.",
            f"A file whose name ends in {ending}.",
            f"Give a name like convolution{ending}.",
        )
