"""foveal anatomy conv: convolution arithmetic without a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from ..errors import OptionError
from ..options import make
from .window import check_together, setting_of, unit

if TYPE_CHECKING:
    from ..structure.arithmetic import Setting
    from ..structure.kernels import Array

WORKED = 64
"""Side in cells at most to work out numbers for."""
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
    """Cells put around: a number, 1x3 for rows and columns, 0+1 for before and after (0+1x2+3 for rows and columns),
    same or valid."""
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
    channels: Count | None = None
    """Channels of the input, for counting parameters and multiplications (default: 1, or as many as groups)."""
    filters: Count | None = None
    """Channels of the output, one a filter, for counting (default: 1, or as many as there are groups)."""
    groups: Count = 1
    """Parts that the channels are cut into, each seen by its own part of the filters."""
    ceil_mode: bool = False
    """Pooling: round the output's size up, so that the last window may reach beyond the end."""
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
            "groups": s.groups,
            "ceil_mode": any(axis.ceil for axis in s.axes),
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
        options: see `ConvolutionOptions`. Sizes may also be sequences, paddings pairs of before and after for each
            axis, and a kernel's values an array.

    Raises:
        OptionError: a value out of range, options that do not go together, or an output that would be empty.
        PictureError: the picture cannot be read.
        DiskError: a picture cannot be written.
    """
    from ..structure.allowed import check

    chosen = make(ConvolutionOptions, {name: _as_typed(name, value) for name, value in options.items()})
    for path, ending in ((chosen.svg, ".svg"), (chosen.gif, ".gif")):
        _check_file(path, ending)
    check_together(chosen)
    setting, word = setting_of(chosen)
    check(setting)
    at = unit(chosen, setting)
    small = max(max(axis.length, axis.output) for axis in setting.axes) <= WORKED
    if not small and (chosen.picture or chosen.kernel_values):
        raise _too_large("numbers", setting, WORKED)
    done = Convolution(setting, at, word, _numbers(chosen, setting) if small else None)
    return _drawn(done, chosen)


def _as_typed(name: str, value: Any) -> Any:
    """A sequence, or a kernel's array, as it would be typed."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], list | tuple) and name == "padding":
            return "x".join("+".join(map(str, sides)) for sides in value)
        if value and isinstance(value[0], list | tuple):
            return ", ".join(" ".join(map(str, row)) for row in value)
        return (" " if name == "kernel_values" else "x").join(map(str, value))
    return str(value) if isinstance(value, Path) else value


def _numbers(chosen: ConvolutionOptions, setting: Setting) -> Numbers:
    """The output, worked out by hand for one channel and one filter."""
    from ..structure import kernels
    from ..structure.by_hand import convolve, convolve_transposed, pool

    draw = kernels.varied_picture if setting.pools else kernels.shape_picture
    image = kernels.from_file(chosen.picture, setting.shape) if chosen.picture else draw(setting.shape)
    if setting.kind in ("max", "average"):
        how: Literal["max", "average"] = "max" if setting.kind == "max" else "average"
        return Numbers(image, None, pool(image[None], setting.axes, how)[0])
    name = chosen.kernel_values or ("ones" if chosen.transposed else "edge")
    kernel = (
        kernels.NAMED[name](setting.kernel) if name in kernels.NAMED else kernels.typed(name, chosen.dims)
    )
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
