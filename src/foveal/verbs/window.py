"""What slides over what, from the options of `foveal anatomy conv` as they are typed."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from ..errors import OptionError
from ..structure.arithmetic import Axis, Kind, Setting, same

if TYPE_CHECKING:
    from .convolution import ConvolutionOptions

LARGEST, FROM_PICTURE = 100_000, 12
"""Sides in cells: at most, and of a picture's longer side."""


def check_together(chosen: ConvolutionOptions) -> None:
    """Refuse options that do not go together.

    Raises:
        OptionError: there are such.
    """
    pooled = f"--pool {chosen.pool}"
    plain = (0, "0")
    apart = "+" in str(chosen.padding) and any(a != b for a, b in paddings(chosen.padding, chosen.dims))
    for wrong, came, why, todo in (
        (chosen.pool and chosen.transposed, f"{pooled} and --transposed.", "Pooling has no transposed form.",
         "Leave one of them out."),
        (chosen.pool and chosen.kernel_values, f"{pooled} and --kernel-values.", "A pooling window has no weights.",
         "Give --kernel for its size."),
        (chosen.pool and chosen.filters not in (None, 1), f"{pooled} and --filters.",
         "Pooling keeps the input's channels.", "Leave --filters out."),
        (chosen.pool and chosen.groups != 1, f"{pooled} and --groups.", "Pooling looks at each channel alone as it is.",
         "Leave --groups out."),
        (chosen.ceil_mode and not chosen.pool, "--ceil-mode without --pool.",
         "A convolution's size is always rounded down; PyTorch rounds pooling's up where it is asked to.",
         "Give --pool max or --pool average too, or leave --ceil-mode out."),
        (chosen.ceil_mode and apart, f"--ceil-mode and --padding {chosen.padding}.",
         "PyTorch pads pooling alike on both sides; in the padding of a layer before it, a last window may begin.",
         "Give one number as --padding, or leave one of them out."),
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


def setting_of(chosen: ConvolutionOptions) -> tuple[Setting, str]:
    """What slides over what, and the padding where it was given as a word.

    Raises:
        OptionError: a size that is none, or a padding of `same` with a stride.
    """
    kind: Kind = chosen.pool or ("transposed" if chosen.transposed else "convolution")
    axes, word = _axes(chosen, _kernel(chosen), kind)
    channels, filters = chosen.channels or chosen.groups, chosen.filters or chosen.groups
    return Setting(kind, axes, channels, filters, chosen.groups), word


def _axes(chosen: ConvolutionOptions, kernel: tuple[int, ...], kind: Kind) -> tuple[tuple[Axis, ...], str]:
    def numbers(name: str, least: int = 1) -> tuple[int, ...]:
        return sizes(name, getattr(chosen, name), chosen.dims, least)

    word = str(chosen.padding).strip().lower()
    word = word if word in ("same", "valid") else ""
    padding = ((0, 0),) * chosen.dims if word else paddings(chosen.padding, chosen.dims)
    stride = numbers("stride") if chosen.stride is not None else kernel if chosen.pool else (1,) * chosen.dims
    found = [
        Axis(i, k, s, before, after, d, kind == "transposed", a, chosen.ceil_mode)
        for i, k, s, (before, after), d, a in zip(
            _input(chosen), kernel, stride, padding, numbers("dilation"), numbers("output_padding", 0), strict=True
        )
    ]  # fmt: skip
    if word == "same":
        found = _same(found)
    return tuple(found), "" if word == "valid" else word


def _same(axes: list[Axis]) -> list[Axis]:
    """The axes, padded so that they keep their sizes."""
    kept = [same(axis) for axis in axes]
    if any(axis.stride > 1 for axis in axes):
        least = max(-(-(one.before + one.after) // 2) for one in kept if one)
        raise OptionError(
            f"--padding same with stride {'x'.join(str(axis.stride) for axis in axes)}.",
            "PyTorch keeps the size with stride 1 only: a larger stride is there to shrink it.",
            f"Give --padding {least}, or leave --stride out.",
        )
    return [
        dataclasses.replace(axis, before=one.before, after=one.after)
        for axis, one in zip(axes, kept, strict=True)
        if one
    ]


def paddings(value: int | str, dims: int) -> tuple[tuple[int, int], ...]:
    """Cells before and after along each axis: 1, "1x3", "0+1" before and after, "0+1x2+3".

    Raises:
        OptionError: it is none of these, or a number is out of range.
    """
    text = str(value).strip().lower()
    if "+" not in text:
        return tuple((side, side) for side in sizes("padding", value, dims, 0))
    axes = [re.split(r"\s*\+\s*", axis) for axis in re.split(r"\s*[x×,]\s*", text)]
    numbers = [[int(side) for side in axis if re.fullmatch(r"\d{1,9}", side)] for axis in axes]
    fits = all(len(a) == len(n) and len(a) in (1, 2) for a, n in zip(axes, numbers, strict=True))
    if not fits or len(axes) not in (1, dims) or max(max(n) for n in numbers) > LARGEST:
        raise OptionError(
            f"--padding was given as {str(value)!r}.",
            f"--padding takes what comes before and after with a + between, from 0 to {LARGEST:,}, as in 0+1"
            + (": for rows and columns 0+1x2+3, above + below x left + right." if dims == 2 else "."),
            "Give --padding 0+1, say.",
        )
    pairs = tuple((n[0], n[-1]) for n in numbers)
    return pairs if len(pairs) == dims else pairs * dims


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
    words = ", 0+1 for before and after, same or valid" if name == "padding" else ""
    todo = f"Give {flag} {max(least, 1)}, say."
    if dims == 1 and len(numbers) == 2:
        todo = "Leave --dims 1 out for two axes."
    elif name == "padding" and len(numbers) == len(parts) == 2 * dims:
        todo = "For sides apart give above + below x left + right, as in 0+1x2+3."
    if dims == 1 and name == "padding" and len(numbers) == 2:
        todo = f"Give {flag} {numbers[0]}+{numbers[1]} for before and after."
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


def unit(chosen: ConvolutionOptions, setting: Setting) -> tuple[int, ...]:
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
